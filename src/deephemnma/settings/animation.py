"""Options that say how a moving molecule is shown."""

from dataclasses import dataclass, field
from typing import Literal

from deephemnma.core.error import InputError
from deephemnma.settings.check import check_at_least, check_one_of, check_positive
from deephemnma.settings.modes import parse_mode_numbers

FORMATS = ("pdb", "cif", "dcd")


@dataclass(frozen=True)
class DeformationOptions:
    """How amplitudes become coordinates that are shown; what is estimated is always linear."""

    deformation: Literal["linear", "blocks"] = "linear"
    """"linear": every site on a straight line, as in the estimation; turning parts grow and bonds stretch. "blocks":
    residues turn as rigid bodies, and bonds keep their lengths."""
    deformation_residues: int = 1
    """Residues in a rigid block, >= 1."""

    def __post_init__(self) -> None:
        check_one_of("--deformation", self.deformation, ("linear", "blocks"))
        check_at_least("--deformation-residues", self.deformation_residues, 1)
        if self.deformation_residues > 1 and self.deformation != "blocks":
            raise InputError("--deformation-residues sizes the blocks of --deformation blocks: name this too.")


@dataclass(frozen=True)
class MovieOptions:
    """The files of a moving molecule."""

    format: str | None = None
    """Formats of the models, one or several of pdb, cif, dcd: "pdb,dcd"; by default PDB, or mmCIF where PDB is too
    narrow for the molecule. DCD needs the extra `trajectory`."""
    deformation: DeformationOptions = field(default_factory=DeformationOptions)

    @property
    def formats(self) -> tuple[str, ...]:
        """The formats of :attr:`format`; none if the molecule decides."""
        return () if self.format is None else tuple(word.strip().lower() for word in self.format.split(","))

    def __post_init__(self) -> None:
        for word in self.formats:
            check_one_of("--format", word, FORMATS)
        if len(set(self.formats)) != len(self.formats):
            raise InputError(f"--format must name each format once, but {self.format!r} was given.")


@dataclass(frozen=True)
class AnimationOptions:
    """The models of each mode."""

    animation_rmsd: float = 3.0
    """Greatest displacement along a mode, A of RMSD, > 0."""
    animation_frames: int = 21
    """Models of each mode, >= 3."""
    animation_modes: str | None = None
    """Modes that become models: "7-9"; "" for none; by default all, or as many of the softest as make 200 MB."""
    movie: MovieOptions = field(default_factory=MovieOptions)

    @property
    def mode_numbers(self) -> tuple[int, ...] | None:
        """The numbers of :attr:`animation_modes`; None if all are meant."""
        if self.animation_modes is None:
            return None
        return parse_mode_numbers(self.animation_modes, option="--animation-modes") if self.animation_modes else ()

    def __post_init__(self) -> None:
        check_positive("--animation-rmsd", self.animation_rmsd)
        check_at_least("--animation-frames", self.animation_frames, 3)
        self.mode_numbers  # noqa: B018 - the check
