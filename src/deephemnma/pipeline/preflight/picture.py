"""The picture that a person looks at: images beside what was found in them, and the curves behind the findings."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec

from deephemnma.alignment.magnification import ScaleScan
from deephemnma.core.fourier import inverse_fourier_transform
from deephemnma.imaging.band import make_band
from deephemnma.imaging.ctf import compute_ctf
from deephemnma.pipeline.preflight.contrast import Profile
from deephemnma.pipeline.preflight.finding import Finding, Verdict, conclude
from deephemnma.pipeline.preflight.pose import PoseTrial, Reading
from deephemnma.pipeline.preflight.probe import Probe
from deephemnma.pipeline.preflight.quality import Alignment
from deephemnma.pipeline.preflight.scale import Scale

COLUMNS = 8
BLUE, ORANGE, GREY, RED, GREEN = "#1f5fa8", "#d9822b", "#9aa0a6", "#b3261e", "#2e7d32"
COLOURS = {Verdict.OK: GREEN, Verdict.NOTE: ORANGE, Verdict.FIX: RED}
LOW_PASS = 0.6
"""Resolution of the images shown, in units of the radius of gyration: what an eye sees through the noise."""


@dataclass(frozen=True)
class Evidence:
    """What is drawn.

    Attributes
    ----------
    probe
        The images.
    profile
        Around their centres, as they are in the file.
    scans
        Likelihood by size, for white and black protein.
    scale
        What came of it.
    trial
        Of given poses; None where there are none.
    found
        The sample, aligned.
    is_dark
        Whether protein is dark in the file.
    """

    probe: Probe
    profile: Profile
    scans: tuple[ScaleScan, ScaleScan]
    scale: Scale
    trial: PoseTrial | None
    found: Alignment
    is_dark: bool = False


def draw_preflight(evidence: Evidence, findings: list[Finding]) -> Figure:
    """Draw images with their fits above, curves below, at the right the readings of the poses if there are any."""
    figure = Figure(figsize=(12.5, 6.6), layout="constrained")
    outer = figure.add_gridspec(2, 1, height_ratios=(1, 1.1))
    _draw_gallery(figure, outer[0], evidence)
    panels: list[Callable[[Axes], None]] = [
        lambda axes: _draw_profile(axes, evidence),
        lambda axes: _draw_scan(axes, evidence),
        lambda axes: _draw_spectra(axes, evidence),
        lambda axes: _draw_correlation(axes, evidence),
    ]
    if evidence.trial is not None:
        trial = evidence.trial
        panels[3:] = [lambda axes: _draw_correlation(axes, evidence), lambda axes: _draw_conventions(axes, trial)]
    widths = [1.0] * 4 + [1.7] * (len(panels) - 4)
    lower = outer[1].subgridspec(1, len(panels), width_ratios=widths)
    for place, draw in enumerate(panels):
        axes = figure.add_subplot(lower[place])
        axes.tick_params(labelsize=8)
        draw(axes)
    verdict = conclude(findings)
    colour = GREEN if verdict == "go" else RED
    figure.suptitle(f"preflight: {verdict}", fontsize=12, fontweight="bold", color=colour)
    return figure


def _draw_gallery(figure: Figure, where: SubplotSpec, evidence: Evidence) -> None:
    """Draw some images, low-passed, above the projections that were fitted to them."""
    probe, found = evidence.probe, evidence.found
    count = min(COLUMNS, len(probe.images))
    good = found.good.nonzero()[:, 0]
    bad = (~found.good).nonzero()[:, 0]
    order = torch.cat((_spread(good, count - min(2, len(bad))), _spread(bad, 2)))[:count]
    band = make_band(probe.images.box_size, probe.images.pixel_size, resolution=LOW_PASS * probe.gyration_radius)
    transforms = torch.fft.rfft2(torch.fft.ifftshift(probe.images[order], dim=(-2, -1)), norm="ortho")
    images = inverse_fourier_transform(band.embed(band.extract(transforms)), box_size=band.box_size)
    full = found.observations.band
    value = found.projections[order.to(found.projections.device)]
    if probe.images.optics is not None:
        value = value * compute_ctf(probe.images.optics.select(order).to(value.device), full.frequencies)
    fits = inverse_fourier_transform(band.embed(band.extract(full.embed(value))), box_size=full.box_size).cpu()
    grid = where.subgridspec(2, COLUMNS, wspace=0.03, hspace=0.03)
    for place, row in enumerate(order.tolist()):
        for line, picture in enumerate((images[place], fits[place])):
            axes = figure.add_subplot(grid[line, place])
            low, high = picture.flatten().quantile(torch.tensor([0.005, 0.995])).tolist()
            axes.imshow(picture.numpy(), cmap="gray", vmin=low, vmax=high, origin="lower")
            axes.set(xticks=[], yticks=[])
            if line == 0:
                status = str(found.estimates.status[row]).replace("_", " ")
                axes.set_title(status, fontsize=8, color="black" if bool(found.good[row]) else RED)
            if place == 0:
                axes.set_ylabel(("images", "their fits")[line], fontsize=9)


def _spread(rows: torch.Tensor, count: int) -> torch.Tensor:
    if not len(rows) or count <= 0:
        return rows[:0]
    return rows[torch.linspace(0, len(rows) - 1, min(count, len(rows))).round().long()]


def _draw_profile(axes: Axes, evidence: Evidence) -> None:
    profile, radii = evidence.profile, evidence.profile.radii.numpy()
    mean = profile.values.mean(0).numpy()
    error = (profile.values.std(0) / len(profile.values) ** 0.5).numpy()
    axes.fill_between(radii, mean - 2 * error, mean + 2 * error, color=BLUE, alpha=0.3, lw=0)
    axes.plot(radii, mean, color=BLUE, lw=1.6)
    axes.axhline(0, color="black", lw=0.6)
    axes.axvline(evidence.probe.model.radius, color=GREY, lw=1, ls="--")
    low, high = axes.get_ylim()
    axes.text(
        evidence.probe.model.radius,
        high,
        " reference's edge",
        fontsize=7,
        color="#555",
        va="top",
        rotation=90,
        ha="right",
    )
    axes.set_ylim(low, high)
    axes.set_title("grey value from the centre\n(white protein: above 0)", fontsize=9)
    axes.set_xlabel("radius [Å]", fontsize=8)
    axes.set_ylabel("[sd of the pixels]", fontsize=8)


def _draw_scan(axes: Axes, evidence: Evidence) -> None:
    for scan, colour, name in zip(evidence.scans, (BLUE, GREY), ("white", "black"), strict=True):
        curve = scan.gains.mean(0).numpy()
        axes.plot(scan.scales.numpy(), curve, color=colour, lw=1.6, marker="o", ms=3, label=f"protein {name}")
    axes.axvline(1, color="black", lw=0.8)
    best = evidence.scale.best
    axes.axvline(best, color=RED if abs(best - 1) > 0.05 else GREEN, lw=1.2, ls="--", label=f"found: {best:.3f}")
    axes.set_xscale("log")
    axes.set_xticks([0.5, 0.7, 1, 1.4, 2], labels=["0.5", "0.7", "1", "1.4", "2"])
    axes.minorticks_off()
    axes.set_title("log likelihood\nby size of the particle", fontsize=9)
    axes.set_xlabel("size / that of the reference", fontsize=8)
    axes.legend(fontsize=7, framealpha=0.85, edgecolor="none")


def _draw_spectra(axes: Axes, evidence: Evidence) -> None:
    probe, found = evidence.probe, evidence.found
    edge = probe.images.box_size * probe.images.pixel_size
    images = probe.images[torch.arange(len(probe.images))]
    band = found.observations.band
    power = torch.fft.rfft2(images, norm="ortho").abs().square().mean(0)
    value = found.projections
    if probe.images.optics is not None:
        value = value * compute_ctf(probe.images.optics.to(value.device), band.frequencies)
    strength = found.estimates.contrasts.values.to(value.device)[:, None].float()
    signal = (value * strength).abs().square()[found.good.to(value.device)]
    shells = band.shells.cpu()
    counts = torch.bincount(shells, minlength=band.max_index + 1).clamp_min(1)

    def average(values: torch.Tensor) -> torch.Tensor:
        return torch.zeros(band.max_index + 1).index_add_(0, shells, values.float().cpu()) / counts

    frequencies = (torch.arange(1, band.max_index + 1) / edge).numpy()
    axes.plot(
        frequencies,
        average(power[band.rows.cpu(), band.columns.cpu()])[1:].numpy(),
        color="black",
        lw=1.4,
        label="images",
    )
    noise = probe.noise.power[1 : band.max_index + 1].numpy()
    axes.plot(frequencies, noise, color=GREY, lw=1.4, ls="--", label="their corners")
    if len(signal):
        axes.plot(frequencies, average(signal.mean(0))[1:].numpy(), color=BLUE, lw=1.6, label="fits")
    axes.set_yscale("log")
    _label_resolution(axes, float(frequencies[-1]))
    axes.set_title("power by resolution", fontsize=9)
    axes.legend(fontsize=7, framealpha=0.85, edgecolor="none")


def _draw_correlation(axes: Axes, evidence: Evidence) -> None:
    found = evidence.found
    edge = evidence.probe.images.box_size * evidence.probe.images.pixel_size
    frequencies = (torch.arange(1, len(found.correlation)) / edge).numpy()
    axes.plot(frequencies, found.correlation[1:].numpy(), color=BLUE, lw=1.6)
    axes.axhline(0, color="black", lw=0.6)
    axes.set_ylim(min(-0.05, float(found.correlation.min()) - 0.02), 1)
    _label_resolution(axes, float(frequencies[-1]))
    axes.set_title("correlation of images\nwith their fits", fontsize=9)


def _label_resolution(axes: Axes, highest: float) -> None:
    ticks = [highest * share for share in (0.25, 0.5, 0.75, 1.0)]
    axes.set_xticks(ticks, labels=[f"{1 / tick:.0f}" if 1 / tick >= 10 else f"{1 / tick:.1f}" for tick in ticks])
    axes.set_xlabel("resolution [Å]", fontsize=8)


def _draw_conventions(axes: Axes, trial: PoseTrial) -> None:
    """Draw the likelihood of every reading that changes one thing, of the best frame, and of random orientations."""
    chosen = trial.chosen.convention.describe()
    rows: list[tuple[str, Reading]] = [
        (each.describe(), reading) for each, reading in trial.conventions.items() if each.is_single
    ]
    rows.append(("as given, best frame", max(trial.near, trial.registered["as given"], key=lambda each: each.mean)))
    if chosen not in dict(rows):
        rows.append((chosen, trial.chosen))
    rows.sort(key=lambda row: row[1].mean)
    rows.insert(0, ("random orientations", trial.random))
    values = [reading.gains.double() for _, reading in rows]
    means = [float(value.mean()) for value in values]
    errors = [2 * float(value.std()) / len(value) ** 0.5 for value in values]
    colours = [BLUE if name.startswith("as given") else GREY for name, _ in rows]
    colours[0] = "#d0d3d6"
    if trial.is_credible and not trial.chosen.convention.is_given:
        colours = [GREEN if name == chosen else colour for (name, _), colour in zip(rows, colours, strict=True)]
    axes.barh(range(len(rows)), means, color=colours, xerr=errors, error_kw={"lw": 0.8})
    labels = [name for name, _ in rows]
    axes.set_yticks(range(len(rows)), labels=labels, fontsize=8)
    for tick, name in zip(axes.get_yticklabels(), labels, strict=True):
        tick.set_fontweight("bold" if name == "as given" else "normal")
    axes.axvline(means[0], color="black", lw=0.6, ls=":")
    axes.set_title("log likelihood an image\nby reading of the given poses", fontsize=9)
