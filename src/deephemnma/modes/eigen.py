"""Softest modes of a Hessian, its rigid modes known."""

import math
from collections.abc import Callable

import numpy as np
import scipy.linalg
from jaxtyping import Float
from scipy.sparse import csr_array, sparray

from deephemnma.core.error import InputError
from deephemnma.modes.lobpcg import EigenBlock, Preconditioner, iterate_block
from deephemnma.modes.relaxation import make_relaxation

DENSE_BELOW = 1500  # coordinates; where the dense solver stops being the faster one
DENSE_SHARE = 8  # more modes than this fraction of the coordinates are found by the dense solver
DENSE_AT_MOST = 15_000  # coordinates; the matrix takes 1.8 GB, and the solver as much again
GUARDS = 6
PROBES = 4
PROBE_ITERATIONS = 12
MAX_ITERATIONS = 200
ATTEMPTS = 3
TOLERANCE = 1e-7  # of the mean eigenvalue wanted: directions within some 1e-6, eigenvalues within 1e-12
LOST = 1e-6  # relative distance below the highest mode found that is not a matter of digits
RIDGE = 1e-10  # of the mean diagonal; a hinge, which is refused by name later, must not end the factorization
ROUNDING = 1e-12  # of the mean diagonal; a residual below cannot be told from rounding
SEED = 20220811
Advance = Callable[[float], None]


def compute_soft_modes(
    hessian: sparray,
    *,
    rigid: Float[np.ndarray, "coordinates rigid"],
    count: int,
    coarse: csr_array,
    relaxation_steps: int = 1,
    advance: Advance = lambda share: None,
) -> tuple[Float[np.ndarray, "count"], Float[np.ndarray, "coordinates count"]]:
    """Return the `count` lowest eigenpairs of `hessian` orthogonal to the orthonormal columns of `rigid`.

    A small matrix is solved densely. A large one by LOBPCG, preconditioned by a cycle of two levels: relaxation of
    every coordinate, and the exact solution among the motions that `coarse` spans. Then a second start, from random
    vectors orthogonal to the modes found, looks for softer ones; what it finds is taken into the block and the
    iteration goes on. All random numbers are fixed, so that every run gives the same digits.

    Parameters
    ----------
    hessian
        Symmetric, positive semidefinite.
    rigid
        Its known modes of eigenvalue zero; they are kept out.
    count
        How many to return.
    coarse
        (coordinates, motions), orthonormal columns that span the rigid modes and, roughly, the soft ones: rigid
        motions of a few hundred regions.
    relaxation_steps
        See :func:`~deephemnma.modes.relaxation.choose_steps`.
    advance
        Told of the share of the work, 0-1, done since the last call.

    Returns
    -------
    eigenvalues
        Ascending.
    vectors
        Orthonormal, in columns.

    Raises
    ------
    InputError
        If the iteration does not converge, or an eighth of all modes of a large structure is asked for.
    """
    if hessian.shape[0] <= max(DENSE_BELOW, DENSE_SHARE * count):
        return _solve_densely(hessian, rigid=rigid, count=count, advance=advance)
    matrix = csr_array(hessian)
    precondition, start = _make_two_levels(
        matrix, rigid=rigid, coarse=coarse, width=count + GUARDS, relaxation_steps=relaxation_steps
    )
    watch = _make_watch(advance)
    for _ in range(ATTEMPTS):
        found = _solve(matrix, start, precondition=precondition, rigid=rigid, count=count, watch=watch)
        lost = find_lost_modes(matrix, found, count=count, rigid=rigid, precondition=precondition)
        if not lost.shape[1]:
            return found.values[:count], found.vectors[:, :count]
        start = np.concatenate((found.vectors, lost), axis=1)
    raise InputError(
        f"Softer modes came up after each of {ATTEMPTS} tries: give a longer --cutoff, or --block-residues."
    )


def find_lost_modes(
    hessian: csr_array,
    found: EigenBlock,
    *,
    count: int,
    rigid: Float[np.ndarray, "coordinates rigid"],
    precondition: Preconditioner,
) -> Float[np.ndarray, "coordinates lost"]:
    """Return, in columns, motions orthogonal to the lowest `count` of `found` that are softer than the last of these.

    Rayleigh quotients lie above eigenvalues, so what this finds is a proof that a mode is missing; that it finds
    nothing after some steps from random vectors is strong evidence that none is.
    """
    known = np.concatenate((rigid, found.vectors[:, :count]), axis=1)
    start = precondition(np.random.default_rng(SEED + 1).standard_normal((len(known), PROBES)))
    probe = iterate_block(
        hessian,
        start,
        precondition=precondition,
        deflated=known,
        tolerance=lambda values: 1e-3 * float(values[0]),
        n_wanted=1,
        max_iterations=PROBE_ITERATIONS,
    )
    finest = ROUNDING * float(_get_diagonal(hessian).mean())
    return probe.vectors[:, probe.values < (1 - LOST) * found.values[count - 1] - finest]


