"""Principal components of an ensemble or trajectory, as displacements of a reference."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from deephemnma.core.error import InputError
from deephemnma.core.frame import Frames
from deephemnma.core.model import Basis, Modes
from deephemnma.core.superposition import compute_rmsd, superimpose

MATRIX_BELOW = 3000  # coordinates; up to there the matrix of moments is diagonalised whole, after one reading
HELD_BELOW = 1 << 26  # coordinates of all frames; up to there (512 MiB) they are superposed once and kept
SPARE_VECTORS = 80
MOST_READINGS = 50
CONVERGED = 1e-6  # residual, of the greatest eigenvalue
NEGLIGIBLE = 1e-10  # of the greatest eigenvalue: what rounding leaves of no component
ASIDE = 0.1
"""Mean over root mean square amplitude, from which a component has the sign that leads towards the frames."""
SEED_OF_START_VECTORS = 20220811

Blocks = Callable[[], Iterator[Float[Tensor, "frames coordinates"]]]
Pairs = tuple[Float[Tensor, "modes"], Float[Tensor, "coordinates modes"]]


@dataclass(frozen=True)
class PrincipalComponents:
    """The directions in which an ensemble differs most from a reference.

    Attributes
    ----------
    modes
        Numbered from 1, orthonormal and orthogonal to the rigid displacements of the reference. Eigenvalues: mean
        square amplitude, A^2, descending.
    shares
        Share of the mean square displacement from the reference that each component explains.
    amplitudes
        Where the frames lie, A.
    distances
        RMSD of each frame from the reference, A, superposed.
    """

    modes: Modes
    shares: Float[Tensor, "modes"]
    amplitudes: Float[Tensor, "frames modes"]
    distances: Float[Tensor, "frames"]


def compute_principal_components(
    positions: Float[Tensor, "sites 3"], frames: Frames, *, n_components: int
) -> PrincipalComponents:
    """Compute the principal components of frames about a reference.

    Every frame is superposed onto the reference, which leaves nothing of it along the rigid displacements. Moments are
    taken about the reference, not about the mean: the components are to say how the reference moves, and of all bases
    of their number these come closest to the frames (``docs/decisions/0511``).

    Parameters
    ----------
    positions
        The reference, A.
    frames
        Conformations of the same sites in any pose; one is enough. Read once or twice where they fit into memory or
        the sites are few, more often otherwise.
    n_components
        How many are wanted; fewer come where the frames span fewer.

    Raises
    ------
    InputError
        If a frame is not a conformation of the same sites, or all frames are the reference.
    """
    positions = positions.detach().cpu().double()
    blocks = _superpose(positions, frames)
    if frames.n_frames * positions.numel() <= HELD_BELOW:
        blocks = partial(iter, list(blocks()))
    count = min(n_components, frames.n_frames, positions.numel())
    solve = _solve_whole if positions.numel() <= MATRIX_BELOW else _solve_by_readings
    values, vectors = solve(blocks, positions.numel(), count)
    values = values / frames.n_frames
    kept = values > NEGLIGIBLE * values[0].clamp_min(torch.finfo(torch.float64).tiny)
    vectors = vectors[:, kept]
    squares, amplitudes = _project(blocks, vectors)
    if squares.max() <= NEGLIGIBLE:
        raise InputError(
            "All frames of the ensemble (--ensemble) are the reference itself: give conformations that differ from it."
        )
    signs = _choose_signs(vectors, amplitudes)
    modes = Modes(
        vectors=(vectors * signs).T.reshape(-1, *positions.shape).contiguous(),
        eigenvalues=values[kept],
        numbers=tuple(range(1, int(kept.sum()) + 1)),
        basis=Basis.PRINCIPAL_COMPONENTS,
    )
    return PrincipalComponents(
        modes=modes,
        shares=modes.eigenvalues / squares.mean(),
        amplitudes=amplitudes * signs,
        distances=(squares / len(positions)).sqrt(),
    )


def _superpose(positions: Float[Tensor, "sites 3"], frames: Frames) -> Blocks:
    """Return displacements from the reference, superposed; refuse what is no conformation of it."""
    size = float((positions - positions.mean(dim=0)).square().sum(dim=1).mean().sqrt())

    def read() -> Iterator[Float[Tensor, "frames coordinates"]]:
        first = 0
        for block in frames.read():
            moved = superimpose(block.double(), positions)
            distances = compute_rmsd(moved, positions)
            if not distances.max() <= size:
                worst = int(distances.nan_to_num(torch.inf).argmax())
                raise InputError(
                    f"{frames.name(first + worst)} lies {float(distances[worst]):.1f} A (RMSD) from the reference, "
                    f"more than its radius of gyration of {size:.1f} A: its atoms come in another order, or "
                    "the molecule is cut at the periodic box (make it whole first)."
                )
            yield (moved - positions).flatten(1)
            first += len(block)

    return read


def _solve_whole(blocks: Blocks, n_coordinates: int, count: int) -> Pairs:
    """Return the greatest eigenvalues of the sum of ``d d^T`` and their vectors, from the whole matrix."""
    moments = torch.zeros(n_coordinates, n_coordinates, dtype=torch.float64)
    for block in blocks():
        moments.addmm_(block.T, block)
    values, vectors = torch.linalg.eigh(moments)
    return values.flip(0)[:count], vectors.flip(1)[:, :count]


def _solve_by_readings(blocks: Blocks, n_coordinates: int, count: int) -> Pairs:
    """Return the same by subspace iteration, each step of which reads the frames once."""
    generator = torch.Generator().manual_seed(SEED_OF_START_VECTORS)
    width = min(n_coordinates, 2 * count + SPARE_VECTORS)
    products = torch.randn(n_coordinates, width, generator=generator, dtype=torch.float64)
    for _ in range(MOST_READINGS):
        basis = torch.linalg.qr(products).Q
        products = torch.zeros_like(basis)
        for block in blocks():
            products.addmm_(block.T, block @ basis)
        values, mixing = torch.linalg.eigh(basis.T @ products)
        values, mixing = values.flip(0)[:count], mixing.flip(1)[:, :count]
        residuals = (products @ mixing - basis @ mixing * values).norm(dim=0)
        if residuals.max() <= CONVERGED * values[0]:
            return values, basis @ mixing
    raise InputError(
        f"The {count} components of the ensemble did not converge in {MOST_READINGS} readings of it, for the last of "
        "them vary alike: ask for fewer (--n-modes)."
    )


def _project(
    blocks: Blocks, vectors: Float[Tensor, "coordinates modes"]
) -> tuple[Float[Tensor, "frames"], Float[Tensor, "frames modes"]]:
    """Return the square length of each displacement, A^2, and its amplitudes."""
    parts = [(block.square().sum(dim=1), block @ vectors) for block in blocks()]
    squares, amplitudes = zip(*parts, strict=True)
    return torch.cat(squares), torch.cat(amplitudes)


def _choose_signs(
    vectors: Float[Tensor, "coordinates modes"], amplitudes: Float[Tensor, "frames modes"]
) -> Float[Tensor, "modes"]:
    """Return signs with which components lead from the reference to the frames, or have a positive greatest part."""
    mean, spread = amplitudes.mean(dim=0), amplitudes.square().mean(dim=0).sqrt()
    greatest = vectors.gather(0, vectors.abs().argmax(dim=0, keepdim=True))[0]
    return torch.where(mean.abs() > ASIDE * spread, mean, greatest).sign()
