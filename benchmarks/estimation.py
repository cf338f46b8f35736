"""Estimation from no prior knowledge against the Cramer-Rao bound and the truth, on eight data sets.

python benchmarks/estimation.py --sets 1,2,3 --images 64 --seed 1 --results somewhere

Everything is estimated with the defaults that a user gets (--estimate changes them: --estimate starts=48 finalists=6).
A set is made and measured in processes of its own, so that its peak memory is its own. Its row is written to
<results>/estimation.json as soon as it is there; rows of other sets stay.
"""

import argparse
import json
import math
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

COLUMNS = {  # header of the table: name in the row
    "set": "set",
    "": "name",
    "method": "method",
    "images": "images",
    "bound q": "bound, amplitude",
    "q (A)": "error, amplitude",
    "bound rot": "bound, rotation",
    "rot (deg)": "error, rotation",
    "bound shift": "bound, shift",
    "shift (A)": "error, shift",
    "ratio": "ratio",
    "failed": "failed",
    "unseen": "failed, not noticed",
    "68 %": "coverage 68 %",
    "95 %": "coverage 95 %",
    "z SD": "z SD",
    "AUC": "AUC of the score",
    "CPU s": "CPU s an image",
    "local ratio": "refinement, ratio",
    "local failed": "refinement, failed",
    "local CPU s": "refinement, CPU s an image",
    "limit ratio": "limit, ratio",
    "limit failed": "limit, failed",
    "bank s": "bank (CPU s)",
    "GiB": "peak memory (GiB)",
    "RMSD / best": "RMSD / best",
}


def main() -> None:
    """Measure the sets, write their rows, print the table."""
    arguments = _parse()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    numbers, options = _choose_sets(arguments), _describe(arguments)
    stored = None if arguments.results is None else arguments.results / "estimation.json"
    rows = _read_rows(stored)
    done = {row["set"] for row in rows if arguments.resume and row["options"] == options} & set(numbers)
    todo = [number for number in numbers if number not in done]
    rows = [row for row in rows if row["set"] not in todo]
    with tempfile.TemporaryDirectory() as folder:
        for number, new in _measure_all(arguments, todo, arguments.work or Path(folder)):
            rows += [{"set": number, **row, "options": options} for row in new]
            rows.sort(key=lambda row: row["set"])
            _write_rows(stored, rows)
    shown = [row for row in rows if row["set"] in numbers]
    _print_table(shown)
    if {row["set"] for row in shown} != set(numbers):
        sys.exit("Some sets failed; what they said is above.")


def _measure_all(arguments: argparse.Namespace, numbers: Sequence[int], work: Path) -> Iterator[tuple[int, list[dict]]]:
    """Yield the number and the rows of every set that comes through."""
    start = time.monotonic()
    with ThreadPoolExecutor(max(1, arguments.workers)) as threads:  # each thread waits for processes of its own
        jobs = {threads.submit(_measure, arguments, number, work): number for number in numbers}
        for count, job in enumerate(as_completed(jobs), start=1):
            minutes = (time.monotonic() - start) / 60
            print(f"{count} of {len(jobs)} sets in {minutes:.1f} min", file=sys.stderr, flush=True)
            if job.result() is not None:
                yield jobs[job], job.result()


def _measure(arguments: argparse.Namespace, number: int, work: Path) -> list[dict] | None:
    answer = work / f"rows_{number}_{os.getpid()}.json"
    for task in ("simulate", "measure"):
        job = (task, number, vars(arguments) | {"work": work}, answer)
        if not arguments.workers:
            _work(*job)
            continue
        process = multiprocessing.get_context("spawn").Process(target=_work, args=job)
        process.start()
        process.join()
        if process.exitcode:
            return None
    rows = json.loads(answer.read_text())
    answer.unlink()
    return rows


def _work(task: str, number: int, arguments: dict, answer: Path) -> None:
    """Do one task of one set; in a process of its own, where torch is loaded first."""
    import torch
    from image_set import Options
    from measurement import measure_set, simulate_set

    torch.set_num_threads(1)
    names = ("images", "box_size", "seed", "data", "work", "start")
    options = Options(**{name: arguments[name] for name in names}, estimate=_split(arguments["estimate"]))
    if task == "simulate":
        simulate_set(number, options)
    else:
        rows = [{name: _clean(value) for name, value in row.items()} for row in measure_set(number, options)]
        answer.write_text(json.dumps(rows))


def _clean(value: object) -> object:
    """Return None in place of NaN, which JSON does not know."""
    return None if isinstance(value, float) and math.isnan(value) else value


def _choose_sets(arguments: argparse.Namespace) -> list[int]:
    """Return the sets asked for, but for those whose shared data are not there."""
    wanted = [int(part) for part in arguments.sets.split(",")]
    found = [number for number in wanted if all((arguments.data / file).exists() for file in NEEDED.get(number, ()))]
    for number in set(wanted) - set(found):
        print(f"Set {number} was left out: its files are not in {arguments.data} (--data).", file=sys.stderr)
    return found


NEEDED = {
    6: ("structures/4ake_chainA.pdb", "structures/1ake_chainA.pdb"),
    7: ("structures/6zu5_80S_ribosome.cif.gz",),
    8: ("hemnma/ak8", "hemnma/ak8_hard"),
}
"""Shared data by set."""


def _describe(arguments: argparse.Namespace) -> dict[str, object]:
    """Return what a row depends on, as JSON gives it back."""
    return {name: vars(arguments)[name] for name in ("images", "box_size", "seed", "start", "estimate")}


def _split(changes: Sequence[str]) -> dict[str, str]:
    return dict(change.split("=", 1) for change in changes)


def _read_rows(path: Path | None) -> list[dict]:
    return json.loads(path.read_text())["rows"] if path is not None and path.exists() else []


def _write_rows(path: Path | None, rows: list[dict]) -> None:
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"rows": rows, "machine": _describe_machine()}, indent=1) + "\n")


def _describe_machine() -> dict[str, object]:
    import platform
    from importlib.metadata import version

    return {"machine": platform.machine(), "torch": version("torch"), "threads a set": 1}


def _print_table(rows: list[dict]) -> None:
    from table import print_table

    print_table("estimation", [{header: row.get(name) for header, name in COLUMNS.items()} for row in rows])


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", default="1,2,3,4,5,6,7,8", help="numbers, with commas between")
    parser.add_argument("--images", type=int, help="a set; by default 256, and 64 of the ribosome")
    parser.add_argument("--box-size", type=int, help="pixels in the same field of view; by default 128")
    parser.add_argument("--seed", type=int, default=0, help="of images and starts")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="the shared data (sets 6, 7, 8)")
    parser.add_argument("--estimate", nargs="*", default=[], metavar="NAME=VALUE", help="instead of defaults")
    parser.add_argument(
        "--start",
        type=float,
        nargs=3,
        default=[10.0, 1.5, 1.0],
        metavar=("DEG", "A", "A"),
        help="distance from the truth of what local refinement starts from: rotation, amplitudes (RMSD), shift",
    )
    parser.add_argument("--workers", type=int, default=1, help="sets at a time; 0 is one after another in this process")
    parser.add_argument("--work", type=Path, help="folder to keep images and references in, for further runs")
    parser.add_argument("--results", type=Path, help="folder of estimation.json, such as benchmarks/results")
    parser.add_argument("--resume", action="store_true", help="leave sets alone whose row is there with these options")
    return parser.parse_args()


if __name__ == "__main__":
    main()
