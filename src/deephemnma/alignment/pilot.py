"""Contrast and noise of a data set, measured on a few of its images."""

from dataclasses import replace

import torch
from jaxtyping import Float, Int
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
NEIGHBOURS = 2
"""Shells on either side that are pooled with one."""
LEAST_SHARE = 0.05
"""Least share of the corners' power that noise added after the CTF is taken to have."""


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
    see the spectrum blurred, and cannot tell what passed through the CTF. The contrast is the median over the pilots,
    its spread what the median absolute deviation shows beyond noise.

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
    noise = _measure_noise(aligner, source, blocks, parts)
    contrast = torch.cat([part.fit.evaluation.contrast for part in parts])[good]
    variance = torch.cat([1 / part.fit.evaluation.curvature[:, -1, -1] for part in parts])[good]
    median = contrast.median()
    total = (MAD_TO_SD * (contrast - median).abs().median()).square()
    spread = (total - variance.median()).clamp_min(0).sqrt()
    return ImageFormation(contrast=float(median), noise=noise, contrast_spread=float(spread))


def _measure_noise(
    aligner: Aligner, source: ImageSource, blocks: tuple[Int[Tensor, "_"], ...], parts: list[Alignment]
) -> NoiseModel:
    """Return the noise that explains the residuals of the fits, in each shell by least squares.

    The power of a residual is ``power + structural CTF^2``. Shells are pooled with their neighbours; the spectrum of
    the corners counts as some more components, which settles shells in which the CTF hardly varies.
    """
    band, noise = aligner.levels[-1].band, aligner.formation.noise
    sums = torch.zeros(5, len(noise.power), dtype=torch.float64)
    for rows, part in zip(blocks, parts, strict=True):
        sums += _sum_by_shell(aligner, source, rows, part)
    # weight, sum of x, of x^2, of y and of x y, where x is CTF^2 and y the power, as if the corners' y were at all x
    prior = torch.tensor([1, 1 / 2, 1 / 3])[:, None] * PRIOR_COMPONENTS
    sums[:3] += prior
    sums[3:] += prior[:2] * noise.power
    weight, x, xx, y, xy = _pool(sums)
    if source.optics is None:
        return replace(noise, power=torch.where(torch.arange(len(y)) <= band.max_index, y / weight, noise.power))
    slope = ((weight * xy - x * y) / (weight * xx - x * x)).clamp_min(0)
    slope = torch.minimum(slope, y / x)  # neither part is negative
    power, seen = (y - slope * x) / weight, torch.arange(len(slope)) <= band.max_index
    least = LEAST_SHARE * noise.power
    return replace(
        noise,
        power=torch.where(seen, torch.maximum(power, least), noise.power),
        structural=torch.where(seen, slope, 0.0),
    )


def _sum_by_shell(
    aligner: Aligner, source: ImageSource, ids: Int[Tensor, "images"], aligned: Alignment
) -> Float[Tensor, "5 shells"]:
    """Return the sums of 1, x, x^2, y and x y over the good images, x being CTF^2 and y the power of the residual."""
    level, state = aligner.levels[-1], aligned.fit.state
    observations, bad = observe(aligner, source, ids)
    value = level.projector.project(state.rotations, state.shifts, state.amplitudes) * observations.transfer
    residual = observations.data - aligned.fit.evaluation.contrast[:, None] * value
    noise, shells = aligner.formation.noise, level.band.shells.cpu()
    variance = noise.power[shells] / 2  # the data are scaled by the root of its inverse
    y = residual.abs().square().double().cpu()[~bad] * variance
    x = observations.transfer.square().double().cpu()[~bad] * variance
    terms = torch.stack((torch.ones_like(x), x, x * x, y, x * y)).sum(1)
    return torch.zeros(5, len(noise.power), dtype=torch.float64).index_add_(1, shells, terms)


def _pool(sums: Float[Tensor, "terms shells"]) -> Float[Tensor, "terms shells"]:
    """Return the sums over each shell and its neighbours."""
    padded = torch.nn.functional.pad(sums, (NEIGHBOURS, NEIGHBOURS))
    return padded.unfold(1, 2 * NEIGHBOURS + 1, 1).sum(-1)
