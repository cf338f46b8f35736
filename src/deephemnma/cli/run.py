"""`deephemnma run`."""

from pathlib import Path

from tyro.conf import Positional

from deephemnma.cli.console import run_project_and_report
from deephemnma.cli.option import Output
from deephemnma.settings.stage.run import RunStage


def run(config: Positional[Path], /, *, output: Output) -> None:
    """Run all stages of a project; those that are done are skipped.

    Parameters
    ----------
    config
        YAML file of the project: the stages in order, and the options of each.
    """
    run_project_and_report(RunStage(config), output=output)
