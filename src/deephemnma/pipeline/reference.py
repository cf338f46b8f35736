"""What moves: the Gaussians of a structure or map, and its modes."""

from dataclasses import dataclass
from pathlib import Path

from deephemnma.core.error import InputError
from deephemnma.core.model import GaussianModel, Modes
from deephemnma.core.structure import AtomicModel
from deephemnma.io.density import read_map
from deephemnma.io.reference import read_reference
from deephemnma.io.structure import read_structure
from deephemnma.modes.normal_modes import compute_modes
from deephemnma.reference.gaussian import make_gaussian_model
from deephemnma.reference.pseudoatom import make_pseudoatoms
from deephemnma.reference.site import make_site_names, select_sites
from deephemnma.settings.stage.reference import NetworkOptions, ReferenceOptions

MODES_FILE = "modes.npz"
SITES_FILE = "sites.cif"
_MAP_SUFFIXES = {".mrc", ".map", ".ccp4"}


@dataclass(frozen=True)
class Reference:
    """A molecule and its modes.

    Attributes
    ----------
    model
        Its Gaussians.
    modes
        Those asked for, in the order asked for.
    sites
        What the Gaussians are in the file; None for pseudoatoms.
    """

    model: GaussianModel
    modes: Modes
    sites: AtomicModel | None


def load_reference(options: ReferenceOptions) -> Reference:
    """Read the molecule, and read or compute the modes that `options` name."""
    _check_numbers(options)
    reference = read_or_compute_modes(options.reference, options.network)
    return Reference(reference.model, reference.modes.select(options.mode_numbers), reference.sites)


def read_or_compute_modes(path: Path, options: NetworkOptions) -> Reference:
    """Return the molecule with all modes: as stored by `deephemnma modes`, or computed from a structure or map."""
    if path.is_dir():
        path = path / MODES_FILE
    if path.suffix == ".npz":
        if options != NetworkOptions():
            raise InputError(
                f"{path} holds modes that are computed already, so --sites, --cutoff, --relative-cutoff, --n-modes, "
                "--width and --target-error cannot change them: leave these out, or give the structure as --reference."
            )
        model, modes = read_reference(path)
        sites = path.with_name(SITES_FILE)
        return Reference(model, modes, read_structure(sites) if sites.exists() else None)
    return _compute(path, options)


def _check_numbers(options: ReferenceOptions) -> None:
    """Raise if modes are asked for that would not be computed, before minutes are spent on the others."""
    highest, computed = max(options.mode_numbers, default=0), options.network.n_modes
    if highest > computed and not _is_stored(options.reference):
        raise InputError(
            f"--modes {options.modes} asks for mode {highest}, but {computed} modes are computed: "
            f"give --n-modes {highest} or more."
        )


def _is_stored(path: Path) -> bool:
    """Return whether `path` holds modes that are computed already."""
    return path.is_dir() or path.suffix == ".npz"


def _compute(path: Path, options: NetworkOptions) -> Reference:
    if is_map(path):
        sites, names = None, None
        model = make_pseudoatoms(read_map(path), target_error=options.target_error, width=options.width)
    else:
        sites = select_sites(read_structure(path), options.sites)
        names = make_site_names(sites)
        model = make_gaussian_model(sites, width=options.width)
    modes = compute_modes(
        model.positions,
        n_modes=options.n_modes,
        cutoff=options.cutoff,
        relative_cutoff=options.relative_cutoff,
        names=names,
    )
    return Reference(model, modes, sites)


def is_map(path: Path) -> bool:
    """Return whether the file name is that of a map."""
    suffixes = [suffix for suffix in path.suffixes if suffix not in {".gz", ".bz2"}]
    return bool(suffixes) and suffixes[-1].lower() in _MAP_SUFFIXES
