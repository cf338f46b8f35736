"""Particles for cryoSPARC: the rows of a ``.cs`` file with what was found, or new ones from RELION's columns."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from deephemnma.core.estimates import Estimates
from deephemnma.core.rotation import rotation_to_vector
from deephemnma.io.metadata.cryosparc import CTF_FIELDS, GROUP_FIELDS
from deephemnma.io.metadata.cryosparc_field import (
    INDEX,
    PIXEL_SIZE,
    POSE,
    POSE_PIXEL_SIZE,
    SHAPE,
    SHIFT,
    SIGN_FIELD,
    STACK,
    UID_FIELD,
)
from deephemnma.io.metadata.cryosparc_table import add_fields, write_cryosparc_table
from deephemnma.io.metadata.number import parse_numbers
from deephemnma.io.metadata.particle_tables import BOX_SIZE, GROUP, SIGN, UID, ParticleTables, split_names
from deephemnma.io.metadata.relion_column import extract_poses, merge_optics

OURS = "deephemnma"
SLOT = {"split": "u4", "error": "f4", "alpha": "f4", "weight": "f4", "class": "u4"}
"""What cryoSPARC wants of an alignment besides pose and shift; zero, but for those below."""
ONES = ("alpha", "class_posterior", "class_ess")


def write_cryosparc_particles(
    path: Path | str, tables: ParticleTables, *, original: np.ndarray | None = None, estimates: Estimates | None = None
) -> None:
    """Write a ``.cs`` file.

    Parameters
    ----------
    path
        Destination.
    tables
        Particles, complete (:func:`~deephemnma.io.particles.complete_tables`).
    original
        The rows of the same particles in the ``.cs`` file that they come from: all their fields and uids are kept.
    estimates
        Of the same particles in the same order: set pose and shift, and add the fields ``deephemnma/amplitude_7`` ...,
        their ``sd_``, ``status`` and ``score``. None leaves what there is.
    """
    merged = merge_optics(tables)
    table = _make_rows(merged, tables) if original is None else original
    if estimates is not None:
        poses = estimates.poses
    else:
        poses = extract_poses(merged, pixel_size=None, source=str(tables.path)) if original is None else None
    if poses is not None:
        sizes = table[POSE_PIXEL_SIZE if POSE_PIXEL_SIZE in table.dtype.names else PIXEL_SIZE].astype(np.float64)
        table = add_fields(table, _make_alignment(poses.rotations, poses.shifts, sizes, table))
    if estimates is not None:
        table = add_fields(table, _make_own_fields(estimates))
    write_cryosparc_table(path, table)


def _make_rows(merged: pd.DataFrame, tables: ParticleTables) -> np.ndarray:
    source = str(tables.path)
    indices, stacks = split_names(tables.names, tables.path)
    boxes = parse_numbers(merged[BOX_SIZE], source=source)
    columns: dict[str, np.ndarray] = {
        UID_FIELD: _make_uids(merged, tables),
        STACK: np.array([stack.encode() for stack in stacks], dtype="S"),
        INDEX: indices.astype(np.uint32),
        SHAPE: np.stack((boxes, boxes), axis=1).astype(np.uint32),
        SIGN_FIELD: _read_signs(merged, source=source),
    }
    for name, field in {**GROUP_FIELDS, **CTF_FIELDS}.items():
        if name in merged.columns:
            values = parse_numbers(merged[name], source=source)
            columns[field] = (np.deg2rad(values) if field.endswith("rad") else values).astype(np.float32)
    if "ctf/df1_A" in columns:
        columns["ctf/type"] = np.full(len(merged), b"imported", dtype="S8")
        columns["ctf/exp_group_id"] = pd.factorize(merged[GROUP].astype(str))[0].astype(np.uint32)
    return add_fields(np.empty(len(merged), dtype=[]), columns)


def _make_uids(merged: pd.DataFrame, tables: ParticleTables) -> np.ndarray:
    """Return cryoSPARC's uids where the particles came from there, else numbers that follow from the names."""
    if UID in merged.columns:
        return merged[UID].astype(str).to_numpy().astype(np.uint64)
    digests = [hashlib.sha256(name.encode()).digest()[:8] for name in tables.names]
    return np.array([int.from_bytes(digest, "little") for digest in digests], dtype=np.uint64)


def _read_signs(merged: pd.DataFrame, *, source: str) -> np.ndarray:
    if SIGN not in merged.columns:
        return np.ones(len(merged), dtype=np.float32)
    return parse_numbers(merged[SIGN], source=source).astype(np.float32)


def _make_alignment(
    rotations: torch.Tensor, shifts: torch.Tensor, pixel_sizes: np.ndarray, table: np.ndarray
) -> dict[str, np.ndarray]:
    prefix = POSE.partition("/")[0]
    columns = {
        POSE: rotation_to_vector(rotations.double().mT).numpy().astype(np.float32),
        SHIFT: (shifts.double().numpy() / pixel_sizes[:, None]).astype(np.float32),
        POSE_PIXEL_SIZE: pixel_sizes.astype(np.float32),
    }
    for name, kind in {**SLOT, "class_posterior": "f4", "class_ess": "f4"}.items():
        if f"{prefix}/{name}" not in table.dtype.names:
            columns[f"{prefix}/{name}"] = np.full(len(table), float(name in ONES), dtype=kind)
    if f"{prefix}/split" not in table.dtype.names:
        columns[f"{prefix}/split"] = (np.arange(len(table)) % 2).astype(np.uint32)
    return columns


def _make_own_fields(estimates: Estimates) -> dict[str, np.ndarray]:
    columns: dict[str, np.ndarray] = {}
    deviations = estimates.standard_deviations
    for column, number in enumerate(estimates.mode_numbers):
        columns[f"{OURS}/amplitude_{number}"] = estimates.amplitudes[:, column].numpy().astype(np.float32)
        columns[f"{OURS}/sd_amplitude_{number}"] = deviations[:, column].numpy().astype(np.float32)
    columns[f"{OURS}/status"] = np.array([str(status).encode() for status in estimates.status], dtype="S")
    columns[f"{OURS}/score"] = estimates.score.numpy().astype(np.float32)
    return columns
