"""`deephemnma reconstruct`."""

from deephemnma.cli.console import run_and_report
from deephemnma.cli.option import Flat, Output
from deephemnma.settings.stage.reconstruct import ReconstructStage


def reconstruct(settings: Flat[ReconstructStage], *, output: Output) -> None:
    """Rebuild a map, half-maps and their FSC for each group of images."""
    from deephemnma.pipeline.reconstruct import run_reconstruct

    run_and_report(
        run_reconstruct, settings, output=output, advice="deephemnma report --stages STAGE ... {output} -o report"
    )
