"""How much memory alignment takes, by arithmetic on the shapes of what it holds."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from deephemnma.alignment.candidate import count_at_once
from deephemnma.alignment.schedule import Level
from deephemnma.alignment.score_bank import TEMPLATES_AT_ONCE
from deephemnma.core.error import InputError

REAL, COMPLEX = 4, 8
GIB = 2**30
PROCESS = 420 * 2**20
"""Bytes of a process that has loaded Python, torch and this package, with the workspaces of its libraries."""
USABLE = 0.9
"""Share of the free memory that is planned with."""
LEAST_BATCH = 8
"""Fewer workers rather than fewer images at once: below this, the work an image grows."""


@dataclass(frozen=True)
class MemoryPlan:
    """What workers need, bytes, and how many of them run.

    Attributes
    ----------
    bank
        The templates of one worker.
    workspace
        Of what is done in pieces of one size, whatever the number of images.
    an_image
        What each image of a batch adds.
    batch_size
        Images at once.
    n_workers
        Processes.
    """

    bank: int
    workspace: int
    an_image: int
    batch_size: int
    n_workers: int

    @property
    def a_worker(self) -> int:
        """Of one worker at its peak."""
        return PROCESS + self.bank + self.workspace + self.batch_size * self.an_image

    def describe(self, free: int) -> str:
        """Return the plan as one sentence."""
        workers = f"{self.n_workers} worker{'s' * (self.n_workers > 1)}"
        return (
            f"Alignment needs about {self.a_worker / GIB:.1f} GiB a worker ({self.bank / GIB:.1f} GiB of templates, "
            f"{self.batch_size} images at once), {workers}; {free / GIB:.1f} GiB are free."
        )

    def fit_into(self, free: int) -> "MemoryPlan":
        """Return the plan with as many workers and images at once as fit.

        Parameters
        ----------
        free
            Bytes.

        Raises
        ------
        InputError
            If not even one worker fits with one image at a time.
        """
        least = min(self.batch_size, LEAST_BATCH)
        for n_workers in range(self.n_workers, 0, -1):
            batch_size = self._count_images(USABLE * free / n_workers)
            if batch_size >= (least if n_workers > 1 else 1):
                return replace(self, n_workers=n_workers, batch_size=min(self.batch_size, batch_size))
        one = replace(self, n_workers=1, batch_size=1)
        raise InputError(
            f"Alignment needs about {one.a_worker / GIB:.1f} GiB even for one worker with one image at a time "
            f"({self.bank / GIB:.1f} GiB of it for templates), but {free / GIB:.1f} GiB are free: give fewer "
            "--orientations, fewer --max-conformations or a coarser --search-resolution, or free memory."
        )

    def _count_images(self, budget: float) -> int:
        return int((budget - PROCESS - self.bank - self.workspace) / self.an_image)


def plan_memory(
    levels: Sequence[Level],
    *,
    n_templates: int,
    n_shifts: int,
    batch_size: int,
    n_workers: int,
) -> MemoryPlan:
    """Plan the memory of an aligner.

    Parameters
    ----------
    levels
        Of the descent, which refines so many states at once as a bound says; the bank lies on the first one's band.
    n_templates, n_shifts
        Of the bank; 0 templates for a search without one.
    batch_size, n_workers
        Wanted.
    """
    components = levels[0].band.n_components
    compared = min(n_templates, TEMPLATES_AT_ONCE)
    # data moved by every shift (complex, then contiguous), their products with the templates, gains and their order
    search = n_shifts * (2 * COMPLEX * components + REAL * compared) + 8 * REAL * compared
    pieces = [
        size
        for level in levels
        for size in (
            min(batch_size * level.refined, level.at_once) * _count_state(level),
            min(batch_size * level.candidates, count_at_once(level.band.n_components)) * _count_candidate(level),
        )
    ]
    return MemoryPlan(
        bank=COMPLEX * components * n_templates,
        workspace=max(2 * REAL * components * compared, *pieces),
        an_image=_count_image(levels[-1]) + search,
        batch_size=batch_size,
        n_workers=n_workers,
    )


def _count_image(level: Level) -> int:
    """Return the bytes of an image, its transform and its observation."""
    return 3 * REAL * level.band.box_size**2 + 2 * (COMPLEX + REAL) * level.band.n_components


def _count_state(level: Level) -> int:
    """Return the bytes of one state under evaluation: its observation, Jacobian and what becomes of that, its sites."""
    n_modes, sites = level.projector.n_modes, level.projector.n_sites
    parameters = n_modes + 5
    transforms = 2 * (n_modes + 2) + parameters + 2
    likelihood = 2 * parameters + 6
    observation = 2 * (COMPLEX + REAL) * level.band.n_components
    weights = (2 * COMPLEX * (n_modes + 2) + 8 * REAL) * sites
    return observation + weights + COMPLEX * max(transforms, likelihood) * level.band.n_components


def _count_candidate(level: Level) -> int:
    """Return the bytes of one state whose projection is compared with its image."""
    return (4 * COMPLEX + 2 * REAL) * level.band.n_components + 8 * REAL * level.projector.n_sites
