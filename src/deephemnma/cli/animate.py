"""`deephemnma animate`."""

from deephemnma.cli.console import run_and_report
from deephemnma.cli.option import Flat, Output
from deephemnma.settings.stage.animate import AnimateStage


def animate(settings: Flat[AnimateStage], *, output: Output) -> None:
    """Move the reference along a path through a landscape: models, and a script that plays them in ChimeraX."""
    from deephemnma.pipeline.animate import run_animate

    advice = "open {output}/animation.cxc in ChimeraX, or the models beside it in any molecular viewer"
    run_and_report(run_animate, settings, output=output, advice=advice)
