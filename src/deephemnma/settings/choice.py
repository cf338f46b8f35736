"""Options that say what the proposal of modes goes by."""

from dataclasses import dataclass
from pathlib import Path

from deephemnma.core.error import InputError
from deephemnma.settings.check import check_at_least, check_between


@dataclass(frozen=True)
class ChoiceOptions:
    """What is known of the motion, and which modes are proposed."""

    towards: Path | None = None
    """A second structure of the molecule (PDB or mmCIF), such as another state of it: tells how much of the way there
    each mode goes."""
    fit: Path | None = None
    """Instead of --towards: the folder that `deephemnma fit` wrote for these modes, with the motion found in a map."""
    observability: Path | None = None
    """Folder that `deephemnma observability` wrote for these modes: those that less than a tenth of the images show are
    not proposed."""
    lowest_collectivity: float = 0.15
    """Modes in which a smaller share of the sites takes part are not proposed, 0-1."""
    most_modes: int = 6
    """Modes to propose at the most, >= 1."""

    def __post_init__(self) -> None:
        if self.towards is not None and self.fit is not None:
            raise InputError("Give either --towards or --fit, not both: modes are chosen by one motion.")
        check_between("--lowest-collectivity", self.lowest_collectivity, 0, 1)
        check_at_least("--most-modes", self.most_modes, 1)
