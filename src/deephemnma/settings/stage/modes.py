"""Options of `deephemnma modes`."""

from dataclasses import dataclass, field
from pathlib import Path

from deephemnma.settings.check import check_at_least, check_positive
from deephemnma.settings.choice import ChoiceOptions
from deephemnma.settings.molecule import MoleculeOptions


@dataclass(frozen=True)
class AnimationOptions:
    """The multi-model PDB of each mode."""

    animation_rmsd: float = 3.0
    """Greatest displacement along a mode, A of RMSD, > 0."""
    animation_frames: int = 21
    """Models in each file, >= 3."""

    def __post_init__(self) -> None:
        check_positive("--animation-rmsd", self.animation_rmsd)
        check_at_least("--animation-frames", self.animation_frames, 3)


@dataclass(frozen=True)
class ModesStage:
    """Compute the normal modes of a structure or map, and propose which to estimate."""

    reference: Path
    """Atomic model (PDB or mmCIF, plain or .gz) or EM map (.mrc, .map); or a folder that `deephemnma modes` wrote, to
    choose among its modes once more."""
    molecule: MoleculeOptions = field(default_factory=MoleculeOptions)
    choice: ChoiceOptions = field(default_factory=ChoiceOptions)
    animation: AnimationOptions = field(default_factory=AnimationOptions)
