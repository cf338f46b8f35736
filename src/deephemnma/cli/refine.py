"""`deephemnma refine`."""

from deephemnma.cli.console import run_and_report
from deephemnma.cli.option import Flat, Output
from deephemnma.settings.stage.refine import RefineStage


def refine(settings: Flat[RefineStage], *, output: Output) -> None:
    """Finish predictions, estimates or poses of a star file by local refinement."""
    from deephemnma.pipeline.refine import run_refine

    run_and_report(run_refine, settings, output=output, advice="deephemnma landscape --estimates {output} -o landscape")
