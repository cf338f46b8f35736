"""Options of the elastic network and of its normal modes."""

from dataclasses import dataclass
from typing import Literal

from deephemnma.core.error import InputError
from deephemnma.settings.check import check_at_least, check_between, check_one_of, check_positive

FORCE_FIELDS = ("uniform", "hinsen", "pfanm")


@dataclass(frozen=True)
class NetworkOptions:
    """The springs between the sites, and how many modes are computed."""

    force_field: Literal["uniform", "hinsen", "pfanm"] = "uniform"
    """Stiffness of the springs: the same for all (HEMNMA), as 1 / distance^6 but stiff along the backbone (hinsen: for
    one bead a residue), or as 1 / distance^2 (pfanm)."""
    cutoff: float | None = None
    """Sites up to this distance are joined by a spring, A, > 0; without this or --relative-cutoff 8, or more where that
    does not hold the sites together, and half as much again for hinsen and pfanm."""
    relative_cutoff: float | None = None
    """Instead of --cutoff: the distance below which lie this per cent, above 0 and up to 100, of the distances of each
    site to its three nearest (HEMNMA takes 95)."""
    block_residues: int | None = None
    """Residues of a chain that move together as a rigid block, >= 1 (RTB; HEMNMA's ribosome: 20), which is quicker and
    stiffens the molecule; of pseudoatoms, neighbours. By default every site moves."""
    n_modes: int = 20
    """Modes to compute, the six rigid ones included, >= 7."""

    def __post_init__(self) -> None:
        check_one_of("--force-field", self.force_field, FORCE_FIELDS)
        check_at_least("--n-modes", self.n_modes, 7)
        if self.block_residues is not None:
            check_at_least("--block-residues", self.block_residues, 1)
        for option, value in (("--cutoff", self.cutoff), ("--relative-cutoff", self.relative_cutoff)):
            if value is not None:
                check_positive(option, value)
        if self.cutoff is not None and self.relative_cutoff is not None:
            raise InputError("Give either --cutoff or --relative-cutoff, not both.")
        if self.relative_cutoff is not None:
            check_between("--relative-cutoff", self.relative_cutoff, 0, 100)
