"""`deephemnma predict`."""

from deephemnma.cli.console import run_and_report
from deephemnma.cli.option import Flat, Output
from deephemnma.settings.stage.predict import PredictStage


def predict(settings: Flat[PredictStage], *, output: Output) -> None:
    """Apply a trained network to particles."""
    from deephemnma.pipeline.predict import run_predict

    run_and_report(
        run_predict,
        settings,
        output=output,
        advice="deephemnma refine {particles} --estimates {output} {reference} -o refined",
    )
