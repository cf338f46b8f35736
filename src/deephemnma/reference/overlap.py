"""Scalar products of Gaussians: that of N(0; v1) and N(d; v2) is N(d; v1 + v2)."""

import math
from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int
from numpy.polynomial import chebyshev
from scipy.spatial import cKDTree

from deephemnma.core.error import InputError
from deephemnma.reference.atomic_density import AtomicDensity

REACH = 4.0  # standard deviations
BIN = 0.04  # A
DEGREE = 14
BLOCK = 6  # sites
KIND = 0.1  # A^2, to which B-factors are told apart
MAX_PAIRS = 30_000_000


def compute_gaussian(square: float | np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Return the normalised Gaussian of a variance along an axis, A^2, at a square distance, A^2."""
    return (2 * math.pi * variance) ** -1.5 * np.exp(-0.5 * square / variance)


def find_pairs(
    positions: Float[np.ndarray, "sites 3"], variances: Float[np.ndarray, "sites"], *, blur: float
) -> tuple[Int[np.ndarray, "pairs"], Int[np.ndarray, "pairs"], Float[np.ndarray, "pairs"]]:
    """Return the pairs of Gaussians that touch, each once and in the order of the first, and their square distances.

    Parameters
    ----------
    variances
        The greatest that each site may have, A^2.
    blur
        Added to the variances of two, A^2.

    Raises
    ------
    InputError
        If there are too many to hold: the sites are much finer than the resolution.
    """
    tree, reach = cKDTree(positions), REACH * math.sqrt(2 * variances.max() + blur)
    n_pairs = int(tree.count_neighbors(tree, reach)) // 2
    if n_pairs > MAX_PAIRS:
        raise InputError(
            f"{len(positions)} sites have {n_pairs} pairs that overlap at this --bead-resolution, too many to fit: "
            "give a finer one or coarser --sites; atoms need no fit at low resolution, leave --bead-resolution out."
        )
    first, second = tree.query_pairs(reach, output_type="ndarray").T
    square = np.square(positions[first] - positions[second]).sum(axis=1)
    kept = np.flatnonzero(square < REACH**2 * (variances[first] + variances[second] + blur))
    kept = kept[np.argsort(first[kept], kind="stable")]
    return first[kept], second[kept], square[kept].astype(np.float32)


def tabulate_products(
    positions: Float[np.ndarray, "sites 3"],
    variances: Float[np.ndarray, "sites"],
    density: AtomicDensity,
    *,
    least: float,
    advance: Callable[[float], None] = lambda share: None,
) -> Float[np.ndarray, "coefficients sites"]:
    """Return the scalar product of a density with a Gaussian at each site, as a function of the Gaussian's variance.

    Parameters
    ----------
    variances
        The greatest that each site may have, A^2.
    least
        The least, A^2.
    advance
        Called with the share of the work done since the last call.

    Returns
    -------
    coefficients
        Of a Chebyshev series in the logarithm of the variance, from `least` to the greatest of all as -1 to 1.
    """
    nodes = chebyshev.chebpts1(DEGREE + 1)
    kinds, kind = _find_kinds(density)
    reaches = REACH * np.sqrt(variances + float(density.variances.max()))
    distances = np.arange(0, reaches.max() + 2 * BIN, BIN)
    table = _make_table(kinds, distances, least * (variances.max() / least) ** ((nodes + 1) / 2))
    tree, shape = cKDTree(density.positions.numpy()), (len(kinds), len(distances))
    values = np.empty((len(positions), len(nodes)))
    for block in _cut(positions, reaches):
        reach = float(reaches[block].max())
        values[block] = _count_neighbours(positions[block], tree, kind, reach=reach, shape=shape) @ table
        advance(len(block) / len(positions))
    return chebyshev.chebfit(nodes, values.T, DEGREE)


def evaluate_products(
    coefficients: Float[np.ndarray, "coefficients sites"],
    variances: Float[np.ndarray, "sites"],
    *,
    ends: tuple[float, float],
) -> tuple[Float[np.ndarray, "sites"], Float[np.ndarray, "sites"]]:
    """Return what :func:`tabulate_products` tabulated at the variance of each site, and its derivative by that."""
    least, greatest = ends
    scale = 2 / math.log(greatest / least)
    place = scale * np.log(variances / least) - 1
    values = chebyshev.chebval(place, coefficients, tensor=False)
    slopes = chebyshev.chebval(place, chebyshev.chebder(coefficients), tensor=False)
    return values, slopes * scale / variances


def _find_kinds(density: AtomicDensity) -> tuple[Float[np.ndarray, "kinds 2 terms"], Int[np.ndarray, "centers"]]:
    """Return the weights and (mean) variances of centres that hardly differ in them, and the kind of each centre."""
    columns = np.stack((density.weights.numpy(), density.variances.numpy()), axis=1)
    # the first term alone says how much a B-factor adds to all
    rough = np.concatenate((columns[:, 0], np.round(columns[:, 1, :1] / KIND)), axis=1)
    _, kind, counts = np.unique(rough, axis=0, return_inverse=True, return_counts=True)
    kind = kind.reshape(-1)
    means = np.zeros((len(counts), *columns.shape[1:]))
    np.add.at(means, kind, columns)
    return means / counts[:, None, None], kind


def _make_table(
    kinds: Float[np.ndarray, "kinds 2 terms"],
    distances: Float[np.ndarray, "distances"],
    variances: Float[np.ndarray, "nodes"],
) -> Float[np.ndarray, "entries nodes"]:
    """Return the product of one centre with a Gaussian: rows by kind, then distance."""
    table = np.zeros((len(kinds), len(distances), len(variances)))
    square = np.square(distances)[:, None]
    for row, (weights, own) in enumerate(kinds):
        for weight, variance in zip(weights, own, strict=True):
            table[row] += weight * compute_gaussian(square, variances + variance)
    table[:, -1] = 0  # and beyond
    return table.reshape(-1, len(variances))


def _cut(positions: Float[np.ndarray, "sites 3"], reaches: Float[np.ndarray, "sites"]) -> list[np.ndarray]:
    """Return sites in blocks of near ones that reach about as far."""
    blocks = []
    classes = np.floor(reaches / 2)
    for far in np.unique(classes):
        rows = np.flatnonzero(classes == far)
        order = rows[cKDTree(positions[rows], leafsize=BLOCK).indices]
        blocks += [order[start : start + BLOCK] for start in range(0, len(rows), BLOCK)]
    return blocks


def _count_neighbours(
    positions: Float[np.ndarray, "sites 3"],
    tree: cKDTree,
    kind: Int[np.ndarray, "centers"],
    *,
    reach: float,
    shape: tuple[int, int],
) -> Float[np.ndarray, "sites entries"]:
    """Return how many centres of each kind are at each distance from each site; `shape` is kinds by distances."""
    n, n_entries = len(positions), shape[0] * shape[1]
    middle = positions.mean(axis=0)
    sites = (positions - middle).astype(np.float32)
    radius = float(np.sqrt(np.square(sites).sum(axis=1).max()))
    near = np.array(tree.query_ball_point(middle, reach + radius, return_sorted=False), dtype=np.int64)
    centers = (tree.data[near] - middle).astype(np.float32)
    square = np.square(sites).sum(axis=1)[:, None] + np.square(centers).sum(axis=1) - 2 * sites @ centers.T
    places = np.rint(np.sqrt(square.clip(0)) / BIN)
    columns = np.minimum(places, shape[1] - 1).astype(np.int64) + kind[near] * shape[1]
    columns += n_entries * np.arange(n)[:, None]
    return np.bincount(columns.reshape(-1), minlength=n * n_entries).reshape(n, n_entries).astype(float)