def _solve_densely(
    hessian: sparray, *, rigid: Float[np.ndarray, "coordinates rigid"], count: int, advance: Advance
) -> tuple[Float[np.ndarray, "count"], Float[np.ndarray, "coordinates count"]]:
    if hessian.shape[0] > DENSE_AT_MOST:
        raise InputError(
            f"{count} modes of {hessian.shape[0]:,} coordinates are too many to be found: "
            f"ask for fewer than {hessian.shape[0] // DENSE_SHARE} (--n-modes)."
        )
    # Gershgorin: no eigenvalue lies above the greatest sum of absolute values in a row
    lifted = hessian.toarray() + float(abs(hessian).sum(axis=1).max()) * rigid @ rigid.T
    solution = scipy.linalg.eigh(lifted, subset_by_index=(0, count - 1))
    advance(1.0)
    return solution


def _solve(
    hessian: csr_array,
    start: Float[np.ndarray, "coordinates columns"],
    *,
    precondition: Preconditioner,
    rigid: Float[np.ndarray, "coordinates rigid"],
    count: int,
    watch: Callable[[float], None],
) -> EigenBlock:
    finest = ROUNDING * float(_get_diagonal(hessian).mean())

    def tolerance(values: Float[np.ndarray, "columns"]) -> float:
        return max(finest, TOLERANCE * float(values[:count].mean()))

    found = iterate_block(
        hessian,
        start,
        precondition=precondition,
        deflated=rigid,
        tolerance=tolerance,
        n_wanted=count,
        max_iterations=MAX_ITERATIONS,
        watch=watch,
    )
    if found.residuals[:count].max() > tolerance(found.values):
        raise InputError(
            f"The {count} softest modes did not converge in {MAX_ITERATIONS} iterations, as happens where many "
            "parts of the structure hang on few springs, or few springs are much stiffer than the others: move rigid "
            "blocks (--block-residues), or use a longer --cutoff, fewer --n-modes or --force-field uniform."
        )
    return found


def _make_watch(advance: Advance) -> Callable[[float], None]:
    """Turn how far the worst residual is from the tolerance, which falls by a factor a step, into a share done."""
    told, first = 0.0, None

    def watch(excess: float) -> None:
        nonlocal told, first
        first = max(excess, 2.0) if first is None else first
        share = 1 - math.log(max(excess, 1.0)) / math.log(first)
        if share > told:
            advance(share - told)
            told = share

    return watch


def _make_two_levels(
    hessian: csr_array,
    *,
    rigid: Float[np.ndarray, "coordinates rigid"],
    coarse: csr_array,
    width: int,
    relaxation_steps: int,
) -> tuple[Preconditioner, Float[np.ndarray, "coordinates columns"]]:
    """Return the preconditioner, and a start: the softest motions among the coarse ones, and some random ones."""
    coarse_back = csr_array(coarse.T)
    coarse_hessian = (coarse_back @ hessian @ coarse).toarray()
    coarse_rigid = coarse_back @ rigid
    diagonal = _get_diagonal(hessian)
    coarse_hessian += diagonal.mean() * coarse_rigid @ coarse_rigid.T
    coarse_hessian[np.diag_indices_from(coarse_hessian)] += RIDGE * diagonal.mean()
    factor = scipy.linalg.cho_factor(coarse_hessian, overwrite_a=True)
    greatest = _estimate_greatest(hessian)
    relax = make_relaxation(hessian, diagonal=diagonal, greatest=greatest, steps=relaxation_steps)

    def solve_coarsely(force: Float[np.ndarray, "coordinates columns"]) -> Float[np.ndarray, "coordinates columns"]:
        return coarse @ scipy.linalg.cho_solve(factor, coarse_back @ force)

    def precondition(force: Float[np.ndarray, "coordinates columns"]) -> Float[np.ndarray, "coordinates columns"]:
        motion = relax(force)
        motion = motion + solve_coarsely(force - hessian @ motion)
        return motion + relax(force - hessian @ motion)

    generator = np.random.default_rng(SEED)
    n_soft = min(width, coarse.shape[1] // 2)
    soft = generator.standard_normal((coarse.shape[1], n_soft))
    for _ in range(4):
        soft = np.linalg.qr(scipy.linalg.cho_solve(factor, soft))[0]
    rough = precondition(generator.standard_normal((len(rigid), max(PROBES, width - n_soft))))
    return precondition, np.concatenate((coarse @ soft, rough / np.linalg.norm(rough, axis=0)), axis=1)


def _estimate_greatest(hessian: csr_array) -> float:
    """Return, 10 % too high, the greatest eigenvalue of the Hessian scaled to a diagonal of ones (power iteration)."""
    scale = 1 / np.sqrt(_get_diagonal(hessian))
    vector = np.random.default_rng(SEED).standard_normal(len(scale))
    for _ in range(15):
        vector = scale * (hessian @ (scale * (vector / np.linalg.norm(vector))))
    return 1.1 * float(np.linalg.norm(vector))


def _get_diagonal(hessian: csr_array) -> Float[np.ndarray, "coordinates"]:
    """Return the diagonal; where no spring acts on a coordinate (of a flat lattice) almost nothing, but not zero."""
    diagonal = hessian.diagonal()
    return np.maximum(diagonal, 1e-6 * diagonal.mean())
