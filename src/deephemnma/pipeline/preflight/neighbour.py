"""Particles of one micrograph that are so near to each other that they are the same one picked twice."""

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from deephemnma.core.particle import Poses
from deephemnma.io.particles import ParticleStack
from deephemnma.pipeline.preflight.finding import Finding, Verdict, choose_verdict

COORDINATES = ("rlnCoordinateX", "rlnCoordinateY")
MICROGRAPH = "rlnMicrographName"
MICROGRAPH_PIXEL = ("rlnMicrographOriginalPixelSize", "rlnMicrographPixelSize")
NOTE, FIX = 1e-9, 0.01


def judge_neighbours(
    particles: ParticleStack, *, poses: Poses | None, diameter: float, closest: float
) -> Finding | None:
    """Say how many particles lie nearer to another of their micrograph than `closest` times the `diameter`.

    None where the file does not say where the particles were picked. What a particle was moved by to its centre is
    taken into account where there are poses: two picks of one particle end at one centre.
    """
    table = particles.table
    if not closest or not {*COORDINATES, MICROGRAPH} <= set(table.columns):
        return None
    pixel, stated = _find_pixel(particles)
    centers = np.stack([pd.to_numeric(table[name], errors="coerce") for name in COORDINATES], axis=1) * pixel
    if poses is not None:
        centers = centers - poses.shifts.numpy()
    limit = closest * diameter
    near = count_near(centers, table[MICROGRAPH].astype(str).to_numpy(), limit=limit)
    share = near / max(1, len(table))
    verdict = choose_verdict(share, note=NOTE, fix=FIX)
    sentence = (
        f"{near:,} of {len(table):,} particles lie within {limit:.0f} A ({closest:g} of the diameter) of an earlier "
        "one of their micrograph"
    )
    if not stated:
        sentence += f", if its pixels are of {pixel:.3g} A as the images' (the file does not say)"
    advice = (
        "."
        if verdict is Verdict.OK
        else ", none expected: they are one particle picked twice; remove duplicates where they were picked."
    )
    return Finding(
        "near neighbours", verdict, sentence + advice, {"near": near, "limit_angstrom": limit, "share": share}
    )


def count_near(centers: np.ndarray, micrographs: np.ndarray, *, limit: float) -> int:
    """Return how many points have an earlier one of their micrograph within `limit`."""
    near = 0
    for rows in pd.Series(range(len(centers))).groupby(micrographs).indices.values():
        points = centers[rows]
        points = points[np.isfinite(points).all(1)]
        if len(points) > 1:
            pairs = cKDTree(points).query_pairs(limit, output_type="ndarray")
            near += len(np.unique(pairs[:, 1])) if len(pairs) else 0
    return near


def _find_pixel(particles: ParticleStack) -> tuple[float, bool]:
    """Return the pixel size of the micrographs (A), and whether the file states it."""
    for table in (particles.optics_table, particles.table):
        for name in MICROGRAPH_PIXEL:
            if table is not None and name in table.columns:
                values = pd.to_numeric(table[name], errors="coerce").dropna()
                if len(values) and values.iloc[0] > 0:
                    return float(values.iloc[0]), True
    return particles.pixel_size, False
