"""Contrast, noise and B-factor of a data set, measured on a few of its images."""

from dataclasses import replace

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from deephemnma.alignment.aligner import Aligner, align_batch, observe
from deephemnma.alignment.assembly import make_search_aligner
from deephemnma.alignment.levenberg import Fit
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
    aligner
        That function's, whatever its formation, where there is one already: it saves building another bank.
        ``dataclasses.replace(aligner, formation=...)`` of it aligns with what was measured.

    Raises
    ------
    InputError
        If no pilot image can be used.
    """
    extent = model.radius + settings.shift_range + settings.amplitude_range * min(modes.n_modes, 1)
    corners = estimate_noise(source, radius=extent)
    blind = ImageFormation(contrast=0.0, noise=corners)
    if aligner is None:
        aligner = make_search_aligner(model, modes, source, settings=settings, formation=blind, device=device)
    # A mask and a prior would be measured as well, were they there.
    likelihood = replace(settings.likelihood, mask_radius=0.0, prior_rmsd=())
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
    contrast = sums.inner.sum(1) / sums.energy.sum(1)
    found = contrast > FAINT * contrast.median()
    formation = ImageFormation(contrast=0.0, noise=noise)
    if not aligner.likelihood.fit_b_factor:
        return formation
    b_factor = estimate_b_factor(
        replace(sums, inner=sums.inner[found], energy=sums.energy[found]),
        present=aligner.formation.b_factor,
        edge=band.box_size * band.pixel_size,
    )
    return replace(formation, b_factor=b_factor)


def _sum_block(
    aligner: Aligner, source: ImageSource, ids: Int[Tensor, "images"], *, found: Fit, corners: NoiseModel
) -> ShellSums:
    observations, bad = observe(aligner, source, ids)
    return sum_shells(
        observations,
        aligner.levels[-1].projector,
        found.state,
        found.evaluation,
        good=~bad,
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
