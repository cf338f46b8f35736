"""Which sites are joined by a spring, and whether that holds the structure together."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree
from scipy.spatial import Delaunay, cKDTree

from deephemnma.core.error import InputError
from deephemnma.modes.piece import describe_pieces

NEIGHBOURS_OF_HISTOGRAM = 3  # Xmipp's xmipp_pdb_analysis --operation distance_histogram, default Nnearest
NEIGHBOURS_TO_BE_RIGID = 3
SHORTEST_SPRING = 1e-3  # A
NAMED_AT_MOST = 5
TYPICAL_NEIGHBOURS = 12
MARGIN_OF_SUGGESTION = 1.2
HEMNMA_CUTOFF = 8.0  # A, for heavy atoms
FEW_SITES = 100  # all pairs are as quick as tetrahedra


def find_pairs(positions: Float[np.ndarray, "sites 3"], *, cutoff: float) -> Int[np.ndarray, "pairs 2"]:
    """Return the pairs (i < j) of sites at most `cutoff` (A) apart, sorted, so that every run sums in one order."""
    pairs = cKDTree(positions).query_pairs(cutoff, output_type="ndarray").reshape(-1, 2)
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


def compute_distances(
    positions: Float[np.ndarray, "sites 3"], pairs: Int[np.ndarray, "pairs 2"]
) -> Float[np.ndarray, "pairs"]:
    """Return the length, A, of each pair."""
    return np.linalg.norm(positions[pairs[:, 1]] - positions[pairs[:, 0]], axis=-1)


def compute_relative_cutoff(positions: Float[np.ndarray, "sites 3"], *, percent: float) -> float:
    """Return the distance, A, below which lie `percent` (0-100] of the distances of each site to its three nearest.

    HEMNMA's "relative" cutoff (Xmipp takes the same histogram, in 1000 bins; its default is 95 %).

    Raises
    ------
    InputError
        If `percent` is out of range.
    """
    if not 0 < percent <= 100:
        raise InputError(f"The relative cutoff (--relative-cutoff) must be above 0 and at most 100 %, not {percent:g}.")
    n_neighbours = min(NEIGHBOURS_OF_HISTOGRAM, len(positions) - 1)
    distances, _ = cKDTree(positions).query(positions, k=n_neighbours + 1)
    return float(np.percentile(distances[:, 1:], percent))


def suggest_cutoff(positions: Float[np.ndarray, "sites 3"]) -> float:
    """Suggest a cutoff, A, that makes one rigid piece of any set of sites.

    The greatest of: the longest link of the shortest tree that joins all sites, the distance within which every
    site has four neighbours, and the mean distance to the twelfth neighbour; times 1.2.
    """
    held = _compute_neighbour_distances(positions, NEIGHBOURS_TO_BE_RIGID + 1).max()
    typical = _compute_neighbour_distances(positions, TYPICAL_NEIGHBOURS).mean()
    reach = float(max(held, typical))
    # one piece within reach has no longer link; counting pieces is ten times quicker than the tree
    pieces = _count_pieces(positions, find_pairs(positions, cutoff=reach))[0]
    return MARGIN_OF_SUGGESTION * (reach if pieces == 1 else max(reach, _find_longest_link(positions)))


def choose_cutoff(positions: Float[np.ndarray, "sites 3"]) -> float:
    """Return the default cutoff, A: HEMNMA's 8, or the suggested one if 8 does not hold the sites together.

    At most three times the median distance to the twelfth neighbour: a piece that lies farther off is for the user to
    see, not to be tied by springs across empty space.
    """
    longest = 3 * np.median(_compute_neighbour_distances(positions, TYPICAL_NEIGHBOURS))
    return max(HEMNMA_CUTOFF, min(suggest_cutoff(positions), float(longest)))


def _compute_neighbour_distances(positions: Float[np.ndarray, "sites 3"], rank: int) -> Float[np.ndarray, "sites"]:
    """Return the distance, A, of each site to its `rank`-th neighbour (the last, if there are fewer)."""
    return cKDTree(positions).query(positions, k=[min(rank, len(positions) - 1) + 1])[0][:, 0]


def _find_longest_link(positions: Float[np.ndarray, "sites 3"]) -> float:
    """Return the longest edge of the Euclidean minimum spanning tree, which is part of the Delaunay tetrahedra."""
    if len(positions) <= FEW_SITES:
        edges = np.stack(np.triu_indices(len(positions), k=1), axis=1)
    else:
        tetrahedra = Delaunay(positions, qhull_options="QJ Pp").simplices
        edges = np.concatenate([tetrahedra[:, [a, b]] for a in range(4) for b in range(a)])
        edges = np.unique(np.sort(edges, axis=1), axis=0)
    graph = coo_array((compute_distances(positions, edges), edges.T), shape=(len(positions),) * 2)
    return float(minimum_spanning_tree(graph.tocsr()).data.max())


def check_network(
    positions: Float[np.ndarray, "sites 3"],
    pairs: Int[np.ndarray, "pairs 2"],
    *,
    cutoff: float,
    names: Sequence[str] | None = None,
) -> None:
    """Refuse a network with more zero modes than the six rigid ones, as far as counting neighbours can tell.

    Raises
    ------
    InputError
        If two sites coincide, if the structure falls into pieces, or if a site has fewer than three neighbours.
        Names the pieces or sites (by `names`, else by number from 1) and a cutoff that would do.
    """
    coincident = pairs[compute_distances(positions, pairs) < SHORTEST_SPRING]
    if len(coincident):
        raise InputError(
            f"{len(coincident)} pairs of sites coincide, the first is {name_sites(coincident[0], names)}: "
            "remove the duplicates from the structure."
        )
    n_pieces, piece = _count_pieces(positions, pairs)
    if n_pieces > 1:
        raise InputError(
            f"With a cutoff of {cutoff:.1f} A the structure falls into {n_pieces} pieces. Loose from the largest: "
            f"{describe_pieces(piece, names)}: {_make_remedy(positions, names)}"
        )
    dangling = np.flatnonzero(np.bincount(pairs.ravel(), minlength=len(positions)) < NEIGHBOURS_TO_BE_RIGID)
    if len(positions) > NEIGHBOURS_TO_BE_RIGID and len(dangling):
        raise InputError(
            f"With a cutoff of {cutoff:.1f} A {len(dangling)} sites have fewer than {NEIGHBOURS_TO_BE_RIGID} "
            f"neighbours and would swing freely: {name_sites(dangling, names)}: {_make_remedy(positions, names)}"
        )


def name_sites(sites: Int[np.ndarray, "sites"], names: Sequence[str] | None) -> str:
    """Return the first few of `sites`, by name or by number from 1."""
    shown = [names[site] if names is not None else f"site {site + 1}" for site in sites[:NAMED_AT_MOST]]
    return ", ".join(shown) + (f" and {len(sites) - NAMED_AT_MOST} more" if len(sites) > NAMED_AT_MOST else "")


def _make_remedy(positions: Float[np.ndarray, "sites 3"], names: Sequence[str] | None) -> str:
    longer = f"use a longer --cutoff ({suggest_cutoff(positions):.1f} A would do)"
    return f"{longer} or leave {name_exclusion(names)}."


def name_exclusion(names: Sequence[str] | None) -> str:
    """Return how sites are left out: atoms have names, and pseudoatoms of a map have none."""
    if names is None:
        return "the density they stand for out (a higher --threshold, for a map)"
    return "them out (--select, --sites)"


def _count_pieces(
    positions: Float[np.ndarray, "sites 3"], pairs: Int[np.ndarray, "pairs 2"]
) -> tuple[int, Int[np.ndarray, "sites"]]:
    """Return the number of pieces, and that of each site's."""
    graph = coo_array((np.ones(len(pairs)), pairs.T), shape=(len(positions),) * 2)
    return connected_components(graph, directed=False)
