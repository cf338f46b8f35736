"""The CTF against RELION itself and torch-ctf (and in test_cistem_reference.py cisTEM)."""

import math
import shutil
import subprocess

import mrcfile
import numpy as np
import pandas as pd
import pytest
import starfile
import torch

from deephemnma.core.fourier import fourier_transform, make_frequencies
from deephemnma.core.particle import Optics
from deephemnma.imaging.ctf import compute_ctf


def _make_optics(rows: list[tuple[float, ...]]) -> Optics:
    """Make optics of rows (defocus U, V, angle in degrees, kV, Cs, amplitude contrast, phase shift in degrees)."""
    u, v, angle, voltage, cs, contrast, phase = torch.tensor(rows, dtype=torch.float64).T
    return Optics(voltage, cs, contrast, u, v, torch.deg2rad(angle), torch.deg2rad(phase))


CASES = [
    (9000.0, 5000.0, 30.0, 300.0, 2.7, 0.1, 0.0),
    (9000.0, 5000.0, 120.0, 200.0, 2.0, 0.07, 40.0),
    (15000.0, 15500.0, -70.0, 120.0, 6.3, 0.15, 90.0),
    (5000.0, 5000.0, 0.0, 200.0, 2.0, 0.1, 0.0),
]


@pytest.mark.relion
@pytest.mark.skipif(shutil.which("relion_project") is None, reason="RELION is not installed (apt-get install relion)")
def test_ctf_is_that_of_relion(tmp_path):
    """RELION projects a point through each CTF: the transform of the image is the CTF."""
    box, pixel = 64, 1.5
    point = np.zeros((box,) * 3, dtype=np.float32)
    point[box // 2, box // 2, box // 2] = 1
    with mrcfile.new(tmp_path / "point.mrc") as mrc:
        mrc.set_data(point)
        mrc.voxel_size = pixel
    names = [
        "DefocusU",
        "DefocusV",
        "DefocusAngle",
        "Voltage",
        "SphericalAberration",
        "AmplitudeContrast",
        "PhaseShift",
    ]
    table = pd.DataFrame(CASES, columns=[f"rln{name}" for name in names])
    for name in ("AngleRot", "AngleTilt", "AnglePsi", "OriginX", "OriginY"):
        table[f"rln{name}"] = 0.0
    table["rlnMagnification"], table["rlnDetectorPixelSize"] = 10000.0, pixel
    table["rlnImageName"] = [f"{row + 1}@none.mrcs" for row in range(len(table))]
    table["rlnMicrographName"] = "none.mrc"
    starfile.write(table, tmp_path / "angles.star")
    command = f"relion_project --i point.mrc --ang angles.star --ctf --o out --angpix {pixel}"
    subprocess.run(command.split(), cwd=tmp_path, check=True, capture_output=True)
    with mrcfile.open(tmp_path / "out.mrcs", permissive=True) as mrc:
        transforms = fourier_transform(torch.tensor(mrc.data)) * box
    frequencies = make_frequencies(box, pixel)
    inside = frequencies.norm(dim=-1) < 0.95 / (2 * pixel)
    wanted = compute_ctf(_make_optics(CASES), frequencies.double())
    difference = (transforms - wanted)[:, inside].abs().amax(1)
    assert float(difference.max()) < 1e-3


@pytest.mark.parametrize("case", CASES)
def test_ctf_is_that_of_torch_ctf(case):
    torch_ctf = pytest.importorskip("torch_ctf")
    u, v, angle, voltage, cs, contrast, phase = case
    if v > u:  # the same ellipse by its other name: the library wants the greater defocus first
        u, v, angle = v, u, angle + 90
    wanted = torch_ctf.calculate_ctf_2d(
        defocus=(u + v) / 2e4,
        astigmatism=(u - v) / 2e4,
        astigmatism_angle=angle,
        voltage=voltage,
        spherical_aberration=cs,
        amplitude_contrast=contrast,
        phase_shift=phase,
        pixel_size=1.5,
        image_shape=(64, 64),
        rfft=True,
        fftshift=False,
    )
    found = compute_ctf(_make_optics([case]), make_frequencies(64, 1.5).double())[0]
    # The Nyquist row and column stand for either sign of the frequency.
    kept = torch.arange(64) != 32
    torch.testing.assert_close(found[kept, :32], wanted[kept, :32].double(), atol=2e-3, rtol=0)


def test_ctf_is_rohou_and_grigorieffs_equation():
    """Written once more, by hand, for one frequency (Rohou & Grigorieff 2015, J. Struct. Biol. 192, 216, eq. 3-5)."""
    k, direction = 0.12, math.radians(25)
    wavelength = 0.019687  # 300 kV
    defocus = 7000 + 2000 * math.cos(2 * (direction - math.radians(30)))
    phase = math.pi * wavelength * defocus * k**2 - math.pi / 2 * 2.7e7 * wavelength**3 * k**4 + math.asin(0.1)
    frequency = torch.tensor([[k * math.cos(direction), k * math.sin(direction)]], dtype=torch.float64)
    found = compute_ctf(_make_optics([CASES[0]]), frequency)
    assert float(found) == pytest.approx(math.sin(phase), abs=1e-3)
