"""What the loose pieces of a structure are, in words."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

NAMED_AT_MOST = 5


def describe_pieces(pieces: Int[np.ndarray, "sites"], names: Sequence[str] | None) -> str:
    """Return which pieces are loose from the largest: ``chain B, MET 1 to LYS 88 (88 sites); A/ZN 301 (1 site)``.

    Parameters
    ----------
    pieces
        Number of the piece of each site.
    names
        Of the sites, such as ``A/LYS 12/CA``; without these, sites are numbered from 1.
    """
    sizes = np.bincount(pieces)
    loose = np.argsort(-sizes, kind="stable")[1:]
    told = [describe_sites(np.flatnonzero(pieces == piece), names) for piece in loose[:NAMED_AT_MOST]]
    rest = int(sizes[loose[NAMED_AT_MOST:]].sum())
    return "; ".join(told) + (f"; and {len(loose) - NAMED_AT_MOST} more ({_count(rest)})" if rest else "")


def describe_sites(sites: Int[np.ndarray, "sites"], names: Sequence[str] | None) -> str:
    """Return chains, ranges of residues and number of these sites."""
    if names is None:
        where = f"site {sites[0] + 1}" + (f" to site {sites[-1] + 1}" if len(sites) > 1 else "")
        return f"{where} ({_count(len(sites))})"
    chains: dict[str, list[str]] = {}
    for site in sites:
        chain, _, rest = names[site].partition("/")
        chains.setdefault(chain, []).append(rest.rpartition("/")[0])
    if len(chains) > NAMED_AT_MOST:
        shown = list(chains)[:NAMED_AT_MOST]
        where = f"chains {', '.join(shown)} and {len(chains) - NAMED_AT_MOST} more"
    else:
        where = " and ".join(_describe_run(chain, residues) for chain, residues in chains.items())
    return f"{where} ({_count(len(sites))})"


def _describe_run(chain: str, residues: Sequence[str]) -> str:
    first, last = residues[0], residues[-1]
    return f"{chain}/{first}" if first == last else f"chain {chain}, {first} to {last}"


def _count(n_sites: int) -> str:
    return f"{n_sites:,} site" if n_sites == 1 else f"{n_sites:,} sites"
