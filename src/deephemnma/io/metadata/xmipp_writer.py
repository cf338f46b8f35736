"""Particles for Xmipp and Scipion: the rows of an ``.xmd`` file with what was found, or new ones."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from deephemnma.core.estimates import USABLE, Estimates
from deephemnma.core.particle import Poses
from deephemnma.core.rotation import rotation_to_euler
from deephemnma.io.metadata.number import parse_numbers
from deephemnma.io.metadata.particle_tables import PIXEL_SIZE, ParticleTables
from deephemnma.io.metadata.relion_column import extract_poses, merge_optics
from deephemnma.io.metadata.xmipp_table import (
    DISPLACEMENTS,
    ENABLED,
    RELION_NAMES,
    XMIPP_ANGLES,
    XMIPP_SHIFTS,
    write_xmipp_table,
)


def write_xmipp_particles(
    path: Path | str,
    tables: ParticleTables,
    *,
    original: pd.DataFrame | None = None,
    estimates: Estimates | None = None,
) -> None:
    """Write an ``.xmd`` file.

    Parameters
    ----------
    path
        Destination.
    tables
        Particles, complete (:func:`~deephemnma.io.particles.complete_tables`).
    original
        The rows of the same particles in the ``.xmd`` file that they come from: all their columns are kept.
    estimates
        Of the same particles in the same order: set angles and shifts (pixels), ``_nmaDisplacements`` as HEMNMA has
        them (A, one value a mode), ``_cost`` (minus the score) and ``_enabled`` (-1 where no answer was found). None
        leaves what there is.
    """
    merged = merge_optics(tables)
    table = _make_rows(merged) if original is None else original
    sizes = parse_numbers(merged[PIXEL_SIZE], source=str(tables.path))
    if estimates is not None:
        table = table.assign(**_make_pose_columns(estimates.poses, sizes), **_make_own_columns(estimates))
    elif original is None:
        poses = extract_poses(merged, pixel_size=None, source=str(tables.path))
        table = table if poses is None else table.assign(**_make_pose_columns(poses, sizes))
    write_xmipp_table(path, table)


def _make_rows(merged: pd.DataFrame) -> pd.DataFrame:
    known = {relion: xmipp for xmipp, relion in RELION_NAMES.items() if relion in merged.columns}
    table = merged[list(known)].rename(columns=known).drop(columns=[*XMIPP_ANGLES, *XMIPP_SHIFTS], errors="ignore")
    return table.assign(**{ENABLED: 1, "itemId": np.arange(1, len(table) + 1)})


def _make_pose_columns(poses: Poses, pixel_sizes: np.ndarray) -> dict[str, np.ndarray]:
    euler = torch.rad2deg(rotation_to_euler(poses.rotations.double())).numpy()
    shifts = poses.shifts.double().numpy() / pixel_sizes[:, None]
    return dict(zip([*XMIPP_ANGLES, *XMIPP_SHIFTS], [*euler.T, *shifts.T], strict=True))


def _make_own_columns(estimates: Estimates) -> dict[str, object]:
    columns: dict[str, object] = {"cost": -estimates.score.double().numpy()}
    columns[ENABLED] = [1 if status in USABLE else -1 for status in estimates.status]
    if estimates.n_modes:
        rows = estimates.amplitudes.double().tolist()
        columns[DISPLACEMENTS] = [" ".join(f"{value:.6f}" for value in row) + " " for row in rows]
    return columns
