"""Say early that modes are those of loose ends."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from deephemnma.core.model import Basis, Modes
from deephemnma.core.structure import AtomicModel
from deephemnma.modes.analysis import compute_collectivity
from deephemnma.modes.elastic_network import name_sites
from deephemnma.modes.fluctuation import find_flexible
from deephemnma.pipeline.note import note
from deephemnma.pipeline.progress import announce
from deephemnma.reference.site import make_site_names
from deephemnma.settings.choice import ChoiceOptions

MANY = 0.5
"""Share of the modes from which localized ones are worth a warning."""


def warn_of_localized(
    modes: Modes, sites: AtomicModel | None, *, lowest_collectivity: float = ChoiceOptions.lowest_collectivity
) -> None:
    """Announce, and note in the summary, that most normal modes of an elastic network are localized, if they are.

    Parameters
    ----------
    modes
        All that are at hand.
    sites
        What moves; None for pseudoatoms.
    lowest_collectivity
        Below it a mode counts as localized.
    """
    flexible = find_flexible(modes)
    localized = flexible & (compute_collectivity(modes) < lowest_collectivity)
    n_localized, n_modes = int(localized.sum()), int(flexible.sum())
    if modes.basis != Basis.NORMAL_MODES or n_localized <= MANY * n_modes:
        return
    sentence = (
        f"{n_localized} of {n_modes} modes are localized (collectivity < {lowest_collectivity:g}), "
        f"at {_name_movers(modes.vectors[localized], sites)}: loose ends. {_make_remedy(sites)}"
    )
    announce(f"Warning: {sentence}")
    note("warning", sentence)


def _name_movers(vectors: Float[Tensor, "modes sites 3"], sites: AtomicModel | None) -> str:
    """Return the names of the sites that move most in each mode, softest first."""
    movers = vectors.square().sum(dim=-1).argmax(dim=-1).tolist()
    movers = torch.tensor(list(dict.fromkeys(movers))).numpy()
    if sites is None:
        return name_sites(movers, None)
    return name_sites(np.arange(len(movers)), make_site_names(sites.take(movers)))


def _make_remedy(sites: AtomicModel | None) -> str:
    if sites is None:
        return "Remedy: a longer --cutoff, or larger and fewer pseudoatoms."
    return (
        "Remedy: a longer --cutoff, leave the loose sites out (--select ... not ...), or larger beads "
        "(--sites ca, --sites residue)."
    )
