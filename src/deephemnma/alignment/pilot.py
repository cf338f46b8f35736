"""Contrast, noise and B-factor of a data set, measured on a few of its images."""

from dataclasses import replace

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from deephemnma.alignment.aligner import Aligner, align_batch, observe
from deephemnma.alignment.assembly import make_search_aligner
from deephemnma.alignment.levenberg import Fit
from deephemnma.alignment.observation import Observations
from deephemnma.alignment.residual import (
    ShellSums,
    concatenate_sums,
    estimate_b_factor,
    estimate_residual_noise,
    sum_shells,
)
from deephemnma.alignment.schedule import descend
from deephemnma.core.error import InputError
from deephemnma.core.model import GaussianModel, Modes
from deephemnma.core.particle import ImageSource
from deephemnma.core.seed import make_generator
from deephemnma.imaging.noise import NoiseModel
from deephemnma.imaging.noise_estimation import estimate_noise
from deephemnma.imaging.synthesis import ImageFormation
from deephemnma.settings.estimate import EstimateSettings

MAD_TO_SD = 1.4826
ROUNDS = 2
"""Times that noise and B-factor are measured, and the pilots fitted again with them."""
FAINT = 0.5
"""Pilots of less than this share of the typical contrast have hardly been found: they say nothing of the B-factor."""


def measure_formation(
    model: GaussianModel,
    modes: Modes,
    source: ImageSource,
    *,
    settings: EstimateSettings,
    noise: NoiseModel | None = None,
    aligner: Aligner | None = None,
    device: torch.device | str = "cpu",
) -> ImageFormation:
    """Measure contrast, noise and B-factor by aligning a few images, the pilots, from no prior knowledge.

    The noise is first read off the corners of the images, then measured as what the pilots' fits leave: the corners
    see the spectrum blurred, and cannot tell what passed through the CTF. The B-factor is that of highest likelihood
    at the fits. The contrast is the median over the pilots, its spread what the median absolute deviation shows
    beyond noise.

    Parameters
    ----------
    model, modes, source, settings, device
        As in :func:`~deephemnma.alignment.assembly.make_search_aligner`.
    noise
        Of these images, where that was measured already; else it is read off their corners.
    aligner
        That function's, whatever its formation, where there is one already: it saves building another bank.
        ``dataclasses.replace(aligner, formation=...)`` of it aligns with what was measured.

    Raises
    ------
    InputError
        If no pilot image can be used.
    """
    extent = model.radius + settings.shift_range + settings.amplitude_range * min(modes.n_modes, 1)
    corners = estimate_noise(source, radius=extent) if noise is None else noise
    blind = ImageFormation(contrast=0.0, noise=corners)
    if aligner is None:
        aligner = make_search_aligner(model, modes, source, settings=settings, formation=blind, device=device)
    # A mask and a prior would be measured as well, were they there.
    likelihood = replace(settings.likelihood, mask_radius=0.0, prior_rmsd=(), error_bars="expected")
    aligner = replace(aligner, formation=blind, likelihood=likelihood)
    pilots = torch.linspace(0, len(source) - 1, min(settings.pilot_images, len(source))).round().long()
    blocks = pilots.split(settings.batch_size)
    parts = [align_batch(aligner, source, rows) for rows in blocks]
    bad = torch.cat([part.bad for part in parts])
    if bad.all():
        raise InputError(
            f"None of the {len(pilots)} pilot images could be used: all hold NaN or are flat. Check the stack "
            f"(the first is {source.names[int(pilots[0])]})."
        )
    fits = [part.fit for part in parts]
    for _ in range(ROUNDS):
        formation = _measure_once(aligner, source, blocks, fits, corners=corners)
        aligner = replace(aligner, formation=formation)
        corners = _mix_spectra(formation.noise)  # nearer to the truth than what the corners blur
        fits = [_fit_again(aligner, source, rows, found) for rows, found in zip(blocks, fits, strict=True)]
    if aligner.formation.b_factor:
        corrected = _correct_b_factor(aligner, source, blocks, fits)
        aligner = replace(aligner, formation=replace(aligner.formation, b_factor=corrected))
        fits = [_fit_again(aligner, source, rows, found) for rows, found in zip(blocks, fits, strict=True)]
    return _measure_contrast(aligner.formation, fits, ~bad)


