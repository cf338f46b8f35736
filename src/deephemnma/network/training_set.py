"""What a network is trained and validated on: chosen by the settings from what is at hand."""

from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from deephemnma.core.error import InputError
from deephemnma.core.estimates import Estimates
from deephemnma.core.model import GaussianModel, Modes
from deephemnma.core.particle import ImageSource
from deephemnma.core.seed import make_generator
from deephemnma.imaging.synthesis import ImageFormation
from deephemnma.network.label import Labels
from deephemnma.network.label_distribution import LabelDistribution, make_uniform_distribution, smooth_estimates
from deephemnma.network.preparation import Preparation
from deephemnma.network.split import Split, split_images
from deephemnma.network.training_images import (
    Batch,
    EstimatedImages,
    MixedImages,
    SimulatedImages,
    TrainingImages,
)
from deephemnma.settings.train import TrainSettings

N_SAMPLE = 4096
FEWEST_ESTIMATES = 8
VALIDATION_SHARE = 10
"""One image in so many is kept to validate where the estimates are trained on."""


@dataclass(frozen=True)
class TrainingSet:
    """Where batches come from.

    Attributes
    ----------
    images
        To learn from.
    validation
        Images never learnt from.
    sample
        Labels as they come in training, for the scale of the targets.
    n_steps
        Length of the training.
    """

    images: TrainingImages
    validation: Batch
    sample: Labels
    n_steps: int


def make_training_set(
    model: GaussianModel,
    modes: Modes,
    *,
    source: ImageSource,
    estimates: Estimates | None,
    formation: ImageFormation | None,
    preparation: Preparation,
    settings: TrainSettings,
    seed: int,
    device: torch.device,
) -> TrainingSet:
    """Make the training set that `settings` ask for.

    Raises
    ------
    InputError
        If what they need (estimates, image formation) is not at hand.
    """
    _check_formation(source, formation, settings)
    _check_estimates(modes, estimates, settings)
    distribution = _make_distribution(estimates, modes, settings)
    simulated, estimated, held = None, None, None
    if settings.training_images != "estimates":
        simulated = SimulatedImages(
            model,
            modes,
            distribution=distribution,
            optics=source.optics,
            formation=formation,
            preparation=preparation,
            seed=seed,
            device=device,
        )
    if estimates is not None:
        split = _split(estimates, settings, seed=seed)
        ids = _find_ids(source, estimates)
        common = {"preparation": preparation, "seed": seed, "device": device}
        held = EstimatedImages(source, estimates, rows=split.validation, ids=ids[split.validation], **common)
        if settings.training_images != "simulated":
            estimated = EstimatedImages(source, estimates, rows=split.training, ids=ids[split.training], **common)
    n_steps = _count_steps(settings, estimated)
    return TrainingSet(
        images=_combine(simulated, estimated, settings, n_steps=n_steps),
        validation=_make_validation(held, simulated, settings),
        sample=distribution.draw(N_SAMPLE, generator=make_generator(seed, "scale")),
        n_steps=n_steps,
    )


def _check_formation(source: ImageSource, formation: ImageFormation | None, settings: TrainSettings) -> None:
    if settings.training_images != "estimates" and formation is None:
        raise InputError(
            f"--training-images {settings.training_images} needs the contrast and noise of the data set "
            "(image_formation.json), which `deephemnma estimate` measures."
        )
    if formation is not None and formation.noise.box_size != source.box_size:
        raise InputError(
            f"The noise was measured on images of {formation.noise.box_size} pixels, these have {source.box_size}: "
            "give the image_formation.json of these images."
        )


def _check_estimates(modes: Modes, estimates: Estimates | None, settings: TrainSettings) -> None:
    if estimates is None:
        if settings.training_images != "simulated":
            raise InputError(
                f"--training-images {settings.training_images} needs estimates: run `deephemnma estimate` first."
            )
        return
    if estimates.mode_numbers != modes.numbers:
        raise InputError(
            f"The estimates hold amplitudes of modes {estimates.mode_numbers}, but modes {modes.numbers} were given: "
            "they must be the same, in the same order."
        )
    if len(estimates) < FEWEST_ESTIMATES:
        raise InputError(
            f"{len(estimates)} estimates are too few to learn from ({FEWEST_ESTIMATES} or more are needed): estimate "
            "more images, or loosen what drops them."
        )


def _make_distribution(estimates: Estimates | None, modes: Modes, settings: TrainSettings) -> LabelDistribution:
    if estimates is not None:
        return smooth_estimates(estimates, jitter=settings.amplitude_jitter)
    return make_uniform_distribution(
        modes.n_modes, amplitude_range=settings.amplitude_range, shift_range=settings.shift_range
    )


def _find_ids(source: ImageSource, estimates: Estimates) -> Int[Tensor, "images"]:
    numbers = {name: row for row, name in enumerate(source.names)}
    missing = [name for name in estimates.names if name not in numbers]
    if missing:
        raise InputError(
            f"Image {missing[0]} has an estimate but is not among the {len(source)} images given: the estimates must "
            "come from these particles."
        )
    return torch.tensor([numbers[name] for name in estimates.names], dtype=torch.long)


def _split(estimates: Estimates, settings: TrainSettings, *, seed: int) -> Split:
    """Keep a tenth to validate; all of them (up to the limit) where none is trained on."""
    most = len(estimates)
    if settings.training_images != "simulated":
        most = max(2, most // VALIDATION_SHARE)
    return split_images(estimates.names, n_validation=min(most, settings.max_validation_images), seed=seed)


def _count_steps(settings: TrainSettings, estimated: EstimatedImages | None) -> int:
    n_images = settings.n_images
    if settings.n_epochs and estimated is not None:
        n_images = settings.n_epochs * len(estimated)
    return max(1, round(n_images / settings.batch_size))


def _combine(
    simulated: SimulatedImages | None,
    estimated: EstimatedImages | None,
    settings: TrainSettings,
    *,
    n_steps: int,
) -> TrainingImages:
    if simulated is not None and estimated is not None:
        return MixedImages(simulated, estimated, n_first=round(n_steps * (1 - settings.fine_tuning_share)))
    return simulated or estimated


def _make_validation(held: EstimatedImages | None, simulated: SimulatedImages | None, settings: TrainSettings) -> Batch:
    if held is not None:
        return Batch(*held.get(torch.arange(len(held))))
    # Steps count from 0, so that no step of the training draws these.
    return simulated.draw(-1, settings.max_validation_images)
