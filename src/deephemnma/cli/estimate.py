"""`deephemnma estimate`."""

from deephemnma.cli.console import run_and_report
from deephemnma.cli.option import Flat, Output
from deephemnma.settings.stage.estimate import EstimateStage


def estimate(settings: Flat[EstimateStage], *, output: Output) -> None:
    """Find conformation, orientation and shift of every image from no prior knowledge."""
    from deephemnma.pipeline.estimate import run_estimate

    run_and_report(
        run_estimate,
        settings,
        output=output,
        advice="deephemnma train {particles} --estimates {output} {reference} -o trained",
    )
