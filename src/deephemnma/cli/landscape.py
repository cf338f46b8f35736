"""`deephemnma landscape`."""

from deephemnma.cli.console import run_and_report
from deephemnma.cli.option import Flat, Output
from deephemnma.settings.stage.landscape import LandscapeStage


def landscape(settings: Flat[LandscapeStage], *, output: Output) -> None:
    """Lay out the conformations in a space of few axes, and group them."""
    from deephemnma.pipeline.landscape import run_landscape

    run_and_report(
        run_landscape,
        settings,
        output=output,
        advice="deephemnma reconstruct {particles} {estimates} --landscape {output} {reference} -o maps",
    )
