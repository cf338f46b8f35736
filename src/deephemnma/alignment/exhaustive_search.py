"""Search from no prior knowledge."""

from jaxtyping import Float, Int
from torch import Tensor

from deephemnma.alignment.bank import Bank, make_bank, make_conformation_grid, make_shift_grid
from deephemnma.alignment.distinct import select_distinct
from deephemnma.alignment.observation import Observations
from deephemnma.alignment.scale import Scales
from deephemnma.alignment.score_bank import score_bank
from deephemnma.alignment.state import State
from deephemnma.alignment.strategy import SearchStrategy
from deephemnma.imaging.band import Band
from deephemnma.imaging.projector import Projector
from deephemnma.settings.estimate import EstimateSettings

POOL = 8
"""Templates kept for each start that is wanted, so that there is a choice of distinct ones."""
SPACING = 0.3
"""Starts lie this far apart, in units of the resolution; so do the shifts that are tried."""

CONFORMATION_SPACING = 0.25
"""Conformations lie this far apart (RMSD), in units of the resolution."""


class ExhaustiveSearch(SearchStrategy):
    """Compares every image with a bank of templates over all orientations and a grid of conformations and shifts.

    Parameters
    ----------
    bank
        Templates on the band of the search.
    shifts
        Shifts tried, A.
    starts
        See :class:`SearchStrategy`.
    scales
        Of the reference.
    projector
        Whose band the bank lies on.
    """

    def __init__(
        self, bank: Bank, *, shifts: Float[Tensor, "shifts 2"], starts: int, scales: Scales, projector: Projector
    ) -> None:
        self.band = projector.band
        self.starts = starts
        self._bank, self._shifts, self._scales = bank, shifts, scales
        self._distance = SPACING * self.band.resolution

    def propose(self, observations: Observations, ids: Int[Tensor, "images"]) -> State:
        """See :meth:`SearchStrategy.propose`."""
        kept = min(self.starts * POOL, len(self._bank))
        found = score_bank(observations, self._bank, self._shifts, kept=kept)
        rows = select_distinct(
            found.states, -found.gains, kept=self.starts, distance=self._distance, scales=self._scales
        )
        return found.states.select(rows.flatten())


def find_amplitude_spacing(settings: EstimateSettings, band: Band) -> float:
    """Return the distance between conformations tried, A RMSD; by default what the `band` of the search can tell."""
    return settings.amplitude_spacing or CONFORMATION_SPACING * band.resolution


def make_search_bank(projector: Projector, *, scales: Scales, settings: EstimateSettings) -> Bank:
    """Build the bank on the projector's band: seconds to a minute, once a process."""
    conformations = make_conformation_grid(
        projector.n_modes,
        scales=scales,
        extent=settings.amplitude_range,
        spacing=find_amplitude_spacing(settings, projector.band),
        most=settings.max_conformations,
    )
    return make_bank(projector, n_orientations=settings.orientations, conformations=conformations)


def make_exhaustive_search(
    bank: Bank, projector: Projector, *, starts: int, scales: Scales, settings: EstimateSettings
) -> ExhaustiveSearch:
    """Make the search that compares with `bank`, which lies on the projector's band."""
    shifts = make_shift_grid(settings.shift_range, SPACING * projector.band.resolution)
    return ExhaustiveSearch(bank, shifts=shifts, starts=min(starts, len(bank)), scales=scales, projector=projector)
