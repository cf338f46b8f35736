"""The line on 117 particles picked from a micrograph without a CTF, whose molecule is not told."""

from pathlib import Path

import mrcfile
import numpy as np
from line import IMAGE_NAME, Line, check, make_row, preflight
from line_10076 import make_beads, select_subunit
from line_candidates import compare_controls, compare_trials, make_references, try_references

import deephemnma as dh
from deephemnma.settings.stage.preflight import PreflightStage

SET, LIKELY = "117 picked particles", "beta-galactosidase"
STACK = "fei_extended_picked_bin4_64px_3.415A.mrcs"
SEARCH = dh.EstimateSettings(
    resolution=25.0, search_resolution=40.0, orientations=2000, shift_range=25.0, effort="normal"
)


def run(line: Line) -> tuple[list[dict[str, object]], dict[str, object]]:
    """Run the stages; return rows and notes."""
    line = line.go_into("picked")
    stack = line.data / "particles" / STACK
    star = line.folder / "picked.star"
    with mrcfile.mmap(stack, permissive=True) as mrc:
        rows = line.choose_rows(len(mrc.data))
        images = np.array(mrc.data[rows], dtype=np.float64)
    names = "\n".join(f"{row + 1:06d}@{STACK}" for row in rows)
    star.write_text(f"data_\n\nloop_\n_{IMAGE_NAME} #1\n{names}\n")
    notes = {f"{SET}, check": check(star, datadir=stack.parent)}
    prepared = dh.run_prepare(
        dh.PrepareStage(star, datadir=stack.parent, workers=line.workers), output=line.folder / "prepared"
    )
    table = describe(images, pixel_size=dh.read_particles(prepared / "particles.star").pixel_size)
    references = make_references(line, make_sources(line.data), controlled=(LIKELY, "IgG"))
    options = dh.ReferenceOptions(references[LIKELY], modes="")
    notes |= preflight(line, PreflightStage(prepared, options, search=SEARCH, workers=line.workers), SET)
    trials = try_references(line, prepared, references, SEARCH)
    best = max(trials, key=lambda name: float(trials[name].gains.mean()))
    table += compare_trials(SET, trials, against=best)
    table += compare_controls(SET, trials)
    return table, notes


def describe(images: np.ndarray, *, pixel_size: float) -> list[dict[str, object]]:
    """Return what the mean image tells: how wide it is, and how alike the means of two halves are."""
    halves = [images[half::2].mean(0) for half in (0, 1)]
    alike = float(np.corrcoef(halves[0].ravel(), halves[1].ravel())[0, 1])
    radii, profile = make_profile(images.mean(0), pixel_size)
    top = profile[:2].mean()
    below = np.flatnonzero(profile < top / 2)
    width = 2 * float(radii[below[0]]) if len(below) else float("nan")
    known = {"images": len(images)}
    return [
        make_row(SET, "mean image", "width at half its height (A)", width, **known),
        make_row(SET, "mean image", "correlation of the means of two halves", alike, **known),
    ]


def make_profile(image: np.ndarray, pixel_size: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean of each ring about the centre, less that of the outermost ones, at its radius, A."""
    box = len(image)
    y, x = np.indices(image.shape) - box // 2
    ring = np.rint(np.hypot(x, y)).astype(int)
    inside = ring < box // 2
    profile = np.bincount(ring[inside], image[inside]) / np.bincount(ring[inside])
    return np.arange(len(profile)) * pixel_size, profile - profile[-4:].mean()


def make_sources(data: Path) -> dict[str, tuple[Path, dh.MoleculeOptions]]:
    """Return candidates of all sizes that fit into the images."""
    structures, maps = data / "structures", data / "maps"
    ribosome = structures / "4v5d_70S_ribosome.cif.gz"
    return {
        "70S": (ribosome, make_beads(group=8)),
        "50S": (ribosome, make_beads(select_subunit(ribosome, "B"))),
        "30S": (ribosome, make_beads(select_subunit(ribosome, "A"))),
        "GroEL ring": (structures / "1oel.pdb", make_beads()),
        LIKELY: (maps / "beta_galactosidase_3.54A.mrc", dh.MoleculeOptions()),
        "phi6 polymerase": (structures / "5fj6.pdb", make_beads(group=2)),
        "RNA polymerase II": (structures / "1WCM_map_fitted.pdb", make_beads()),
        "IgG": (structures / "1hzh.pdb", make_beads(group=2)),
        "adenylate kinase": (structures / "4ake_chainA.pdb", make_beads(group=1)),
    }
