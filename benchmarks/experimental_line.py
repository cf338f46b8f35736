"""The whole line on what experimental data there is, and on simulated images of two classes.

python benchmarks/experimental_line.py --data ../shared/data --results benchmarks/results

The stages are run as a user would run them: check, preflight, prepare, modes, estimate, refine, landscape, reconstruct
and convert. What the rows say: docs/experimental.md.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import line_50s
import line_50s_maps
import line_10076
import line_picked
import line_sample
import numpy as np
import torch
from line import Line
from table import add_results_option, report

FIGURES = "figures.npz"
SETS = ("50s", "sample", "10076", "picked")


def main() -> None:
    """Run the data sets asked for; print and keep their rows."""
    options = _parse()
    if not options.data.is_dir():
        sys.exit(f"{options.data} is not there: this benchmark needs the shared data (--data).")
    torch.set_num_threads(1)
    folder = options.work or Path(tempfile.mkdtemp())
    line = Line(options.data.resolve(), folder.resolve(), options.images, options.workers)
    rows, notes = [], {}
    for name in options.sets.split(","):
        own, said = {"50s": run_50s, "sample": line_sample.run, "10076": line_10076.run, "picked": line_picked.run}[
            name
        ](line)
        rows += own
        notes |= said
    report("experimental_line", rows, notes=notes, folder=options.results)


def run_50s(line: Line) -> tuple[list[dict[str, object]], dict[str, object]]:
    """Run the two classes, and keep what their picture needs in the working folder."""
    rows, notes, images = line_50s.run(line)
    more, maps = line_50s_maps.run(line, images)
    known = {f"ratio {name}": images.compute_ratio(name) for name in ("true", "near", "rigid")}
    known |= {"is_e": images.is_e, "particles": images.particles}
    np.savez_compressed(line.folder / FIGURES, **known, **maps)
    return [*rows, *more], notes


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of maps/ and particles/")
    parser.add_argument("--sets", default=",".join(SETS), help=f"of {', '.join(SETS)}, divided by commas")
    parser.add_argument("--images", type=int, default=0, help="of each data set (of each class) at the most; 0 for all")
    parser.add_argument("--work", type=Path, help="folder to keep, in which an interrupted run goes on")
    parser.add_argument("--workers", type=int, default=0, help="processes; 0 is one a core")
    add_results_option(parser)
    return parser.parse_args()


if __name__ == "__main__":
    main()
