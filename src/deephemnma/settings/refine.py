"""Options of the refinement of given poses and amplitudes."""

from dataclasses import dataclass
from typing import Literal, get_args

from deephemnma.settings.check import check_at_least, check_one_of, check_positive

Strategy = Literal["local", "conformation", "rigid", "rigid-local"]


@dataclass(frozen=True)
class RefineSettings:
    """How predictions, or poses and amplitudes of any other origin, are finished."""

    strategy: Strategy = "local"
    """What is searched, then refined. local: everything, around what is given; amplitudes that are not given (poses of
    another program) over the conformations of the search. conformation: amplitudes alone; the given poses are kept.
    rigid: orientation and shift from no prior knowledge, each image against its given conformation, which is kept (the
    reference itself where none is given). rigid-local: the same around the given pose. What is kept gets no error bar;
    and as it may be wrong, no image is rejected for a fit worse than noise allows: the score tells."""
    candidates: int = 96
    """States tried around each given one at the resolution of the search, 1 or more; the given one is the first."""
    starts: int = 0
    """Of these, how many are refined locally; 0 for as many as the contrast and the noise of the images ask for: 8 at
    SNR 0.1, more of a weaker signal, with further states drawn from within the error bars of each resolution."""
    finalists: int = 0
    """Of these, how many are refined to the end; 0 for as many as the images ask for."""
    rotation_spread_deg: float = 12.0
    """Standard deviation about each axis of the rotations tried, degrees, where the given ones have no error bars."""
    amplitude_spread: float = 1.2
    """Standard deviation of the amplitudes tried, A RMSD, where the given ones have no error bars."""
    shift_spread: float = 2.0
    """Standard deviation of the shifts tried, A, where the given ones have no error bars."""
    fall_back: bool = True
    """With the local strategy: send images whose refined fit the score rejects to the search from no prior
    knowledge. What the other strategies keep, they keep."""

    def __post_init__(self) -> None:
        check_one_of("--strategy", self.strategy, get_args(Strategy))
        check_at_least("--candidates", self.candidates, 1)
        check_at_least("--starts", self.starts, 0)
        check_at_least("--finalists", self.finalists, 0)
        check_positive("--rotation-spread-deg", self.rotation_spread_deg)
        check_positive("--amplitude-spread", self.amplitude_spread)
        check_positive("--shift-spread", self.shift_spread)

    @property
    def falls_back(self) -> bool:
        """Whether rejected images are searched from no prior knowledge."""
        return self.fall_back and self.strategy == "local"
