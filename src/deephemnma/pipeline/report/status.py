"""What became of the images, in words and numbers."""

from collections.abc import Mapping

from deephemnma.core.estimates import USABLE, Estimates, Status
from deephemnma.pipeline.report.table import Table

MEANINGS = {
    Status.CONVERGED: "A minimum was found, and it explains the image as a right answer does.",
    Status.PREDICTED: "By the network, not refined.",
    Status.GIVEN: "Truth of a simulation, or taken over from a file.",
    Status.AMBIGUOUS: "Another, distinct minimum is about as likely; it stands in alternatives.parquet.",
    Status.OUT_OF_RANGE: "The answer lies beyond what was searched (--amplitude-range, --shift-range): if many do, "
    "widen it.",
    Status.NOT_CONVERGED: "The iterations ran out (--iterations).",
    Status.REJECTED: "The fit explains the image worse than a right one would, by --reject-below standard deviations.",
    Status.JUNK: "The fit explains no more than the best of all templates explains of noise alone.",
    Status.NO_IMPROVEMENT: "An empty image explains as much, or the refinement was stuck at its start.",
    Status.BAD_IMAGE: "The image holds NaN or is flat.",
}
"""In the order in which a table lists them."""


def make_status_table(sets: Mapping[str, Estimates]) -> Table:
    """Return how many images of each set have which status, and what it means; the last row sums what is left aside."""
    present = [status for status in MEANINGS if any(status in estimates.status for estimates in sets.values())]
    rows = [
        (
            str(status).replace("_", " "),
            *(_format_count(estimates.status.count(status), estimates) for estimates in sets.values()),
            MEANINGS[status],
        )
        for status in present
    ]
    lost = [sum(status not in USABLE for status in estimates.status) for estimates in sets.values()]
    counts = (_format_count(count, estimates) for count, estimates in zip(lost, sets.values(), strict=True))
    left_aside = ("left aside", *counts, "By the landscape, maps and training: every status but the usable ones.")
    return Table(("status", *sets, "meaning"), (*rows, left_aside), ("ours",) * (len(rows) + 1))


def _format_count(count: int, estimates: Estimates) -> str:
    return f"{count:,} ({count / max(1, len(estimates)):.1%})" if count else "–"
