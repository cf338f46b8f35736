"""The files of a flexible fit."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from jaxtyping import Float
from torch import Tensor

from deephemnma.core.rotation import compute_geodesic_angle
from deephemnma.core.superposition import compute_rmsd
from deephemnma.io.atomic import write_beside
from deephemnma.io.motion import MOTION_FILE, FittedMotion, write_motion
from deephemnma.io.structure_writer import write_models
from deephemnma.pipeline.animation import choose_extension
from deephemnma.pipeline.deformation import displace_reference
from deephemnma.pipeline.reference import Reference
from deephemnma.pipeline.report.fit_figure import draw_fit
from deephemnma.pipeline.report.table import Table, format_table
from deephemnma.reference.fit.agreement import Agreement
from deephemnma.reference.fit.placement import Placement, place_sites
from deephemnma.reference.fit.result import FitStatus, MapFit
from deephemnma.settings.animation import DeformationOptions

PICTURE_DPI = 110
MOVED = 3.0
DOCKED_TURN, DOCKED_SHIFT = 30.0, 0.2
"""Degrees, and share of the diameter, beyond which the molecule was docked anew."""
MATTERS = 0.01
"""Of a shell correlation: less is no difference."""
ADVICE = {
    FitStatus.CONVERGED: "converged",
    FitStatus.NOT_CONVERGED: "not converged: take a coarser --resolution, or fewer --modes",
    FitStatus.POOR: "POOR: no more than the overall shape of the map is explained; try --search or other --modes, "
    "check the map's handedness and that it is this molecule, or give it a --map-mask",
    FitStatus.OUTSIDE: "OUTSIDE: sites have left the piece of the map that was fitted into; do not trust this, try "
    "fewer --modes or a --map-mask",
    FitStatus.AMBIGUOUS: "AMBIGUOUS: another docking explains the map about as well (by symmetry?)",
}
"""What to say of each status."""


@dataclass(frozen=True)
class FoundFit:
    """A fit and what is known of it.

    Attributes
    ----------
    fit
        The fit.
    start
        Where the file of the reference has it.
    agreements
        Of start, rigid and flexible with the map.
    frequencies
        1/A, of the shells of the agreements.
    """

    fit: MapFit
    start: Placement
    agreements: dict[str, Agreement]
    frequencies: Float[Tensor, "shells"]


def write_fit(
    folder: Path, reference: Reference, result: FoundFit, *, text: str, deformation: DeformationOptions
) -> None:
    """Write everything into `folder`."""
    modes, fit = make_mode_frame(reference, result.fit), result.fit
    with write_beside(folder / "fit.csv") as path:
        modes.to_csv(path, index=False)
    with write_beside(folder / text) as path:
        tables = [_make_mode_text(modes)] if len(modes) else []
        path.write_text("\n\n".join([*tables, _make_agreement_text(result)]) + "\n", encoding="utf8")
    with write_beside(folder / "fsc.csv") as path:
        make_shell_frame(result).to_csv(path, index=False)
    with write_beside(folder / "fit.json") as path:
        path.write_text(json.dumps(make_record(reference, result, modes), indent=2) + "\n", encoding="utf8")
    with write_beside(folder / "fit.png") as path:
        draw_fit(fit.levels, modes, make_shell_frame(result)).savefig(path, dpi=PICTURE_DPI)
    extension = choose_extension(reference)
    for name, placement in (("fitted", fit.flexible), ("docked", fit.rigid)):
        moved = displace_reference(reference, placement.amplitudes[None], options=deformation)
        placed = moved.double() @ placement.rotation.mT + reference.model.center + placement.shift
        write_models(folder / f"{name}{extension}", reference.sites, placed)
    write_motion(folder / MOTION_FILE, _make_motion(reference, fit))


def _make_motion(reference: Reference, fit: MapFit) -> FittedMotion:
    model, modes, amplitudes = reference.model, reference.modes, fit.flexible.amplitudes
    moved = modes.displace(model.positions.double(), amplitudes[None])[0] if modes.n_modes else model.positions
    return FittedMotion(
        modes.numbers,
        amplitudes,
        fit.standard_deviations[: modes.n_modes],
        model.positions + model.center,
        moved - model.positions,
    )


def make_mode_frame(reference: Reference, fit: MapFit) -> pd.DataFrame:
    """Return one row a mode: how far it went, and its share of the motion's mean square."""
    root, squares = reference.model.n_sites**0.5, fit.flexible.amplitudes.square()
    columns = {
        "mode": reference.modes.numbers,
        "amplitude_angstrom": fit.flexible.amplitudes.tolist(),
        "sd_angstrom": fit.standard_deviations[: reference.modes.n_modes].tolist(),
        "rmsd_angstrom": (squares.sqrt() / root).tolist(),
        "share": (squares / squares.sum().clamp_min(1e-300)).tolist(),
    }
    return pd.DataFrame(columns)


def make_shell_frame(result: FoundFit) -> pd.DataFrame:
    """Return one row a shell: its Fourier shell correlation with each placement."""
    shells = {name: each.shells.tolist() for name, each in result.agreements.items()}
    return pd.DataFrame({"frequency_per_angstrom": result.frequencies.tolist()} | shells)


