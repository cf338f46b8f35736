"""Angles, shifts and centres mean what RELION means: its own projections of a known map at known poses."""

import mrcfile
import numpy as np
import pytest
import torch
from scipy import fft, ndimage

from deephemnma.core.particle import Poses
from deephemnma.io.particles import read_particles

pytestmark = pytest.mark.shared_data
FOLDER = "particles/relion_projections"
MAP = "clean70SRibosome_vol_65p.mrc"


def _resize(volume: np.ndarray, box_size: int) -> np.ndarray:
    """Crop the centred Fourier transform: the same field of view on another grid, as RELION's map of 64 was made."""
    if box_size == len(volume):
        return volume
    transform = fft.fftshift(fft.fftn(fft.ifftshift(volume)))
    start = len(volume) // 2 - box_size // 2
    kept = transform[(slice(start, start + box_size),) * 3]
    return fft.fftshift(fft.ifftn(fft.ifftshift(kept)).real)


def _project(volume: np.ndarray, rotation: np.ndarray, shift_pixels: np.ndarray) -> np.ndarray:
    """Rotate in real space and sum along z; independent of every projector of the package."""
    # scipy asks, for each output voxel v (z y x), which input voxel it shows: x = R^T v in x y z.
    reverse = np.eye(3)[::-1]
    matrix = reverse @ rotation.T @ reverse
    center = np.full(3, len(volume) // 2)
    rotated = ndimage.affine_transform(volume, matrix, offset=center - matrix @ center, order=3)
    # The shift brings the particle back, so the particle lies at minus the shift; RELION shifts in Fourier space.
    return ndimage.shift(rotated.sum(axis=0), -shift_pixels[::-1], order=3, mode="grid-wrap")


def _correlate(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.corrcoef(first.ravel(), second.ravel())[0, 1])


def _compute_correlations(shared_data, name: str, *, sign: float = 1.0, inverted: bool = False) -> np.ndarray:
    source = read_particles(shared_data / FOLDER / name, pixel_size=1.0)
    images = source[torch.arange(len(source))].numpy()
    with mrcfile.open(shared_data / FOLDER / MAP, permissive=True) as mrc:
        volume = _resize(mrc.data.astype(np.float64), source.box_size)
    poses: Poses = source.poses
    rotations = poses.rotations.mT if inverted else poses.rotations
    # relion_project puts the centre of an odd box one pixel further (n // 2 + 1) than that of an even one. RELION has
    # no one centre for odd boxes (see test_relion_project.py), so the package does not follow it.
    images = np.roll(images, -(source.box_size % 2), axis=(1, 2))
    return np.array(
        [
            _correlate(_project(volume, rotation.numpy(), sign * shift.numpy()), image)
            for rotation, shift, image in zip(rotations, poses.shifts, images, strict=True)
        ]
    )


# Not rln_proj_64.star: its map of 64 voxels, which is not at hand, had its centre half a voxel away.
@pytest.mark.parametrize(
    "name",
    ["rln_proj_64_centered", "rln_proj_64_shifted", "rln_proj_65", "rln_proj_65_centered", "rln_proj_65_shifted"],
)
def test_projections_are_those_of_relion(shared_data, name):
    assert _compute_correlations(shared_data, f"{name}.star").min() > 0.995


@pytest.mark.parametrize("box_size", [64, 65])
def test_a_wrong_shift_sign_would_show(shared_data, box_size):
    assert _compute_correlations(shared_data, f"rln_proj_{box_size}_shifted.star", sign=-1.0).max() < 0.8


def test_the_inverse_rotation_would_show(shared_data):
    assert _compute_correlations(shared_data, "rln_proj_64_centered.star", inverted=True).max() < 0.9
