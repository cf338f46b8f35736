"""The errors of a set of images in one table: how far off on average, and how often not at all."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from deephemnma.core.estimates import Estimates
from deephemnma.metrics.displacement import compute_amplitude_rmsd, compute_rotation_rmsd, compute_shift_rmsd
from deephemnma.metrics.error import ImageErrors, compute_errors, match_names


@dataclass(frozen=True)
class FailureRule:
    """When an image counts as failed: it converged elsewhere, or nothing was found for it.

    Attributes
    ----------
    deviations
        With a bound: any parameter further off than so many standard deviations of the bound. At the bound itself
        this befalls less than one image in 10^5. None: go by angle and displacement even so.
    angle
        Without a bound: a geodesic angle above this, radians ...
    displacement
        ... or an RMSD by amplitudes or by shift above this, A.
    """

    deviations: float | None = 5.0
    angle: float = math.radians(3.0)
    displacement: float = 1.0


@dataclass(frozen=True)
class Spread:
    """Distribution of an absolute error over the images for which something was found, failed ones included."""

    mean: float
    sd: float
    median: float
    percentile_90: float


@dataclass(frozen=True)
class ErrorSummary:
    """Errors of a set of images, the failure rate beside the means.

    Attributes
    ----------
    n_images, n_failed, n_unnoticed
        Images compared; failed by the `rule`; failed without a status that says so.
    mode_numbers, amplitudes
        The users' numbers of the modes and the absolute error of each, A.
    amplitude
        Absolute error over all modes, A.
    axis_angle, geodesic_angle
        Radians: mean angle between the three rotated axes (the paper's), angle of rotation.
    shift
        Absolute error of a shift, x and y pooled, A.
    amplitude_rmsd, rotation_rmsd, shift_rmsd
        Errors as displacement of the sites, A (the paper's Tables 2 and 4).
    rule
        When an image counts as failed.
    """

    n_images: int
    n_failed: int
    n_unnoticed: int
    mode_numbers: tuple[int, ...]
    amplitudes: tuple[Spread, ...]
    amplitude: Spread
    axis_angle: Spread
    geodesic_angle: Spread
    shift: Spread
    amplitude_rmsd: Spread
    rotation_rmsd: Spread
    shift_rmsd: Spread
    rule: FailureRule

    @property
    def failure_rate(self) -> float:
        """Share of failed images, 0-1."""
        return self.n_failed / self.n_images


def compare_estimates(
    found: Estimates,
    truth: Estimates,
    *,
    n_sites: int,
    positions: Float[Tensor, "sites 3"] | None = None,
    bound_sd: Float[Tensor, "images parameters"] | None = None,
    symmetry: str = "C1",
    rule: FailureRule | None = None,
) -> ErrorSummary:
    """Summarise the errors of `found` against `truth`, matched by image name.

    Parameters
    ----------
    found, truth
        Estimates with the same modes; images that only one of them has are left out.
    n_sites
        Sites of the model that the modes move.
    positions
        Their coordinates about the centre of rotation, A; without them the RMSD by rotation is NaN.
    bound_sd
        Smallest standard deviations that any method can reach (Cramer-Rao), a row for each image of `truth`,
        parameters as in the covariance of the estimates.
    symmetry
        Point group modulo which orientations are compared.
    rule
        When an image counts as failed; :class:`FailureRule` as it comes if None.

    Raises
    ------
    InputError
        If the modes differ or no image is in both sets.
    """
    rule = rule or FailureRule()
    errors = compute_errors(found, truth, symmetry=symmetry)
    if bound_sd is not None:
        bound_sd = bound_sd[match_names(found.names, truth.names)[1]].double()
    return summarize_errors(errors, n_sites=n_sites, positions=positions, bound_sd=bound_sd, rule=rule)


def find_failures(
    errors: ImageErrors, *, n_sites: int, bound_sd: Float[Tensor, "images parameters"] | None, rule: FailureRule
) -> Bool[Tensor, "images"]:
    """Return which images failed by `rule`; those without a finite bound are judged as if none were given."""
    displaced = torch.maximum(
        compute_amplitude_rmsd(errors.amplitudes, n_sites=n_sites), compute_shift_rmsd(errors.shifts)
    )
    failed = (errors.geodesic_angle > rule.angle) | (displaced > rule.displacement)
    if bound_sd is not None and rule.deviations is not None:
        beyond = (errors.parameters.abs() > rule.deviations * bound_sd).any(1)
        failed = torch.where(bound_sd.isfinite().all(1), beyond, failed)
    return failed | ~errors.present


def summarize_errors(
    errors: ImageErrors,
    *,
    n_sites: int,
    positions: Float[Tensor, "sites 3"] | None,
    bound_sd: Float[Tensor, "images parameters"] | None,
    rule: FailureRule,
) -> ErrorSummary:
    """Summarise `errors`; see :func:`compare_estimates`."""
    failed = find_failures(errors, n_sites=n_sites, bound_sd=bound_sd, rule=rule)
    kept = errors.present
    turned = torch.full((len(errors),), torch.nan)
    if positions is not None:
        turned = compute_rotation_rmsd(errors.found_rotations, errors.true_rotations, positions=positions)
    amplitudes = errors.amplitudes[kept]
    return ErrorSummary(
        n_images=len(errors),
        n_failed=int(failed.sum()),
        n_unnoticed=int((failed & ~errors.flagged).sum()),
        mode_numbers=errors.mode_numbers,
        amplitudes=tuple(compute_spread(column) for column in amplitudes.unbind(1)),
        amplitude=compute_spread(amplitudes.flatten()),
        axis_angle=compute_spread(errors.axis_angle[kept]),
        geodesic_angle=compute_spread(errors.geodesic_angle[kept]),
        shift=compute_spread(errors.shifts[kept].flatten()),
        amplitude_rmsd=compute_spread(compute_amplitude_rmsd(amplitudes, n_sites=n_sites)),
        rotation_rmsd=compute_spread(turned[kept]),
        shift_rmsd=compute_spread(compute_shift_rmsd(errors.shifts[kept])),
        rule=rule,
    )


def compute_spread(values: Float[Tensor, "values"]) -> Spread:
    """Return the distribution of the absolute `values`; NaN throughout if there are none."""
    values = values.abs().double()
    if len(values) == 0:
        return Spread(math.nan, math.nan, math.nan, math.nan)
    middle, high = torch.quantile(values, torch.tensor([0.5, 0.9], dtype=torch.float64)).tolist()
    return Spread(float(values.mean()), float(values.std(correction=0)), middle, high)
