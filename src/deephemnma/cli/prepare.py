"""`deephemnma prepare`."""

from deephemnma.cli.console import run_and_report
from deephemnma.cli.option import Flat, Output
from deephemnma.settings.stage.prepare import PrepareStage


def prepare(settings: Flat[PrepareStage], *, output: Output) -> None:
    """Bring particles to one box and pixel size, recentre, phase-flip, normalise them, and measure their noise."""
    from deephemnma.pipeline.prepare import run_prepare

    run_and_report(
        run_prepare,
        settings,
        output=output,
        advice="deephemnma estimate --particles {output} {reference} -o estimated",
    )
