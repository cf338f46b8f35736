"""Tables in Parquet, and estimates as a table: one row an image, angles in degrees, lengths in A."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from deephemnma.core.error import InputError
from deephemnma.core.estimates import Contrasts, Estimates
from deephemnma.core.particle import Poses
from deephemnma.core.rotation import euler_to_rotation, rotation_to_euler
from deephemnma.io.atomic import require_file, write_beside
from deephemnma.io.file_kind import find_suffix
from deephemnma.io.metadata.cryosparc import read_cryosparc_poses
from deephemnma.io.metadata.relion_estimates import parse_status, read_star_estimates
from deephemnma.io.metadata.xmipp import read_hemnma_results

EULER_COLUMNS = ["rot_deg", "tilt_deg", "psi_deg"]
SHIFT_COLUMNS = ["shift_x_angstrom", "shift_y_angstrom"]
ROTATION_PARAMETERS = ["rotation_x_deg", "rotation_y_deg", "rotation_z_deg"]
AMPLITUDE_PREFIX = "amplitude_"
CONTRAST_COVARIANCE = "contrast_covariance"


def write_table(path: Path | str, table: pd.DataFrame) -> None:
    """Write `table` as Parquet."""
    with write_beside(path) as temporary:
        table.to_parquet(temporary, index=False)


def read_table(path: Path | str) -> pd.DataFrame:
    """Read a Parquet table.

    Raises
    ------
    InputError
        If the file is missing or not Parquet.
    """
    path = require_file(path, "a Parquet table")
    try:
        return pd.read_parquet(path)
    except (ValueError, OSError) as error:
        raise InputError(f"{path} cannot be read as a Parquet table ({error}).") from None


def write_estimates(path: Path | str, estimates: Estimates) -> None:
    """Write `estimates` as Parquet, with the columns of :func:`make_estimates_table`."""
    write_table(path, make_estimates_table(estimates))


def read_estimates(
    path: Path | str, *, mode_numbers: Sequence[int] | None = None, pixel_size: float | None = None
) -> Estimates:
    """Read estimates from a Parquet table, or poses and any amplitudes from another program's file.

    Parameters
    ----------
    path
        ``.parquet``, ``.star`` (RELION, cisTEM), ``.cs`` (cryoSPARC) or ``.xmd`` (HEMNMA). Rows of a star file without
        our status column are ``given``.
    mode_numbers
        The modes wanted; needed for HEMNMA, which does not number its amplitudes. From a file without any amplitude
        (another program's poses) they are zero. None takes the modes that the file has.
    pixel_size
        A, of shifts in pixels where the file does not say.

    Raises
    ------
    InputError
        If the file is missing, lacks a column, or has amplitudes but not of the modes wanted.
    """
    suffix = find_suffix(Path(path))
    if suffix == ".xmd":
        return _read_hemnma(path, mode_numbers, pixel_size)
    if suffix == ".star":
        estimates = read_star_estimates(path, pixel_size=pixel_size)
    else:
        estimates = read_cryosparc_poses(path) if suffix == ".cs" else _read_parquet(path)
    return estimates if mode_numbers is None else select_modes(estimates, tuple(mode_numbers), source=str(path))


def _read_hemnma(path: Path | str, mode_numbers: Sequence[int] | None, pixel_size: float | None) -> Estimates:
    if mode_numbers is None or pixel_size is None:
        raise InputError(
            f"{path} is a result of HEMNMA, which tells neither the numbers of its modes nor the pixel size of its "
            "shifts: give it together with --reference, --modes and --particles."
        )
    return read_hemnma_results(path, mode_numbers=mode_numbers, pixel_size=pixel_size)


def make_estimates_table(estimates: Estimates) -> pd.DataFrame:
    """Return one row an image.

    Columns: ``image``; ``rot_deg tilt_deg psi_deg``; ``shift_x_angstrom shift_y_angstrom``; ``amplitude_<mode>`` (A);
    ``sd_`` of amplitudes, of small rotations about the view axes and of shifts; ``score``; ``status``; where it was
    fitted ``contrast`` and ``sd_contrast``; and ``covariance``, the flattened covariance of the parameters in the order
    (and units, A and degrees) of the ``sd_`` columns, with ``contrast_covariance``, that of the contrast with them and
    with itself.
    """
    parameters = _name_parameters(estimates.mode_numbers)
    covariance = _scale_covariance(estimates.covariance.cpu().double(), math.degrees(1)).numpy()
    deviations = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    columns = {"image": list(estimates.names)}
    columns |= _name_columns(EULER_COLUMNS, torch.rad2deg(rotation_to_euler(estimates.poses.rotations.double())))
    columns |= _name_columns(SHIFT_COLUMNS, estimates.poses.shifts)
    columns |= _name_columns(parameters[: estimates.n_modes], estimates.amplitudes)
    columns |= {f"sd_{name}": deviations[:, column] for column, name in enumerate(parameters)}
    columns |= {"score": estimates.score.cpu().double().numpy(), "status": [str(status) for status in estimates.status]}
    if estimates.contrasts is not None:
        columns |= _make_contrast_columns(estimates.contrasts)
    columns["covariance"] = list(covariance.reshape(len(estimates), len(parameters) ** 2))
    return pd.DataFrame(columns)


def _make_contrast_columns(contrasts: Contrasts) -> dict[str, object]:
    covariance = _scale_contrast_covariance(contrasts.covariance.cpu().double(), math.degrees(1))
    return {
        "contrast": contrasts.values.cpu().double().numpy(),
        "sd_contrast": contrasts.standard_deviations.cpu().double().numpy(),
        CONTRAST_COVARIANCE: list(covariance.numpy()),
    }


def _read_contrasts(table: pd.DataFrame, *, n_parameters: int) -> Contrasts | None:
    """Return the contrasts of a table; None where it has none."""
    if CONTRAST_COVARIANCE not in table.columns:
        return None
    flat = torch.from_numpy(np.array(table[CONTRAST_COVARIANCE].tolist(), dtype=np.float64))
    covariance = flat.reshape(len(table), n_parameters + 1)
    return Contrasts(_stack(table, ["contrast"])[:, 0], _scale_contrast_covariance(covariance, math.radians(1)))


def _name_parameters(mode_numbers: tuple[int, ...]) -> list[str]:
    return [f"{AMPLITUDE_PREFIX}{number}" for number in mode_numbers] + ROTATION_PARAMETERS + SHIFT_COLUMNS


def _name_columns(names: list[str], values: Tensor) -> dict[str, np.ndarray]:
    return dict(zip(names, values.detach().cpu().double().numpy().T, strict=True))


def _scale_covariance(
    covariance: Float[Tensor, "images parameters parameters"], factor: float
) -> Float[Tensor, "images parameters parameters"]:
    """Change the unit of the three rotations, which stand before the two shifts."""
    scale = torch.ones(covariance.shape[-1], dtype=covariance.dtype)
    scale[-5:-2] = factor
    return covariance * scale[:, None] * scale


def _scale_contrast_covariance(
    covariance: Float[Tensor, "images parameters"], factor: float
) -> Float[Tensor, "images parameters"]:
    """Change the unit of the three rotations, which stand before the two shifts and the contrast."""
    scale = torch.ones(covariance.shape[-1], dtype=covariance.dtype)
    scale[-6:-3] = factor
    return covariance * scale


def _read_parquet(path: Path | str) -> Estimates:
    table = read_table(path)
    numbers = tuple(
        int(name.removeprefix(AMPLITUDE_PREFIX)) for name in table.columns if name.startswith(AMPLITUDE_PREFIX)
    )
    parameters = _name_parameters(numbers)
    wanted = ["image", *EULER_COLUMNS, *SHIFT_COLUMNS, "score", "status", "covariance"]
    missing = [name for name in wanted if name not in table.columns]
    if missing:
        raise InputError(f"{path} lacks the column {missing[0]!r}: give a table of estimates, as `estimate` writes it.")
    flat = torch.from_numpy(np.array(table["covariance"].tolist(), dtype=np.float64))
    covariance = flat.reshape(len(table), len(parameters), len(parameters))
    return Estimates(
        names=tuple(table["image"]),
        poses=Poses(euler_to_rotation(torch.deg2rad(_stack(table, EULER_COLUMNS))), _stack(table, SHIFT_COLUMNS)),
        amplitudes=_stack(table, parameters[: len(numbers)]),
        covariance=_scale_covariance(covariance, math.radians(1)),
        score=_stack(table, ["score"])[:, 0],
        status=parse_status(table["status"], source=str(path)),
        mode_numbers=numbers,
        contrasts=_read_contrasts(table, n_parameters=len(parameters)),
    )


def _stack(table: pd.DataFrame, names: list[str]) -> Float[Tensor, "rows columns"]:
    return torch.from_numpy(table[names].to_numpy(dtype=np.float64, copy=True).reshape(len(table), len(names)))


def select_modes(estimates: Estimates, numbers: tuple[int, ...], *, source: str) -> Estimates:
    """Return `estimates` with the amplitudes of the modes `numbers` alone; zero where there is no amplitude at all.

    Raises
    ------
    InputError
        If there are amplitudes, but not of all these modes.
    """
    if not estimates.mode_numbers:
        return _add_still_modes(estimates, numbers)
    missing = [number for number in numbers if number not in estimates.mode_numbers]
    if missing:
        raise InputError(f"{source} has no amplitude of mode {missing[0]}: its modes are {estimates.mode_numbers}.")
    columns = [estimates.mode_numbers.index(number) for number in numbers]
    kept = [*columns, *range(estimates.n_modes, estimates.n_modes + 5)]
    contrasts = estimates.contrasts
    if contrasts is not None:
        contrasts = Contrasts(contrasts.values, contrasts.covariance[:, [*kept, -1]])
    return Estimates(
        names=estimates.names,
        poses=estimates.poses,
        amplitudes=estimates.amplitudes[:, columns],
        covariance=estimates.covariance[:, kept][:, :, kept],
        score=estimates.score,
        status=estimates.status,
        mode_numbers=numbers,
        contrasts=contrasts,
    )


def _add_still_modes(estimates: Estimates, numbers: tuple[int, ...]) -> Estimates:
    n_images, n_parameters = len(estimates), len(numbers) + 5
    return Estimates(
        names=estimates.names,
        poses=estimates.poses,
        amplitudes=torch.zeros(n_images, len(numbers), dtype=torch.float64),
        covariance=torch.full((n_images, n_parameters, n_parameters), torch.nan, dtype=torch.float64),
        score=estimates.score,
        status=estimates.status,
        mode_numbers=numbers,
    )
