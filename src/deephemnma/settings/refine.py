"""Options of the refinement of given poses and amplitudes."""

from dataclasses import dataclass

from deephemnma.settings.check import check_at_least, check_positive


@dataclass(frozen=True)
class RefineSettings:
    """How predictions, or poses and amplitudes of any other origin, are finished by a local search."""

    candidates: int = 96
    """States tried around each given one at the resolution of the search, 1 or more; the given one is the first."""
    starts: int = 8
    """Of these, how many are refined locally, 1 or more."""
    finalists: int = 2
    """Of these, how many are refined to the end, 1 or more."""
    rotation_spread_deg: float = 12.0
    """Standard deviation about each axis of the rotations tried, degrees, where the given ones have no error bars."""
    amplitude_spread: float = 1.2
    """Standard deviation of the amplitudes tried, A RMSD, where the given ones have no error bars."""
    shift_spread: float = 2.0
    """Standard deviation of the shifts tried, A, where the given ones have no error bars."""
    fall_back: bool = True
    """Send images whose refined fit the score rejects to the search from no prior knowledge."""

    def __post_init__(self) -> None:
        for name in ("candidates", "starts", "finalists"):
            check_at_least(f"--{name}", getattr(self, name), 1)
        check_positive("--rotation-spread-deg", self.rotation_spread_deg)
        check_positive("--amplitude-spread", self.amplitude_spread)
        check_positive("--shift-spread", self.shift_spread)
