"""Annotations that turn settings into command-line options."""

from pathlib import Path
from typing import Annotated

from tyro.conf import OmitArgPrefixes, arg

Flat = OmitArgPrefixes
"""Options of nested settings by their own names, without the names of the groups."""

Output = Annotated[
    Path,
    arg(
        aliases=("-o",),
        metavar="DIR",
        help="Folder for the results, made if absent. Started again there, the command goes on where it stopped.",
    ),
]
