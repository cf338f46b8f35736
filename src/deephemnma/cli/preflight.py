"""`deephemnma preflight`."""

from deephemnma.cli.console import run_and_report
from deephemnma.cli.option import Flat, Output
from deephemnma.settings.stage.preflight import PreflightStage


def preflight(settings: Flat[PreflightStage], *, output: Output) -> None:
    """Look for what would spoil hours of work: scale, contrast, CTF, poses, junk; and foretell what it will take."""
    from deephemnma.pipeline.preflight.stage import TEXT, run_preflight

    run_and_report(
        run_preflight,
        settings,
        output=output,
        table=TEXT,
        advice="look at {output}/preflight.png, then the command lines above",
    )
