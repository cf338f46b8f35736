"""Whether the particle, what it is shifted by and what the CTF spreads fit into the box."""

import torch

from deephemnma.core.model import GaussianModel
from deephemnma.core.particle import Optics, Poses
from deephemnma.pipeline.preflight.finding import Finding, Verdict
from deephemnma.pipeline.preflight.optics import compute_delocalization

ROOMY = 3.0
"""Diameters of the particle from which a box holds more noise than it needs."""
WANTED = 1.5
"""Box in diameters that is wanted at the least where there is a CTF."""
RESOLUTIONS = (3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 12.0, 15.0, 20.0, 30.0, 40.0)


def compute_diameter(model: GaussianModel) -> float:
    """Return twice the distance from the centre that holds 99 % of the sites, A."""
    return 2 * float(model.positions.norm(dim=1).double().quantile(0.99))


def judge_box(
    model: GaussianModel, *, box_size: int, pixel_size: float, optics: Optics | None, poses: Poses | None
) -> Finding:
    """Say whether the box is large enough, and to which resolution it holds what the CTF spreads."""
    side, diameter = box_size * pixel_size, compute_diameter(model)
    shift = 0.0 if poses is None else float(poses.shifts.norm(dim=1).quantile(0.95))
    room = (side - diameter) / 2 - shift
    held = None if optics is None else _find_resolution(optics, room, least=2 * pixel_size)
    sentence = f"box of {box_size} pixels = {side:.0f} A for a reference of {diameter:.0f} A"
    if shift:
        sentence += f" shifted by up to {shift:.1f} A"
    figures = {"side_angstrom": side, "diameter_angstrom": diameter, "shift_angstrom": shift, "resolution_held": held}
    if room < 0:
        advice = " does not hold it: is the pixel size right? If so, extract the particles with a larger box."
        return Finding("box", Verdict.FIX, sentence + advice, figures)
    spread = "" if held is None else f"; it holds what the CTF spreads to {held:.3g} A"
    if optics is not None and side < WANTED * diameter:
        advice = (
            f", less than {WANTED:g} times as much{spread}: what is finer is lost at the edge; a larger box keeps it."
        )
        return Finding("box", Verdict.NOTE, sentence + advice, figures)
    if side > ROOMY * diameter:
        advice = f", {side / diameter:.1f} times as much{spread}: a smaller box would cost less."
        return Finding("box", Verdict.NOTE, sentence + advice, figures)
    return Finding("box", Verdict.OK, f"{sentence}{spread}.", figures)


def _find_resolution(optics: Optics, room: float, *, least: float) -> float:
    """Return the finest resolution (A) whose waves stay in the box."""
    finer = [each for each in RESOLUTIONS if each >= least and compute_delocalization(optics, each) <= room]
    return max(least, min(finer, default=float(torch.inf)))
