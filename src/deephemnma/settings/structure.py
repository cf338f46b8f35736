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

    def __post_init__(self) -> None:
        check_one_of("--sites", self.sites, SITES)
