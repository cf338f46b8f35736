"""Landscapes as Parquet: one row an image; the axes of the space stand in the file's metadata."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from deephemnma.core.error import InputError
from deephemnma.core.landscape import Landscape
from deephemnma.io.atomic import require_file, write_beside

METADATA_KEY = b"deephemnma_landscape"


def write_landscape(path: Path | str, landscape: Landscape) -> None:
    """Write columns ``image``, ``pc1`` ... (A) and ``group``; mean, axes and explained variance as metadata."""
    coordinates = landscape.coordinates.detach().cpu().double().numpy()
    columns = {"image": list(landscape.names)}
    columns |= {f"pc{axis}": column for axis, column in enumerate(coordinates.T, start=1)}
    columns["group"] = landscape.groups.cpu().numpy()
    space = {
        "mean": landscape.mean.tolist(),
        "axes": landscape.axes.tolist(),
        "explained": landscape.explained.tolist(),
        "mode_numbers": landscape.mode_numbers,
    }
    table = pa.table(columns).replace_schema_metadata({METADATA_KEY: json.dumps(space)})
    with write_beside(path) as temporary:
        pq.write_table(table, temporary)


def read_landscape(path: Path | str) -> Landscape:
    """Read what :func:`write_landscape` wrote.

    Raises
    ------
    InputError
        If the file is missing or another table.
    """
    path = require_file(path, "a landscape (landscape.parquet)")
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path} cannot be read as a Parquet table ({error}).") from None
    metadata = table.schema.metadata or {}
    if METADATA_KEY not in metadata:
        raise InputError(f"{path} is a table, but not a landscape: make it with `deephemnma landscape`.")
    space = json.loads(metadata[METADATA_KEY])
    n_axes, n_modes = len(space["explained"]), len(space["mode_numbers"])
    coordinates = np.stack([table[f"pc{axis}"].to_numpy() for axis in range(1, n_axes + 1)], axis=1)
    return Landscape(
        names=tuple(table["image"].to_pylist()),
        coordinates=torch.from_numpy(coordinates),
        groups=torch.from_numpy(table["group"].to_numpy().astype(np.int64)),
        mean=torch.tensor(space["mean"], dtype=torch.float64),
        axes=torch.tensor(space["axes"], dtype=torch.float64).reshape(n_axes, n_modes),
        explained=torch.tensor(space["explained"], dtype=torch.float64),
        mode_numbers=tuple(space["mode_numbers"]),
    )
