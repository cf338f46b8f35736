"""Options of the elastic network and of its normal modes."""

from dataclasses import dataclass

from deephemnma.core.error import InputError
from deephemnma.settings.check import check_at_least, check_between, check_positive


@dataclass(frozen=True)
class NetworkOptions:
    """The springs between the sites, and how many modes are computed."""

    cutoff: float | None = None
    """Sites up to this distance are joined by a spring, A, > 0; 8 if neither this nor --relative-cutoff is given."""
    relative_cutoff: float | None = None
    """Instead of --cutoff: the distance below which lie this per cent, above 0 and up to 100, of the distances of each
    site to its three nearest (HEMNMA takes 95)."""
    n_modes: int = 20
    """Modes to compute, the six rigid ones included, >= 7."""

    def __post_init__(self) -> None:
        check_at_least("--n-modes", self.n_modes, 7)
        for option, value in (("--cutoff", self.cutoff), ("--relative-cutoff", self.relative_cutoff)):
            if value is not None:
                check_positive(option, value)
        if self.cutoff is not None and self.relative_cutoff is not None:
            raise InputError("Give either --cutoff or --relative-cutoff, not both.")
        if self.relative_cutoff is not None:
            check_between("--relative-cutoff", self.relative_cutoff, 0, 100)
