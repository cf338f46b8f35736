"""Options of `deephemnma run`."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class RunStage:
    """Run all stages of a project; those that are done are skipped."""

    config: Path
    """YAML file of the project: the stages in order, and the options of each."""
