"""Adenylate kinase as 214 beads, its modes 7-9, and images of it: small enough for tests."""

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from deephemnma.alignment.observation import Observations, make_observations
from deephemnma.alignment.scale import Scales, compute_scales
from deephemnma.alignment.state import State
from deephemnma.core.model import GaussianModel, Modes
from deephemnma.core.particle import ImageSource, Optics, Poses
from deephemnma.core.rotation import make_random_rotations
from deephemnma.imaging.band import make_band
from deephemnma.imaging.gaussian_projector import GaussianProjector
from deephemnma.imaging.noise import make_white_noise
from deephemnma.imaging.synthesis import ImageFormation, project_images
from deephemnma.io.structure import read_structure
from deephemnma.modes import compute_modes
from deephemnma.reference.gaussian import make_gaussian_model
from deephemnma.reference.site import select_sites

BOX, PIXEL = 48, 1.8


class Stack(ImageSource):
    """Images in memory."""

    def __init__(self, images: Tensor, optics: Optics | None) -> None:
        self.images, self._optics = images, optics

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"{number:06d}@a.mrcs" for number in range(len(self.images)))

    @property
    def box_size(self) -> int:
        return self.images.shape[-1]

    @property
    def pixel_size(self) -> float:
        return PIXEL

    @property
    def optics(self) -> Optics | None:
        return self._optics

    def __getitem__(self, ids):
        return self.images[ids]


def make_astigmatic_optics(count: int) -> Optics:
    """Defocus 0.7 and 0.45 um, each image at another angle."""
    ones = torch.ones(count, dtype=torch.float64)
    angle = torch.linspace(0, 3, count, dtype=torch.float64)
    return Optics(200 * ones, 2 * ones, 0.1 * ones, 7000 * ones, 4500 * ones, angle, 0 * ones)


@dataclass(frozen=True)
class Molecule:
    """A reference that moves."""

    model: GaussianModel
    modes: Modes

    @property
    def scales(self) -> Scales:
        return compute_scales(self.model)

    def make_projector(self, resolution: float = 0.0) -> GaussianProjector:
        return GaussianProjector(self.model, self.modes, make_band(BOX, PIXEL, resolution=resolution))

    def draw_truth(self, count: int, *, seed: int, bend: float = 3.0, shift: float = 3.0) -> tuple[Poses, Tensor]:
        """Draw poses and amplitudes, up to `bend` (A RMSD) along each mode and `shift` (A) along each axis."""
        generator = torch.Generator().manual_seed(seed)
        rotations = make_random_rotations(count, generator=generator)
        shifts = shift * (2 * torch.rand(count, 2, generator=generator, dtype=torch.float64) - 1)
        drawn = 2 * torch.rand(count, self.modes.n_modes, generator=generator, dtype=torch.float64) - 1
        return Poses(rotations, shifts), bend * self.scales.amplitude * drawn

    def project(self, case: "Case") -> Tensor:
        """Return the clean images of a case, at contrast 1."""
        return project_images(
            self.model, self.modes, case.poses, case.amplitudes, box_size=BOX, pixel_size=PIXEL,
            optics=case.source.optics,
        )  # fmt: skip

    def make_case(self, count: int, *, snr: float, seed: int = 0, with_ctf: bool = True, contrast: float = 1.0):
        """Simulate images of drawn truths."""
        poses, amplitudes = self.draw_truth(count, seed=seed)
        optics = make_astigmatic_optics(count) if with_ctf else None
        clean = contrast * project_images(
            self.model, self.modes, poses, amplitudes, box_size=BOX, pixel_size=PIXEL, optics=optics
        )
        noise = make_white_noise(float(clean.var()) / snr, box_size=BOX, pixel_size=PIXEL)
        images = clean + noise.draw(count, generator=torch.Generator().manual_seed(seed + 1))
        return Case(self, poses, amplitudes, Stack(images, optics), ImageFormation(contrast, noise, 0.02 * contrast))


@dataclass(frozen=True)
class Case:
    """Images of known truth."""

    molecule: Molecule
    poses: Poses
    amplitudes: Tensor
    source: Stack
    formation: ImageFormation

    @property
    def truth(self) -> State:
        return State(self.poses.rotations.float(), self.poses.shifts.float(), self.amplitudes.float())

    def observe(self, resolution: float = 0.0) -> Observations:
        band = make_band(BOX, PIXEL, resolution=resolution)
        return make_observations(self.source.images, band, optics=self.source.optics, noise=self.formation.noise)


@pytest.fixture(scope="session")
def molecule(adenylate_kinase_path) -> Molecule:
    model = make_gaussian_model(select_sites(read_structure(adenylate_kinase_path), "ca"))
    return Molecule(model, compute_modes(model.positions, n_modes=9, cutoff=15.0).select((7, 8, 9)))


@pytest.fixture(scope="session")
def rigid_molecule(molecule) -> Molecule:
    return Molecule(molecule.model, molecule.modes.select(()))


@pytest.fixture(scope="session")
def bright(molecule) -> Case:
    """Eight images of SNR 2 with astigmatic CTFs."""
    return molecule.make_case(8, snr=2.0, seed=3)
