"""Projectors against each other and against those of other people."""

import mrcfile
import numpy as np
import pytest
import torch
from torch import Tensor

from deephemnma.core.fourier import fourier_transform, inverse_fourier_transform
from deephemnma.core.model import GaussianModel, Modes
from deephemnma.core.rotation import make_random_rotations
from deephemnma.core.structure import DensityMap
from deephemnma.imaging.band import make_band
from deephemnma.imaging.gaussian_projector import GaussianProjector
from deephemnma.imaging.slice_projector import SliceProjector
from deephemnma.io.particles import read_particles
from deephemnma.io.structure import read_structure
from deephemnma.reconstruction.model_map import make_model_map
from deephemnma.reference.gaussian import make_gaussian_model
from deephemnma.reference.site import select_sites

PIXEL = 1.8


@pytest.fixture(scope="module")
def beads(adenylate_kinase_path) -> GaussianModel:
    return make_gaussian_model(select_sites(read_structure(adenylate_kinase_path), "ca"))


def _correlate(first: Tensor, second: Tensor) -> Tensor:
    """Return the correlation of each pair of images, or of their transforms."""
    inner = (first * second.conj()).real.sum(-1)
    return inner / (first.abs().square().sum(-1) * second.abs().square().sum(-1)).sqrt()


def _project_map(values: Tensor, rotations: Tensor, *, shifts: Tensor | None = None) -> Tensor:
    """Return the band-limited images of a map with voxels of 1 A."""
    box = values.shape[0]
    band = make_band(box, 1.0)
    density = DensityMap(values, 1.0, torch.zeros(3, dtype=torch.float64), "a test")
    shifts = torch.zeros(len(rotations), 2) if shifts is None else shifts.float()
    components = SliceProjector(density, band).project(rotations.float(), shifts, torch.zeros(len(rotations), 0))
    return inverse_fourier_transform(band.embed(components), box_size=box)


def _center(images: Tensor) -> Tensor:
    flat = images.flatten(1).float()
    return flat - flat.mean(1, keepdim=True)


@pytest.mark.parametrize("box_size", [48, 49])
def test_gaussians_and_slices_agree(beads, box_size, generator):
    """Two projectors without a step in common: values, and every derivative."""
    band = make_band(box_size, PIXEL)
    rigid = Modes(torch.zeros(0, beads.n_sites, 3, dtype=torch.float64), torch.zeros(0), ())
    gaussians = GaussianProjector(beads, rigid, band)
    slices = SliceProjector(make_model_map(beads, box_size=box_size, voxel_size=PIXEL), band)
    rotations = make_random_rotations(16, generator=generator).float()
    state = (rotations, 4 * torch.randn(16, 2, generator=generator), torch.zeros(16, 0))
    (first, first_slopes), (second, second_slopes) = gaussians.linearize(*state), slices.linearize(*state)
    assert float(_correlate(first, second).min()) > 0.999
    assert float(_correlate(first_slopes, second_slopes).min()) > 0.998
    scale = (first * second.conj()).real.sum(-1) / second.abs().square().sum(-1)
    torch.testing.assert_close(scale, torch.ones(16), atol=0.015, rtol=0)
    # The outermost shells, where interpolation is worst.
    edge = band.shells >= band.max_index - 2
    assert float(_correlate(first[:, edge], second[:, edge]).min()) > 0.99


def test_slices_are_those_of_torch_fourier_slice(beads, generator):
    library = pytest.importorskip("torch_fourier_slice")
    values = make_model_map(beads, box_size=48, voxel_size=PIXEL).values
    rotations = make_random_rotations(8, generator=generator).float()
    # Its matrices turn the grid of the slice, ours the particle.
    band = make_band(48, 1.0)

    def project(matrices: Tensor) -> Tensor:
        components = band.extract(fourier_transform(library.project_3d_to_2d(values, matrices, pad_factor=2.0)))
        return inverse_fourier_transform(band.embed(components), box_size=48)

    found = _center(_project_map(values, rotations))
    assert float(_correlate(found, _center(project(rotations.mT.contiguous()))).min()) > 0.9995
    assert float(_correlate(found, _center(project(rotations))).max()) < 0.99


@pytest.mark.shared_data
@pytest.mark.parametrize("name", ["rln_proj_65_centered", "rln_proj_65_shifted"])
def test_slices_are_those_of_relion(shared_data, name):
    folder = shared_data / "particles" / "relion_projections"
    source = read_particles(folder / f"{name}.star", pixel_size=1.0)
    with mrcfile.open(folder / "clean70SRibosome_vol_65p.mrc", permissive=True) as mrc:
        values = torch.tensor(mrc.data.astype(np.float32))
    found = _project_map(values, source.poses.rotations, shifts=source.poses.shifts)
    # relion_project has the centre of odd boxes one pixel further: see test_relion_project.py.
    wanted = torch.roll(source[torch.arange(len(source))], (-1, -1), dims=(-2, -1))
    assert float(_correlate(_center(found), _center(wanted)).min()) > 0.995
