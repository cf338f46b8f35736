"""The contrast transfer function, as RELION defines it."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from deephemnma.core.particle import Optics


def compute_wavelength(voltage_kv: Float[Tensor, "images"]) -> Float[Tensor, "images"]:
    """Return the relativistic electron wavelength, A."""
    voltage = voltage_kv * 1e3
    return 12.2643247 / (voltage * (1 + voltage * 0.978466e-6)).sqrt()


def compute_envelope(frequencies: Float[Tensor, "*grid 2"], b_factor: float) -> Float[Tensor, "*grid"]:
    """Return the fall-off of a B-factor (A^2) at `frequencies` (1/A): ``exp(-B k^2 / 4)``."""
    return (-b_factor / 4 * frequencies.square().sum(-1)).exp()


def compute_ctf(optics: Optics, frequencies: Float[Tensor, "*grid 2"]) -> Float[Tensor, "images *grid"]:
    """Return the CTF of every image at `frequencies` (x, y; 1/A).

    ``CTF = sin(pi lambda dz k^2 - pi/2 Cs lambda^3 k^4 + phase_shift + asin(Q))``: underfocus is positive and protein
    comes out bright on a dark ground.
    ``dz(angle) = (U + V)/2 + (U - V)/2 cos 2(angle - defocus_angle)`` (Rohou & Grigorieff 2015, eq. 3-5; RELION
    ``ctf.h``). Where the images were phase-flipped the absolute value is returned.
    """
    grid = (...,) + (None,) * (frequencies.dim() - 1)
    wavelength = compute_wavelength(optics.voltage_kv)[grid]
    contrast = optics.amplitude_contrast
    constant = (optics.phase_shift + torch.atan2(contrast, (1 - contrast**2).sqrt()))[grid]
    mean = ((optics.defocus_u + optics.defocus_v) / 2)[grid]
    astigmatism = ((optics.defocus_u - optics.defocus_v) / 2)[grid]
    square = frequencies.square().sum(-1)
    angle = torch.atan2(frequencies[..., 1], frequencies[..., 0])
    defocus = mean + astigmatism * (2 * (angle - optics.defocus_angle[grid])).cos()
    aberration = 0.5 * math.pi * (optics.cs_mm * 1e7)[grid] * wavelength**3 * square**2
    ctf = (math.pi * wavelength * defocus * square - aberration + constant).sin()
    return ctf.abs() if optics.phase_flipped else ctf
