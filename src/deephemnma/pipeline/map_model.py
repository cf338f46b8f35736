"""A map becomes pseudoatoms, or a file holds them."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from deephemnma.core.model import GaussianModel
from deephemnma.io.density import read_map
from deephemnma.io.pseudoatom import read_pseudoatoms
from deephemnma.pipeline.progress import Advance, announce, track_progress
from deephemnma.reference.pseudoatom import Pseudoatoms, invert, low_pass, make_pseudoatoms, mark_molecule
from deephemnma.settings.pseudoatom import PseudoatomOptions


def make_map_model(path: Path, options: PseudoatomOptions, *, width: float | None) -> Pseudoatoms:
    """Read a map and return the pseudoatoms that stand for it; how well they do is announced."""
    density = read_map(path, voxel_size=options.voxel_size)
    if options.invert:
        density = invert(density)
    if options.low_pass is not None:
        density = low_pass(density, options.low_pass)
    mask = None if options.mask is None else read_map(options.mask, voxel_size=options.voxel_size)
    molecule = mark_molecule(density, threshold=options.threshold, mask=mask)
    with track_progress("pseudoatoms", 1.0) as advance:
        found = make_pseudoatoms(
            density,
            target_error=options.target_error,
            width=width,
            molecule=molecule,
            max_sites=options.max_sites,
            advance=_follow(options.target_error, advance),
        )
    announce(describe_pseudoatoms(found, density.source))
    return found


def read_pseudoatom_model(path: Path, *, width: float | None) -> GaussianModel:
    """Read pseudoatoms that were made before; with a `width` (A) of one's own instead of the file's."""
    model = read_pseudoatoms(path)
    return model if width is None else replace(model, widths=torch.full_like(model.widths, width))


def describe_pseudoatoms(found: Pseudoatoms, name: str) -> str:
    """Return one sentence: how many, how wide, how good."""
    figures = found.approximation
    return (
        f"{found.model.n_sites} pseudoatoms of {float(found.model.widths[0]):.3g} A stand for {name}: mean error "
        f"{100 * figures.mean_error:.1f} % of the density's range, relative L2 error "
        f"{100 * figures.relative_error:.1f} %, correlation {figures.correlation:.3f}."
    )


def _follow(target_error: float, advance: Advance) -> Callable[[float], None]:
    """Return what turns the error after each round into progress, which goes with its logarithm."""
    done = 0.0

    def follow(error: float) -> None:
        nonlocal done
        share = min(1.0, math.log(1 / min(error, 1.0)) / math.log(1 / target_error))
        advance(max(0.0, share - done))
        done = max(done, share)

    return follow
