"""What is kept of a training: all that prediction needs, loadable without running anything."""

import hashlib
import pickle
from dataclasses import asdict, dataclass
from importlib.metadata import version as read_version
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from deephemnma.core.error import InputError
from deephemnma.core.model import Modes
from deephemnma.core.particle import ImageSource
from deephemnma.io.atomic import write_beside
from deephemnma.network.construction import make_network
from deephemnma.network.pose_network import PoseNetwork
from deephemnma.network.preparation import Preparation
from deephemnma.settings.train import TrainSettings

FORMAT = 1
WANTED = "a network written by `deephemnma train`"


@dataclass(frozen=True)
class Checkpoint:
    """A trained network and what it is for.

    Attributes
    ----------
    network
        With its weights and the scale of its targets.
    settings
        It was trained with.
    preparation
        Of its images.
    box_size, pixel_size
        Of the images of the data set (pixels, A).
    has_optics
        Whether it was trained on images with a known CTF.
    mode_numbers, modes_hash
        Of the modes whose amplitudes it gives.
    deviations
        Of its errors on the validation images, half of the central 68 %: amplitudes (A), three rotations about the
        view axes (radians), shifts (A), as in ``Estimates.covariance``.
    version
        Of the program.
    """

    network: PoseNetwork
    settings: TrainSettings
    preparation: Preparation
    box_size: int
    pixel_size: float
    has_optics: bool
    mode_numbers: tuple[int, ...]
    modes_hash: str
    deviations: Float[Tensor, "parameters"]
    version: str = read_version("deephemnma")


def make_checkpoint(
    network: PoseNetwork,
    modes: Modes,
    source: ImageSource,
    *,
    settings: TrainSettings,
    preparation: Preparation,
    deviations: Float[Tensor, "parameters"],
) -> Checkpoint:
    """Make the checkpoint of a network trained for images like those of `source`."""
    return Checkpoint(
        network=network,
        settings=settings,
        preparation=preparation,
        box_size=source.box_size,
        pixel_size=source.pixel_size,
        has_optics=source.optics is not None,
        mode_numbers=modes.numbers,
        modes_hash=hash_modes(modes),
        deviations=deviations,
    )


def hash_modes(modes: Modes) -> str:
    """Return a hash of the modes' numbers and vectors (to single precision)."""
    digest = hashlib.sha256(repr(modes.numbers).encode())
    digest.update(modes.vectors.detach().cpu().float().contiguous().numpy().tobytes())
    return digest.hexdigest()


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write the checkpoint beside `path` and rename it."""
    stored = {
        "format": FORMAT,
        "version": checkpoint.version,
        "weights": {name: values.cpu() for name, values in checkpoint.network.state_dict().items()},
        "settings": asdict(checkpoint.settings),
        "preparation": asdict(checkpoint.preparation),
        "box_size": checkpoint.box_size,
        "pixel_size": checkpoint.pixel_size,
        "has_optics": checkpoint.has_optics,
        "mode_numbers": list(checkpoint.mode_numbers),
        "modes_hash": checkpoint.modes_hash,
        "deviations": checkpoint.deviations,
    }
    with write_beside(path) as temporary:
        torch.save(stored, temporary)


def read_checkpoint(path: Path | str) -> Checkpoint:
    """Read what :func:`write_checkpoint` wrote, on the CPU.

    Raises
    ------
    InputError
        If the file is missing or is no such checkpoint.
    """
    stored = load_tensors(Path(path), wanted=WANTED)
    if stored.get("format") != FORMAT:
        raise InputError(f"{path} is not {WANTED} of this version (format {FORMAT}): train again.")
    settings, numbers = TrainSettings(**stored["settings"]), tuple(stored["mode_numbers"])
    preparation = Preparation(**stored["preparation"])
    network = make_network(settings, box_size=preparation.box_size, n_modes=len(numbers))
    network.load_state_dict(stored["weights"])
    return Checkpoint(
        network=network.eval(),
        settings=settings,
        preparation=preparation,
        box_size=stored["box_size"],
        pixel_size=stored["pixel_size"],
        has_optics=stored["has_optics"],
        mode_numbers=numbers,
        modes_hash=stored["modes_hash"],
        deviations=stored["deviations"],
        version=stored["version"],
    )


def load_tensors(path: Path, *, wanted: str) -> dict[str, Any]:
    """Load a file of tensors and plain values; nothing in it is run.

    Raises
    ------
    InputError
        If it is missing or holds anything else.
    """
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; {wanted} was expected.") from None
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path} cannot be read as {wanted}: {reason}") from None
    if not isinstance(stored, dict):
        raise InputError(f"{path} is not {wanted}.")
    return stored
