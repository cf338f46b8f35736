"""Images with labels to learn from: simulated afresh, or a data set's own, turned and moved."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from deephemnma.core.estimates import Estimates
from deephemnma.core.fourier import make_frequencies
from deephemnma.core.model import GaussianModel, Modes
from deephemnma.core.particle import ImageSource, Optics, Poses
from deephemnma.core.seed import make_generator
from deephemnma.imaging.ctf import compute_ctf
from deephemnma.imaging.synthesis import ImageFormation, project_images
from deephemnma.network.label import Labels, make_labels
from deephemnma.network.label_distribution import LabelDistribution
from deephemnma.network.preparation import Preparation, normalize_images, prepare_images
from deephemnma.network.resampling import turn_and_move

TOLERANCE = 1e-2
"""Of the projector: far below the noise."""
LEAST_CONTRAST = 0.2
"""No simulated image has less than this share of the typical contrast."""


@dataclass(frozen=True)
class Batch:
    """Prepared images and their labels."""

    images: Float[Tensor, "images box box"]
    labels: Labels


class TrainingImages(ABC):
    """Batches by step: the same step gives the same batch, whatever was drawn before."""

    @abstractmethod
    def draw(self, step: int, count: int) -> Batch:
        """Return the batch of `step`."""


class SimulatedImages(TrainingImages):
    """Images of the reference, made at the network's own box: Fourier cropping commutes with all that makes them.

    Parameters
    ----------
    model, modes
        The reference.
    distribution
        Where labels are drawn.
    optics
        Of the data set, from which each image takes one; None without CTF.
    formation
        Contrast and noise of the data set.
    preparation
        As in prediction.
    seed
        Of the run.
    device
        Where images are made.
    """

    def __init__(
        self,
        model: GaussianModel,
        modes: Modes,
        *,
        distribution: LabelDistribution,
        optics: Optics | None,
        formation: ImageFormation,
        preparation: Preparation,
        seed: int,
        device: torch.device,
    ) -> None:
        self._model, self._modes, self._distribution = model.to(device), modes.to(device), distribution
        self._optics, self._preparation, self._seed, self._device = optics, preparation, seed, device
        self._formation, self._noise = formation, formation.noise.resample(preparation.box_size)
        self._frequencies = make_frequencies(preparation.box_size, preparation.pixel_size, device=device)
        # A projection keeps the sum of its grey values, a Fourier crop the values.
        self._crop_scale = (preparation.box_size / formation.noise.box_size) ** 2

    def draw(self, step: int, count: int) -> Batch:
        """See :meth:`TrainingImages.draw`."""
        generator = make_generator(self._seed, "simulated", step)
        labels = self._distribution.draw(count, generator=generator)
        optics = None
        if self._optics is not None:
            optics = self._optics.select(torch.randint(len(self._optics), (count,), generator=generator))
        clean = project_images(
            self._model,
            self._modes,
            Poses(labels.rotations, labels.shifts),
            labels.amplitudes,
            box_size=self._preparation.box_size,
            pixel_size=self._preparation.pixel_size,
            optics=optics,
            device=self._device,
            tolerance=TOLERANCE,
            b_factor=self._formation.b_factor,
        )
        ctf = None if optics is None else compute_ctf(optics.to(self._device), self._frequencies)
        random = make_generator(self._seed, "noise", step, device=self._device)
        noise = self._noise.draw(count, generator=random, ctf=ctf, group=None if optics is None else optics.group)
        contrasts = self._draw_contrasts(count, generator).to(self._device)
        images = prepare_images(contrasts[:, None, None] * clean + noise, optics, self._preparation)
        return Batch(images, labels.to(self._device))

    def _draw_contrasts(self, count: int, generator: torch.Generator) -> Float[Tensor, "count"]:
        mean, spread = self._formation.contrast, self._formation.contrast_spread
        drawn = mean + spread * torch.randn(count, generator=generator)
        return drawn.clamp_min(LEAST_CONTRAST * mean) * self._crop_scale


class EstimatedImages(TrainingImages):
    """A data set's images with their estimates, each time turned in the plane and moved; one pass shows each once.

    Parameters
    ----------
    source, ids
        The images.
    estimates, rows
        Their labels, in the same order.
    preparation
        As in prediction.
    seed
        Of the run.
    device
        Where images are prepared.
    """

    def __init__(
        self,
        source: ImageSource,
        estimates: Estimates,
        *,
        rows: Int[Tensor, "images"],
        ids: Int[Tensor, "images"],
        preparation: Preparation,
        seed: int,
        device: torch.device,
    ) -> None:
        self._source, self._labels, self._ids = source, make_labels(estimates, rows), ids
        self._preparation, self._seed, self._device = preparation, seed, device
        self._move = self._labels.shifts.std(dim=0, correction=0).mean()

    def __len__(self) -> int:
        return len(self._ids)

    def draw(self, step: int, count: int) -> Batch:
        """See :meth:`TrainingImages.draw`."""
        chosen = self._choose(step, count)
        generator = make_generator(self._seed, "turned", step)
        images, labels = self.get(chosen)
        turned, labels = turn_and_move(
            images,
            labels,
            angles=(2 * torch.pi * torch.rand(count, generator=generator)).to(self._device),
            moves=(self._move * torch.randn(count, 2, generator=generator)).to(self._device),
            pixel_size=self._preparation.pixel_size,
        )
        return Batch(normalize_images(turned), labels)

    def get(self, chosen: Int[Tensor, "images"]) -> tuple[Float[Tensor, "images box box"], Labels]:
        """Return prepared images as they are, and their labels."""
        images = read_prepared(self._source, self._ids[chosen], self._preparation, device=self._device)
        return images, self._labels.select(chosen).to(self._device)

    def _choose(self, step: int, count: int) -> Int[Tensor, "count"]:
        """Return which images come at `step`: each pass is one permutation, and passes follow without a gap."""
        positions = torch.arange(step * count, (step + 1) * count)
        passes = positions // len(self)
        orders = {
            number: torch.randperm(len(self), generator=make_generator(self._seed, "order", number))
            for number in passes.unique().tolist()
        }
        return torch.stack(
            [orders[number][at] for number, at in zip(passes.tolist(), positions % len(self), strict=True)]
        )


class MixedImages(TrainingImages):
    """The first `n_first` steps from one, the others from another."""

    def __init__(self, first: TrainingImages, second: TrainingImages, *, n_first: int) -> None:
        self._first, self._second, self._n_first = first, second, n_first

    def draw(self, step: int, count: int) -> Batch:
        """See :meth:`TrainingImages.draw`."""
        chosen = self._first if step < self._n_first else self._second
        return chosen.draw(step, count)


def read_prepared(
    source: ImageSource, ids: Int[Tensor, "images"], preparation: Preparation, *, device: torch.device | str
) -> Float[Tensor, "images box box"]:
    """Read and prepare images `ids`."""
    optics = None if source.optics is None else source.optics.select(ids)
    return prepare_images(source[ids].to(device), optics, preparation)
