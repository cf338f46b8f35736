"""Options that say which molecule moves, and how."""

from dataclasses import dataclass, field
from pathlib import Path

from deephemnma.settings.modes import AUTO, parse_mode_numbers
from deephemnma.settings.molecule import MoleculeOptions


@dataclass(frozen=True)
class ReferenceOptions:
    """The molecule, and the modes along which it moves."""

    reference: Path
    """Atomic model (PDB or mmCIF, plain or .gz), EM map (.mrc, .map), or the folder or modes.npz that `deephemnma
    modes` wrote, which saves computing the modes again."""
    modes: str = "7-9"
    """Modes to move along: "7-9" or "7,8,11" (of normal modes 1-6 are rigid); "auto" for those that `deephemnma modes`
    proposes; "" for none (rigid)."""
    molecule: MoleculeOptions = field(default_factory=MoleculeOptions)

    @property
    def mode_numbers(self) -> tuple[int, ...] | None:
        """The numbers of :attr:`modes`; None where the choice is left to the program."""
        if self.modes.strip() == AUTO:
            return None
        return parse_mode_numbers(self.modes) if self.modes else ()

    def __post_init__(self) -> None:
        self.mode_numbers  # noqa: B018 - the check
