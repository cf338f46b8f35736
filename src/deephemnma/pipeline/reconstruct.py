"""The stage `reconstruct`."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from deephemnma.core.error import InputError
from deephemnma.core.structure import DensityMap
from deephemnma.distributed.device import choose_device, choose_workers
from deephemnma.distributed.pool import map_blocks
from deephemnma.io.atomic import write_beside, write_folder_beside
from deephemnma.io.chimerax import write_map_script
from deephemnma.io.density import read_map, write_map
from deephemnma.io.landscape import read_landscape
from deephemnma.io.metadata.relion import write_particle_star
from deephemnma.io.particles import ParticleStack
from deephemnma.io.structure_writer import write_models
from deephemnma.landscape.group import compute_centroids, list_members
from deephemnma.metrics.fsc import compute_fsc, find_crossing
from deephemnma.pipeline.animation import choose_extension
from deephemnma.pipeline.deformation import check_deformation, check_file, displace_reference
from deephemnma.pipeline.fsc import read_curve, write_curve
from deephemnma.pipeline.landscape import LANDSCAPE_FILE
from deephemnma.pipeline.particles import find_file, load_estimates, load_particles, match_estimates
from deephemnma.pipeline.progress import track_progress
from deephemnma.pipeline.reference import Reference, load_reference
from deephemnma.pipeline.stage import StageFolder, run_stage
from deephemnma.reconstruction.half_map import reconstruct_halves
from deephemnma.reconstruction.model_map import make_model_map
from deephemnma.settings.stage.reconstruct import ReconstructStage

GROUPS_FILE = "groups.csv"
CONTOUR = 3  # standard deviations above the mean, where maps are contoured at first
HALVES_FSC, MODEL_FSC, MAP_FILE = "fsc_halves.csv", "fsc_model.csv", "map.mrc"


def run_reconstruct(settings: ReconstructStage, *, output: Path | str) -> Path:
    """Rebuild a map of each group of images.

    Writes for each group a folder `group_1` ... with `map.mrc`, `half_1.mrc`, `half_2.mrc`, the reference at the
    group's mean conformation as `model.mrc` and as `model.pdb` (mmCIF for large structures), `fsc_halves.csv`,
    `fsc_model.csv` and `particles.star` (the group's images with all columns, for other programs); and `groups.csv`, a
    row a group, and `maps.cxc`, which plays the maps in ChimeraX.

    Parameters
    ----------
    settings
        Images, poses, groups and molecule.
    output
        Folder; see :func:`~deephemnma.pipeline.stage.run_stage`.

    Returns
    -------
    folder : Path
        `output`.
    """
    return run_stage("reconstruct", settings, output=output, body=_reconstruct)


def _reconstruct(settings: ReconstructStage, stage: StageFolder) -> dict[str, Any]:
    check_file(settings.reference.reference, settings.deformation)
    reference = load_reference(settings.reference)
    check_deformation(reference, settings.deformation)
    members = _find_members(settings)
    large = [number for number, rows in enumerate(members) if len(rows) >= settings.reconstruction.min_images]
    if not large:
        raise InputError(
            f"No group has --min-images {settings.reconstruction.min_images} of these particles: make fewer groups."
        )
    missing = [number for number in large if not _get_folder(stage.path, number).exists()]
    workers = choose_workers(settings.workers, choose_device(settings.device), n_blocks=max(1, len(missing)))
    with track_progress("maps", len(large)) as advance:
        advance(len(large) - len(missing))
        for done in map_blocks(partial(_prepare, settings, reference, stage.path), missing, n_workers=workers):
            stage.save(process=done.process, cpu_seconds=done.cpu_seconds)
            advance(1)
    rows = [_summarize(stage.path, number, n_images=len(members[number])) for number in large]
    with write_beside(stage.path / GROUPS_FILE) as temporary:
        pd.DataFrame(rows).to_csv(temporary, index=False)
    _write_script(stage.path, [row["folder"] for row in rows])
    resolutions = ", ".join(f"{row['resolution_model_0.5']:.1f}" for row in rows)
    return {"maps": len(rows), "0.5-FSC with the model of each group (A)": resolutions}


def _find_members(settings: ReconstructStage) -> list[Tensor]:
    """Return, for each group, the numbers of its images among the particles."""
    landscape = read_landscape(find_file(settings.landscape, LANDSCAPE_FILE))
    number_of = {name: number for number, name in enumerate(_load(settings).names)}
    names = [[landscape.names[row] for row in rows.tolist()] for rows in list_members(landscape)]
    return [torch.tensor([number_of[name] for name in group if name in number_of]) for group in names]


def _load(settings: ReconstructStage) -> ParticleStack:
    return load_particles(settings.particles, datadir=settings.datadir)


def _prepare(settings: ReconstructStage, reference: Reference, output: Path) -> Callable[[int], None]:
    members = _find_members(settings)
    landscape = read_landscape(find_file(settings.landscape, LANDSCAPE_FILE))
    centroids = landscape.to_amplitudes(compute_centroids(landscape))
    modes = reference.modes.select(landscape.mode_numbers)
    conformations = displace_reference(reference, centroids, modes=modes, options=settings.deformation)

    def reconstruct(number: int) -> None:
        with write_folder_beside(_get_folder(output, number)) as beside:
            _write_group(settings, reference, members[number], beside, positions=conformations[number])

    return reconstruct


def _write_group(
    settings: ReconstructStage, reference: Reference, ids: Tensor, folder: Path, *, positions: Tensor
) -> None:
    particles, estimates = _load(settings), load_estimates(settings.estimates)
    own = match_estimates(estimates, [particles.names[number] for number in ids.tolist()])
    maps = reconstruct_halves(
        particles, own.poses, ids=ids, settings=settings.reconstruction, device=choose_device(settings.device)
    )
    grid = {"box_size": particles.box_size, "voxel_size": particles.pixel_size}
    model = make_model_map(reference.model, positions=positions, **grid)
    densities = {MAP_FILE: maps.full, "half_1.mrc": maps.first, "half_2.mrc": maps.second, "model.mrc": model}
    for name, density in densities.items():
        write_map(folder / name, _place(density, model))
    placed = (positions + reference.model.center)[None]
    write_models(folder / f"model{choose_extension(reference)}", reference.sites, placed)
    write_curve(folder / HALVES_FSC, maps.curve)
    write_curve(folder / MODEL_FSC, compute_fsc(maps.full, model))
    write_particle_star(
        folder / "particles.star", table=particles.table, optics_table=particles.optics_table, estimates=own
    )


def _place(density: DensityMap, model: DensityMap) -> DensityMap:
    """Put a map where the reference's file has the molecule."""
    return replace(density, values=density.values.cpu(), origin=model.origin)


def _summarize(output: Path, number: int, *, n_images: int) -> dict[str, Any]:
    folder = _get_folder(output, number)
    halves, model = (read_curve(folder / name) for name in (HALVES_FSC, MODEL_FSC))
    return {
        "group": number + 1,
        "images": n_images,
        "resolution_halves_0.143": find_crossing(halves, 0.143),
        "resolution_halves_0.5": find_crossing(halves, 0.5),
        "resolution_model_0.5": find_crossing(model, 0.5),
        "resolution_model_0.143": find_crossing(model, 0.143),
        "folder": folder.name,
    }


def _write_script(output: Path, folders: list[str]) -> None:
    maps = [f"{folder}/{MAP_FILE}" for folder in folders]
    values = read_map(output / maps[0]).values
    write_map_script(output / "maps.cxc", maps, level=float(values.mean() + CONTOUR * values.std()))


def _get_folder(output: Path, number: int) -> Path:
    return output / f"group_{number + 1}"
