"""Contrast and noise of a data set, measured on a few of its images."""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from deephemnma.alignment.aligner import Aligner, Alignment, align_batch, observe
from deephemnma.alignment.assembly import make_search_aligner
from deephemnma.core.error import InputError
from deephemnma.core.model import GaussianModel, Modes
from deephemnma.core.particle import ImageSource
from deephemnma.imaging.noise import NoiseModel
from deephemnma.imaging.noise_estimation import estimate_noise
from deephemnma.imaging.synthesis import ImageFormation
from deephemnma.settings.estimate import EstimateSettings

MAD_TO_SD = 1.4826
PRIOR_COMPONENTS = 100
"""Weight of the corners' spectrum beside the residuals': a shell counts for its components over all pilots."""


def measure_formation(
    model: GaussianModel,
    modes: Modes,
    source: ImageSource,
    *,
    settings: EstimateSettings,
    device: torch.device | str = "cpu",
) -> ImageFormation:
    """Measure contrast and noise by aligning a few images, the pilots, from no prior knowledge.

    The noise is first read off the corners of the images, then measured as what the pilots' fits leave: the corners
    are small, and see the spectrum blurred. The contrast is the median over the pilots, its spread what the median
    absolute deviation shows beyond noise.

    Raises
    ------
    InputError
        If no pilot image can be used.
    """
    extent = model.radius + settings.shift_range + settings.amplitude_range * min(modes.n_modes, 1)
    blind = ImageFormation(contrast=0.0, noise=estimate_noise(source, radius=extent))
    aligner = make_search_aligner(model, modes, source, settings=settings, formation=blind, device=device)
    pilots = torch.linspace(0, len(source) - 1, min(settings.pilot_images, len(source))).round().long()
    blocks = pilots.split(settings.batch_size)
    parts = [align_batch(aligner, source, rows) for rows in blocks]
    good = ~torch.cat([part.bad for part in parts])
    if not good.any():
        raise InputError(
            f"None of the {len(pilots)} pilot images could be used: all hold NaN or are flat. Check the stack "
            f"(the first is {source.names[int(pilots[0])]})."
        )
    power = torch.cat([_compute_residual_power(aligner, source, *each) for each in zip(blocks, parts, strict=True)])
    noise = _rescale(blind.noise, aligner, power[good].cpu())
    contrast = torch.cat([part.fit.evaluation.contrast for part in parts])[good]
    variance = torch.cat([1 / part.fit.evaluation.curvature[:, -1, -1] for part in parts])[good]
    median = contrast.median()
    total = (MAD_TO_SD * (contrast - median).abs().median()).square()
    spread = (total - variance.median()).clamp_min(0).sqrt()
    return ImageFormation(contrast=float(median), noise=noise, contrast_spread=float(spread))


def _compute_residual_power(
    aligner: Aligner, source: ImageSource, ids: Tensor, aligned: Alignment
) -> Float[Tensor, "images components"]:
    """Return the power that the fits leave in each component, 1 where the noise was known."""
    level, state = aligner.levels[-1], aligned.fit.state
    observations, _ = observe(aligner, source, ids)
    value = level.projector.project(state.rotations, state.shifts, state.amplitudes) * observations.transfer
    residual = observations.data - aligned.fit.evaluation.contrast[:, None] * value
    return residual.abs().square() / 2


def _rescale(noise: NoiseModel, aligner: Aligner, power: Float[Tensor, "images components"]) -> NoiseModel:
    """Return `noise` times the mean residual `power` of each shell; shells outside the band stay as they are."""
    shells = aligner.levels[-1].band.shells.cpu()
    total = torch.zeros_like(noise.power).index_add_(0, shells, power.sum(0).to(noise.power))
    count = len(power) * torch.bincount(shells, minlength=len(noise.power))
    factor = (total + PRIOR_COMPONENTS) / (count + PRIOR_COMPONENTS)
    return replace(noise, power=noise.power * factor)
