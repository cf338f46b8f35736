"""One dataclass a stage: which files go in, and the options of what is done with them."""

STAGES = (
    "modes",
    "fit",
    "observability",
    "simulate",
    "preflight",
    "prepare",
    "estimate",
    "train",
    "predict",
    "refine",
    "landscape",
    "convert",
    "animate",
    "reconstruct",
    "fsc",
    "report",
)
"""The commands that make one folder each, in the order of a project."""
