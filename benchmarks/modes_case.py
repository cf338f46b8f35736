"""One case of `modes.py`, measured in a process of its own: prints a line of JSON.

python benchmarks/modes_case.py '{"sites": "sites.npz", "cutoff": 15, "n_modes": 26}'
"""

import time

START = time.process_time()

import json  # noqa: E402 - what importing costs is part of what is measured
import sys  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402
import torch  # noqa: E402
from memory import measure_peak_memory  # noqa: E402

from deephemnma.io.structure import read_structure  # noqa: E402
from deephemnma.modes import UniformCutoff, compute_modes, make_residue_blocks  # noqa: E402
from deephemnma.reference.site import select_sites  # noqa: E402


def main(case: dict[str, object]) -> dict[str, object]:
    """Read sites or a structure, compute its modes, and return what that took."""
    imported = time.process_time() - START
    if "structure" in case:
        atoms = select_sites(read_structure(Path(str(case["structure"]))), str(case["kind"]))
        positions = atoms.positions
        blocks = None
        if case.get("block_residues"):
            blocks = make_residue_blocks(atoms, block_residues=int(case["block_residues"]))
    else:
        with np.load(str(case["sites"])) as stored:
            positions = torch.from_numpy(stored["positions"])
            blocks = stored["blocks"] if case["blocked"] else None
    cpu, wall = time.process_time(), time.monotonic()
    modes = compute_modes(
        positions,
        n_modes=int(case["n_modes"]),
        cutoff=case["cutoff"],
        blocks=blocks,
        force_field=UniformCutoff(stiffness=1.0),
    )
    now = time.process_time()
    return {
        "sites": len(positions),
        "blocks": None if blocks is None else len(np.unique(blocks)),
        "import (CPU s)": imported,
        "read (CPU s)": cpu - START - imported,
        "modes (CPU s)": now - cpu,
        "modes (s)": time.monotonic() - wall,
        "all (CPU s)": now,
        "GiB": measure_peak_memory(),
        "eigenvalues": modes.eigenvalues[6:].tolist(),
    }


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))
