"""The resolution that the images reach, and the command lines that suit them."""

import math
from shlex import quote

import torch

from deephemnma.core.model import GaussianModel, Modes
from deephemnma.core.particle import Optics
from deephemnma.core.rotation import make_rotation_grid
from deephemnma.imaging.band import make_band
from deephemnma.imaging.ctf import compute_ctf, compute_envelope
from deephemnma.imaging.gaussian_projector import GaussianProjector
from deephemnma.imaging.synthesis import ImageFormation
from deephemnma.pipeline.preflight.finding import Finding, Verdict
from deephemnma.pipeline.preflight.forecast import StageCost
from deephemnma.settings.build import list_changed
from deephemnma.settings.stage.preflight import PreflightStage

VIEWS = 12
SHARE = 0.95
"""Of the information on pose and conformation, that is to be kept."""
BLUR = 100.0
"""B-factor (A^2) where the images were too coarse to measure one."""
MEASURABLE = 9.0
"""A; a B-factor measured on finer images is believed."""
NYQUIST = 2.4
"""Pixels to a wave of that resolution."""
WORTHWHILE = 1.25
"""Times the pixel by which cropping pays."""
GIB = 2**30


def find_resolution(
    model: GaussianModel,
    modes: Modes,
    *,
    box_size: int,
    pixel_size: float,
    optics: Optics | None,
    formation: ImageFormation,
    measured_to: float,
) -> tuple[float, float]:
    """Return the resolution (A) that holds most of what images tell, and the B-factor taken.

    The information of a wave on a position goes with its squared frequency times its signal-to-noise ratio.
    """
    blur = formation.b_factor if measured_to <= MEASURABLE else max(BLUR, formation.b_factor)
    band = make_band(box_size, pixel_size)
    projector = GaussianProjector(model, modes.select(()), band, tolerance=1e-2)
    none = torch.zeros(VIEWS, 2), torch.zeros(VIEWS, 0)
    power = projector.project(make_rotation_grid(VIEWS).float(), *none).abs().square().mean(0)
    power = power * compute_envelope(band.frequencies, blur).square()
    if optics is not None:
        some = torch.linspace(0, len(optics) - 1, min(64, len(optics))).round().long()
        power = power * compute_ctf(optics.select(some).to("cpu"), band.frequencies).square().mean(0)
    noise = formation.noise.compute_power(band.shells, None)
    information = power / noise * band.frequencies.square().sum(1)
    by_shell = torch.zeros(band.max_index + 1, dtype=torch.float64).index_add_(0, band.shells, information.double())
    reached = int((by_shell.cumsum(0) < SHARE * by_shell.sum()).sum())
    return box_size * pixel_size / max(1, reached), blur


def choose_pixel(resolution: float, *, box_size: int, pixel_size: float) -> float | None:
    """Return the pixel size (A) to crop to, or None where that would save little."""
    wanted = resolution / NYQUIST
    if wanted < WORTHWHILE * pixel_size or box_size * pixel_size / wanted < 32:
        return None
    return math.floor(20 * wanted) / 20


def make_commands(
    settings: PreflightStage, *, pixel_size: float | None, is_dark: bool, poses: str | None, corrected: str | None
) -> list[str]:
    """Return the next command lines.

    Parameters
    ----------
    settings
        What preflight was asked.
    pixel_size
        To which to crop, A; None for not at all.
    is_dark
        Whether the images are to be inverted.
    poses
        File of poses to start from; None for none.
    corrected
        File of the particles with poses put right; None where they were right, or there are none.
    """
    particles, given = corrected or str(settings.particles), poses
    source = f"--particles {quote(particles)}"
    datadir = settings.datadir or (settings.particles.parent if corrected else None)
    if datadir is not None:
        source += f" --datadir {quote(str(datadir))}"
    commands = []
    if pixel_size is not None or is_dark:
        crop = "" if pixel_size is None else f" --pixel-size {pixel_size:g}"
        commands.append(f"deephemnma prepare {source}{crop}{' --invert-contrast' * is_dark} -o prepared")
        source = "--particles prepared"
        given = "prepared/particles.star" if given == particles else given
    reference = f"--reference {quote(str(settings.reference.reference))} --modes {quote(settings.reference.modes)}"
    options = _list_options(settings)
    if given is None:
        return [*commands, f"deephemnma estimate {source} {reference}{options} -o estimated"]
    return [*commands, f"deephemnma refine {source} --estimates {quote(given)} {reference}{options} -o refined"]


def _list_options(settings: PreflightStage) -> str:
    words = [*list_changed(settings.reference.molecule), *list_changed(settings.search)]
    if settings.workers:
        words += ["--workers", str(settings.workers)]
    return "".join(f" {quote(word)}" for word in words)


def judge_costs(costs: list[StageCost], *, plan: str, free_disk: int | float) -> Finding:
    """Say how long each stage will take, and whether memory and disk suffice."""
    disk = sum(cost.disk for cost in costs)
    figures = {
        cost.stage: {"seconds": cost.seconds, "memory_bytes": cost.memory, "disk_bytes": cost.disk, "basis": cost.basis}
        for cost in costs
    }
    told = f"{plan} All stages write about {disk / GIB:.2g} GiB; {free_disk / GIB:.2g} GiB are free here"
    if len(costs) == 1:
        return Finding("memory", Verdict.FIX, told + ".", figures)
    if disk > free_disk:
        return Finding("cost", Verdict.FIX, told + ": make room, or write elsewhere.", figures)
    return Finding("cost", Verdict.OK, told + ".", figures)


def format_costs(costs: list[StageCost]) -> str:
    """Return a table of what each stage takes."""
    lines = [f"{'stage':<12} {'wall clock':>12} {'memory':>9} {'disk':>9}  from"]
    for cost in costs:
        memory = "–" if cost.memory is None else format_bytes(cost.memory)
        time, disk = format_duration(cost.seconds), format_bytes(cost.disk)
        lines.append(f"{cost.stage:<12} {time:>12} {memory:>9} {disk:>9}  {cost.basis}")
    return "\n".join(lines)


def format_bytes(size: int | float) -> str:
    """Return a size as people say it."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"


def format_duration(seconds: int | float) -> str:
    """Return a time of the order that a forecast knows."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.2g} {unit}"
    return f"{max(1, round(seconds))} s"
