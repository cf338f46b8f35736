"""What follows when estimation starts near the truth, or at it: local refinement, and the limit of the likelihood."""

import math
from dataclasses import replace

import torch
from image_set import ImageSet, Options
from progress import align_with_progress
from summary import SHORT
from table import CpuClock
from truth import Truth, summarize_against

from deephemnma.alignment.aligner import align_images
from deephemnma.alignment.refinement import make_refinement_aligner
from deephemnma.core.estimates import Estimates, Status, make_estimates
from deephemnma.core.particle import Poses
from deephemnma.core.rotation import rotation_from_vector
from deephemnma.imaging.synthesis import ImageFormation
from deephemnma.io.particles import ParticleStack
from deephemnma.pipeline.reference import Reference
from deephemnma.settings.estimate import EstimateSettings
from deephemnma.settings.refine import RefineSettings


def refine_at_truth(particles: ParticleStack, reference: Reference, truth: Truth, *, formation: ImageFormation) -> dict:
    """Climb from the truth at full resolution only, with the true formation: what the likelihood itself can reach.

    What a search fails on beyond this is the search's fault, or that of the contrast and noise that were measured.
    """
    aligner = make_refinement_aligner(
        reference.model,
        reference.modes,
        particles,
        initial=truth.estimates,
        settings=EstimateSettings(),
        refinement=RefineSettings(candidates=1, starts=1, finalists=1),
        formation=formation,
    )
    aligner = replace(aligner, levels=aligner.levels[-1:])
    found = align_images(aligner, particles, torch.arange(len(particles)))
    row = summarize_against(found, truth, reference)
    return {name: row[name] for name in SHORT}


def refine_near_truth(
    images: ImageSet,
    particles: ParticleStack,
    reference: Reference,
    truth: Truth,
    *,
    formation: ImageFormation,
    settings: EstimateSettings,
    options: Options,
) -> dict[str, object]:
    """Refine from starts near the truth, and return the few figures that tell of refinement alone."""
    start = _disturb(truth.estimates, images, reference, options)
    clock = CpuClock()
    aligner = make_refinement_aligner(
        reference.model,
        reference.modes,
        particles,
        initial=start,
        settings=settings,
        refinement=RefineSettings(),
        formation=formation,
        seed=options.seed,
    )
    found = align_with_progress(aligner, particles, label="refinement")
    cost = clock.seconds / len(found)
    row = summarize_against(found, truth, reference)
    return {name: row[name] for name in SHORT} | {"CPU s an image": cost}


def _disturb(truth: Estimates, images: ImageSet, reference: Reference, options: Options) -> Estimates:
    """Return estimates so far from the truth as the options say, in random directions."""
    generator = torch.Generator().manual_seed(images.simulation.seed + 1)
    angle, displacement, shift = options.start

    def draw(size: int) -> torch.Tensor:
        direction = torch.randn(len(truth), size, generator=generator, dtype=torch.float64)
        return torch.nn.functional.normalize(direction, dim=1)

    turns = rotation_from_vector(math.radians(angle) * draw(3))
    return make_estimates(
        names=truth.names,
        poses=Poses(turns @ truth.poses.rotations, truth.poses.shifts + shift * draw(2)),
        amplitudes=truth.amplitudes + displacement * reference.model.n_sites**0.5 * draw(truth.n_modes),
        mode_numbers=truth.mode_numbers,
        status=Status.GIVEN,
    )
