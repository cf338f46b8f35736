"""Angles, signs, centre and CTF of cisTEM, by its own projections and CTFs.

cisTEM's angles are RELION's, and so ours, by other names, without any change of sign or order:
**PHI is rot, THETA is tilt, PSI is psi**: ``R = Rz(PSI) Ry(THETA) Rz(PHI)`` takes the reference to the view. (Its own
``RotationMatrix`` is the transpose: it takes the points of a slice to the reference.) The particle's centre projects on
pixel ``n // 2``, bright where the map is dense. Its CTF is minus ours, for cisTEM's protein is dark; defocus, Cs,
amplitude contrast and the angle of astigmatism mean what they mean here. The stored CTFs were evaluated at azimuths
that count from y towards x, hence ``90 - angle``; by its source cisTEM itself counts from x (``atan2(y, x)``), so that
a DefocusAngle in its files is RELION's.

The projections were cut out of the transform without padding and keep the corners beyond Nyquist, where linear
interpolation says little; ours end there, so that is where they are compared.
"""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from deephemnma.core.fourier import fourier_transform, make_frequencies
from deephemnma.core.particle import Optics
from deephemnma.core.rotation import euler_to_rotation
from deephemnma.core.structure import DensityMap
from deephemnma.imaging.band import Band, make_band
from deephemnma.imaging.ctf import compute_ctf, compute_wavelength
from deephemnma.imaging.slice_projector import SliceProjector

pytestmark = pytest.mark.shared_data


class Projections:
    """The stored map, and cisTEM's projections of it as components of the disc inside Nyquist."""

    def __init__(self, path) -> None:
        with np.load(path) as file:
            self.pixel_size = float(file["voxel_size"])
            self.angles = torch.deg2rad(torch.tensor(file["angles"]))  # PHI, THETA, PSI
            self.values = torch.tensor(file["volume"])
            images = torch.tensor(file["projections"])
        self.band: Band = make_band(images.shape[-1], self.pixel_size)
        self.components = self.band.extract(fourier_transform(images))

    def project(self, rotations: Tensor, *, shift_pixels: float = 0.0) -> Tensor:
        density = DensityMap(self.values, self.pixel_size, torch.zeros(3, dtype=torch.float64), "cisTEM")
        shifts = torch.full((len(rotations), 2), shift_pixels * self.pixel_size)
        return SliceProjector(density, self.band).project(rotations.float(), shifts, torch.zeros(len(rotations), 0))

    def correlate(self, components: Tensor) -> Tensor:
        inner = (components * self.components.conj()).real.sum(-1)
        return inner / (components.norm(dim=-1) * self.components.norm(dim=-1))


@pytest.fixture(scope="module")
def projections(shared_data) -> Projections:
    return Projections(shared_data / "reference" / "cistem_projection.npz")


def test_angles_sign_and_centre_are_those_of_cistem(projections):
    found = projections.project(euler_to_rotation(projections.angles))
    correlations = projections.correlate(found)
    print(correlations)
    assert float(correlations.min()) > 0.9995
    # cisTEM divides by the number of pixels of a side; it does not correct for its interpolation.
    scale = (found * projections.components.conj()).real.sum(-1) / found.abs().square().sum(-1)
    torch.testing.assert_close(scale * projections.band.box_size, torch.ones(len(scale)), atol=0.025, rtol=0)


WRONG = {
    "PHI and PSI exchanged": lambda angles: euler_to_rotation(angles.flip(-1)),
    "inverse rotation": lambda angles: euler_to_rotation(angles).mT,
    "angles of the other sign": lambda angles: euler_to_rotation(-angles),
    "THETA of the other sign": lambda angles: euler_to_rotation(angles * torch.tensor([1.0, -1.0, 1.0])),
    "mirrored molecule": lambda angles: euler_to_rotation(angles) * torch.tensor([1.0, 1.0, -1.0]),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_convention_would_show(projections, name):
    """All but the views along an axis, which some conventions share."""
    correlations = projections.correlate(projections.project(WRONG[name](projections.angles)))
    print(name, correlations)
    assert float(correlations.median()) < 0.95


@pytest.mark.parametrize("shift", [-1.0, -0.5, 0.5, 1.0])
def test_another_centre_would_show(projections, shift):
    found = projections.project(euler_to_rotation(projections.angles), shift_pixels=shift)
    assert float(projections.correlate(found).max()) < 0.99


def _find_voltage_kv(wavelength: float) -> float:
    """Return the voltage of this wavelength by our formula: cisTEM's differ in the fifth digit."""
    low, high = 1.0, 2000.0
    while high - low > 1e-9:
        middle = (low + high) / 2
        longer = float(compute_wavelength(torch.tensor([middle], dtype=torch.float64))) > wavelength
        low, high = (middle, high) if longer else (low, middle)
    return low


def _make_optics(parameters: np.ndarray, *, angle: float, voltage_kv: float) -> Optics:
    u, v, _, _, cs, contrast, _ = parameters
    rows = (voltage_kv, cs, contrast, u, v, math.radians(angle), 0.0)
    return Optics(*(torch.tensor([value], dtype=torch.float64) for value in rows))


@pytest.fixture(scope="module")
def transfer_functions(shared_data) -> list[tuple[np.ndarray, Tensor]]:
    with np.load(shared_data / "reference" / "cistem_ctf.npz") as file:
        return list(zip(file["parameters"].astype(np.float64), torch.tensor(file["ctf"]).double(), strict=True))


def _compute_difference(parameters: np.ndarray, wanted: Tensor, *, angle: float, voltage_kv: float) -> Tensor:
    """Return our CTF and cisTEM's, added: the sign is the other. Nyquist stands for either sign of a frequency."""
    size = wanted.shape[0]
    frequencies = make_frequencies(size, float(parameters[6])).double()
    found = compute_ctf(_make_optics(parameters, angle=angle, voltage_kv=voltage_kv), frequencies)[0]
    return (found + wanted).abs()[torch.arange(size) != size // 2, : size // 2]


def test_ctf_is_that_of_cistem(transfer_functions):
    for parameters, wanted in transfer_functions:
        voltage = parameters[3] * 1e3
        wavelength = 12.2639 / math.sqrt(voltage + 0.97845e-6 * voltage**2)  # its constants
        same = _find_voltage_kv(wavelength)
        assert same == pytest.approx(parameters[3], rel=1e-4)
        exact = _compute_difference(parameters, wanted, angle=90 - parameters[2], voltage_kv=same)
        assert float(exact.max()) < 3e-4
        # The nominal voltage tells where the CTF turns fastest (pixels of 0.75 A).
        nominal = _compute_difference(parameters, wanted, angle=90 - parameters[2], voltage_kv=parameters[3])
        assert float(nominal.max()) < 0.025
        assert float(nominal.mean()) < 0.005


def test_another_angle_of_astigmatism_would_show(transfer_functions):
    astigmatic = [(parameters, wanted) for parameters, wanted in transfer_functions if parameters[0] != parameters[1]]
    assert len(astigmatic) >= 4
    for parameters, wanted in astigmatic:
        angle, voltage = 90 - parameters[2], parameters[3]
        for wrong in (angle + 90, 2 * 90 - angle + 20, angle + 5):
            assert float(_compute_difference(parameters, wanted, angle=wrong, voltage_kv=voltage).mean()) > 0.02
