"""`deephemnma fit`."""

from deephemnma.cli.console import run_and_report
from deephemnma.cli.option import Flat, Output
from deephemnma.settings.stage.fit import FitStage


def fit(settings: Flat[FitStage], *, output: Output) -> None:
    """Fit a reference flexibly into a map: which modes, and how far."""
    from deephemnma.pipeline.fit import TEXT, run_fit

    run_and_report(
        run_fit,
        settings,
        output=output,
        table=TEXT,
        advice="deephemnma modes {molecule} --fit {output} -o modes",
    )
