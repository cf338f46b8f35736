"""Options that say how a map becomes pseudoatoms."""

from dataclasses import dataclass

from deephemnma.settings.check import check_between


@dataclass(frozen=True)
class PseudoatomOptions:
    """For a map: the Gaussians that stand for it."""

    target_error: float = 0.05
    """Error of the pseudoatoms' density, relative to the map's, 0.001-0.99."""

    def __post_init__(self) -> None:
        check_between("--target-error", self.target_error, 0.001, 0.99)
