"""One way in: the particles of a file, whatever program wrote it."""

from collections.abc import Sequence
from pathlib import Path

from deephemnma.core.error import InputError
from deephemnma.io.atomic import require_file
from deephemnma.io.file_kind import MAP_SUFFIXES, STACK_SUFFIXES, STRUCTURE_SUFFIXES, find_suffix
from deephemnma.io.metadata.cryosparc import read_cryosparc_particles
from deephemnma.io.metadata.frealign import CISTEM, Microscope, read_cistem_particles, read_frealign_particles
from deephemnma.io.metadata.particle_tables import IMAGE, ParticleTables
from deephemnma.io.metadata.relion import make_relion_tables
from deephemnma.io.metadata.star_text import read_star_blocks
from deephemnma.io.metadata.xmipp import read_xmipp_particles
from deephemnma.io.metadata.xmipp_table import XMIPP_IMAGE

WANTED = "a file of particles (.star, .cs, .xmd or .par)"


def read_particle_tables(
    path: Path | str,
    *,
    classes: Sequence[Path] = (),
    passthroughs: Sequence[Path] | None = None,
    microscope: Microscope | None = None,
) -> ParticleTables:
    """Read what a file says of particles.

    Parameters
    ----------
    path
        Star file of RELION or cisTEM, ``.cs`` of cryoSPARC, ``.xmd`` of Xmipp or Scipion, ``.par`` of FREALIGN.
    classes
        Parameter files (``.par``) of further classes of the same particles.
    passthroughs
        ``.cs`` files with further fields; None takes those beside.
    microscope
        What the file does not say itself.

    Raises
    ------
    InputError
        If the file is missing, damaged, of another kind, or holds no particles.
    """
    path = require_file(path, WANTED)
    microscope = microscope or Microscope()
    suffix = find_suffix(path)
    if suffix in STACK_SUFFIXES | MAP_SUFFIXES:
        raise InputError(
            f"{path} is an image stack or a map by its name, wanted {WANTED}, which names the images and their optics."
        )
    if suffix in STRUCTURE_SUFFIXES:
        raise InputError(f"{path} is an atomic model by its name, wanted {WANTED}; models go to --reference.")
    if suffix == ".cs":
        return read_cryosparc_particles(path, passthroughs=passthroughs)
    if suffix == ".par":
        return read_frealign_particles([path, *classes], microscope)
    blocks = read_star_blocks(path)
    columns = {name for block in blocks.values() for name in block.columns}
    if IMAGE in columns:
        return make_relion_tables(blocks, path)
    if f"{CISTEM}PositionInStack" in columns:
        return read_cistem_particles(path, microscope)
    if XMIPP_IMAGE in columns:
        return read_xmipp_particles(path)
    found = ", ".join(f"data_{name}" for name in blocks)
    raise InputError(f"{path} holds {found}, but no column {IMAGE}: give the star file of the particles.")
