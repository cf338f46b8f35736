"""`deephemnma report`."""

from deephemnma.cli.console import run_and_report
from deephemnma.cli.option import Flat, Output
from deephemnma.settings.stage.report import ReportStage


def report(settings: Flat[ReportStage], *, output: Output) -> None:
    """Show what a run found and what it cost, as one HTML file."""
    from deephemnma.pipeline.reporting import run_report

    run_and_report(run_report, settings, output=output, advice="open {output}/report.html in a browser")
