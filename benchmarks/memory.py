"""How much memory a process has held; without the package, so that it may be asked of any Python."""

import resource
import sys
from pathlib import Path


def measure_peak_memory() -> float:
    """Return the most memory that this process has held, GiB."""
    status = Path("/proc/self/status")
    if status.exists():  # the parent's share is not in it, as it is in what getrusage tells after a spawn
        lines = [line.split() for line in status.read_text().splitlines() if line.startswith("VmHWM:")]
        if lines:
            return int(lines[0][1]) / 2**20
    unit = 2**30 if sys.platform == "darwin" else 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
