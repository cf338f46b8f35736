"""`deephemnma fsc`."""

from pathlib import Path

from tyro.conf import Positional

from deephemnma.cli.console import run_and_report
from deephemnma.cli.option import Output
from deephemnma.settings.stage.fsc import FscStage


def fsc(first: Positional[Path], second: Positional[Path], /, *, output: Output) -> None:
    """Compare two maps by their Fourier shell correlation.

    Parameters
    ----------
    first
        A map (.mrc).
    second
        Another, of the same box and voxel size.
    """
    from deephemnma.pipeline.fsc import run_fsc

    run_and_report(run_fsc, FscStage(first, second), output=output, advice="plot {output}/fsc.csv")
