"""Options of `deephemnma report`."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ReportStage:
    """Show what a run found and what it cost, as one HTML file."""

    stages: tuple[Path, ...]
    """Folders of the stages to tell of, in order (of a project: run/*)."""
    title: str = "What deephemnma found"
    """Heading of the page."""
    beside_paper: bool = False
    """Put the figures of Hamitouche & Jonic 2022 for adenylate kinase beside the errors."""
