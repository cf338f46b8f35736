"""Options that say what is read from an atomic structure, and which sites of it move."""

from dataclasses import dataclass
from typing import Literal

from deephemnma.settings.check import check_one_of

SITES = ("heavy", "all", "ca", "ca-p")


@dataclass(frozen=True)
class StructureOptions:
    """For an atomic structure: what is taken of it."""

    sites: Literal["heavy", "all", "ca", "ca-p"] = "heavy"
    """Sites of an atomic model: atoms without hydrogens, all atoms, or one bead a residue."""
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