def _measure_once(
    aligner: Aligner,
    source: ImageSource,
    blocks: tuple[Int[Tensor, "_"], ...],
    fits: list[Fit],
    *,
    corners: NoiseModel,
) -> ImageFormation:
    """Return the noise and the B-factor that explain what the fits leave."""
    parts = [
        _sum_block(aligner, source, rows, found=found, corners=corners)
        for rows, found in zip(blocks, fits, strict=True)
    ]
    sums, band = concatenate_sums(parts), aligner.levels[-1].band
    noise = estimate_residual_noise(sums, corners, has_ctf=source.optics is not None, max_index=band.max_index)
    b_factor = _fit_b_factor(aligner, sums) if aligner.likelihood.fit_b_factor else 0.0
    return ImageFormation(contrast=0.0, noise=noise, b_factor=b_factor)


def _mix_spectra(noise: NoiseModel) -> NoiseModel:
    """Return noise of one spectrum, that of both parts at a mean CTF."""
    if noise.structural is None:
        return noise
    return replace(noise, power=noise.power + noise.structural / 2, structural=None)


def _fit_b_factor(aligner: Aligner, sums: ShellSums) -> float:
    """Return the B-factor of highest likelihood over the pilots that are not faint."""
    band, contrast = aligner.levels[-1].band, sums.inner.sum(1) / sums.energy.sum(1)
    found = contrast > FAINT * contrast.median()
    chosen = replace(sums, inner=sums.inner[found], energy=sums.energy[found])
    return estimate_b_factor(chosen, present=aligner.formation.b_factor, edge=band.box_size * band.pixel_size)


def _correct_b_factor(
    aligner: Aligner, source: ImageSource, blocks: tuple[Int[Tensor, "_"], ...], fits: list[Fit]
) -> float:
    """Return the B-factor less the bias that comes of fitting each pilot's pose to its noise as well.

    A parametric bootstrap: images simulated at the fits, with the B-factor found, are fitted in the same way.
    """
    level, formation = aligner.levels[-1], aligner.formation
    parts = []
    for rows, found in zip(blocks, fits, strict=True):
        observations, bad = observe(aligner, source, rows)
        state = found.state
        value = level.projector.project(state.rotations, state.shifts, state.amplitudes) * observations.transfer
        drawn = torch.stack(
            [torch.randn(value.shape[1], 2, generator=make_generator("bootstrap", i)) for i in rows.tolist()]
        )
        # Whitened: real and imaginary parts of the noise have variance 1, where anything is seen at all.
        noise = torch.view_as_complex(drawn).to(value) * (observations.transfer != 0)
        simulated = replace(observations, data=found.evaluation.contrast[:, None] * value + noise)
        again = descend(simulated, aligner.levels[-1:], state, scales=aligner.scales)
        sums = _sum_fits(aligner, source, rows, seen=simulated, found=again, good=~bad, corners=formation.noise)
        parts.append(sums)
    return max(0.0, 2 * formation.b_factor - _fit_b_factor(aligner, concatenate_sums(parts)))


def _sum_block(
    aligner: Aligner, source: ImageSource, ids: Int[Tensor, "images"], *, found: Fit, corners: NoiseModel
) -> ShellSums:
    observations, bad = observe(aligner, source, ids)
    return _sum_fits(aligner, source, ids, seen=observations, found=found, good=~bad, corners=corners)


def _sum_fits(
    aligner: Aligner,
    source: ImageSource,
    ids: Int[Tensor, "images"],
    *,
    seen: Observations,
    found: Fit,
    good: Bool[Tensor, "images"],
    corners: NoiseModel,
) -> ShellSums:
    return sum_shells(
        seen,
        aligner.levels[-1].projector,
        found.state,
        found.evaluation,
        good=good,
        optics=None if source.optics is None else source.optics.select(ids),
        noise=aligner.formation.noise,
        corners=corners,
    )


def _fit_again(aligner: Aligner, source: ImageSource, ids: Int[Tensor, "images"], found: Fit) -> Fit:
    """Refine fits at full resolution, with the aligner's present formation."""
    observations, _ = observe(aligner, source, ids)
    return descend(observations, aligner.levels[-1:], found.state, scales=aligner.scales)


def _measure_contrast(formation: ImageFormation, fits: list[Fit], good: Bool[Tensor, "images"]) -> ImageFormation:
    """Return `formation` with the typical contrast and its spread."""
    contrast = torch.cat([found.evaluation.contrast for found in fits])[good]
    variance = torch.cat([1 / found.evaluation.curvature[:, -1, -1] for found in fits])[good]
    median = contrast.median()
    total = (MAD_TO_SD * (contrast - median).abs().median()).square()
    spread = (total - variance.median()).clamp_min(0).sqrt()
    return replace(formation, contrast=float(median), contrast_spread=float(spread))
