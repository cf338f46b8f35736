"""One dataclass a stage: which files go in, and the options of what is done with them."""
