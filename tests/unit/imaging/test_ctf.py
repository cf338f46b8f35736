"""Physical facts of the contrast transfer function; its agreement with other programs is tested elsewhere."""

import math

import pytest
import torch

from deephemnma.core.fourier import make_frequencies
from deephemnma.core.particle import Optics
from deephemnma.imaging.ctf import compute_ctf, compute_wavelength


def make_optics(*, phase_shift: float = 0.0, contrast: float = 0.1, phase_flipped: bool = False) -> Optics:
    """Two images: one round, one astigmatic."""
    pair = torch.ones(2, dtype=torch.float64)
    return Optics(
        voltage_kv=300 * pair,
        cs_mm=2.7 * pair,
        amplitude_contrast=contrast * pair,
        defocus_u=torch.tensor([8000.0, 12000.0], dtype=torch.float64),
        defocus_v=torch.tensor([8000.0, 6000.0], dtype=torch.float64),
        defocus_angle=torch.tensor([0.0, 0.6], dtype=torch.float64),
        phase_shift=phase_shift * pair,
        phase_flipped=phase_flipped,
    )


def test_wavelengths_are_those_of_the_textbook():
    found = compute_wavelength(torch.tensor([100.0, 200.0, 300.0], dtype=torch.float64))
    torch.testing.assert_close(found, torch.tensor([0.037014, 0.025079, 0.019687]).double(), atol=2e-6, rtol=0)


def test_protein_is_bright_at_low_frequency_when_underfocused():
    ctf = compute_ctf(make_optics(), make_frequencies(64, 2.0).double())
    low = (make_frequencies(64, 2.0).norm(dim=-1) > 0) & (make_frequencies(64, 2.0).norm(dim=-1) < 0.04)
    assert float(ctf[:, low].min()) > 0.1


def test_amplitude_contrast_and_phase_shift_are_what_remains_at_zero_frequency():
    zero = torch.zeros(1, 2, dtype=torch.float64)
    torch.testing.assert_close(
        compute_ctf(make_optics(), zero), torch.full((2, 1), 0.1).double(), atol=1e-12, rtol=1e-6
    )
    found = compute_ctf(make_optics(phase_shift=math.pi / 2, contrast=0.0), zero)
    torch.testing.assert_close(found, torch.ones(2, 1).double())


def test_phase_flipped_images_obey_the_absolute_value():
    frequencies = make_frequencies(64, 1.5).double()
    signed = compute_ctf(make_optics(), frequencies)
    assert float(signed.min()) < -0.9
    torch.testing.assert_close(compute_ctf(make_optics(phase_flipped=True), frequencies), signed.abs())


@pytest.mark.parametrize("turn", [0.0, math.pi / 2])
def test_each_main_axis_sees_its_own_defocus(turn):
    """Along the angle of defocus U the astigmatic CTF is that of a round one of U; across it, of V."""
    optics = make_optics()
    k = torch.linspace(0.01, 0.2, 40, dtype=torch.float64)
    angle = float(optics.defocus_angle[1]) + turn
    line = torch.stack((k * math.cos(angle), k * math.sin(angle)), dim=-1)
    defocus = optics.defocus_u if turn == 0 else optics.defocus_v
    round_one = Optics(
        optics.voltage_kv, optics.cs_mm, optics.amplitude_contrast, defocus, defocus, 0 * defocus, optics.phase_shift
    )
    torch.testing.assert_close(compute_ctf(optics, line)[1], compute_ctf(round_one, line)[1])
    assert float((compute_ctf(optics, line.flip(-1))[1] - compute_ctf(round_one, line)[1]).abs().max()) > 0.5
