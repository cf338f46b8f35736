"""What straight lines and turning blocks make of bonds and contacts, and which comes nearer to a known motion.

python benchmarks/deformation.py --data ../shared/data
"""

import argparse
import time
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.sparse import coo_array, triu
from table import add_results_option, report
from torch import Tensor

from deephemnma.core.model import Modes
from deephemnma.core.structure import AtomicModel
from deephemnma.core.superposition import compute_rmsd, superimpose
from deephemnma.io.structure import read_structure
from deephemnma.modes import compute_modes
from deephemnma.modes.bond import find_bonds, find_links
from deephemnma.modes.correspondence import match_sites
from deephemnma.modes.deformation import displace_blocks, make_rigid_blocks
from deephemnma.modes.elastic_network import compute_distances, find_pairs
from deephemnma.reference.atomic_density import AtomicDensity, make_model_density
from deephemnma.reference.gaussian import make_gaussian_model
from deephemnma.reference.projection_correlation import compute_projection_correlation
from deephemnma.reference.site import select_sites

NUMBERS = (7, 8, 9)
AMPLITUDE = 200.0  # A, of adenylate kinase's 1,656 atoms: 4.9 A of RMSD
BLOCKS = (1, 3, 10)
CONTACT = 8.0  # A
RESOLUTION = 3.0  # A, of projections
CLOSED = "structures/1ake_chainA.pdb"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="for the closed structure, 1AKE")
    add_results_option(parser)
    arguments = parser.parse_args()
    atoms = read_structure(Path(str(files("deephemnma"))) / "data/4ake_chain_a.pdb")
    modes = compute_modes(atoms.positions, n_modes=20)
    rows = measure_all(atoms, modes.select(NUMBERS), sites="heavy atoms")
    beads = select_sites(atoms, "ca")
    rows += measure_all(beads, compute_modes(beads.positions, n_modes=9).select(NUMBERS), sites="CA")
    notes = {"amplitude (A of RMSD)": AMPLITUDE / len(atoms.elements) ** 0.5, "contacts within (A)": CONTACT}
    if (arguments.data / CLOSED).exists():
        notes |= approach_closed(atoms, modes, read_structure(arguments.data / CLOSED))
    report("deformation", rows, notes=notes, folder=arguments.results)


def measure_all(atoms: AtomicModel, modes: Modes, *, sites: str) -> list[dict[str, object]]:
    """Return a row for each mode and way to displace."""
    amplitude = AMPLITUDE / 1656**0.5 * modes.n_sites**0.5
    rows = []
    for number in modes.numbers:
        displacement = amplitude * modes.select([number]).vectors
        linear = (atoms.positions + displacement)[0]
        rows.append(measure(atoms, linear, linear=linear, name="linear", sites=sites) | {"mode": number})
        for n_residues in BLOCKS:
            start = time.process_time()
            rigid = make_rigid_blocks(atoms, positions=atoms.positions, n_residues=n_residues)
            moved = displace_blocks(rigid, displacement)[0]
            seconds = time.process_time() - start
            row = measure(atoms, moved, linear=linear, name=f"blocks of {n_residues}", sites=sites)
            rows.append(row | {"mode": number, "CPU s a model": seconds})
    return rows


def measure(
    atoms: AtomicModel, positions: Float[Tensor, "sites 3"], *, linear: Float[Tensor, "sites 3"], name: str, sites: str
) -> dict[str, object]:
    """Return how bonds and contacts change, and how far the model is from the linear one."""
    bonds = np.concatenate((find_bonds(atoms), find_links(atoms)))
    contacts = find_pairs(atoms.positions.numpy(), cutoff=CONTACT)
    rest = compute_distances(atoms.positions.numpy(), bonds)
    change, angles, near = (
        np.abs(compute_distances(positions.numpy(), pairs) - compute_distances(atoms.positions.numpy(), pairs))
        for pairs in (bonds, _find_angles(bonds, len(positions)), contacts)
    )
    return {
        "": sites,
        "mode": None,
        "method": name,
        "bonds, mean (A)": float(change.mean()),
        "worst (A)": float(change.max()),
        "mean (%)": float(100 * (change / rest).mean()),
        "worst (%)": float(100 * (change / rest).max()),
        "two bonds apart, mean (A)": float(angles.mean()),
        "two, worst (A)": float(angles.max()),
        "contacts, mean (A)": float(near.mean()),
        "RMSD to linear (A)": float(compute_rmsd(positions, linear)),
        "correlation of projections": compute_projection_correlation(
            _make_density(atoms, positions), _make_density(atoms, linear), resolution=RESOLUTION
        ),
    }


def _find_angles(bonds: Int[np.ndarray, "bonds 2"], n_sites: int) -> Int[np.ndarray, "angles 2"]:
    """Return the pairs of sites that are bonded to one and the same, and not to each other."""
    bonded = coo_array((np.ones(len(bonds)), bonds.T), shape=(n_sites, n_sites)).tocsr()
    bonded = bonded + bonded.T
    pairs = np.stack(triu(bonded @ bonded, k=1).nonzero(), axis=1)
    return pairs[np.asarray(bonded.todense())[pairs[:, 0], pairs[:, 1]] == 0]


def _make_density(atoms: AtomicModel, positions: Float[Tensor, "sites 3"]) -> AtomicDensity:
    return make_model_density(make_gaussian_model(replace(atoms, positions=positions)))


def approach_closed(atoms: AtomicModel, modes: Modes, closed: AtomicModel) -> dict[str, float]:
    """Return the RMSD (A) to the closed structure, at the amplitudes with which the straight line fits it best."""
    common = match_sites(atoms, closed)
    ours, target = common.first, closed.positions[common.second]
    rigid = make_rigid_blocks(atoms, positions=atoms.positions)
    found = {"RMSD to 1AKE (A), start": _compute_best_rmsd(atoms.positions[ours], target)}
    difference = superimpose(target, atoms.positions[ours]) - atoms.positions[ours]
    for count in (1, 3, 6, 14):
        basis = torch.cat((modes.vectors[:6], modes.vectors[6 : 6 + count]))[:, ours].flatten(1).T
        amplitudes = torch.linalg.lstsq(basis, difference.flatten()[:, None]).solution[6:, 0]
        displacement = torch.einsum("m,msx->sx", amplitudes, modes.vectors[6 : 6 + count])
        for name, moved in (
            ("linear", atoms.positions + displacement),
            ("blocks", displace_blocks(rigid, displacement[None])[0]),
        ):
            found[f"RMSD to 1AKE (A), modes 7-{6 + count}, {name}"] = _compute_best_rmsd(moved[ours], target)
    return found


def _compute_best_rmsd(moving: Float[Tensor, "sites 3"], fixed: Float[Tensor, "sites 3"]) -> float:
    return float(compute_rmsd(superimpose(moving, fixed), fixed))


if __name__ == "__main__":
    main()
