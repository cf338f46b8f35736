"""Options that say how a structure or map becomes Gaussians that move."""

from dataclasses import dataclass, field

from deephemnma.core.error import InputError
from deephemnma.settings.check import check_positive
from deephemnma.settings.network import NetworkOptions
from deephemnma.settings.pseudoatom import PseudoatomOptions
from deephemnma.settings.structure import StructureOptions


@dataclass(frozen=True)
class MoleculeOptions:
    """From a structure or map to Gaussians and an elastic network."""

    width: float | None = None
    """Standard deviation of every Gaussian, A, > 0; by default that of an atom, of the residue a bead stands for, or,
    for a map, one voxel or what the size of the molecule asks for."""
    structure: StructureOptions = field(default_factory=StructureOptions)
    pseudoatoms: PseudoatomOptions = field(default_factory=PseudoatomOptions)
    network: NetworkOptions = field(default_factory=NetworkOptions)

    def __post_init__(self) -> None:
        if self.width is not None:
            check_positive("--width", self.width)
            for option in ("bead_resolution", "file_b_factors"):
                if getattr(self.structure, option):
                    name = option.replace("_", "-")
                    raise InputError(f"--width sets the widths that --{name} would find: give one of the two.")
