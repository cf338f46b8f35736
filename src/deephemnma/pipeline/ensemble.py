"""The conformations of `--ensemble`, as frames of the reference's sites."""

from collections.abc import Iterator
from pathlib import Path

import torch
from jaxtyping import Float, Int
from scipy.spatial import cKDTree
from torch import Tensor

from deephemnma.core.error import InputError
from deephemnma.core.frame import Frames, hold_frames, join_frames
from deephemnma.core.structure import AtomicModel
from deephemnma.io.structure import read_models, read_structure
from deephemnma.io.trajectory import count_frames, is_trajectory, read_frames
from deephemnma.modes.correspondence import match_sites
from deephemnma.pipeline.progress import track_progress
from deephemnma.reference.site import make_site_names, select_sites
from deephemnma.settings.structure import StructureOptions

SAME_PLACE = 1e-3  # A


def open_ensemble(paths: tuple[Path, ...], *, reference: Path, sites: AtomicModel, options: StructureOptions) -> Frames:
    """Return the conformations of structure files and trajectories, all their models and frames.

    Parameters
    ----------
    paths
        PDB or mmCIF files, whose sites are found by name, or trajectories, whose atoms are those of `reference`.
    reference
        Structure file of the reference.
    sites
        What was taken of it.
    options
        How.

    Raises
    ------
    InputError
        If a file does not hold all sites.
    """
    parts = [
        _open_trajectory(path, reference, sites, options) if is_trajectory(path) else _read(path, sites, options)
        for path in paths
    ]
    return _show_progress(join_frames(tuple(parts)))


def _read(path: Path, sites: AtomicModel, options: StructureOptions) -> Frames:
    models = [select_sites(model, options.sites) for model in read_models(path, select=options.select)]
    positions = torch.stack([_find_sites(model, sites) for model in models])
    return hold_frames(positions, tuple(model.source for model in models))


def _find_sites(model: AtomicModel, sites: AtomicModel) -> Float[Tensor, "sites 3"]:
    """Return where the sites are in a model: the same in the same order, or by chain, residue and atom name."""
    if len(model.elements) == len(sites.elements) and all(
        (getattr(model, name) == getattr(sites, name)).all()
        for name in ("residue_numbers", "insertion_codes", "residue_names", "atom_names")
    ):
        return model.positions
    pairs = match_sites(sites, model)
    absent = sorted(set(range(len(sites.elements))) - set(pairs.first.tolist()))
    if absent:
        raise InputError(
            f"{model.source} lacks {len(absent):,} of the {len(sites.elements):,} sites of the reference, the first is "
            f"{make_site_names(sites)[absent[0]]}: choose sites that all conformations have (--sites, --select)."
        )
    return model.positions[pairs.second]


def _open_trajectory(path: Path, reference: Path, sites: AtomicModel, options: StructureOptions) -> Frames:
    n_frames, n_atoms = count_frames(path)
    if n_atoms == len(sites.elements):
        rows = torch.arange(n_atoms)
    else:
        whole = read_structure(reference, model=options.model)
        _check_atoms(path, n_atoms, whole, sites)
        rows = _find_rows(whole, sites)

    def read() -> Iterator[Float[Tensor, "frames sites 3"]]:
        return (block[:, rows] for block in read_frames(path))

    return Frames(n_frames, read, lambda number: f"{path.name} frame {number + 1}")


def _check_atoms(path: Path, n_atoms: int, whole: AtomicModel, sites: AtomicModel) -> None:
    if n_atoms != len(whole.elements):
        raise InputError(
            f"{path.name} has {n_atoms:,} atoms a frame, but {whole.source} has {len(whole.elements):,} atoms and "
            f"{len(sites.elements):,} sites: give as reference the structure that the trajectory belongs to, with the "
            "same atoms."
        )


def _find_rows(whole: AtomicModel, sites: AtomicModel) -> Int[Tensor, "sites"]:
    """Return which atoms of the reference's file are the sites."""
    distances, rows = cKDTree(whole.positions.numpy()).query(sites.positions.numpy())
    if distances.max() > SAME_PLACE:
        raise InputError(
            f"With a trajectory the sites must be atoms of {whole.source}: choose other --sites, and no --assembly."
        )
    return torch.from_numpy(rows)


def _show_progress(frames: Frames) -> Frames:
    def read() -> Iterator[Float[Tensor, "frames sites 3"]]:
        with track_progress("frames", frames.n_frames) as advance:
            for block in frames.read():
                yield block
                advance(len(block))

    return Frames(frames.n_frames, read, frames.name)
