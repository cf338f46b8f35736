"""Results of HEMNMA: the metadata (``.xmd``) that ``xmipp_nma_alignment`` writes."""

import itertools
from collections.abc import Sequence
from pathlib import Path

import gemmi
import numpy as np
import torch

from deephemnma.core.error import InputError
from deephemnma.core.estimates import Estimates, Status, make_estimates
from deephemnma.core.particle import Poses
from deephemnma.core.rotation import euler_to_rotation
from deephemnma.io.atomic import require_file

COLUMNS = ("image", "angleRot", "angleTilt", "anglePsi", "shiftX", "shiftY", "nmaDisplacements")
OLD_COLUMNS = (*COLUMNS[:-1], "NMADisplacements")  # until about 2020


def read_hemnma_results(path: Path | str, *, mode_numbers: Sequence[int], pixel_size: float) -> Estimates:
    """Read poses and amplitudes of HEMNMA; they are `given`, without error bars.

    Parameters
    ----------
    path
        ``.xmd`` file with one row an image.
    mode_numbers
        Numbers of the modes, in the order of the file's displacements.
    pixel_size
        A; the file has shifts in pixels.

    Raises
    ------
    InputError
        If the file is missing, is not metadata of HEMNMA, or has another number of displacements.
    """
    columns = _read_columns(require_file(path, "results of HEMNMA (.xmd)"))
    euler, shifts = (
        torch.from_numpy(np.array([columns[name] for name in names], dtype=np.float64).T)
        for names in (COLUMNS[1:4], COLUMNS[4:6])
    )
    displacements = [[float(value) for value in text.split()] for text in columns["nmaDisplacements"]]
    for row, values in enumerate(displacements):
        if len(values) != len(mode_numbers):
            raise InputError(
                f"{path}, row {row + 1}: {len(values)} displacements, but {len(mode_numbers)} modes named."
            )
    # Xmipp's shifts obey RELION's convention: they bring the particle back. So do those of its phantoms
    # (tests/agreement/test_hemnma_convention.py projects the known conformations and finds each at minus its shift).
    return make_estimates(
        names=tuple(columns["image"]),
        poses=Poses(euler_to_rotation(torch.deg2rad(euler)), shifts * pixel_size),
        amplitudes=torch.tensor(displacements, dtype=torch.float64).reshape(-1, len(mode_numbers)),
        mode_numbers=tuple(mode_numbers),
        status=Status.GIVEN,
    )


def _read_columns(path: Path) -> dict[str, list[str]]:
    try:
        document = gemmi.cif.read(str(path))
    except (ValueError, RuntimeError, OSError) as error:
        raise InputError(f"{path} cannot be read as Xmipp metadata ({error}).") from None
    for block, names in itertools.product(document, (COLUMNS, OLD_COLUMNS)):
        table = block.find([f"_{name}" for name in names])
        if len(table):
            rows = [[gemmi.cif.as_string(value) for value in row] for row in table]
            return {name: [row[column] for row in rows] for column, name in enumerate(COLUMNS)}
    raise InputError(f"{path} lacks one of the columns {', '.join(COLUMNS)}: give what HEMNMA's alignment wrote.")
