"""ProDy's part of `modes.py`, run by a Python that has ProDy and nothing of ours: prints a line of JSON."""

import json
import sys
import time

import numpy as np
import prody
from memory import measure_peak_memory


def main(case):
    """Build and solve the network with ProDy's own classes."""
    prody.confProDy(verbosity="none")
    with np.load(case["sites"]) as stored:
        positions, blocks = stored["positions"], stored["blocks"]
    cpu, wall = time.process_time(), time.monotonic()
    # of its settings only these two change the time: `turbo` is ignored where a number of modes is asked for
    options = {"cutoff": case["cutoff"], "sparse": case["sparse"], "kdtree": True}
    if case["blocked"]:
        model = prody.RTB()
        model.buildHessian(positions, blocks, **options)
    else:
        model = prody.ANM()
        model.buildHessian(positions, **options)
    built = time.process_time()
    model.calcModes(case["n_modes"] - 6)
    return {
        "sites": len(positions),
        "blocks": len(np.unique(blocks)) if case["blocked"] else None,
        "build (CPU s)": built - cpu,
        "solve (CPU s)": time.process_time() - built,
        "modes (CPU s)": time.process_time() - cpu,
        "modes (s)": time.monotonic() - wall,
        "GiB": measure_peak_memory(),
        "eigenvalues": model.getEigvals().tolist(),
    }


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))
