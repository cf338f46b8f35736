"""Amplitudes -> a linear space of few axes."""

from collections.abc import Mapping
from dataclasses import replace

import torch
from sklearn.decomposition import PCA

from deephemnma.core.error import InputError
from deephemnma.core.estimates import Estimates
from deephemnma.core.landscape import Landscape


def make_landscape(estimates: Estimates, *, n_axes: int) -> Landscape:
    """Return the principal-component space of the amplitudes, without groups.

    Images without finite amplitudes are left out. Several sets go into one space through
    :func:`~deephemnma.core.estimates.concatenate_estimates`; :func:`find_origins` tells them apart again.

    Parameters
    ----------
    estimates
        Of at least two images, each there once.
    n_axes
        Axes wanted; no more than there are modes.

    Raises
    ------
    InputError
        If there are too few images or axes, or an image is there twice.
    """
    kept = _select_finite(estimates)
    if len(set(kept.names)) < len(kept):
        raise InputError("An image may be in the landscape once: it is both estimated and predicted; keep one of them.")
    most = min(kept.n_modes, len(kept))
    if not 1 <= n_axes <= most:
        raise InputError(
            f"A landscape of {len(kept)} images with {kept.n_modes} modes has 1 to {most} axes, but {n_axes} were "
            "asked for (--n-axes)."
        )
    pca = PCA(n_components=n_axes, svd_solver="full").fit(kept.amplitudes.double().cpu().numpy())
    axes = torch.from_numpy(pca.components_)
    # The sign of an axis is free: its greatest component points up, so that a second run shows the same picture.
    axes = axes * axes.gather(1, axes.abs().argmax(1, keepdim=True)).sign()
    empty = Landscape(
        names=(),
        coordinates=torch.zeros(0, n_axes, dtype=torch.float64),
        groups=torch.zeros(0, dtype=torch.long),
        mean=torch.from_numpy(pca.mean_),
        axes=axes,
        explained=torch.from_numpy(pca.explained_variance_ratio_),
        mode_numbers=kept.mode_numbers,
    )
    return project_estimates(empty, kept)


def project_estimates(landscape: Landscape, estimates: Estimates) -> Landscape:
    """Return the space of `landscape` with the images of `estimates` in it, without groups.

    Raises
    ------
    InputError
        If the modes differ.
    """
    if landscape.mode_numbers != estimates.mode_numbers:
        raise InputError(
            f"The landscape has the modes {list(landscape.mode_numbers)}, the estimates {list(estimates.mode_numbers)}."
        )
    kept = _select_finite(estimates)
    return replace(
        landscape,
        names=kept.names,
        coordinates=(kept.amplitudes.double().cpu() - landscape.mean) @ landscape.axes.mT,
        groups=torch.full((len(kept),), -1, dtype=torch.long),
    )


def find_origins(landscape: Landscape, sets: Mapping[str, Estimates]) -> tuple[str, ...]:
    """Return, for each image of `landscape`, the key of the set in `sets` that it came from."""
    origin = {name: key for key, estimates in sets.items() for name in estimates.names}
    missing = [name for name in landscape.names if name not in origin]
    if missing:
        raise InputError(f"Image {missing[0]!r} of the landscape is in none of the sets {list(sets)}.")
    return tuple(origin[name] for name in landscape.names)


def _select_finite(estimates: Estimates) -> Estimates:
    return estimates.select(estimates.amplitudes.isfinite().all(1).nonzero()[:, 0].cpu())
