"""Makes `adenylate_kinase.npz`: what ProDy 2.6.1 computes for 4AKE chain A.

Run in an environment of its own: ``pip install prody==2.6.1``, then ``python make_reference.py``.
"""

from pathlib import Path

import numpy as np
import prody

HERE = Path(__file__).parent
STRUCTURE = HERE.parents[2] / "src/deephemnma/data/4ake_chain_a.pdb"
CUTOFF, BLOCK_RESIDUES, ATOM_CUTOFF = 15.0, 5, 8.0


def main() -> None:
    """ANM and RTB of the CA atoms with vectors; RTB of all heavy atoms, one residue a block, eigenvalues only."""
    prody.confProDy(verbosity="none")
    atoms = prody.parsePDB(str(STRUCTURE)).select("not hydrogen and not water")
    traces = atoms.select("name CA")
    network = prody.ANM()
    network.buildHessian(traces.getCoords(), cutoff=CUTOFF)
    blocks = prody.RTB()
    blocks.buildHessian(traces.getCoords(), np.arange(traces.numAtoms()) // BLOCK_RESIDUES, cutoff=CUTOFF)
    residues = prody.RTB()
    residues.buildHessian(atoms.getCoords(), atoms.getResindices(), cutoff=ATOM_CUTOFF)
    for model in (network, blocks, residues):
        model.calcModes(14)
    np.savez_compressed(
        HERE / "adenylate_kinase.npz",
        version=prody.__version__,
        anm_values=network.getEigvals(),
        anm_vectors=network.getEigvecs().T.astype(np.float32),
        rtb_values=blocks.getEigvals(),
        rtb_vectors=blocks.getEigvecs().T.astype(np.float32),
        residue_values=residues.getEigvals(),
    )


if __name__ == "__main__":
    main()
