"""What is looked at before hours are spent; one finding a file."""

from deephemnma.pipeline.preflight.stage import run_preflight

__all__ = ["run_preflight"]
