"""The training loop: set up, fit, validate."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from lightning_fabric import Fabric
from torch import Tensor

from deephemnma.core.estimates import Estimates
from deephemnma.core.model import GaussianModel, Modes
from deephemnma.core.particle import ImageSource
from deephemnma.core.seed import derive_seed
from deephemnma.imaging.synthesis import ImageFormation
from deephemnma.network.checkpoint import hash_modes, make_checkpoint, write_checkpoint
from deephemnma.network.construction import make_network
from deephemnma.network.preparation import Preparation, choose_preparation
from deephemnma.network.schedule import compute_learning_rate
from deephemnma.network.state import TrainState, resume_state, write_losses, write_state
from deephemnma.network.training_set import TrainingSet, make_training_set
from deephemnma.network.validation import validate
from deephemnma.settings.train import TrainSettings

Progress = Callable[[int, int], None]
"""Called with the numbers of images shown and in all."""
N_LOG_ROWS = 200
NETWORK_NAME, LAST_NAME, LOSSES_NAME = "network.ckpt", "last.ckpt", "losses.csv"


@dataclass(frozen=True)
class _Training:
    """What stays the same during a training."""

    settings: TrainSettings
    data: TrainingSet
    fabric: Fabric
    seed: int
    output: Path
    identity: dict[str, Any]


def train_network(
    model: GaussianModel,
    modes: Modes,
    *,
    source: ImageSource,
    output: Path,
    settings: TrainSettings,
    estimates: Estimates | None = None,
    formation: ImageFormation | None = None,
    seed: int = 0,
    device: torch.device | str = "cpu",
    progress: Progress | None = None,
) -> Path:
    """Train a network, or go on where a killed training stopped.

    Parameters
    ----------
    model, modes
        The reference, and the modes whose amplitudes are to be predicted.
    source
        The images of `estimates`; without estimates, any images of the data set, for their box, pixel and optics.
    output
        Folder; gets ``network.ckpt``, ``losses.csv`` and, until the end, ``last.ckpt``.
    settings, estimates
        How, and what to learn from and to validate on: outliers and failures dropped by the caller.
    formation
        Contrast and noise for simulated images.
    seed
        Of weights, batches and split.
    device
        Where to train.
    progress
        Told after each step.

    Returns
    -------
    path
        Of the checkpoint that :func:`~deephemnma.network.prediction.predict_estimates` takes.

    Raises
    ------
    InputError
        If an input is missing or does not fit, or `output` holds an unfinished training of other settings.
    """
    device, output = torch.device(device), Path(output)
    preparation = choose_preparation(
        source.box_size, source.pixel_size, network_box=settings.network_box, ctf_correction=settings.ctf_correction
    )
    common = {"preparation": preparation, "settings": settings, "seed": seed, "device": device}
    data = make_training_set(model, modes, source=source, estimates=estimates, formation=formation, **common)
    identity = _identify(settings, preparation, modes, seed=seed)
    training = _Training(settings, data, _make_fabric(device), seed, output, identity)
    state = _set_up(training, box_size=preparation.box_size, n_modes=modes.n_modes)
    resume_state(output / LAST_NAME, state, training.identity)
    deviations = _fit(training, state, progress or _ignore)
    fitted = {"settings": settings, "preparation": preparation, "deviations": deviations}
    write_checkpoint(output / NETWORK_NAME, make_checkpoint(state.network.module, modes, source, **fitted))
    (output / LAST_NAME).unlink(missing_ok=True)
    return output / NETWORK_NAME


def _identify(settings: TrainSettings, preparation: Preparation, modes: Modes, *, seed: int) -> dict[str, Any]:
    """Return what an unfinished training must agree in to be gone on with."""
    return {
        "settings": asdict(settings),
        "preparation": asdict(preparation),
        "modes": hash_modes(modes),
        "seed": seed,
    }


def _make_fabric(device: torch.device) -> Fabric:
    on_gpu = device.type == "cuda"
    # Half precision slows a CPU down.
    return Fabric(
        accelerator="cuda" if on_gpu else "cpu",
        devices=[device.index or 0] if on_gpu else 1,
        precision="bf16-mixed" if on_gpu else "32-true",
    )


def _set_up(training: _Training, *, box_size: int, n_modes: int) -> TrainState:
    """Make the untrained network, its optimizer, and the scale of its targets."""
    settings = training.settings
    with torch.random.fork_rng():
        torch.manual_seed(derive_seed(training.seed, "weights"))
        network = make_network(settings, box_size=box_size, n_modes=n_modes)
    network.standardizer.fit(training.data.sample)
    kind = torch.optim.AdamW if settings.optimizer == "adamw" else torch.optim.Adam
    optimizer = kind(network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    return TrainState(*training.fabric.setup(network, optimizer))


def _fit(training: _Training, state: TrainState, progress: Progress) -> Float[Tensor, "parameters"]:
    """Go through the steps that are left; return the spread of the errors on the validation images."""
    settings, n_steps = training.settings, training.data.n_steps
    log_every = max(1, n_steps // N_LOG_ROWS)
    validate_every = max(log_every, n_steps // settings.n_validations // log_every * log_every)
    saved = time.monotonic()
    state.network.train()
    while state.step < n_steps:
        state.add_losses(_take_step(training, state))
        state.step += 1
        if state.step % log_every == 0 or state.step == n_steps:
            _log(training, state, with_validation=state.step % validate_every == 0 or state.step == n_steps)
        if time.monotonic() - saved >= settings.checkpoint_seconds and state.step < n_steps:
            write_state(training.output / LAST_NAME, state, training.identity)
            saved = time.monotonic()
        progress(state.step * settings.batch_size, n_steps * settings.batch_size)
    return validate(state.network.module, training.data.validation)[1]


def _take_step(training: _Training, state: TrainState) -> dict[str, float]:
    """Learn from the batch of the next step; all randomness follows from the step, so that a resumed run agrees."""
    settings, network = training.settings, state.network
    rate = compute_learning_rate(
        state.step, training.data.n_steps, peak=settings.learning_rate, schedule=settings.schedule
    )
    for group in state.optimizer.param_groups:
        group["lr"] = rate
    batch = training.data.images.draw(state.step, settings.batch_size)
    with torch.random.fork_rng():
        torch.manual_seed(derive_seed(training.seed, "dropout", state.step))
        output = network(batch.images.unsqueeze(1))
    losses = network.module.compute_losses(output, batch.labels)
    state.optimizer.zero_grad()
    training.fabric.backward(sum(losses.values()))
    state.optimizer.step()
    return {name: loss.item() for name, loss in losses.items()}


def _log(training: _Training, state: TrainState, *, with_validation: bool) -> None:
    settings = training.settings
    measured = validate(state.network.module, training.data.validation)[0].to_row() if with_validation else {}
    rate = state.optimizer.param_groups[0]["lr"]
    state.close_row(images=state.step * settings.batch_size, learning_rate=rate, **measured)
    write_losses(training.output / LOSSES_NAME, state.rows)


def _ignore(_done: int, _total: int) -> None:
    """Take no notice of progress."""
