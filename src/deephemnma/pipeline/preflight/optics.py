"""What the file says of the microscope, and whether that is likely."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from deephemnma.core.particle import Optics
from deephemnma.imaging.ctf import compute_wavelength
from deephemnma.pipeline.preflight.finding import Finding, Verdict

DEFOCUS_UM = (0.1, 10.0)
VOLTAGE_KV = (60.0, 400.0)
CS_MM = (0.0, 6.0)
AMPLITUDE_CONTRAST = (0.02, 0.4)
FEW = 0.05
"""Share of images with unlikely values up to which the rest can go on."""
ANGSTROM_PER_UM = 1e4


def judge_optics(optics: Optics | None) -> Finding:
    """Say whether defocus, voltage, spherical aberration and amplitude contrast are what microscopes have."""
    if optics is None:
        return Finding(
            "CTF values",
            Verdict.NOTE,
            "the file of particles has no defocus, so the images are taken as free of a CTF: right only for class "
            "averages or images that were corrected for it; otherwise add rlnDefocusU, rlnDefocusV, rlnDefocusAngle, "
            "rlnVoltage, rlnSphericalAberration and rlnAmplitudeContrast.",
        )
    um = torch.stack((optics.defocus_u, optics.defocus_v)) / ANGSTROM_PER_UM
    checks = (
        ("defocus", um.mean(0), DEFOCUS_UM, "um", _advise_defocus(um)),
        ("voltage", optics.voltage_kv, VOLTAGE_KV, "kV", "correct rlnVoltage"),
        ("spherical aberration", optics.cs_mm, CS_MM, "mm", "correct rlnSphericalAberration"),
        (
            "amplitude contrast",
            optics.amplitude_contrast,
            AMPLITUDE_CONTRAST,
            "",
            "it is about 0.1 for ice, 0.2 for stain",
        ),
    )
    verdict, parts = Verdict.OK, []
    for name, values, (low, high), unit, advice in checks:
        n_outside = int(((values < low) | (values > high)).sum())
        if n_outside:
            grave = n_outside > FEW * len(values) and name != "amplitude contrast"
            verdict = Verdict.FIX if grave or verdict is Verdict.FIX else Verdict.NOTE
            wanted = f"{low:g} to {high:g} {unit}".strip()
            parts.append(
                f"{name} of {n_outside:,} of {len(values):,} images is outside {wanted} ({_show(values, unit)}): "
                f"{advice}"
            )
    if float(optics.voltage_kv.max()) > 1.01 * float(optics.voltage_kv.min()):
        verdict = Verdict.NOTE if verdict is Verdict.OK else verdict
        parts.append(
            f"several voltages ({_show(optics.voltage_kv, 'kV')}): right only if several microscopes were used"
        )
    flipped = "; the file says that the images are phase-flipped" if optics.phase_flipped else ""
    told = "; ".join(parts) or (
        f"defocus {_show(um.mean(0), 'um')}, {_show(optics.voltage_kv, 'kV')}, Cs {_show(optics.cs_mm, 'mm')}, "
        f"amplitude contrast {_show(optics.amplitude_contrast, '')}, as usual"
    )
    figures = {"defocus_um": [float(um.min()), float(um.max())], "phase_flipped": optics.phase_flipped}
    return Finding("CTF values", verdict, f"{told}{flipped}.", figures)


def _advise_defocus(um: Float[Tensor, "axes images"]) -> str:
    middle = float(um.mean(0).median())
    if abs(middle) < DEFOCUS_UM[0] and middle != 0:
        return "rlnDefocusU and rlnDefocusV are in A; these look like um"
    return "underfocus is positive; change the sign" if middle < 0 else "correct rlnDefocusU and rlnDefocusV"


def _show(values: Float[Tensor, "images"], unit: str) -> str:
    low, high = float(values.min()), float(values.max())
    text = f"{low:.3g}" if math.isclose(low, high, rel_tol=1e-3) else f"{low:.3g} to {high:.3g}"
    return f"{text} {unit}".strip()


def compute_delocalization(optics: Optics, resolution: float) -> float:
    """Return how far the CTF of the median image spreads waves of `resolution` (A), A."""
    wavelength = float(compute_wavelength(optics.voltage_kv.double()).median())
    defocus = float(((optics.defocus_u + optics.defocus_v) / 2).median())
    k = 1 / resolution
    return abs(wavelength * defocus * k - float(optics.cs_mm.median()) * 1e7 * wavelength**3 * k**3)
