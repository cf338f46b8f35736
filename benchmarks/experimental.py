"""Estimation on 17 experimental particles with a beta-galactosidase map as the reference, rigid and with modes.

python benchmarks/experimental.py --data ../shared/data

Orientations are compared with RELION's in the star file, modulo D2, and random ones with the same: if the reference is
the molecule in the images, ours are far nearer. RELION may have refined in another frame, so the comparison is also
made after the one rotation of all our orientations that brings the most of them close. The control says what would come
out if the images did show the reference: it is aligned in images simulated at RELION's poses, with the particles' CTFs
and the contrast and noise that were measured on them.
"""

import argparse
import math
import sys
import tempfile
from pathlib import Path

import torch
from memory_images import MemoryImages
from table import CpuClock, add_results_option, report

from deephemnma.alignment.aligner import align_images
from deephemnma.alignment.assembly import make_search_aligner
from deephemnma.alignment.pilot import measure_formation
from deephemnma.core.fourier import make_frequencies
from deephemnma.core.model import GaussianModel, Modes
from deephemnma.core.particle import ImageSource, Poses
from deephemnma.core.rotation import make_random_rotations
from deephemnma.imaging.ctf import compute_ctf
from deephemnma.imaging.synthesis import project_images
from deephemnma.io.density import read_map
from deephemnma.io.particles import ParticleStack, read_particles
from deephemnma.metrics.symmetry import compute_symmetric_angle, make_point_group
from deephemnma.modes.normal_modes import compute_modes
from deephemnma.reference.pseudoatom import make_pseudoatoms
from deephemnma.settings.estimate import EstimateSettings

GROUP = "D2"
SETTINGS = EstimateSettings(
    resolution=10.0, search_resolution=20.0, orientations=5000, shift_range=8.0, amplitude_range=2.5
)


STACK, STAR, MAP = (
    Path("particles/aspire_sample_17x200.mrcs"),
    Path("particles/sample_particles_relion30.star"),
    Path("maps/beta_galactosidase_3.54A.mrc"),
)
"""In the shared data."""


def main() -> None:
    """Align rigidly and with modes; compare with RELION."""
    options = _parse()
    torch.set_num_threads(1)
    if not (options.data / STACK).exists():
        sys.exit(f"{options.data / STACK} is not there: this benchmark needs the experimental particles (--data).")
    rows, notes = measure(options.data)
    report("experimental", rows, notes=notes, folder=options.results)


def link_stack(data: Path, folder: Path) -> None:
    """Give the stack of the shared data the name that its star file has for it."""
    link = folder / "sample.mrcs"
    link.unlink(missing_ok=True)
    link.symlink_to((data / STACK).resolve())


def measure(data: Path) -> tuple[list[dict[str, object]], dict[str, object]]:
    """Align in every way; return rows and notes."""
    model = make_pseudoatoms(read_map(data / MAP)).model
    modes = compute_modes(model.positions, n_modes=12)
    with tempfile.TemporaryDirectory() as folder:
        link_stack(data, Path(folder))
        particles = read_particles(data / STAR, datadir=Path(folder))
        rows = [_align(particles, model, modes.select(numbers)) for numbers in ((), (7, 8, 9))]
        control = _simulate_control(particles, model, modes.select(()))
        rows.append(_align(control, model, modes.select(()), theirs=particles.poses) | {"method": "rigid, control"})
    rows.append(_compare("random orientations", _draw(particles.poses), particles.poses, together=False))
    return rows, {"pseudoatoms": model.n_sites, "diameter of the reference (A)": 2 * model.radius}


def _align(
    source: ImageSource, model: GaussianModel, modes: Modes, *, theirs: Poses | None = None
) -> dict[str, object]:
    theirs = theirs or source.poses
    clock = CpuClock()
    formation = measure_formation(model, modes, source, settings=SETTINGS)
    aligner = make_search_aligner(model, modes, source, settings=SETTINGS, formation=formation)
    found = align_images(aligner, source, torch.arange(len(source)))
    name = f"modes {modes.numbers[0]}-{modes.numbers[-1]}" if modes.numbers else "rigid"
    row = _compare(name, found.poses.rotations, theirs, together=True)
    shift = (found.poses.shifts - theirs.shifts).norm(dim=1).median()
    rejected = sum(status == "rejected" for status in found.status)
    cost = clock.seconds / len(source)
    return row | {"shift from RELION's (A)": float(shift), "rejected": rejected, "CPU s an image": cost}


def _simulate_control(particles: ParticleStack, model: GaussianModel, rigid: Modes) -> MemoryImages:
    formation = measure_formation(model, rigid, particles, settings=SETTINGS)
    none = torch.zeros(len(particles), 0, dtype=torch.float64)
    grid = {"box_size": particles.box_size, "pixel_size": particles.pixel_size}
    clean = project_images(model, rigid, particles.poses, none, optics=particles.optics, **grid)
    ctf = compute_ctf(particles.optics.to("cpu"), make_frequencies(particles.box_size, particles.pixel_size))
    noise = formation.noise.draw(len(particles), generator=torch.Generator().manual_seed(0), ctf=ctf)
    images = formation.contrast * clean + noise
    return MemoryImages(images, particles.optics, particles.names, pixel_size=particles.pixel_size)


def _compare(method: str, rotations: torch.Tensor, theirs: Poses, *, together: bool) -> dict[str, object]:
    repeats = len(rotations) // len(theirs)
    angles = compute_symmetric_angle(rotations, theirs.rotations.repeat(repeats, 1, 1), GROUP)
    return {
        "method": method,
        "images": len(theirs),
        "median from RELION's (deg)": math.degrees(float(angles.median())),
        "within 20 deg": float((angles < math.radians(20)).double().mean()),
        "median in the best frame (deg)": _compare_in_best_frame(rotations, theirs.rotations) if together else math.nan,
        "shift from RELION's (A)": math.nan,
        "rejected": 0,
        "CPU s an image": math.nan,
    }


def _compare_in_best_frame(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    """Return the least median angle (degrees) after any one rotation that makes one image agree."""
    frames = [ours[image].T @ theirs[image] @ turn for image in range(len(ours)) for turn in make_point_group(GROUP)]
    medians = [float(compute_symmetric_angle(ours @ frame, theirs, GROUP).median()) for frame in frames]
    return math.degrees(min(medians))


def _draw(poses: Poses) -> torch.Tensor:
    return make_random_rotations(100 * len(poses), generator=torch.Generator().manual_seed(0))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of maps/ and particles/")
    add_results_option(parser)
    return parser.parse_args()


if __name__ == "__main__":
    main()
