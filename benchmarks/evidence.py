"""What tells whether images show a reference: likelihoods of found fits, paired differences, areas under curves."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float
from sklearn.metrics import roc_auc_score
from torch import Tensor

import deephemnma as dh
from deephemnma.alignment.objective import evaluate
from deephemnma.alignment.observation import make_observations
from deephemnma.alignment.state import State
from deephemnma.core.estimates import Estimates
from deephemnma.core.particle import ImageSource
from deephemnma.imaging.band import make_band
from deephemnma.imaging.gaussian_projector import GaussianProjector
from deephemnma.imaging.noise import NoiseModel
from deephemnma.pipeline.particles import find_file
from deephemnma.pipeline.reference import MODES_FILE

DRAWS = 1000
"""Of every bootstrap."""
BLOCK = 128


class Interval(NamedTuple):
    """A figure with the interval that holds it at 95 %."""

    value: float
    low: float
    high: float


def compute_gains(
    source: ImageSource, estimates: Estimates, reference: Path, *, noise: NoiseModel, resolution: float
) -> Float[Tensor, "images"]:
    """Return the log likelihood of each image's fit above that of an empty image.

    The contrast of each image is fitted, all else is the same for every reference: noise, resolution (A), no B-factor.
    So differences between references are log likelihood ratios.
    """
    model, modes = dh.read_reference(find_file(reference, MODES_FILE))
    modes = modes.select(estimates.mode_numbers)
    band = make_band(source.box_size, source.pixel_size, resolution=resolution)
    projector = GaussianProjector(model, modes, band)
    gains = []
    for ids in torch.arange(len(source)).split(BLOCK):
        optics = None if source.optics is None else source.optics.select(ids)
        seen = make_observations(source[ids], band, optics=optics, noise=noise)
        poses = estimates.poses.select(ids)
        state = State(poses.rotations.float(), poses.shifts.float(), estimates.amplitudes[ids].float())
        empty = seen.data.abs().square().sum(1).double() / 2
        gains.append(empty - evaluate(seen, projector, state).cost)
    return torch.cat(gains)


def compute_auc(
    labels: Bool[np.ndarray, "images"], values: Float[np.ndarray, "images"], *, clusters: np.ndarray
) -> Interval:
    """Return the chance that a value of a labelled image lies above one of the others.

    The interval is that of a bootstrap over whole `clusters`, images of one particle, each class by itself.
    """
    random = np.random.default_rng(0)
    rows = {name: np.flatnonzero(clusters == name) for name in np.unique(clusters)}
    sides = [[name for name, own in rows.items() if labels[own[0]] == side] for side in (False, True)]
    draws = []
    for _ in range(DRAWS):
        names = [name for side in sides for name in random.choice(side, len(side))]
        drawn = np.concatenate([rows[name] for name in names])
        draws.append(roc_auc_score(labels[drawn], values[drawn]))
    low, high = np.quantile(draws, (0.025, 0.975))
    return Interval(float(roc_auc_score(labels, values)), float(low), float(high))


def compare_pairs(first: Float[Tensor, "images"], second: Float[Tensor, "images"]) -> tuple[Interval, float]:
    """Return the mean of ``first - second`` over the images, and the share of images in which `first` is greater."""
    difference = (first - second).double()
    random = torch.Generator().manual_seed(0)
    drawn = torch.randint(len(difference), (DRAWS, len(difference)), generator=random)
    low, high = difference[drawn].mean(1).quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return Interval(float(difference.mean()), low, high), float((difference > 0).double().mean())
