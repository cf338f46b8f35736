"""`image_formation.json` and `simulation.json`, contrast and noise of a data set; `noise.json`, its noise alone."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from deephemnma.core.error import InputError
from deephemnma.core.particle import ImageSource
from deephemnma.imaging.noise import NoiseModel
from deephemnma.imaging.synthesis import ImageFormation
from deephemnma.io.atomic import read_json, write_json
from deephemnma.pipeline.note import note

SAME_PIXEL = 1e-4
"""Relative difference of pixel sizes that are one: files do not say all digits."""

FORMATION_FILE, SIMULATION_FILE, NOISE_FILE = "image_formation.json", "simulation.json", "noise.json"


def write_formation(path: Path, formation: ImageFormation, *, notes: dict[str, Any] | None = None) -> None:
    """Write contrast and noise, and anything else worth a note."""
    content = {
        "contrast": formation.contrast,
        "contrast_spread": formation.contrast_spread,
        "b_factor": formation.b_factor,
        "noise": _describe_noise(formation.noise),
    }
    write_json(path, content | (notes or {}))


def read_formation(path: Path) -> ImageFormation:
    """Read what :func:`write_formation` wrote."""
    content = read_json(path)
    try:
        return ImageFormation(
            content["contrast"],
            _make_noise(content["noise"]),
            contrast_spread=content["contrast_spread"],
            b_factor=content.get("b_factor", 0.0),
        )
    except (KeyError, TypeError) as error:
        raise InputError(f"{path} lacks {error}: it should hold contrast and noise, as `estimate` writes it.") from None


def write_noise(path: Path, noise: NoiseModel) -> None:
    """Write noise without a contrast."""
    write_json(path, {"noise": _describe_noise(noise)})


def read_noise(path: Path) -> NoiseModel:
    """Read what :func:`write_noise` wrote, or the noise of what :func:`write_formation` wrote."""
    content = read_json(path)
    try:
        return _make_noise(content["noise"])
    except (KeyError, TypeError) as error:
        raise InputError(f"{path} lacks {error}: it should hold noise, as `prepare` writes it.") from None


def find_noise(particles: Path, source: ImageSource) -> NoiseModel | None:
    """Return the noise that `prepare` measured on these particles, or None where their folder has none.

    Parameters
    ----------
    particles
        Their file or folder.
    source
        Their images.

    Raises
    ------
    InputError
        If the folder holds the noise of other images.
    """
    path = (particles if particles.is_dir() else particles.parent) / NOISE_FILE
    if not path.exists():
        return None
    noise = read_noise(path)
    if noise.box_size != source.box_size or abs(noise.pixel_size / source.pixel_size - 1) > SAME_PIXEL:
        raise InputError(
            f"{path} was measured on images of {noise.box_size} pixels of {noise.pixel_size:.4g} A, those of "
            f"{particles} are of {source.box_size} pixels of {source.pixel_size:.4g} A: prepare them again, or move it "
            "elsewhere."
        )
    note("noise", f"as in {path}")
    return noise


def _describe_noise(noise: NoiseModel) -> dict[str, Any]:
    return {
        "box_size": noise.box_size,
        "pixel_size": noise.pixel_size,
        "power": noise.power.double().tolist(),
        "structural": _list(noise.structural),
        "group_scale": _list(noise.group_scale),
    }


def _make_noise(content: dict[str, Any]) -> NoiseModel:
    power = torch.tensor(content["power"], dtype=torch.float64)
    structural, group_scale = _read_tensor(content["structural"]), _read_tensor(content.get("group_scale"))
    return NoiseModel(power, content["box_size"], content["pixel_size"], structural, group_scale)


def _list(values: Tensor | None) -> list | None:
    return None if values is None else values.double().tolist()


def _read_tensor(values: list | None) -> Tensor | None:
    return None if values is None else torch.tensor(values, dtype=torch.float64)
