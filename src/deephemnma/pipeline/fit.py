"""The stage `fit`."""

from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from deephemnma.core.error import InputError
from deephemnma.core.structure import DensityMap
from deephemnma.io.density import read_map
from deephemnma.pipeline.deformation import check_deformation, check_file
from deephemnma.pipeline.fit_result import FoundFit, describe_fit, write_fit
from deephemnma.pipeline.progress import track_progress
from deephemnma.pipeline.reference import Reference, load_reference
from deephemnma.pipeline.stage import StageFolder, run_stage
from deephemnma.reference.fit.agreement import compute_agreement
from deephemnma.reference.fit.box import FitBox, make_fit_box
from deephemnma.reference.fit.hierarchy import fit_map, make_levels
from deephemnma.reference.fit.placement import Placement, make_placement
from deephemnma.reference.fit.result import MapFit
from deephemnma.reference.fit.search import search_dockings
from deephemnma.settings.fit import FitSettings
from deephemnma.settings.stage.fit import FitStage

TEXT = "fit.txt"
ROOM = 1.5
"""Side of the piece of the map that is fitted into, in units of the molecule's diameter; and some A more."""
ROOM_MORE = 20.0
SHELLS = 32
"""Levels go no finer by default than to so many Fourier voxels: collective motions need no more, and time goes with
the third power."""
SEARCH_LEVELS = 2


def run_fit(settings: FitStage, *, output: Path | str) -> Path:
    """Fit a reference flexibly into a map.

    Writes `fit.json` (all figures), `fit.csv` (a row a mode), `fit.txt`, `fsc.csv`, `fit.png`, the reference as it
    fits (`fitted.pdb`, mmCIF for large structures) and as it fits without its modes (`docked.pdb`), and `motion.npz`,
    the displacement of the sites.

    Parameters
    ----------
    settings
        Reference, map, and how to fit.
    output
        Folder; see :func:`~deephemnma.pipeline.stage.run_stage`.

    Returns
    -------
    folder : Path
        `output`.
    """
    return run_stage("fit", settings, output=output, body=_fit)


def _fit(settings: FitStage, stage: StageFolder) -> dict[str, Any]:
    density = read_map(settings.map)
    _check_resolution(settings.fit.resolution, density)
    check_file(settings.reference.reference, settings.deformation)
    weight = None if settings.map_mask is None else _read_mask(settings.map_mask, density)
    reference = load_reference(settings.reference)
    check_deformation(reference, settings.deformation)
    start = make_placement(reference.modes.n_modes)
    docking, ambiguous = start, False
    if settings.fit.search:
        coarse = _search(reference, density, weight, settings.fit)
        docking, ambiguous = coarse.flexible, coarse.ambiguous
    else:
        _check_overlap(reference, density)
    box = _cut_out(reference, density, weight, docking)
    resolution = _choose_resolution(settings.fit.resolution, box)
    with track_progress("fit", 1) as advance:
        found = fit_map(
            reference.model,
            reference.modes,
            box,
            dockings=[docking],
            levels=make_levels(reference.model, resolution),
            stiffness=settings.fit.stiffness,
            ambiguous=ambiguous,
            advance=advance,
        )
    result = _compare(reference, box, start, found)
    write_fit(stage.path, reference, result, text=TEXT, deformation=settings.deformation)
    return describe_fit(reference, result, asked=resolution)


def _compare(reference: Reference, box: FitBox, start: Placement, found: MapFit) -> FoundFit:
    placements = {"start": start, "rigid": found.rigid, "flexible": found.flexible}
    agreements, frequencies = compute_agreement(
        reference.model, reference.modes, box, placements, resolution=found.resolution
    )
    return FoundFit(found, start, agreements, frequencies)


def _read_mask(path: Path, density: DensityMap) -> Float[Tensor, "z y x"]:
    mask = read_map(path)
    if mask.values.shape != density.values.shape:
        raise InputError(
            f"The mask must have the box of the map, {tuple(density.values.shape)}, but {path} has "
            f"{tuple(mask.values.shape)}: make it on the map's grid."
        )
    return mask.values.clamp(0, 1).double()


def _choose_resolution(given: float | None, box: FitBox) -> float:
    return max(2 * box.voxel_size, box.edge / SHELLS) if given is None else given


def _check_resolution(given: float | None, density: DensityMap) -> None:
    finest = 2 * density.voxel_size
    if given is not None and given < finest:
        raise InputError(
            f"--resolution {given:g} is finer than two voxels of the map, {finest:.4g} A: give that or more."
        )


def _check_overlap(reference: Reference, density: DensityMap) -> None:
    """Raise if the molecule is not where the map is."""
    sites = reference.model.positions + reference.model.center
    size = torch.tensor(density.values.shape[::-1], dtype=torch.float64) * density.voxel_size
    inside = ((sites >= density.origin) & (sites <= density.origin + size)).all(-1).double().mean()
    if inside < 0.5:
        low, high = (
            " ".join(f"{each:.0f}" for each in row.tolist()) for row in (density.origin, density.origin + size)
        )
        center = " ".join(f"{each:.0f}" for each in reference.model.center.tolist())
        raise InputError(
            f"{inside:.0%} of the molecule lie in the map, which goes from ({low}) to ({high}) A; the molecule is "
            f"about ({center}): dock it first, or let --search find it."
        )


def _cut_out(
    reference: Reference, density: DensityMap, weight: Float[Tensor, "z y x"] | None, docking: Placement
) -> FitBox:
    edge = 2 * ROOM * reference.model.radius + ROOM_MORE
    box = make_fit_box(density, center=reference.model.center.double() + docking.shift, edge=edge, weight=weight)
    if not box.transform.abs().max() > 0:
        raise InputError(
            f"{density.source} is empty where the molecule is"
            + (": let --search find where the map has density." if weight is None else " and the mask is not 0.")
        )
    return box


def _search(
    reference: Reference, density: DensityMap, weight: Float[Tensor, "z y x"] | None, settings: FitSettings
) -> MapFit:
    """Return a coarse fit from the best docking in the whole map."""
    model, modes = reference.model, reference.modes
    size = torch.tensor(density.values.shape[::-1], dtype=torch.float64)
    middle = density.origin + (size - 1) / 2 * density.voxel_size
    edge = max(float(size.max()) * density.voxel_size * 1.1, 2 * ROOM * model.radius + ROOM_MORE)
    box = make_fit_box(density, center=middle, edge=edge, weight=weight)
    levels = make_levels(model, max(settings.resolution or 0.0, 2 * box.voxel_size))
    with track_progress("search", 1) as advance:
        found = search_dockings(model, modes, box, resolution=levels[0], keep=settings.dockings, advance=advance)
    with track_progress("dockings", 1) as advance:
        return fit_map(
            model,
            modes,
            box,
            dockings=found,
            levels=levels[:SEARCH_LEVELS],
            stiffness=settings.stiffness,
            advance=advance,
        )
