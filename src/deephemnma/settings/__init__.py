"""Plain options: frozen dataclasses whose field docstrings, with units and ranges, are the help texts."""
