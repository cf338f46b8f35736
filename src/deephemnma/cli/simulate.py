"""`deephemnma simulate`."""

from deephemnma.cli.console import run_and_report
from deephemnma.cli.option import Flat, Output
from deephemnma.settings.stage.simulate import SimulateStage


def simulate(settings: Flat[SimulateStage], *, output: Output) -> None:
    """Simulate particles of known conformation and pose."""
    from deephemnma.pipeline.simulate import run_simulate

    run_and_report(
        run_simulate,
        settings,
        output=output,
        advice="deephemnma estimate --particles {output} {reference} -o estimated",
    )
