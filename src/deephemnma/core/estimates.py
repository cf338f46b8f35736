"""The hinge of the pipeline: alignment and network both return `Estimates`."""

from dataclasses import dataclass
from enum import StrEnum

import torch
from jaxtyping import Float, Int
from torch import Tensor

from deephemnma.core.particle import Poses


class Status(StrEnum):
    """What became of an image."""

    CONVERGED = "converged"
    NOT_CONVERGED = "not_converged"
    """The iterations ran out."""
    NO_IMPROVEMENT = "no_improvement"
    """Refinement at full resolution did not beat its start, or an empty image explains the image as well."""
    OUT_OF_RANGE = "out_of_range"
    """Amplitudes or shift ended outside what was searched, by more than their error bars: the answer is kept."""
    AMBIGUOUS = "ambiguous"
    """Another, distinct minimum is about as likely; it is kept as an alternative."""
    REJECTED = "rejected"
    """The fit ended, but explains the image worse than noise allows."""
    JUNK = "junk"
    """The fit explains no more than the best of all templates explains of noise alone."""
    BAD_IMAGE = "bad_image"
    """The image holds NaN or is flat."""
    PREDICTED = "predicted"
    """By the network, not refined."""
    GIVEN = "given"
    """Truth of a simulation, or values taken over from a file."""


CERTAIN = (Status.CONVERGED, Status.GIVEN)
"""Answers to learn from."""
USABLE = (*CERTAIN, Status.PREDICTED)
"""Answers that are shown in the landscape and enter maps; all others say themselves that the image did not work out."""
FAILED = (Status.NO_IMPROVEMENT, Status.REJECTED, Status.JUNK)
"""No right answer was found: a refinement sends these to the search from no prior knowledge."""


@dataclass(frozen=True)
class Contrasts:
    """Fitted contrast of each image.

    Attributes
    ----------
    values
        Grey values of the image for a projection of 1.
    covariance
        With amplitudes, rotation and shift, as in :class:`Estimates`, and last its own variance.
    """

    values: Float[Tensor, "images"]
    covariance: Float[Tensor, "images parameters"]

    @property
    def standard_deviations(self) -> Float[Tensor, "images"]:
        """Error bar of each contrast."""
        return self.covariance[:, -1].sqrt()

    def select(self, rows: Int[Tensor, "rows"]) -> "Contrasts":
        """Return the contrasts of `rows`."""
        return Contrasts(self.values[rows], self.covariance[rows])


@dataclass(frozen=True)
class Estimates:
    """Conformation and pose of each image, with error bars.

    Attributes
    ----------
    names
        Image names, as in :class:`~deephemnma.core.particle.ImageSource`.
    poses
        Orientation and shift.
    amplitudes
        A, one column a mode.
    covariance
        Of (amplitudes, three small rotations about the view axes x y z in radians, shift x, shift y in A): the
        inverse Fisher matrix with the contrast fitted. NaN where no error bar is known.
    score
        High is good. From alignment: about standard normal for right answers, lower for wrong ones.
    status
        One a image.
    mode_numbers
        The users' numbers of the columns of `amplitudes`.
    contrasts
        None where no contrast was fitted.
    """

    names: tuple[str, ...]
    poses: Poses
    amplitudes: Float[Tensor, "images modes"]
    covariance: Float[Tensor, "images parameters parameters"]
    score: Float[Tensor, "images"]
    status: tuple[Status, ...]
    mode_numbers: tuple[int, ...]
    contrasts: Contrasts | None = None

    def __len__(self) -> int:
        return len(self.names)

    @property
    def n_modes(self) -> int:
        """Number of modes."""
        return len(self.mode_numbers)

    @property
    def standard_deviations(self) -> Float[Tensor, "images parameters"]:
        """Square roots of the covariance's diagonal."""
        return self.covariance.diagonal(dim1=-2, dim2=-1).sqrt()

    def select(self, rows: Int[Tensor, "rows"]) -> "Estimates":
        """Return the estimates of `rows`."""
        kept = rows.tolist()
        return Estimates(
            names=tuple(self.names[row] for row in kept),
            poses=self.poses.select(rows),
            amplitudes=self.amplitudes[rows],
            covariance=self.covariance[rows],
            score=self.score[rows],
            status=tuple(self.status[row] for row in kept),
            mode_numbers=self.mode_numbers,
            contrasts=None if self.contrasts is None else self.contrasts.select(rows),
        )

    def select_status(self, *wanted: Status) -> "Estimates":
        """Return the estimates whose status is one of `wanted`."""
        rows = [row for row, status in enumerate(self.status) if status in wanted]
        return self.select(torch.tensor(rows, dtype=torch.long))


def make_estimates(
    *,
    names: tuple[str, ...],
    poses: Poses,
    amplitudes: Float[Tensor, "images modes"],
    mode_numbers: tuple[int, ...],
    status: Status,
) -> Estimates:
    """Make estimates without error bars or score (truth, predictions, poses of a file), all of one `status`."""
    n_images, n_parameters = len(names), len(mode_numbers) + 5
    return Estimates(
        names=names,
        poses=poses,
        amplitudes=amplitudes,
        covariance=torch.full((n_images, n_parameters, n_parameters), torch.nan, dtype=torch.float64),
        score=torch.full((n_images,), torch.nan, dtype=torch.float64),
        status=(status,) * n_images,
        mode_numbers=mode_numbers,
    )


def concatenate_estimates(parts: list[Estimates]) -> Estimates:
    """Return the rows of all `parts` (same modes) as one; with contrasts if all have them."""
    contrasts = [part.contrasts for part in parts if part.contrasts is not None]
    return Estimates(
        names=tuple(name for part in parts for name in part.names),
        poses=Poses(
            torch.cat([part.poses.rotations for part in parts]), torch.cat([part.poses.shifts for part in parts])
        ),
        amplitudes=torch.cat([part.amplitudes for part in parts]),
        covariance=torch.cat([part.covariance for part in parts]),
        score=torch.cat([part.score for part in parts]),
        status=tuple(status for part in parts for status in part.status),
        mode_numbers=parts[0].mode_numbers,
        contrasts=_concatenate_contrasts(contrasts) if len(contrasts) == len(parts) else None,
    )


def _concatenate_contrasts(parts: list[Contrasts]) -> Contrasts:
    return Contrasts(torch.cat([part.values for part in parts]), torch.cat([part.covariance for part in parts]))
