"""`deephemnma observability`."""

from deephemnma.cli.console import run_and_report
from deephemnma.cli.option import Flat, Output
from deephemnma.settings.stage.observability import ObservabilityStage


def observability(settings: Flat[ObservabilityStage], *, output: Output) -> None:
    """Tell which modes can be seen from which view, before there are any images."""
    from deephemnma.pipeline.observability import TEXT, run_observability

    run_and_report(
        run_observability,
        settings,
        output=output,
        table=TEXT,
        advice="deephemnma estimate {particles} {reference} -o estimated",
    )
