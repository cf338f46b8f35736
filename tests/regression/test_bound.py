"""The Cramer-Rao bound is what the fits of many noise draws on one image scatter by."""

import math
from pathlib import Path

import torch

from deephemnma.alignment.aligner import align_images
from deephemnma.alignment.bound import compute_bound
from deephemnma.alignment.refinement import make_refinement_aligner
from deephemnma.core.estimates import Status, make_estimates
from deephemnma.core.fourier import make_frequencies
from deephemnma.core.particle import ImageSource, Optics, Poses
from deephemnma.core.rotation import euler_to_rotation
from deephemnma.imaging.ctf import compute_ctf
from deephemnma.imaging.noise import NoiseModel
from deephemnma.imaging.synthesis import ImageFormation, project_images
from deephemnma.metrics.calibration import compute_ratio_to_bound
from deephemnma.metrics.error import compute_errors
from deephemnma.pipeline.reference import load_reference
from deephemnma.settings.estimate import EstimateSettings
from deephemnma.settings.molecule import MoleculeOptions
from deephemnma.settings.network import NetworkOptions
from deephemnma.settings.refine import RefineSettings
from deephemnma.settings.stage.reference import ReferenceOptions
from deephemnma.settings.structure import StructureOptions

DRAWS, BOX, PIXEL = 300, 48, 1.75
B_FACTOR = 40.0


class Draws(ImageSource):
    """One image under many draws of noise."""

    def __init__(self, images: torch.Tensor, optics: Optics) -> None:
        self._images, self._optics = images, optics

    names = property(lambda self: tuple(map(str, range(len(self._images)))))
    box_size = property(lambda self: BOX)
    pixel_size = property(lambda self: PIXEL)
    optics = property(lambda self: self._optics)

    def __getitem__(self, ids: torch.Tensor) -> torch.Tensor:
        return self._images[ids]


def make_optics() -> Optics:
    values = {"voltage_kv": 200.0, "cs_mm": 2.0, "amplitude_contrast": 0.1, "defocus_u": 1.2e4, "defocus_v": 1.1e4}
    columns = {**values, "defocus_angle": 0.5, "phase_shift": 0.0}
    return Optics(**{name: torch.full((DRAWS,), value, dtype=torch.float64) for name, value in columns.items()})


def make_noise() -> NoiseModel:
    """Return noise that falls with frequency, a part of which passes through the CTF."""
    shells = torch.arange(math.ceil(BOX / 2 * math.sqrt(2)) + 1)
    falling = 0.2 + 0.8 / (1 + (shells / 6).square())
    return NoiseModel(falling, BOX, PIXEL, structural=0.5 * falling)


def test_fits_of_many_noise_draws_scatter_by_the_bound(adenylate_kinase_path: Path) -> None:
    molecule = MoleculeOptions(structure=StructureOptions(sites="ca"), network=NetworkOptions(cutoff=10.0, n_modes=9))
    reference = load_reference(ReferenceOptions(adenylate_kinase_path, molecule=molecule))
    model, modes, optics = reference.model, reference.modes, make_optics()
    rotation = euler_to_rotation(torch.tensor([0.3, 1.1, -0.4], dtype=torch.float64))
    poses = Poses(rotation.expand(DRAWS, 3, 3), torch.tensor([0.8, -0.5], dtype=torch.float64).expand(DRAWS, 2))
    amplitudes = torch.tensor([20.0, -10.0, 15.0], dtype=torch.float64).expand(DRAWS, 3)
    one, grid = torch.tensor([0]), {"box_size": BOX, "pixel_size": PIXEL}
    first = optics.select(one)
    clean = project_images(model, modes, poses.select(one), amplitudes[:1], optics=first, b_factor=B_FACTOR, **grid)
    formation = ImageFormation(float(clean.std()) ** -1, make_noise(), b_factor=B_FACTOR)  # signal variance 1
    ctf = compute_ctf(first.to("cpu"), make_frequencies(BOX, PIXEL)).expand(DRAWS, -1, -1)
    noise = formation.noise.draw(DRAWS, generator=torch.Generator().manual_seed(0), ctf=ctf)
    source = Draws(formation.contrast * clean + noise, optics)

    names, numbers = source.names, modes.numbers
    truth = make_estimates(names=names, poses=poses, amplitudes=amplitudes, mode_numbers=numbers, status=Status.GIVEN)
    aligner = make_refinement_aligner(
        model,
        modes,
        source,
        initial=truth,
        settings=EstimateSettings(),
        refinement=RefineSettings(candidates=1, starts=1, finalists=1),
        formation=formation,
    )
    errors = compute_errors(align_images(aligner, source, torch.arange(DRAWS)), truth)
    bound = compute_bound(model, modes, poses.select(one), amplitudes[:1], optics=first, formation=formation)

    # At the bound the errors are normal: variances over n draws spread by sqrt(2 / n) of themselves, the mean square
    # of n p independent ones by sqrt(2 / (n p)), means by a standard deviation over sqrt(n). Four of each are allowed.
    n, p = errors.parameters.shape
    sd = bound[0].diagonal().sqrt()
    assert ((errors.parameters / sd).square().mean(0) - 1).abs().max() < 4 * math.sqrt(2 / n)
    assert (errors.parameters / sd).mean(0).abs().max() < 4 / math.sqrt(n)
    ratios = compute_ratio_to_bound(errors, bound.expand(n, p, p))
    assert abs(float(ratios.square().mean()) - 1) < 4 * math.sqrt(2 / (n * p))
