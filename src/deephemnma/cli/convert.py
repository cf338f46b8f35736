"""`deephemnma convert`."""

from deephemnma.cli.console import run_and_report
from deephemnma.cli.option import Flat, Output
from deephemnma.settings.stage.convert import ConvertStage


def convert(settings: Flat[ConvertStage], *, output: Output) -> None:
    """Bring particles, with what was found of them or a selection of them, into the form of another program."""
    from deephemnma.pipeline.convert import run_convert

    run_and_report(run_convert, settings, output=output, advice="deephemnma check --particles {output}")
