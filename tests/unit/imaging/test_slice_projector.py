"""Mistakes that a slice projector names, and maps of other sizes than the images."""

import pytest
import torch

from deephemnma.core.error import InputError
from deephemnma.core.rotation import make_random_rotations
from deephemnma.core.structure import DensityMap
from deephemnma.imaging.band import make_band
from deephemnma.imaging.slice_projector import SliceProjector

BAND = make_band(16, 2.0)


def make_map(shape: tuple[int, int, int], voxel_size: float = 2.0) -> DensityMap:
    values = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    x, y, z = torch.meshgrid(*(torch.arange(n) - n // 2 for n in shape), indexing="ij")
    values = values * (x**2 + y**2 + z**2 < 25)
    return DensityMap(values, voxel_size, torch.zeros(3, dtype=torch.float64), "ribosome.mrc")


def test_voxels_of_another_size_are_refused():
    with pytest.raises(InputError, match=r"ribosome\.mrc.*2 A, but are 2\.1 A"):
        SliceProjector(make_map((16, 16, 16), 2.1), BAND)


def test_rounded_voxel_sizes_are_the_same():
    assert SliceProjector(make_map((16, 16, 16), 2.0004), BAND).n_modes == 0


def test_a_map_that_is_no_cube_is_refused():
    with pytest.raises(InputError, match=r"cube.*\(16, 16, 18\)"):
        SliceProjector(make_map((16, 16, 18)), BAND)


@pytest.mark.parametrize("padded", [20, 21, 40])
def test_empty_space_around_a_map_changes_nothing(padded, generator):
    """Whatever the sides, voxel n // 2 is the centre."""
    small = make_map((16, 16, 16))
    values = torch.zeros(padded, padded, padded)
    first = padded // 2 - 8
    inside = slice(first, first + 16)
    values[inside, inside, inside] = small.values
    large = DensityMap(values, 2.0, small.origin, "padded")
    state = (make_random_rotations(4, generator=generator).float(), torch.ones(4, 2), torch.zeros(4, 0))
    first, second = (SliceProjector(each, BAND, padding=4).project(*state) for each in (small, large))
    assert float((first - second).abs().max()) < 0.05 * float(first.abs().max())


def test_a_slice_of_the_unturned_map_is_its_sum_along_z():
    """Frequencies on the axes of the grid need no interpolation."""
    density = make_map((16, 16, 16))
    state = (torch.eye(3)[None], torch.zeros(1, 2), torch.zeros(1, 0))
    components = SliceProjector(density, BAND).project(*state)
    kernel = torch.sinc((torch.arange(16) - 8) / 32).square()
    # On a grid point the interpolation does nothing, so the division by its kernel shows, along z too.
    sharpened = density.values / (kernel[:, None, None] * kernel[:, None] * kernel)
    transform = torch.fft.fft2(torch.fft.ifftshift(sharpened.sum(0)), norm="ortho")
    torch.testing.assert_close(components[0], transform[BAND.rows, BAND.columns], atol=1e-3, rtol=0)
