"""Memory of the stages that align: planned from the molecule and the images, and told before they begin."""

import torch

from deephemnma.alignment.assembly import make_bands, make_levels
from deephemnma.alignment.bank import make_conformation_grid, make_shift_grid
from deephemnma.alignment.effort import choose_effort
from deephemnma.alignment.exhaustive_search import SPACING, find_amplitude_spacing
from deephemnma.alignment.memory import MemoryPlan, plan_memory
from deephemnma.alignment.scale import compute_scales
from deephemnma.core.particle import ImageSource
from deephemnma.distributed.device import choose_workers, measure_free_memory
from deephemnma.pipeline.progress import announce
from deephemnma.pipeline.reference import Reference
from deephemnma.settings.estimate import EstimateSettings


def plan_alignment(
    reference: Reference,
    particles: ImageSource,
    *,
    search: EstimateSettings,
    workers: int,
    block_size: int,
    device: torch.device,
    has_bank: bool = True,
) -> MemoryPlan:
    """Decide how many workers align how many images at once, within the free memory, and say so.

    Parameters
    ----------
    reference, particles
        Molecule and images.
    search
        Settings of the alignment; its batch size is what is wanted at the most.
    workers
        Number of processes that is wanted; 0 for one a core or GPU.
    block_size
        Images of a block: no more are aligned at once.
    device
        That computes.
    has_bank
        False for a search that compares with no templates.

    Raises
    ------
    InputError
        If not even one image at a time fits.
    """
    model, scales = reference.model, compute_scales(reference.model)
    bands = make_bands(particles, scales=scales, settings=search, device=device)
    effort = choose_effort(search, 0.0)  # the thorough one, if the signal is to decide
    levels = make_levels(model, reference.modes, bands, effort=effort, settings=search)
    conformations = make_conformation_grid(
        reference.modes.n_modes,
        scales=scales,
        extent=search.amplitude_range,
        spacing=find_amplitude_spacing(search, bands[0]),
        most=search.max_conformations,
    )
    wanted = plan_memory(
        levels,
        n_templates=search.orientations * len(conformations) if has_bank else 0,
        n_shifts=len(make_shift_grid(search.shift_range, SPACING * levels[0].band.resolution)),
        batch_size=min(search.batch_size, block_size, len(particles)),
        n_workers=choose_workers(workers, device, n_blocks=-(-len(particles) // block_size)),
    )
    free = measure_free_memory(device)
    plan = wanted.fit_into(free)
    announce(plan.describe(free))
    return plan
