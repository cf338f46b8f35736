"""The files of a moving molecule: models, their colours, and a script that plays them in ChimeraX."""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from scipy.spatial import cKDTree
from torch import Tensor

from deephemnma.io.chimerax import View, write_attribute, write_movie_script
from deephemnma.io.structure_writer import describe_pseudoatoms, write_models
from deephemnma.io.trajectory_writer import require_chemfiles, write_dcd
from deephemnma.modes.fluctuation import find_flexible
from deephemnma.pipeline.deformation import check_deformation, check_file, displace_reference
from deephemnma.pipeline.progress import announce, track_progress
from deephemnma.pipeline.reference import Reference
from deephemnma.settings.animation import AnimationOptions, MovieOptions

ATOMS_OF_PDB = 100_000
BYTES_A_SITE = {"pdb": 81, "cif": 90, "dcd": 12}
MOST_BYTES = 200e6  # of the models of all modes, where the user names none
BALL = 0.5  # of the distance to the nearest site


def check_movie(options: MovieOptions, *, path: Path) -> None:
    """Raise if the files cannot be written, or the reference (a file) not be deformed, as asked for."""
    if "dcd" in options.formats:
        require_chemfiles()
    check_file(path, options.deformation)


def write_mode_movies(reference: Reference, options: AnimationOptions, *, folder: Path) -> None:
    """Write the movie of each mode that deforms, there and back: ``mode_07.pdb``, ``mode_07.cxc`` ...."""
    check_deformation(reference, options.movie.deformation)
    model = reference.model
    amplitude = options.animation_rmsd * model.n_sites**0.5
    steps = torch.linspace(-amplitude, amplitude, options.animation_frames, dtype=model.positions.dtype)
    numbers = _choose_modes(reference, options)
    with track_progress("modes as models", 2 * len(numbers) * len(steps)) as advance:
        for number in numbers:
            modes = reference.modes.select([number])
            shown = displace_reference(
                reference, steps[:, None], modes=modes, options=options.movie.deformation, advance=advance
            )
            write_movie(reference, shown, file=folder / f"mode_{number:02d}", options=options.movie)
            advance(len(steps))


def write_movie(
    reference: Reference, frames: Float[Tensor, "frames sites 3"], *, file: Path, options: MovieOptions
) -> list[Path]:
    """Write frames in every format asked for, what they are coloured by, and a script that plays them.

    Parameters
    ----------
    reference
        What moves.
    frames
        Its positions, A, relative to its centre.
    file
        Name of the files, without extension.
    options
        Formats.

    Returns
    -------
    files
        The models', then the script.
    """
    placed, extension = frames + reference.model.center, choose_extension(reference)
    sites = describe_pseudoatoms(reference.model.n_sites) if reference.sites is None else reference.sites
    files = [file.with_suffix(f".{each}") for each in options.formats or (extension.removeprefix("."),)]
    opened = [files[0].name]
    for each in files:
        if each.suffix == ".dcd":
            write_dcd(each, placed)
        else:
            write_models(each, sites, placed)
    if files[0].suffix == ".dcd":
        topology = file.with_name(f"topology{extension}")
        write_models(topology, sites, (reference.model.positions + reference.model.center)[None])
        opened = [topology.name, files[0].name]
    motion = (frames - frames[0]).norm(dim=-1).amax(dim=0).numpy()
    attribute, script = file.with_suffix(".defattr"), file.with_suffix(".cxc")
    write_attribute(attribute, sites, motion)
    write_movie_script(
        script,
        opened,
        n_frames=len(frames),
        attribute=attribute.name,
        greatest=max(float(motion.max()), 0.01),
        view=find_view(placed.numpy()),
        radius=_choose_radius(reference),
    )
    return [*files, script]


def choose_extension(reference: Reference) -> str:
    """Return ".pdb", or ".cif" where PDB's columns are too narrow for the molecule."""
    chains = [] if reference.sites is None else set(reference.sites.chains.tolist())
    fits = reference.model.n_sites < ATOMS_OF_PDB and all(len(chain) <= 2 for chain in chains)
    return ".pdb" if fits else ".cif"


def find_view(frames: Float[np.ndarray, "frames sites 3"]) -> View:
    """Return the view along the direction in which the sites move least, the molecule's greatest extent across."""
    motion = frames[-1] - frames[0]
    _, axes = np.linalg.eigh(motion.T @ motion)
    towards, plane = axes[:, 0], axes[:, 1:]
    arms = frames.mean(axis=0) - frames.mean(axis=(0, 1))
    _, extents = np.linalg.eigh(plane.T @ arms.T @ arms @ plane)
    right = plane @ extents[:, 1]
    right, towards = (axis * np.sign(axis[np.abs(axis).argmax()]) for axis in (right, towards))
    view = np.stack((right, np.cross(towards, right), towards))
    return View(view, frames.mean(axis=(0, 1)), 3 * float(np.linalg.norm(arms, axis=1).max()))


def _choose_modes(reference: Reference, options: AnimationOptions) -> list[int]:
    """Return the numbers of the modes that become models."""
    if options.mode_numbers is not None:
        return list(reference.modes.select(options.mode_numbers).numbers)
    modes = reference.modes
    numbers = [number for number, bends in zip(modes.numbers, find_flexible(modes), strict=True) if bends]
    formats = options.movie.formats or (choose_extension(reference).removeprefix("."),)
    size = modes.n_sites * options.animation_frames * sum(BYTES_A_SITE[each] for each in formats)
    fitting = max(1, int(MOST_BYTES / size))
    if fitting < len(numbers):
        announce(
            f"Models are written of {fitting} of {len(numbers)} modes, for all would take "
            f"{len(numbers) * size / 1e9:.1f} GB: --animation-modes names others, --format dcd takes a seventh."
        )
    return numbers[:fitting]


def _choose_radius(reference: Reference) -> float | None:
    """Return the radius, A, of balls that show beads and pseudoatoms; None for molecules that have a backbone."""
    if reference.sites is not None and {"C", "N", "CA"} <= set(reference.sites.atom_names.tolist()):
        return None
    if reference.sites is not None and {"P", "C4'", "O3'"} <= set(reference.sites.atom_names.tolist()):
        return None
    positions = reference.model.positions.numpy()
    nearest = cKDTree(positions).query(positions, k=2)[0][:, 1]
    return BALL * float(np.median(nearest))
