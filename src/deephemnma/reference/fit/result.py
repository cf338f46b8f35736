"""What a flexible fit returns."""

from dataclasses import dataclass
from enum import StrEnum

from jaxtyping import Float
from torch import Tensor

from deephemnma.reference.fit.placement import Placement


class FitStatus(StrEnum):
    """What became of a fit."""

    CONVERGED = "converged"
    NOT_CONVERGED = "not_converged"
    """The iterations ran out at the finest level."""
    POOR = "poor"
    """The model explains the overall shape of the map at the most: a wrong docking, or another molecule."""
    OUTSIDE = "outside"
    """Sites ended outside the box that was cut out of the map."""
    AMBIGUOUS = "ambiguous"
    """Another docking is about as likely."""


@dataclass(frozen=True)
class Level:
    """One level of resolution.

    Attributes
    ----------
    resolution
        A.
    rigid, flexible
        Correlation of map and model to this resolution, 0-1.
    amplitudes
        A.
    """

    resolution: float
    rigid: float
    flexible: float
    amplitudes: Float[Tensor, "modes"]


@dataclass(frozen=True)
class MapFit:
    """A reference fitted into a map.

    Attributes
    ----------
    rigid, flexible
        Where it fits best as it is, and where with its modes.
    covariance
        Of amplitudes, three small rotations about x y z of the map in radians, and shift in A.
    status
        Whether the answer can be trusted.
    ambiguous
        Whether another docking was about as likely, at a level or before; of other troubles the status tells first.
    temperature
        Of the modes: an amplitude is expected to have the variance temperature / stiffness, A^2.
    levels
        From coarse to fine.
    """

    rigid: Placement
    flexible: Placement
    covariance: Float[Tensor, "parameters parameters"]
    status: FitStatus
    ambiguous: bool
    temperature: float
    levels: tuple[Level, ...]

    @property
    def resolution(self) -> float:
        """To which map and model were compared at the last, A."""
        return self.levels[-1].resolution

    @property
    def standard_deviations(self) -> Float[Tensor, "parameters"]:
        """Error bars, in the order of the covariance."""
        return self.covariance.diagonal().clamp_min(0).sqrt()
