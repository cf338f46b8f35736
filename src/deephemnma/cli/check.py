"""`deephemnma check`."""

from deephemnma.cli.console import repeat_options, show_progress, tell
from deephemnma.cli.option import Flat
from deephemnma.core.error import InputError
from deephemnma.settings.stage.check import CheckOptions


def check(settings: Flat[CheckOptions]) -> None:
    """Say what a file of particles holds, and where its images are; nothing is written."""
    from deephemnma.pipeline.check import check_particles
    from deephemnma.pipeline.progress import listen_to_announcements, listen_to_progress

    with show_progress() as reporter, listen_to_progress(reporter), listen_to_announcements(tell):
        report = check_particles(settings)
    print("\n".join(report.lines))
    if report.fault:
        raise InputError(report.fault)
    options = repeat_options(settings)
    print(f"Next: deephemnma preflight {options['particles']} {options['reference']} -o preflight")
