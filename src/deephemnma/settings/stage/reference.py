"""Options that say which molecule moves, and how."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from deephemnma.core.error import InputError
from deephemnma.settings.check import check_at_least, check_between, check_one_of, check_positive
from deephemnma.settings.modes import parse_mode_numbers

SITES = ("heavy", "all", "ca", "ca-p")


@dataclass(frozen=True)
class NetworkOptions:
    """From a structure or map to Gaussians and an elastic network."""

    sites: Literal["heavy", "all", "ca", "ca-p"] = "heavy"
    """Sites of an atomic model: atoms without hydrogens, all atoms, or one bead a residue."""
    cutoff: float | None = None
    """Sites up to this distance are joined by a spring, A, > 0; 8 if neither this nor --relative-cutoff is given."""
    relative_cutoff: float | None = None
    """Instead of --cutoff: the distance below which lie this per cent, above 0 and up to 100, of the distances of each
    site to its three nearest (HEMNMA takes 95)."""
    n_modes: int = 20
    """Modes to compute, the six rigid ones included, >= 7."""
    width: float | None = None
    """Standard deviation of every Gaussian, A, > 0; by default that of an atom or of the residue a bead stands for."""
    target_error: float = 0.05
    """For a map: error of the pseudoatoms' density, relative to the map's, 0.001-0.99."""

    def __post_init__(self) -> None:
        check_one_of("--sites", self.sites, SITES)
        check_at_least("--n-modes", self.n_modes, 7)
        check_between("--target-error", self.target_error, 0.001, 0.99)
        lengths = (("--cutoff", self.cutoff), ("--relative-cutoff", self.relative_cutoff), ("--width", self.width))
        for option, value in lengths:
            if value is not None:
                check_positive(option, value)
        if self.cutoff is not None and self.relative_cutoff is not None:
            raise InputError("Give either --cutoff or --relative-cutoff, not both.")
        if self.relative_cutoff is not None:
            check_between("--relative-cutoff", self.relative_cutoff, 0, 100)


@dataclass(frozen=True)
class ReferenceOptions:
    """The molecule, and the modes along which it moves."""

    reference: Path
    """Atomic model (PDB or mmCIF, plain or .gz), EM map (.mrc, .map), or the folder or modes.npz that `deephemnma
    modes` wrote, which saves computing the modes again."""
    modes: str = "7-9"
    """Modes to move along, from 7: "7-9" or "7,8,11"; "" for none (rigid)."""
    network: NetworkOptions = field(default_factory=NetworkOptions)

    @property
    def mode_numbers(self) -> tuple[int, ...]:
        """The numbers of :attr:`modes`."""
        return parse_mode_numbers(self.modes) if self.modes else ()

    def __post_init__(self) -> None:
        self.mode_numbers  # noqa: B018 - the check
