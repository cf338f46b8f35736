"""Options of `deephemnma modes`."""

from dataclasses import dataclass, field
from pathlib import Path

from deephemnma.settings.animation import AnimationOptions
from deephemnma.settings.basis import BasisOptions
from deephemnma.settings.choice import ChoiceOptions
from deephemnma.settings.molecule import MoleculeOptions


@dataclass(frozen=True)
class ModesStage:
    """Compute the normal modes of a structure or map, and propose which to estimate."""

    reference: Path
    """Atomic model (PDB or mmCIF, plain or .gz) or EM map (.mrc, .map); or a folder that `deephemnma modes` wrote, to
    choose among its modes once more."""
    molecule: MoleculeOptions = field(default_factory=MoleculeOptions)
    basis: BasisOptions = field(default_factory=BasisOptions)
    choice: ChoiceOptions = field(default_factory=ChoiceOptions)
    animation: AnimationOptions = field(default_factory=AnimationOptions)
