"""`deephemnma train`."""

from deephemnma.cli.console import run_and_report
from deephemnma.cli.option import Flat, Output
from deephemnma.settings.stage.train import TrainStage


def train(settings: Flat[TrainStage], *, output: Output) -> None:
    """Teach a network to see in an image what was estimated."""
    from deephemnma.pipeline.train import run_train

    run_and_report(
        run_train,
        settings,
        output=output,
        advice="deephemnma predict --particles STAR --checkpoint {output} -o predicted",
    )
