"""`image_formation.json` and `simulation.json`: contrast and noise of a data set."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from deephemnma.core.error import InputError
from deephemnma.imaging.noise import NoiseModel
from deephemnma.imaging.synthesis import ImageFormation
from deephemnma.io.atomic import read_json, write_json

FORMATION_FILE, SIMULATION_FILE = "image_formation.json", "simulation.json"


def write_formation(path: Path, formation: ImageFormation, *, notes: dict[str, Any] | None = None) -> None:
    """Write contrast and noise, and anything else worth a note."""
    noise = formation.noise
    content = {
        "contrast": formation.contrast,
        "contrast_spread": formation.contrast_spread,
        "b_factor": formation.b_factor,
        "noise": {
            "box_size": noise.box_size,
            "pixel_size": noise.pixel_size,
            "power": noise.power.double().tolist(),
            "structural": _list(noise.structural),
            "group_scale": _list(noise.group_scale),
        },
    }
    write_json(path, content | (notes or {}))


def read_formation(path: Path) -> ImageFormation:
    """Read what :func:`write_formation` wrote."""
    content = read_json(path)
    try:
        noise = content["noise"]
        power = torch.tensor(noise["power"], dtype=torch.float64)
        structural, group_scale = _read_tensor(noise["structural"]), _read_tensor(noise.get("group_scale"))
        model = NoiseModel(power, noise["box_size"], noise["pixel_size"], structural, group_scale)
        return ImageFormation(
            content["contrast"],
            model,
            contrast_spread=content["contrast_spread"],
            b_factor=content.get("b_factor", 0.0),
        )
    except (KeyError, TypeError) as error:
        raise InputError(f"{path} lacks {error}: it should hold contrast and noise, as `estimate` writes it.") from None


def _list(values: Tensor | None) -> list | None:
    return None if values is None else values.double().tolist()


def _read_tensor(values: list | None) -> Tensor | None:
    return None if values is None else torch.tensor(values, dtype=torch.float64)
