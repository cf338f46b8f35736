"""Make landscape.png, the picture of the README, from a finished demo.

python docs/images/make_landscape.py demo
"""

import sys
from pathlib import Path

from deephemnma.core.estimates import concatenate_estimates
from deephemnma.io.table import read_estimates
from deephemnma.pipeline.report.figure import draw_conformations


def main(run: Path) -> None:
    """Draw the refined points over the true ones."""
    refined = read_estimates(next(run.glob("*_refine")) / "estimates.parquet")
    truth = concatenate_estimates([read_estimates(path) for path in sorted(run.glob("*/truth.parquet"))])
    figure = draw_conformations({"found in images of signal-to-noise ratio 0.1": refined}, truth)
    figure.savefig(Path(__file__).with_name("landscape.png"), dpi=110)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
