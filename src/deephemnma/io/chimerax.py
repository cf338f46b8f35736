"""Scripts that open and play what was written, and attributes to colour by, for UCSF ChimeraX.

The commands are those of https://www.cgl.ucsf.edu/chimerax/docs/user/commands/ (open, coordset, color, cartoon, view,
vseries) and https://www.cgl.ucsf.edu/chimerax/docs/user/formats/defattr.html. Scripts run in the folder they stand in.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from deephemnma.core.residue import number_residues
from deephemnma.core.structure import AtomicModel
from deephemnma.io.atomic import write_beside

ATTRIBUTE = "displacement"
PALETTE = "#2166ac:#d9d9d9:#b2182b"  # from still to moving
FRAMES_A_SECOND = 3  # of maps, which take a moment to contour
_STAGE = ["set bgColor white", "lighting soft", "graphics silhouettes true"]


@dataclass(frozen=True)
class View:
    """How a camera sees a molecule.

    Attributes
    ----------
    axes
        Right, up and towards the viewer, in rows.
    center
        What it looks at, A.
    distance
        How far away it is, A.
    """

    axes: Float[np.ndarray, "3 3"]
    center: Float[np.ndarray, "3"]
    distance: float


def write_attribute(path: Path, sites: AtomicModel, values: Float[np.ndarray, "sites"]) -> None:
    """Write the mean of `values` over the sites of each residue as the residue attribute `displacement`."""
    residues = number_residues(sites)
    means = np.bincount(residues, weights=values) / np.bincount(residues)
    _, first = np.unique(residues, return_index=True)
    rows = [
        f"\t{_name_residue(sites, row)}\t{mean:.3f}\n" for row, mean in zip(first.tolist(), means.tolist(), strict=True)
    ]
    head = f"# greatest distance from the first model, A\nattribute: {ATTRIBUTE}\nrecipient: residues\n"
    with write_beside(path) as temporary:
        temporary.write_text(head + "".join(rows), encoding="utf8")


def write_movie_script(
    path: Path,
    files: Sequence[str],
    *,
    n_frames: int,
    attribute: str,
    greatest: float,
    view: View,
    radius: float | None,
) -> None:
    """Write a script that opens a moving molecule, colours it by how far it moves, and plays it.

    Parameters
    ----------
    path
        The script.
    files
        Names, in the same folder, of the multi-model file, or of a structure and its DCD.
    n_frames
        Models to play, to and fro.
    attribute
        Name of the file of :func:`write_attribute`.
    greatest
        Its greatest value, A, where the colours end.
    view
        From where it is seen.
    radius
        A, of balls that show the sites; None for cartoons.
    """
    if len(files) == 1:
        opened = [f"open {files[0]} coordsets true"]
    else:
        opened = [f"open {files[0]}", f"open {files[1]} structureModel #1"]
    looks = ["hide #1 atoms", "cartoon #1", "show #1 & ligand atoms"]
    if radius is not None:
        looks = ["show #1 atoms", "style #1 sphere", f"size #1 atomRadius {radius:.2f}"]
    matrix = np.column_stack((view.axes.T, view.center + view.distance * view.axes[2]))
    _write(
        path,
        [
            *opened,
            f"open {attribute}",
            *_STAGE,
            *looks,
            f"color byattribute r:{ATTRIBUTE} #1 palette {PALETTE} range 0,{greatest:.2f}",
            "view matrix camera " + ",".join(f"{number:.5f}" for number in matrix.ravel()),
            "view #1",
            "coordset slider #1",
            f"coordset #1 1,{n_frames} loop 100 bounce true pauseFrames 3",
        ],
    )


def write_map_script(path: Path, maps: Sequence[str], *, level: float) -> None:
    """Write a script that opens maps of one grid (names relative to the script) and plays them as a series."""
    series = f"open {' '.join(maps)} vseries true" if len(maps) > 1 else f"open {maps[0]}"
    played = [f"vseries play #1 loop true direction oscillate maxFrameRate {FRAMES_A_SECOND}"]
    surface = f"volume #1 style surface level {level:.5g} step 1"
    _write(path, [series, *_STAGE, surface, "view #1", *(played if len(maps) > 1 else [])])


def _write(path: Path, commands: Sequence[str]) -> None:
    head = f"# Open this file in ChimeraX, with nothing else open, or type: chimerax {path.name}\n"
    with write_beside(path) as temporary:
        temporary.write_text(head + "\n".join(commands) + "\n", encoding="utf8")


def _name_residue(sites: AtomicModel, row: int) -> str:
    """Return a residue as ChimeraX specifies it: ``/A:52A``."""
    chain = str(sites.chains[row]).strip()
    return f"{f'/{chain}' if chain else ''}:{sites.residue_numbers[row]}{sites.insertion_codes[row]}"
