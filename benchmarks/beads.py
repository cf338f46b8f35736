"""Beads for atoms: how alike projections are, with weights and widths as the residues say and fitted to all atoms.

python benchmarks/beads.py --molecules AK IgG --resolutions 3 5 8 12 --data ../shared/data
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from bead_estimates import measure_estimates
from memory import measure_peak_memory
from table import CpuClock, add_results_option, report

from deephemnma.core.structure import AtomicModel
from deephemnma.io.structure import read_structure
from deephemnma.reference.atomic_density import make_atomic_density, make_model_density
from deephemnma.reference.gaussian import make_gaussian_model
from deephemnma.reference.gaussian_fit import fit_gaussians, fit_to_atoms
from deephemnma.reference.projection_correlation import compute_projection_correlation
from deephemnma.reference.site import select_sites

PACKAGED = Path(__file__).parents[1] / "src/deephemnma/data/4ake_chain_a.pdb"
MOLECULES = {
    "AK": PACKAGED,
    "IgG": Path("structures/1hzh.pdb"),
    "GroEL": Path("structures/1oel.pdb"),
    "80S": Path("structures/6zu5_80S_ribosome.cif.gz"),
}
OPEN, CLOSED = Path("structures/4ake_chainA.pdb"), Path("structures/1ake_chainA.pdb")
SITES = (("heavy", 1), ("ca-p", 1), ("residue", 1), ("residue", 3), ("residue", 10))
MANY_ATOMS = 50_000
"""Of molecules with more, atoms are sites at the finest resolution only: elsewhere they are as good as perfect."""


def main() -> None:
    """Measure every kind of sites at every resolution, what a fit is worth after a motion, and errors of estimates."""
    options = _parse()
    rows = [row for name in options.molecules for row in _measure_molecule(name, options)]
    if options.data is not None and "AK" in options.molecules:
        rows += [_measure_motion(options.data, resolution=resolution) for resolution in options.resolutions]
    report("beads", rows, notes={"peak memory, all (GiB)": measure_peak_memory()}, folder=options.results)
    atoms = read_structure(PACKAGED)
    rows = [
        row
        for resolution in options.resolutions
        for row in measure_estimates(atoms, resolution=resolution, images=options.images, seed=options.seed)
    ]
    notes = {"images": options.images, "seed": options.seed, "modes": "AK 7-9, |q| to 150, of the atoms"}
    report("bead_estimates", rows, notes=notes, folder=options.results)


def _measure_molecule(name: str, options: argparse.Namespace) -> Iterator[dict[str, object]]:
    atoms = read_structure(PACKAGED if name == "AK" else options.data / MOLECULES[name])
    for kind, per_bead in SITES:
        clock = CpuClock()
        model = make_gaussian_model(select_sites(atoms, kind, residues_per_bead=per_bead))
        selecting = clock.seconds
        for resolution in sorted(options.resolutions):
            if kind == "heavy" and len(atoms.elements) > MANY_ATOMS and resolution > min(options.resolutions):
                continue
            clock = CpuClock()
            _, likeness = fit_to_atoms(model, atoms, resolution=resolution)
            yield {
                "molecule": name, "sites": kind if per_bead == 1 else f"{kind} / {per_bead}", "n": model.n_sites,
                **_compare(resolution, likeness.before, likeness.after), "CPU s": selecting + clock.seconds,
            }  # fmt: skip


def _compare(resolution: float, analytic: float, fitted: float) -> dict[str, object]:
    return {
        "resolution (A)": resolution, "analytic": analytic, "fitted": fitted,
        "1 - analytic": 1 - analytic, "1 - fitted": 1 - fitted,
    }  # fmt: skip


def _measure_motion(data: Path, *, resolution: float) -> dict[str, object]:
    """Fit CA beads to the open kinase, carry weights and widths to the CA of the closed one, and compare there."""
    clock = CpuClock()
    opened, closed = (_read_dry(data / path) for path in (OPEN, CLOSED))
    before = make_gaussian_model(select_sites(opened, "ca"))
    after = make_gaussian_model(select_sites(closed, "ca"))
    fitted = fit_gaussians(before, make_atomic_density(opened), resolution=resolution)
    wanted = make_atomic_density(closed)
    seconds = clock.seconds
    analytic, carried = (
        compute_projection_correlation(
            make_model_density(replace(model, positions=after.positions, center=after.center)),
            wanted,
            resolution=resolution,
        )
        for model in (before, fitted)
    )
    return {
        "molecule": "4AKE, carried to 1AKE", "sites": "ca", "n": before.n_sites,
        **_compare(resolution, analytic, carried), "CPU s": seconds,
    }  # fmt: skip


def _read_dry(path: Path) -> AtomicModel:
    atoms = select_sites(read_structure(path), "all")
    return atoms.take(np.isin(atoms.residue_numbers, range(1, 215)))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--molecules", nargs="+", default=list(MOLECULES), choices=MOLECULES, help="which")
    parser.add_argument("--resolutions", type=float, nargs="+", default=[3.0, 5.0, 8.0, 12.0], help="A")
    parser.add_argument("--images", type=int, default=24, help="fitted with beads")
    parser.add_argument("--seed", type=int, default=0, help="of these images")
    parser.add_argument("--data", type=Path, help="folder of the shared data, for all molecules but AK")
    add_results_option(parser)
    return parser.parse_args()


if __name__ == "__main__":
    main()
