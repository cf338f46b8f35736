"""The stage `convert`."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from deephemnma.io.file_kind import find_suffix
from deephemnma.io.metadata.cryosparc_table import read_cryosparc_table
from deephemnma.io.metadata.cryosparc_writer import write_cryosparc_particles
from deephemnma.io.metadata.particle_tables import ParticleTables
from deephemnma.io.metadata.relion import VERSION, write_particle_star
from deephemnma.io.metadata.star_text import read_version
from deephemnma.io.metadata.xmipp_table import drop_disabled, read_xmipp_table
from deephemnma.io.metadata.xmipp_writer import write_xmipp_particles
from deephemnma.io.particles import complete_tables
from deephemnma.pipeline.note import note
from deephemnma.pipeline.particles import count_statuses
from deephemnma.pipeline.selection import Selection, select_particles
from deephemnma.pipeline.stage import StageFolder, run_stage
from deephemnma.pipeline.supplement import read_supplemented
from deephemnma.settings.stage.convert import ConvertStage


def run_convert(settings: ConvertStage, *, output: Path | str) -> Path:
    """Bring particles, with what was found of them or a selection of them, into the form of another program.

    Writes `particles.star`, `particles.cs` or `particles.xmd`, as asked for, with every column of the input, its rows
    in their order, and poses in the convention of each program.

    Parameters
    ----------
    settings
        Particles, what was found, which to keep, and the forms.
    output
        Folder; see :func:`~deephemnma.pipeline.stage.run_stage`.

    Returns
    -------
    folder : Path
        `output`.
    """
    return run_stage("convert", settings, output=output, body=_convert)


def _convert(settings: ConvertStage, stage: StageFolder) -> dict[str, Any]:
    supplement = settings.supplement
    tables = read_supplemented(settings.particles, supplement)
    tables = complete_tables(tables, datadir=settings.datadir, pixel_size=supplement.pixel_size)
    for number, remark in enumerate(tables.remarks, start=1):
        note(f"note {number}", remark)
    selection = select_particles(settings, tables)
    chosen = replace(tables, particles=tables.particles.iloc[selection.rows].reset_index(drop=True))
    write = {"star": _write_star, "cs": _write_cryosparc, "xmd": _write_xmipp}
    written = [f"particles.{name}" for name in settings.formats]
    for name, file in zip(settings.formats, written, strict=True):
        write[name](settings, chosen, selection, stage.path / file)
    counts = {} if selection.estimates is None else count_statuses(selection.estimates)
    return {"particles": f"{len(chosen):,} of {len(tables):,}", "written": ", ".join(written)} | counts


def _write_star(settings: ConvertStage, tables: ParticleTables, selection: Selection, path: Path) -> None:
    version = read_version(tables.path) if find_suffix(tables.path) == ".star" else None
    write_particle_star(
        path,
        table=tables.particles,
        optics_table=tables.optics,
        estimates=selection.estimates,
        version=version or VERSION,
    )


def _write_cryosparc(settings: ConvertStage, tables: ParticleTables, selection: Selection, path: Path) -> None:
    original = None
    if find_suffix(tables.path) == ".cs":
        passthroughs = settings.supplement.passthrough or None
        original = read_cryosparc_table(tables.path, passthroughs=passthroughs)[selection.rows]
    write_cryosparc_particles(path, tables, original=original, estimates=selection.estimates)


def _write_xmipp(settings: ConvertStage, tables: ParticleTables, selection: Selection, path: Path) -> None:
    original = None
    if tables.program == "Xmipp":
        original = drop_disabled(read_xmipp_table(tables.path)).iloc[selection.rows].reset_index(drop=True)
    write_xmipp_particles(path, tables, original=original, estimates=selection.estimates)
