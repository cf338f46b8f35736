"""The line on the 7 experimental particles of EMPIAR-10076, and whether a 50S subunit is seen in them."""

from dataclasses import replace
from pathlib import Path

import gemmi
import torch
from evidence import Interval
from line import Line, check, make_row, preflight
from line_candidates import compare_controls, compare_trials, make_references, try_references

import deephemnma as dh
from deephemnma.settings.stage.preflight import PreflightStage

SET = "EMPIAR-10076, 7 particles"
RIGHT, PRECURSOR = "50S", "50S precursor of 26 A"
PIXEL = 5.24
SEARCH = dh.EstimateSettings(
    resolution=20.0, search_resolution=40.0, orientations=4000, shift_range=40.0, effort="thorough"
)


def run(line: Line) -> tuple[list[dict[str, object]], dict[str, object]]:
    """Run the stages; return rows and notes."""
    line = line.go_into("10076")
    search = replace(SEARCH, effort="normal") if line.images else SEARCH  # a trial may miss some
    star, cs = (line.data / "particles" / f"empiar_10076_7.{name}" for name in ("star", "cs"))
    notes = {f"{SET}, check of the {path.suffix[1:]}": check(path) for path in (star, cs)}
    prepared = {
        path: dh.run_prepare(
            dh.PrepareStage(path, pixel_size=PIXEL, invert_contrast=path == star, workers=line.workers),
            output=line.folder / f"prepared_{path.suffix[1:]}",
        )
        for path in (star, cs)
    }
    notes |= _convert(line, star, cs)
    first, second = (dh.read_particles(folder / "particles.star") for folder in prepared.values())
    ids = torch.arange(len(first))
    difference = float((first[ids] - second[ids]).abs().max() / first[ids].std())
    rows = [make_row(SET, "star, inverted, beside cs", "greatest difference (sd)", Interval(difference, None, None))]
    references = make_references(line, make_sources(line.data), controlled=(RIGHT, PRECURSOR))
    options = dh.ReferenceOptions(references[RIGHT], modes="")
    notes |= preflight(line, PreflightStage(prepared[cs], options, search=search, workers=line.workers), SET)
    trials = try_references(line, prepared[cs], references, search)
    return [*rows, *compare_trials(SET, trials, against=RIGHT), *compare_controls(SET, trials)], notes


def make_sources(data: Path) -> dict[str, tuple[Path, dh.MoleculeOptions]]:
    """Return the 50S subunit, its own precursor as a coarse map, and what is not in the images."""
    ribosome = data / "structures" / "4v5d_70S_ribosome.cif.gz"
    ring, open_kinase = (data / "structures" / name for name in ("1oel.pdb", "4ake_chainA.pdb"))
    coarse = dh.MoleculeOptions(pseudoatoms=dh.PseudoatomOptions(voxel_size=13.1))
    return {
        RIGHT: (ribosome, make_beads(select_subunit(ribosome, "B"))),
        PRECURSOR: (data / "particles/tomodrgn_50S/10076_classE_32.mrc", coarse),
        "30S": (ribosome, make_beads(select_subunit(ribosome, "A"))),
        "GroEL ring": (ring, make_beads()),
        "beta-galactosidase": (data / "maps" / "beta_galactosidase_3.54A.mrc", dh.MoleculeOptions()),
        "adenylate kinase": (open_kinase, make_beads(group=1)),
    }


def make_beads(select: str | None = None, *, group: int = 4) -> dh.MoleculeOptions:
    """Return options for one bead in `group` residues: enough for 20 A."""
    return dh.MoleculeOptions(
        structure=dh.StructureOptions(sites="residue", residues_per_bead=group, select=select),
        network=dh.NetworkOptions(n_modes=7),
    )


def select_subunit(ribosome: Path, letter: str) -> str:
    """Return the selection of all chains whose name starts with `letter`: of 4V5D, A the small subunit, B the large."""
    chains = [chain.name for chain in gemmi.read_structure(str(ribosome))[0] if chain.name.startswith(letter)]
    return "//" + ",".join(chains)


def _convert(line: Line, star: Path, cs: Path) -> dict[str, object]:
    """Bring the star file into cryoSPARC's form; say whether that holds what cryoSPARC's own file does."""
    folder = dh.run_convert(dh.ConvertStage(star, format="cs"), output=line.folder / "converted")
    made, own = dh.read_particles(folder / "particles.cs", datadir=star.parent), dh.read_particles(cs)
    ours, theirs = made.optics, own.optics
    difference = float((ours.defocus_u - theirs.defocus_u).abs().max())
    return {f"{SET}, defocus of the converted star beside that of the cs (A)": difference}
