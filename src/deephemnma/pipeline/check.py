"""What `check` says of a file of particles."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from deephemnma.core.error import InputError
from deephemnma.imaging.bad_image import find_bad_images
from deephemnma.imaging.contrast import measure_contrast
from deephemnma.io.metadata.particle_tables import (
    BOX_SIZE,
    DEFOCUS,
    EULER_COLUMNS,
    GROUP,
    MICROSCOPE,
    ParticleTables,
    split_names,
)
from deephemnma.io.metadata.relion_column import extract_optics, extract_pixel_sizes, extract_poses, merge_optics
from deephemnma.io.particles import ParticleSet, open_particle_sets
from deephemnma.io.stack.location import advise, check_datadir, find_stack, shorten
from deephemnma.io.stack.reader import read_stack_layout
from deephemnma.pipeline.progress import track_progress
from deephemnma.pipeline.supplement import read_supplemented
from deephemnma.settings.stage.check import CheckOptions

SHOWN = 5
"""Files that are named where more are missing or damaged."""
SHOWN_GROUPS = 30
BLOCK = 32


@dataclass
class CheckReport:
    """What was found.

    Attributes
    ----------
    lines
        In words, for the user.
    fault
        What must be mended before the particles can be used, in a sentence; empty where nothing.
    """

    lines: list[str] = field(default_factory=list)
    fault: str = ""


def check_particles(settings: CheckOptions) -> CheckReport:
    """Read a file of particles and look for its images; what is wrong with them is told, not raised.

    Raises
    ------
    InputError
        If the file itself cannot be read.
    """
    check_datadir(settings.datadir)
    tables = read_supplemented(settings.particles, settings.supplement)
    report = CheckReport([f"{tables.path}: {tables.program}, {len(tables):,} particles"])
    merged = merge_optics(tables)
    report.lines += [f"  note: {remark}" for remark in tables.remarks]
    report.lines += _describe_poses(merged, tables)
    report.lines += _describe_stacks(tables, settings, report)
    report.lines += _describe_groups(merged, tables)
    if not report.fault:
        _look_at_images(tables, settings, report)
    return report


def _describe_poses(merged: pd.DataFrame, tables: ParticleTables) -> list[str]:
    source = str(tables.path)
    poses = extract_poses(merged, pixel_size=1.0, source=source)
    optics = extract_optics(merged, tables.optics, source=source)
    told = "orientations and shifts" if poses is not None else f"none ({EULER_COLUMNS[0]} ...)"
    lines = [f"  poses: {told}"]
    if optics is None:
        return [*lines, f"  CTF: none ({DEFOCUS[0]} ...): images are taken as free of it"]
    both = torch.stack((optics.defocus_u, optics.defocus_v)) / 1e4
    low, high = float(both.min()), float(both.max())
    flipped = ", images phase-flipped" if optics.phase_flipped else ""
    return [*lines, f"  CTF: defocus {low:.2f} to {high:.2f} um{flipped}"]


def _describe_stacks(tables: ParticleTables, settings: CheckOptions, report: CheckReport) -> list[str]:
    _, names = split_names(tables.names, tables.path)
    counts = pd.Series(names).value_counts(sort=False)
    missing, damaged, places = [], [], {}
    with track_progress("stacks", len(counts)) as advance:
        for name in counts.index:
            place = find_stack(name, table_path=tables.path, datadir=settings.datadir)
            if place is None:
                missing.append(name)
            else:
                places[name] = place
                damaged += _try_layout(place)
            advance(1)
    folders = sorted({str(place.parent) for place in places.values()})
    where = f", in {', '.join(folders[:3])}{' ...' if len(folders) > 3 else ''}" if folders else ""
    lines = [f"  stacks: {len(places):,} of {len(counts):,} found{where}"]
    for name in missing[:SHOWN]:
        lines.append(
            f"    not found: {shorten(name)} ({counts[name]:,} particles); {advise(name, table_path=tables.path)}"
        )
    lines += [f"    damaged: {sentence}" for sentence in damaged[:SHOWN]]
    if missing:
        report.fault = (
            f"{len(missing):,} of the {len(counts):,} stacks that {tables.path} names were not found, the first of "
            f"them {shorten(missing[0])!r}: {advise(missing[0], table_path=tables.path)}"
        )
    elif damaged:
        report.fault = (
            f"{len(damaged):,} of the {len(counts):,} stacks that {tables.path} names cannot be read: {damaged[0]}"
        )
    return lines


def _try_layout(place: Path) -> list[str]:
    try:
        read_stack_layout(place)
    except InputError as error:
        return [str(error)]
    return []


def _describe_groups(merged: pd.DataFrame, tables: ParticleTables) -> list[str]:
    """Return a table of the optics groups as the file has them."""
    sizes = extract_pixel_sizes(merged, source=str(tables.path))
    columns = {
        "group": merged[GROUP] if GROUP in merged.columns else 1,
        "box": merged[BOX_SIZE] if BOX_SIZE in merged.columns else "?",
        "pixel (A)": "?" if sizes is None else np.round(sizes, 4),
    }
    titles = dict(zip(MICROSCOPE, ("kV", "Cs (mm)", "amplitude contrast"), strict=True))
    columns |= {title: merged[name] for name, title in titles.items() if name in merged.columns}
    table = pd.DataFrame(columns, index=merged.index).astype(str)
    groups = table.groupby(list(table.columns), sort=False).size().rename("particles").reset_index()
    lines = [f"  {line}" for line in groups.head(SHOWN_GROUPS).to_string(index=False).split("\n")]
    return lines if len(groups) <= SHOWN_GROUPS else [*lines, f"  and {len(groups) - SHOWN_GROUPS:,} more groups"]


def _look_at_images(tables: ParticleTables, settings: CheckOptions, report: CheckReport) -> None:
    try:
        sets = open_particle_sets(tables, datadir=settings.datadir, pixel_size=settings.supplement.pixel_size)
    except InputError as error:
        report.fault = str(error)
        return
    looked_at = bad = 0
    for each in sets:
        images = _take_sample(each, share=settings.sample / len(tables))
        found = find_bad_images(images)
        report.lines.append(_describe_set(each, images, n_bad=int(found.sum())))
        looked_at, bad = looked_at + len(images), bad + int(found.sum())
    if 0 < looked_at == bad:
        report.fault = f"{tables.path}: all {bad:,} images that were looked at are bad (NaN or flat): write them again"
    if len(sets) > 1:
        coarsest = max(each.particles.pixel_size for each in sets)
        report.lines.append(
            f"  The images are of {len(sets)} scales; this brings them to one: deephemnma prepare --particles "
            f"{settings.particles} --pixel-size {coarsest:g} -o prepared"
        )


def _take_sample(each: ParticleSet, *, share: float) -> Float[Tensor, "images box box"]:
    """Return that share of the images, spread over the set."""
    count = min(len(each.particles), round(share * len(each.particles)))
    ids = torch.linspace(0, len(each.particles) - 1, count).round().long()
    return torch.cat([each.particles[block] for block in ids.split(BLOCK)])


def _describe_set(each: ParticleSet, images: Float[Tensor, "images box box"], *, n_bad: int) -> str:
    particles = each.particles
    scale = f"  {len(particles):,} images of {particles.box_size} pixels of {particles.pixel_size:.4g} A"
    if len(images) == 0:
        return scale
    told = f"{scale}; of {len(images)} looked at, {n_bad} are bad (NaN or flat)"
    return f"{told}; {measure_contrast(images).describe()}"
