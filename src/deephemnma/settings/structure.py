"""Options that say what is read from an atomic structure, and which sites of it move."""

from dataclasses import dataclass
from typing import Literal

from deephemnma.core.error import InputError
from deephemnma.settings.check import check_at_least, check_one_of, check_positive

SITES = ("heavy", "all", "ca", "ca-p", "residue")


@dataclass(frozen=True)
class StructureOptions:
    """For an atomic structure: what is taken of it."""

    sites: Literal["heavy", "all", "ca", "ca-p", "residue"] = "heavy"
    """Sites of an atomic model: atoms without hydrogens, all atoms, or one bead a residue: at the CA of amino acids, at
    these and the P of nucleotides, or at the centre of each residue of any kind."""
    residues_per_bead: int = 1
    """With --sites residue: residues of a chain that share a bead, about, >= 1."""
    bead_resolution: float | None = None
    """Fit weights and widths of the Gaussians, so that projections come closest to those of all atoms of the file down
    to this detail, A, > 0; by default they follow from each site's own atoms alone."""
    file_b_factors: bool = False
    """Widen the Gaussians by the B-factors of the file. Those of crystals hold the disorder of the crystal too, and
    none is the envelope of a cryo-EM map."""
    select: str | None = None
    """Atoms to take, in gemmi's selection language: "//A,B/10-120" for residues 10 to 120 of the chains A and B,
    "(ALA)" for a residue name, "//*//CA[C]" for an atom's. Several, parted by spaces, add up; after the word "not" they
    are left out: "//A //B not (HEM)". By default all atoms."""
    assembly: str | None = None
    """Name of the biological assembly to make of the (selected) atoms, as "1", where the file describes any."""
    model: int | None = None
    """Number that the file gives the model to take, for files of several; by default the first."""

    def __post_init__(self) -> None:
        check_one_of("--sites", self.sites, SITES)
        check_at_least("--residues-per-bead", self.residues_per_bead, 1)
        if self.residues_per_bead > 1 and self.sites != "residue":
            raise InputError(
                f"--residues-per-bead {self.residues_per_bead} takes --sites residue, but --sites is {self.sites}."
            )
        if self.bead_resolution is not None:
            check_positive("--bead-resolution", self.bead_resolution)
