"""Titles of the sections of a command's help, in words instead of the names of settings."""

import re

TITLES = {
    "": "Help and results",
    "settings": "What goes in, and where it runs",
    "options": "What goes in, and where it runs",
    "reference": "The molecule and its modes",
    "molecule": "From a structure or map to what is projected",
    "structure": "What is taken of an atomic structure",
    "pseudoatoms": "The pseudoatoms of a map",
    "fit": "How it is fitted into the map",
    "network": "The elastic network and its modes",
    "basis": "Other modes than an elastic network's",
    "choice": "Which modes to propose",
    "animation": "Models of each mode",
    "movie": "The files of the models",
    "deformation": "How models are displaced",
    "conformation": "How the simulated molecules move",
    "image": "The simulated microscope",
    "images": "The images that are planned",
    "search": "The search for pose and conformation",
    "likelihood": "Comparing an image with a projection",
    "training": "The network and its training",
    "prediction": "Applying the network",
    "refinement": "Refinement",
    "landscape": "The conformational space",
    "groups": "Groups of images",
    "supplement": "What the file of particles does not say",
    "reconstruction": "The maps",
}
"""By the last part of the name that the parser gives a section."""
_STYLE = re.compile(r"\x1b\[[0-9;]*m")
_HEAD = re.compile(r"╭─ (?:([\w.]+) )?options (─+)╮")


def retitle_sections(text: str) -> str:
    """Return a help text whose section heads say what they are about; their width and colour stay."""
    return "\n".join(map(_retitle, text.split("\n")))


def _retitle(line: str) -> str:
    head = _HEAD.fullmatch(_STYLE.sub("", line))
    title = TITLES.get((head[1] or "").rpartition(".")[2]) if head else None
    if title is None:
        return line
    rule = "─" * (len(head[0]) - len(title) - 5)
    styles = _STYLE.findall(line)
    first, last = (styles[0], styles[-1]) if styles else ("", "")
    return f"{first}╭─ {title} {rule}╮{last}"
