"""Normal modes: seconds and memory, beside ProDy where that is at hand, and for whole ribosomes.

python benchmarks/modes.py --data ../shared/data --prody .venv-prody/bin/python
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

import numpy as np
from scipy.spatial import cKDTree
from table import add_results_option, report

from deephemnma.core.structure import AtomicModel
from deephemnma.io.structure import read_structure
from deephemnma.reference.site import select_sites

FOLDER = Path(__file__).parent
PACKAGED = FOLDER.parent / "src/deephemnma/data/4ake_chain_a.pdb"
EIGHTY_S, SEVENTY_S = (Path("structures") / name for name in ("6zu5_80S_ribosome.cif.gz", "4v5d_70S_ribosome.cif.gz"))
CUTOFF, NEIGHBOURS, BLOCK_SITES, N_MODES = 15.0, 6, 10, 26
"""Of the comparison with ProDy; 20 modes beside the six rigid ones."""


def main() -> None:
    """Measure all cases, each in a process of its own, print the table and keep the figures."""
    options = _parse()
    with tempfile.TemporaryDirectory() as folder:
        jobs = [job for job in _list_jobs(options, Path(folder)) if options.only in job[0]["set"]]
        rows = []
        for number, (names, script, python, case) in enumerate(jobs, start=1):
            print(f"{names['set']}, {names['method']} ({number} of {len(jobs)})", file=sys.stderr, flush=True)
            rows.append(names | _measure(script, python, case, options=options))
    _compare_with_ours(rows)
    columns = list(dict.fromkeys(name for row in rows for name in row if name != "eigenvalues"))
    shown = [{name: row.get(name) for name in columns} for row in rows]
    notes = {"repeats": options.repeats, "threads": options.threads, "cores": os.cpu_count()}
    notes["ProDy"] = _get_version(options.prody)
    report("modes", shown, notes=notes, folder=options.results)


Job = tuple[dict[str, object], str, str, dict[str, object]]


def _list_jobs(options: argparse.Namespace, folder: Path) -> list[Job]:
    """Return name, script, Python and input of every process."""
    sites, has_prody = folder / "sites.npz", _get_version(options.prody) != "absent"
    _store_sites(sites, options)
    jobs: list[Job] = []
    for name, blocked in (("ANM", False), (f"RTB, {BLOCK_SITES} sites", True)):
        case = {"sites": str(sites), "blocked": blocked, "cutoff": CUTOFF, "n_modes": N_MODES}
        jobs.append(({"set": name, "method": "deephemnma"}, "modes_case.py", sys.executable, case))
        # its RTB multiplies dense matrices by sparse ones and fails
        for sparse in [False] if blocked else [False, True]:
            if has_prody and not (sparse and options.quick):
                method = f"ProDy, {'sparse' if sparse else 'dense'}"
                jobs.append(
                    ({"set": name, "method": method}, "modes_prody.py", options.prody, case | {"sparse": sparse})
                )
    for name, path, case in _list_ribosomes():
        if options.data is not None and (options.data / path).exists() and not options.quick:
            whole = case | {"structure": str(options.data / path), "n_modes": 20}
            jobs.append(({"set": name, "method": "deephemnma"}, "modes_case.py", sys.executable, whole))
    return jobs


def _list_ribosomes() -> list[tuple[str, Path, dict[str, object]]]:
    beads = {"kind": "ca-p", "cutoff": 20.0}
    return [
        ("80S beads, RTB of 20", EIGHTY_S, beads | {"block_residues": 20}),
        ("80S beads, every site", EIGHTY_S, beads),
        ("70S atoms, RTB of 20", SEVENTY_S, {"kind": "heavy", "cutoff": None, "block_residues": 20}),
        ("70S atoms, RTB of 1", SEVENTY_S, {"kind": "heavy", "cutoff": None, "block_residues": 1}),
    ]


def _store_sites(path: Path, options: argparse.Namespace) -> None:
    """Write the sites of the comparison: those nearest to the centre of a ribosome, or of adenylate kinase."""
    ribosome = options.data is not None and (options.data / EIGHTY_S).exists() and not options.quick
    atoms = select_sites(read_structure(options.data / EIGHTY_S if ribosome else PACKAGED), "ca-p")
    distances = (atoms.positions - atoms.positions.mean(dim=0)).norm(dim=-1)
    chosen = _drop_dangling(atoms.take(np.sort(distances.argsort(stable=True)[: options.sites].numpy())))
    # runs of sites, for ProDy gives a block of two sites six motions, of which one is not a number
    n_sites = len(chosen.positions)
    blocks = np.minimum(np.arange(n_sites) // BLOCK_SITES, max(0, n_sites // BLOCK_SITES - 1))
    np.savez(path, positions=chosen.positions.numpy(), blocks=blocks)


def _drop_dangling(atoms: AtomicModel) -> AtomicModel:
    """Leave out what the cut has left with few neighbours: ProDy would count its free swings as modes, we refuse it."""
    while True:
        pairs = cKDTree(atoms.positions.numpy()).query_pairs(CUTOFF, output_type="ndarray")
        held = np.bincount(pairs.ravel(), minlength=len(atoms.positions)) >= NEIGHBOURS
        if held.all():
            return atoms
        atoms = atoms.take(np.flatnonzero(held))


def _measure(script: str, python: str, case: Mapping[str, object], *, options: argparse.Namespace) -> dict[str, object]:
    """Run a case several times, ProDy's once unless asked, and return the median of every figure."""
    repeats = options.prody_repeats if script == "modes_prody.py" else options.repeats
    threads = {f"{library}_NUM_THREADS": str(options.threads) for library in ("OMP", "OPENBLAS", "MKL")}
    runs = []
    for _ in range(repeats):
        command = [python, str(FOLDER / script), json.dumps(dict(case))]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, env=os.environ | threads, timeout=options.limit
            )
        except subprocess.TimeoutExpired:
            return {"failed": f"not done after {options.limit:g} s"}
        if done.returncode != 0:
            last = done.stderr.strip().splitlines()[-1:] or [f"ended with {done.returncode}"]
            return {"failed": last[0][:80]}
        runs.append(json.loads(done.stdout.splitlines()[-1]))
    return {name: _take_median([run[name] for run in runs]) for name in runs[0]}


