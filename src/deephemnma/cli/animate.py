"""`deephemnma animate`."""

from deephemnma.cli.console import run_and_report
from deephemnma.cli.option import Flat, Output
from deephemnma.settings.stage.animate import AnimateStage


def animate(settings: Flat[AnimateStage], *, output: Output) -> None:
    """Move the reference along an axis of a landscape, as a multi-model PDB."""
    from deephemnma.pipeline.animate import run_animate

    run_and_report(run_animate, settings, output=output, advice="open {output}/animation.pdb in a molecular viewer")
