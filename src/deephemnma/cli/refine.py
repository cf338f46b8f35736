"""`deephemnma refine`."""

from deephemnma.cli.console import run_and_report
from deephemnma.cli.option import Flat, Output
from deephemnma.settings.estimate import EstimateSettings
from deephemnma.settings.stage.refine import RefineOptions, RefineStage

_SEARCH = EstimateSettings()


def refine(options: Flat[RefineOptions], search: EstimateSettings = _SEARCH, *, output: Output) -> None:
    """Finish predictions, estimates or other programs' poses.

    Parameters
    ----------
    search
        The search from no prior knowledge, for images whose refined fit is rejected; its grids serve the strategies.
    """
    from deephemnma.pipeline.refine import run_refine

    settings = RefineStage(**vars(options), search=search)
    run_and_report(run_refine, settings, output=output, advice="deephemnma landscape --estimates {output} -o landscape")
