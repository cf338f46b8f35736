"""The stage `observability`."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from deephemnma.alignment.observability import Observability, compute_observability, make_view_grid
from deephemnma.alignment.visibility import Visibility, summarize_visibility
from deephemnma.core.rotation import rotation_to_euler
from deephemnma.distributed.device import choose_device
from deephemnma.imaging.synthesis import ImageFormation
from deephemnma.io.atomic import write_beside
from deephemnma.pipeline.formation import read_formation
from deephemnma.pipeline.microscope import (
    ANGSTROM_PER_UM,
    N_CHANCES,
    compute_image_ctf,
    make_noise_model,
    make_optics,
)
from deephemnma.pipeline.progress import track_progress
from deephemnma.pipeline.reference import Reference, load_reference
from deephemnma.pipeline.report.table import format_table
from deephemnma.pipeline.report.view_map import draw_view_maps, make_visibility_table
from deephemnma.pipeline.stage import StageFolder, run_stage
from deephemnma.settings.stage.observability import (
    BOX_SIZE,
    PIXEL_SIZE,
    SNR,
    ObservabilityStage,
    PlannedImages,
)
from deephemnma.settings.stage.simulate import ImageOptions

MODES_TABLE, VIEWS_TABLE = "observability.parquet", "views.parquet"
PICTURE, TEXT = "observability.png", "observability.txt"
PICTURE_DPI = 110


def run_observability(settings: ObservabilityStage, *, output: Path | str) -> Path:
    """Tell which modes can be seen from which view, before there are any images.

    Writes `observability.parquet` (one row a mode) and the same as text, `views.parquet` (one row a mode, view,
    defocus and conformation) and `observability.png`, a map over the views for each mode.

    Parameters
    ----------
    settings
        The molecule, and the images that are planned.
    output
        Folder; see :func:`~deephemnma.pipeline.stage.run_stage`.

    Returns
    -------
    folder : Path
        `output`.
    """
    return run_stage("observability", settings, output=output, body=_look)


def _look(settings: ObservabilityStage, stage: StageFolder) -> dict[str, Any]:
    reference = load_reference(settings.reference)
    microscope = _make_microscope(settings.images)
    spread = torch.full((settings.images.n_defoci, N_CHANCES), 0.5, dtype=torch.float64)
    spread[:, 0] = (torch.arange(settings.images.n_defoci) + 0.5) / settings.images.n_defoci
    optics = make_optics(microscope, spread)
    formation = _make_formation(settings.images, microscope, compute_image_ctf(microscope, optics))
    amplitudes = _make_conformations(reference, settings.displacement)
    with track_progress("views", len(amplitudes) * settings.views) as advance:
        found = compute_observability(
            reference.model,
            reference.modes,
            make_view_grid(settings.views),
            optics=optics,
            formation=formation,
            amplitudes=amplitudes,
            device=choose_device(settings.device),
            advance=advance,
        )
    if settings.images.snr is not None or settings.images.formation is None:
        found = found.at_snr(settings.images.snr or SNR)
    summaries = summarize_visibility(found, target_rmsd=settings.target_rmsd)
    _write(stage.path, found, summaries, target_rmsd=settings.target_rmsd)
    best = [str(mode.mode_number) for mode in summaries if mode.seen >= 0.5]
    return {
        "views": settings.views,
        "underfocus (um)": settings.images.defocus_um,
        "SNR": found.snr,
        f"modes seen to {settings.target_rmsd:g} A RMSD from at least half of the views": ", ".join(best) or "none",
        "picture": str(stage.path / PICTURE),
    }


def _make_microscope(images: PlannedImages) -> ImageOptions:
    """Return the planned images as those of `deephemnma simulate`."""
    low, high = images.defocus_range
    return ImageOptions(
        box_size=images.box_size or BOX_SIZE,
        pixel_size=images.pixel_size or PIXEL_SIZE,
        noise_before_ctf=images.noise_before_ctf,
        defocus_um=(low + high) / 2,
        defocus_spread_um=(high - low) / 2,
        voltage_kv=images.voltage_kv,
        cs_mm=images.cs_mm,
        amplitude_contrast=images.amplitude_contrast,
    )


def _make_formation(
    images: PlannedImages, microscope: ImageOptions, ctf: Float[Tensor, "defoci box half"]
) -> ImageFormation:
    if images.formation is None:
        return ImageFormation(1.0, make_noise_model(microscope, ctf), b_factor=images.b_factor or 0.0)
    formation = read_formation(images.formation)
    return formation if images.b_factor is None else replace(formation, b_factor=images.b_factor)


def _make_conformations(reference: Reference, displacement: float) -> Float[Tensor, "conformations modes"]:
    """Return the reference, and it moved each way along each mode by `displacement` (A RMSD) if this is not 0."""
    n_modes = reference.modes.n_modes
    still = torch.zeros(1, n_modes)
    if displacement == 0:
        return still
    ways = displacement * reference.model.n_sites**0.5 * torch.eye(n_modes)
    return torch.cat((still, ways, -ways))


def _write(folder: Path, found: Observability, summaries: tuple[Visibility, ...], *, target_rmsd: float) -> None:
    tables = {MODES_TABLE: make_mode_frame(summaries), VIEWS_TABLE: make_view_frame(found)}
    for name, frame in tables.items():
        with write_beside(folder / name) as path:
            frame.to_parquet(path, index=False)
    with write_beside(folder / TEXT) as path:
        path.write_text(format_table(make_visibility_table(tables[MODES_TABLE])) + "\n", encoding="utf8")
    with write_beside(folder / PICTURE) as path:
        draw_view_maps(found, summaries, target_rmsd=target_rmsd).savefig(path, dpi=PICTURE_DPI)


def make_mode_frame(summaries: tuple[Visibility, ...]) -> pd.DataFrame:
    """Return one row a mode."""
    names = {name: f"{name}_rmsd_angstrom" for name in ("best", "median", "worst", "median_conditional")}
    names |= {"mode_number": "mode", "median_amplitude": "median_amplitude_angstrom"}
    rows = [asdict(mode) | {"verdict": mode.verdict} for mode in summaries]
    return pd.DataFrame(rows).rename(columns=names)


def make_view_frame(found: Observability) -> pd.DataFrame:
    """Return one row a conformation, view, defocus and mode."""
    shape, root = found.marginal.shape, found.n_sites**0.5
    conformation, view, defocus, mode = (index.flatten() for index in _number(shape))
    euler = rotation_to_euler(found.rotations).rad2deg()
    marginal, conditional = found.marginal.flatten(), found.conditional.flatten()
    share, rival = (values.flatten() for values in found.mimicry.max(-1))
    columns = {
        "mode": torch.tensor(found.mode_numbers)[mode],
        "rot_deg": euler[view, 0] % 360,
        "tilt_deg": euler[view, 1],
        "defocus_um": found.defoci[defocus] / ANGSTROM_PER_UM,
        "sd_rmsd_angstrom": marginal / root,
        "sd_amplitude_angstrom": marginal,
        "conditional_rmsd_angstrom": conditional / root,
        "rival_share": share,
    }
    frame = pd.DataFrame({name: values.numpy() for name, values in columns.items()})
    frame["rival"] = [found.rivals[number] for number in rival.tolist()]
    labels = [describe_conformation(row, found.mode_numbers) for row in found.amplitudes]
    frame["conformation"] = [labels[number] for number in conformation.tolist()]
    return frame


def _number(shape: torch.Size) -> tuple[Tensor, ...]:
    return torch.meshgrid(*map(torch.arange, shape), indexing="ij")


def describe_conformation(amplitudes: Float[Tensor, "modes"], numbers: tuple[int, ...]) -> str:
    """Return "reference", or along which modes the molecule is moved, and by how many A of amplitude ("7: +40")."""
    moved = [f"{number}: {value:+.3g}" for number, value in zip(numbers, amplitudes.tolist(), strict=True) if value]
    return ", ".join(moved) or "reference"