def _make_mode_text(modes: pd.DataFrame) -> str:
    rows = tuple(
        (
            f"{row.mode:.0f}",
            f"{row.amplitude_angstrom:+.1f}",
            f"{row.sd_angstrom:.1f}",
            f"{row.rmsd_angstrom:.2f}",
            f"{row.share:.1%}",
        )
        for row in modes.itertuples()
    )
    return format_table(
        Table(("mode", "amplitude [Å]", "error bar [Å]", "RMSD [Å]", "share"), rows, ("ours",) * len(rows))
    )


def _make_agreement_text(result: FoundFit) -> str:
    head = ("", "correlation [box]", "correlation [molecule]", "correlation [beyond]")
    rows = tuple(
        (name, f"{each.overall:.4f}", f"{each.masked:.4f}", "–" if each.free is None else f"{each.free:.3f}")
        for name, each in result.agreements.items()
    )
    return format_table(Table(head, rows, ("ours",) * len(rows)))


def make_record(reference: Reference, result: FoundFit, modes: pd.DataFrame) -> dict[str, Any]:
    """Return all figures, as JSON has them."""
    fit, bars = result.fit, result.fit.standard_deviations
    m = reference.modes.n_modes
    return {
        "status": str(fit.status),
        "resolution_angstrom": fit.resolution,
        "modes": modes.to_dict("records"),
        "rotation_matrix": fit.flexible.rotation.tolist(),
        "rotation_deg": _measure_turn(fit.flexible),
        "rotation_sd_deg": bars[m : m + 3].rad2deg().tolist(),
        "shift_angstrom": fit.flexible.shift.tolist(),
        "shift_sd_angstrom": bars[m + 3 :].tolist(),
        "center_angstrom": reference.model.center.tolist(),
        "agreement": {
            name: {"correlation": each.overall, "masked_correlation": each.masked, "free_correlation": each.free}
            for name, each in result.agreements.items()
        },
        "rmsd_angstrom": measure_motion(reference, result),
        "temperature": None if math.isinf(fit.temperature) else fit.temperature,
        "levels": [
            {
                "resolution_angstrom": level.resolution,
                "correlation_rigid": level.rigid,
                "correlation_flexible": level.flexible,
                "amplitudes_angstrom": level.amplitudes.tolist(),
            }
            for level in fit.levels
        ],
    }


def measure_motion(reference: Reference, result: FoundFit) -> dict[str, float]:
    """Return how far the sites moved, A, root mean square: by the modes alone, and from the file to the fit."""
    model, modes, fit = reference.model, reference.modes, result.fit
    first, last = (place_sites(model, modes, each) for each in (result.start, fit.flexible))
    amplitudes = fit.flexible.amplitudes
    return {"by modes": float(amplitudes.norm()) / model.n_sites**0.5, "in all": float(compute_rmsd(first, last))}


def _measure_turn(placement: Placement) -> float:
    identity = placement.rotation.new_tensor([[1, 0, 0], [0, 1, 0], [0, 0, 1]])
    return math.degrees(float(compute_geodesic_angle(placement.rotation, identity)))


def describe_fit(reference: Reference, result: FoundFit, *, asked: float) -> dict[str, Any]:
    """Return the summary of a fit that was to go to `asked`, A."""
    moved, reached = measure_motion(reference, result), result.fit.resolution
    summary = {"status": ADVICE[result.fit.status], "resolution of the fit (A)": reached}
    if reached > asked * (1 + 1e-6):
        summary[f"why not to {asked:.3g} A"] = (
            f"finer than {reached:.3g} A map and fit no longer agree: noise, or detail that these modes cannot make"
        )
    if reference.modes.n_modes:
        summary |= _describe_modes(reference, result) | {"moved by the modes (A RMSD)": moved["by modes"]}
    turn, shift = _measure_turn(result.fit.flexible), float(result.fit.flexible.shift.norm())
    summary |= {"rotation (deg)": turn, "shift (A)": shift, "moved in all (A RMSD)": moved["in all"]}
    if turn > DOCKED_TURN or shift > DOCKED_SHIFT * 2 * reference.model.radius:
        summary["of these"] = "rotation, shift and most of what moved in all are the docking, not the modes' motion"
    return summary


def _describe_modes(reference: Reference, result: FoundFit) -> dict[str, str]:
    """Return whether the modes' motion is more than noise."""
    bars = result.fit.standard_deviations[: reference.modes.n_modes]
    sure = (result.fit.flexible.amplitudes.abs() > MOVED * bars).tolist()
    moving = [str(number) for number, each in zip(reference.modes.numbers, sure, strict=True) if each]
    told = {f"modes moved by more than {MOVED:g} error bars": ", ".join(moving) or "none"}
    before, after = (result.agreements[name].free for name in ("rigid", "flexible"))
    if before is None or after is None:
        return told
    verb = "improve" if after - before > MATTERS else "do NOT improve" if after - before > -MATTERS else "SPOIL"
    finding = f"the modes {verb} the correlation ({before:.3f} to {after:.3f})"
    return told | {"beyond the resolution of the fit": finding}
