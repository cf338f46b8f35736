"""Options that give other modes than those of an elastic network."""

from dataclasses import dataclass
from pathlib import Path

from deephemnma.core.error import InputError


@dataclass(frozen=True)
class BasisOptions:
    """Instead of an elastic network: conformations, or vectors of another program."""

    ensemble: tuple[Path, ...] | None = None
    """Conformations whose principal components about the reference are to be the modes: PDB or mmCIF files of one or
    many models, or trajectories (.dcd, .xtc; with the extra `trajectory`). --n-modes says how many."""
    vectors: Path | None = None
    """Modes of another program: elNemo's eigenfacs, Xmipp's modes.xmd, vec file or folder of them, ProDy's .nmd. Scaled
    to unit norm; those that move the molecule as a whole are left out."""

    def __post_init__(self) -> None:
        if self.ensemble == ():
            raise InputError("--ensemble wants the files of the conformations: name one or more, or leave it out.")
        if self.ensemble and self.vectors is not None:
            raise InputError("Give either --ensemble or --vectors, not both.")
