"""What a stage asks of the options of the likelihood before it begins, and what its summary says of them."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from deephemnma.alignment.assembly import make_bands
from deephemnma.alignment.prior import compute_shift_by_prior, make_prior
from deephemnma.alignment.scale import compute_scales
from deephemnma.core.error import InputError
from deephemnma.core.estimates import Estimates
from deephemnma.core.particle import ImageSource
from deephemnma.pipeline.formation import read_formation
from deephemnma.pipeline.reference import Reference
from deephemnma.settings.estimate import EstimateSettings
from deephemnma.settings.likelihood import LikelihoodSettings


def check_likelihood(
    search: EstimateSettings, *, reference: Reference, particles: ImageSource, device: torch.device
) -> None:
    """Check options that only make sense with this reference and these images, before minutes of work.

    Raises
    ------
    InputError
        If the number of priors is not that of the modes, or the low-resolution limit leaves the search nothing.
    """
    likelihood, scales = search.likelihood, compute_scales(reference.model)
    make_prior(likelihood.prior_rmsd, scales=scales, n_modes=reference.modes.n_modes)
    coarsest = make_bands(particles, scales=scales, settings=search, device=device)[0].resolution
    if 0 < likelihood.low_resolution <= coarsest:
        raise InputError(
            f"--low-resolution {likelihood.low_resolution:g} A leaves nothing to the search, which goes to "
            f"{coarsest:.3g} A: give a coarser one, such as {4 * coarsest:.0f}, or 0 for all."
        )


def summarize_likelihood(
    estimates: Estimates, *, reference: Reference, likelihood: LikelihoodSettings, formation: Path
) -> dict[str, Any]:
    """Return the B-factor and, with a prior, how often it moved an amplitude by more than 1 sd.

    The share is one of images with error bars; the sd is what the image alone would leave.
    """
    summary: dict[str, Any] = {"B-factor (A^2)": read_formation(formation).b_factor}
    prior = make_prior(likelihood.prior_rmsd, scales=compute_scales(reference.model), n_modes=reference.modes.n_modes)
    if prior is None:
        return summary
    n_modes = estimates.n_modes  # pose that is held has no error bar
    known = estimates.covariance[:, :n_modes, :n_modes].isfinite().flatten(1).all(dim=1)
    shift = compute_shift_by_prior(estimates.amplitudes[known], estimates.covariance[known], prior)
    return summary | {"share moved by the prior, > 1 sd": _share_beyond(shift, 1.0)}


def _share_beyond(shift: Tensor, limit: float) -> float:
    beyond = (shift.abs() > limit).any(dim=1)
    return float(beyond.double().mean()) if len(beyond) else 0.0
