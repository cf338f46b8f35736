"""From positions to normal modes."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.sparse import csr_array
from torch import Tensor

from deephemnma.core.error import InputError
from deephemnma.core.model import Modes
from deephemnma.modes.block_network import BlockFrames, compute_block_hessian, make_block_frames
from deephemnma.modes.blocks import make_space_blocks
from deephemnma.modes.eigen import compute_soft_modes
from deephemnma.modes.elastic_network import (
    check_network,
    choose_cutoff,
    compute_distances,
    compute_relative_cutoff,
    find_pairs,
    name_exclusion,
    name_sites,
)
from deephemnma.modes.force_field import ForceField
from deephemnma.modes.hessian import compute_hessian
from deephemnma.modes.relaxation import choose_steps
from deephemnma.modes.rigid import N_RIGID, make_rigid_modes
from deephemnma.modes.uniform_cutoff import UniformCutoff

FLOPPY = 1e-9  # of the mean eigenvalue; the softest true modes seen lie above 1e-6
SIGN_TIE = 1 - 1e-6
SITES_OF_REGION = 60
BLOCKS_OF_REGION = 4
REGIONS_AT_MOST = 256


def compute_modes(
    positions: Float[Tensor, "sites 3"],
    *,
    n_modes: int = 20,
    cutoff: float | None = None,
    relative_cutoff: float | None = None,
    force_field: ForceField | None = None,
    blocks: Int[np.ndarray, "sites"] | None = None,
    names: Sequence[str] | None = None,
    advance: Callable[[float], None] = lambda share: None,
) -> Modes:
    """Compute the softest normal modes of an elastic network.

    Parameters
    ----------
    positions
        Sites, A, in any frame.
    n_modes
        How many to return, the six rigid ones included.
    cutoff
        Sites up to this distance, A, are joined by a spring. By default
        :func:`~deephemnma.modes.elastic_network.choose_cutoff` (8, or longer for beads and pseudoatoms) times the
        force field's reach.
    relative_cutoff
        Instead of `cutoff`: see :func:`~deephemnma.modes.elastic_network.compute_relative_cutoff`.
    force_field
        Stiffness of the springs; :class:`~deephemnma.modes.uniform_cutoff.UniformCutoff` if None.
    blocks
        Number of the rigid block of each site (RTB), if the sites are not to move one by one.
    names
        Name of each site, for messages.
    advance
        Told of the share of the solution, 0-1, done since the last call.

    Returns
    -------
    modes
        Numbered from 1. Modes 1-6 are the exact translations and rotations, with eigenvalue 0. The sign is chosen
        so that the greatest component is positive. Same positions, same digits.

    Raises
    ------
    InputError
        If the network does not hold the structure together (names the loose sites), or if an option is out of range.
    """
    sites = positions.detach().cpu().numpy().astype(np.float64)
    rigid = make_rigid_modes(sites)
    force_field = force_field or UniformCutoff()
    cutoff = resolve_cutoff(sites, cutoff=cutoff, relative_cutoff=relative_cutoff, reach=force_field.reach)
    network = _make_network(sites, cutoff=cutoff, force_field=force_field, names=names)
    frames = None if blocks is None else make_block_frames(sites, blocks)
    _check_count(n_modes, 3 * len(sites) if frames is None else frames.n_degrees, in_blocks=frames is not None)
    if n_modes <= N_RIGID:
        return _make_modes(rigid[:, :n_modes], np.zeros(0))
    if frames is None:
        values, vectors = _solve_sites(network, rigid, count=n_modes - N_RIGID, advance=advance)
    else:
        values, vectors = _solve_blocks(network, rigid, frames=frames, count=n_modes - N_RIGID, advance=advance)
    _check_floppy(values, vectors, mean=network.mean_eigenvalue, names=names)
    return _make_modes(np.concatenate((rigid, vectors), axis=1), values)


class _Network(NamedTuple):
    sites: Float[np.ndarray, "sites 3"]
    pairs: Int[np.ndarray, "pairs 2"]
    stiffness: Float[np.ndarray, "pairs"]

    @property
    def mean_eigenvalue(self) -> float:
        """Trace of the Hessian over its size."""
        return 2 * float(self.stiffness.sum()) / (3 * len(self.sites))


def _make_network(
    sites: Float[np.ndarray, "sites 3"], *, cutoff: float, force_field: ForceField, names: Sequence[str] | None
) -> _Network:
    pairs = find_pairs(sites, cutoff=cutoff)
    check_network(sites, pairs, cutoff=cutoff, names=names)
    return _Network(sites, pairs, force_field.compute_stiffness(compute_distances(sites, pairs)))


_Solution = tuple[Float[np.ndarray, "soft"], Float[np.ndarray, "coordinates soft"]]


def _solve_sites(
    network: _Network, rigid: Float[np.ndarray, "coordinates 6"], *, count: int, advance: Callable[[float], None]
) -> _Solution:
    """Return the softest eigenpairs where every site moves."""
    sites, pairs, stiffness = network
    hessian = compute_hessian(sites, pairs, stiffness=stiffness)
    coarse = make_block_frames(sites, _make_regions(sites)).make_basis()
    steps = choose_steps(stiffness)
    return compute_soft_modes(hessian, rigid=rigid, count=count, coarse=coarse, relaxation_steps=steps, advance=advance)


def _solve_blocks(
    network: _Network,
    rigid: Float[np.ndarray, "coordinates 6"],
    *,
    frames: BlockFrames,
    count: int,
    advance: Callable[[float], None],
) -> _Solution:
    """Return the softest eigenpairs where rigid blocks move."""
    sites, pairs, stiffness = network
    hessian, basis = compute_block_hessian(sites, pairs, stiffness=stiffness, frames=frames), frames.make_basis()
    back = csr_array(basis.T)
    coarse = back @ make_block_frames(sites, _join_blocks(sites, frames)).make_basis()
    values, shares = compute_soft_modes(
        hessian,
        rigid=back @ rigid,
        count=count,
        coarse=coarse,
        relaxation_steps=choose_steps(stiffness),
        advance=advance,
    )
    return values, basis @ shares


def _make_regions(sites: Float[np.ndarray, "sites 3"]) -> Int[np.ndarray, "sites"]:
    """Return regions for the solver's coarse level: of some 60 sites, and not more regions than are solved densely."""
    return make_space_blocks(sites, block_sites=max(SITES_OF_REGION, -(-len(sites) // REGIONS_AT_MOST)))


def _join_blocks(sites: Float[np.ndarray, "sites 3"], frames: BlockFrames) -> Int[np.ndarray, "sites"]:
    """Return regions of whole blocks."""
    n_blocks = len(frames.moving)
    counts = np.bincount(frames.blocks, minlength=n_blocks)[:, None]
    sums = np.stack([np.bincount(frames.blocks, weights=axis, minlength=n_blocks) for axis in sites.T], axis=1)
    size = max(BLOCKS_OF_REGION, -(-n_blocks // REGIONS_AT_MOST))
    return make_space_blocks(sums / counts, block_sites=size)[frames.blocks]


def _make_modes(vectors: Float[np.ndarray, "coordinates modes"], values: Float[np.ndarray, "soft"]) -> Modes:
    n_modes = vectors.shape[1]
    eigenvalues = np.concatenate((np.zeros(N_RIGID), values))[:n_modes]
    return Modes(
        vectors=torch.from_numpy(_fix_signs(vectors).T.reshape(n_modes, -1, 3).copy()),
        eigenvalues=torch.from_numpy(eigenvalues),
        numbers=tuple(range(1, n_modes + 1)),
    )


def _fix_signs(vectors: Float[np.ndarray, "coordinates modes"]) -> Float[np.ndarray, "coordinates modes"]:
    """Make the greatest component positive; of several equally great ones (symmetric molecules) the first."""
    size = np.abs(vectors)
    leading = (size >= SIGN_TIE * size.max(axis=0)).argmax(axis=0)
    return vectors * np.sign(vectors[leading, np.arange(vectors.shape[1])])


def resolve_cutoff(
    sites: Float[np.ndarray, "sites 3"], *, cutoff: float | None, relative_cutoff: float | None, reach: float
) -> float:
    """Return the cutoff, A, that :func:`compute_modes` takes for these options and a force field of this `reach`."""
    if cutoff is not None and relative_cutoff is not None:
        raise InputError("Give either --cutoff or --relative-cutoff, not both.")
    if relative_cutoff is not None:
        return compute_relative_cutoff(sites, percent=relative_cutoff)
    if cutoff is not None and not cutoff > 0:
        raise InputError(f"The cutoff (--cutoff) must be a positive distance in A, not {cutoff:g}.")
    return reach * choose_cutoff(sites) if cutoff is None else cutoff


def _check_count(n_modes: int, n_degrees: int, *, in_blocks: bool) -> None:
    if 1 <= n_modes <= n_degrees:
        return
    remedies = ["take fewer residues a block (--block-residues)"] if in_blocks else []
    if n_degrees > N_RIGID:
        remedies.append(f"choose --n-modes between {N_RIGID + 1} and {n_degrees}")
    within = " in blocks of this size" if in_blocks else ""
    raise InputError(
        f"The structure has {n_degrees} modes{within}, but {n_modes} were asked for: "
        f"{' or '.join(remedies) or 'take more sites (--sites)'}."
    )


def _check_floppy(
    values: Float[np.ndarray, "soft"],
    vectors: Float[np.ndarray, "coordinates soft"],
    *,
    mean: float,
    names: Sequence[str] | None,
) -> None:
    """Refuse motions that cost nothing and are not rigid: hinges that counting neighbours cannot see."""
    floppy = np.flatnonzero(values < FLOPPY * mean)
    if len(floppy):
        motion = np.square(vectors[:, floppy]).sum(axis=1).reshape(-1, 3).sum(axis=1)
        movers = np.argsort(-motion, kind="stable")[:3]
        raise InputError(
            f"{len(floppy)} modes beside the six rigid ones cost no energy; {name_sites(movers, names)} move most "
            f"in them: use a longer --cutoff or leave {name_exclusion(names)}."
        )