def _take_median(values: Sequence[object]) -> object:
    return median(values) if isinstance(values[0], float) else values[0]


def _compare_with_ours(rows: Sequence[dict[str, object]]) -> None:
    """Put into ProDy's rows how many times our seconds it took, and how far its eigenvalues are from ours."""
    ours = {row["set"]: row for row in rows if row["method"] == "deephemnma"}
    for row in rows:
        reference = ours[row["set"]]
        if row is reference or "failed" in row or "failed" in reference:
            continue
        for unit in ("CPU s", "s"):
            row[f"/ ours, {unit}"] = row[f"modes ({unit})"] / reference[f"modes ({unit})"]
        theirs, expected = np.array(row["eigenvalues"]), np.array(reference["eigenvalues"])
        row["eigenvalues differ"] = float(np.abs(theirs / expected - 1).max())


def _get_version(python: str) -> str:
    """Return the version of ProDy that this Python has, or "absent"."""
    command = [python, "-c", "import prody; print(prody.__version__)"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return "absent"
    return done.stdout.split()[-1] if done.returncode == 0 and done.stdout.split() else "absent"


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of the shared data: without it, adenylate kinase only")
    parser.add_argument("--prody", default="", help="a Python that has ProDy; without it, ProDy's rows are left out")
    parser.add_argument("--sites", type=int, default=5000, help="of the comparison with ProDy")
    parser.add_argument("--repeats", type=int, default=3, help="of each of our cases; figures are medians")
    parser.add_argument("--prody-repeats", type=int, default=1, help="of each of ProDy's, which take minutes")
    parser.add_argument("--limit", type=float, default=1200.0, help="seconds after which a case is given up")
    parser.add_argument("--threads", type=int, default=2, help="that BLAS and OpenMP may use")
    parser.add_argument("--only", default="", help="part of the names of the sets to do, such as RTB")
    parser.add_argument("--quick", action="store_true", help="adenylate kinase only")
    add_results_option(parser)
    return parser.parse_args()


if __name__ == "__main__":
    main()
