"""Applying a trained network."""

from collections.abc import Callable
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor

from deephemnma.core.error import InputError
from deephemnma.core.estimates import Estimates, Status, concatenate_estimates
from deephemnma.core.model import Modes
from deephemnma.core.particle import ImageSource, Poses
from deephemnma.imaging.bad_image import find_bad_images
from deephemnma.network.checkpoint import Checkpoint, hash_modes, read_checkpoint
from deephemnma.network.pose_network import Hypotheses
from deephemnma.network.preparation import prepare_images
from deephemnma.settings.predict import PredictSettings

Progress = Callable[[int, int], None]
"""Called with the numbers of images done and in all."""
PIXEL_TOLERANCE = 1e-3


def predict_estimates(
    source: ImageSource,
    checkpoint: Checkpoint | Path | str,
    *,
    modes: Modes | None = None,
    ids: Int[Tensor, "images"] | None = None,
    settings: PredictSettings | None = None,
    device: torch.device | str = "cpu",
    progress: Progress | None = None,
) -> Estimates:
    """Predict the likeliest rotation, shift and amplitudes of images: see :func:`predict_hypotheses`."""
    one = PredictSettings(batch_size=(settings or PredictSettings()).batch_size, n_hypotheses=1)
    return predict_hypotheses(source, checkpoint, modes=modes, ids=ids, settings=one, device=device, progress=progress)[
        0
    ]


def predict_hypotheses(
    source: ImageSource,
    checkpoint: Checkpoint | Path | str,
    *,
    modes: Modes | None = None,
    ids: Int[Tensor, "images"] | None = None,
    settings: PredictSettings | None = None,
    device: torch.device | str = "cpu",
    progress: Progress | None = None,
) -> tuple[Estimates, ...]:
    """Predict several answers for each image.

    Parameters
    ----------
    source
        Images like those the network was trained for.
    checkpoint
        The network, or its file.
    modes
        The modes that the amplitudes are to belong to; None trusts the checkpoint.
    ids
        Which images; all by default.
    settings
        Batch size and number of hypotheses.
    device
        Where the network runs.
    progress
        Told after each batch.

    Returns
    -------
    hypotheses
        The likeliest answer of each image first, then the next, each with its probability as the score and the
        validation errors as error bars. Images that hold NaN or are flat get the status BAD_IMAGE and neutral values.

    Raises
    ------
    InputError
        If box, pixel size, knowledge of the CTF or modes are not those of the training.
    """
    settings = settings or PredictSettings()
    checkpoint = checkpoint if isinstance(checkpoint, Checkpoint) else read_checkpoint(checkpoint)
    check_match(checkpoint, source, modes)
    ids = torch.arange(len(source)) if ids is None else ids
    network = checkpoint.network.to(device).eval()
    blocks: list[tuple[Estimates, ...]] = []
    done = 0
    for block in ids.split(settings.batch_size):
        images = source[block].to(device)
        optics = None if source.optics is None else source.optics.select(block)
        prepared = prepare_images(images, optics, checkpoint.preparation)
        with torch.no_grad():
            found = network.decode(network(prepared.unsqueeze(1)), n_hypotheses=settings.n_hypotheses)
        names = tuple(source.names[row] for row in block.tolist())
        blocks.append(_make_estimates(found, names, find_bad_images(images), checkpoint))
        done += len(block)
        if progress is not None:
            progress(done, len(ids))
    return tuple(concatenate_estimates(list(parts)) for parts in zip(*blocks, strict=True))


def check_match(checkpoint: Checkpoint, source: ImageSource, modes: Modes | None) -> None:
    """Raise unless the network was trained for such images and modes.

    Raises
    ------
    InputError
        That says what differs.
    """
    if source.box_size != checkpoint.box_size:
        raise InputError(
            f"The network was trained on images of {checkpoint.box_size} pixels, these have {source.box_size}: "
            "bring them to the same box (`deephemnma prepare`) or train on them."
        )
    if abs(source.pixel_size / checkpoint.pixel_size - 1) > PIXEL_TOLERANCE:
        raise InputError(
            f"The network was trained at {checkpoint.pixel_size:.4g} A a pixel, these images have "
            f"{source.pixel_size:.4g} A: bring them to the same pixel size (`deephemnma prepare`) or train on them."
        )
    if (source.optics is not None) != checkpoint.has_optics:
        given, trained = ("with", "without") if source.optics is not None else ("without", "with")
        raise InputError(
            f"These images come {given} CTF parameters, but the network was trained {trained}: give a star file like "
            "the one it was trained on, or train again."
        )
    if modes is None:
        return
    if modes.numbers != checkpoint.mode_numbers:
        raise InputError(
            f"The network gives amplitudes of modes {_join(checkpoint.mode_numbers)}, but modes {_join(modes.numbers)} "
            "were asked for: ask for the same (--modes) or train again."
        )
    if hash_modes(modes) != checkpoint.modes_hash:
        raise InputError(
            f"Modes {_join(modes.numbers)} are not those the network was trained with, though the numbers agree: "
            "give the same modes.npz or train again."
        )


def _make_estimates(
    found: Hypotheses, names: tuple[str, ...], bad: Tensor, checkpoint: Checkpoint
) -> tuple[Estimates, ...]:
    bad = bad.cpu()
    found = _neutralize(found, bad)
    status = tuple(Status.BAD_IMAGE if flag else Status.PREDICTED for flag in bad.tolist())
    covariance = torch.diag(checkpoint.deviations.square()).expand(len(names), -1, -1).clone()
    covariance[bad] = torch.nan
    return tuple(
        Estimates(
            names=names,
            poses=Poses(_orthonormalize(found.rotations[:, rank]), found.shifts[:, rank]),
            amplitudes=found.amplitudes[:, rank],
            covariance=covariance,
            score=found.probabilities[:, rank],
            status=status,
            mode_numbers=checkpoint.mode_numbers,
        )
        for rank in range(found.rotations.shape[1])
    )


def _neutralize(found: Hypotheses, bad: Tensor) -> Hypotheses:
    """Return the hypotheses in float64 on the CPU, bad images at the reference itself: no turn, no shift, no motion."""
    rotations, shifts, amplitudes, scores = (
        values.double().cpu() for values in (found.rotations, found.shifts, found.amplitudes, found.probabilities)
    )
    return Hypotheses(
        rotations=torch.where(bad[:, None, None, None], torch.eye(3, dtype=torch.float64), rotations),
        shifts=torch.where(bad[:, None, None], 0.0, shifts),
        amplitudes=torch.where(bad[:, None, None], 0.0, amplitudes),
        probabilities=torch.where(bad[:, None], 0.0, scores),
    )


def _orthonormalize(rotations: Float[Tensor, "images 3 3"]) -> Float[Tensor, "images 3 3"]:
    """Take single-precision rotations onto SO(3) in double precision."""
    left, _, right = torch.linalg.svd(rotations)
    return left @ right


def _join(numbers: tuple[int, ...]) -> str:
    return ", ".join(map(str, numbers))
