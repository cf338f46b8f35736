"""Which particles are kept, by what was found of them or by group, and what was found."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch

from deephemnma.core.error import InputError
from deephemnma.core.estimates import USABLE, Estimates, Status
from deephemnma.io.landscape import read_landscape
from deephemnma.io.metadata.particle_tables import ParticleTables
from deephemnma.pipeline.landscape import LANDSCAPE_FILE
from deephemnma.pipeline.note import note
from deephemnma.pipeline.origin import Origin, find_rows, read_origins
from deephemnma.pipeline.particles import find_file, load_estimates
from deephemnma.settings.stage.convert import ConvertStage

ALL, USABLE_WORD = "all", "usable"


@dataclass(frozen=True, eq=False)
class Selection:
    """Particles that are kept.

    Attributes
    ----------
    rows
        Their rows, ascending.
    estimates
        What was found of these, in the same order and about the centres of these images; None without estimates.
    """

    rows: np.ndarray
    estimates: Estimates | None = None


def select_particles(settings: ConvertStage, tables: ParticleTables) -> Selection:
    """Return the particles of `tables` that `settings` keep.

    Raises
    ------
    InputError
        If none is left, or the estimates or the landscape are of other particles.
    """
    members = _read_members(settings)
    if settings.estimates is not None:
        return _select_estimated(settings, tables, members)
    if members is None:
        return Selection(np.arange(len(tables)))
    rows = [row for row in find_rows(sorted(members), tables, origins={}) if row is not None]
    if not rows:
        raise InputError(f"None of the images of {settings.landscape} is among those of {tables.path}.")
    return Selection(np.sort(rows))


def _select_estimated(settings: ConvertStage, tables: ParticleTables, members: set[str] | None) -> Selection:
    found = load_estimates(settings.estimates)
    is_wanted = _make_rule(settings.status)
    pairs = zip(found.names, found.status, strict=True)
    kept = [is_wanted(status) and (members is None or name in members) for name, status in pairs]
    if not any(kept):
        raise InputError(
            f"Of the {len(found)} estimates of {settings.estimates} none is left by --status {settings.status} and the "
            "landscape: select less narrowly."
        )
    found = found.select(torch.tensor(kept).nonzero()[:, 0])
    origins = read_origins(settings.estimates)
    places = find_rows(found.names, tables, origins=origins)
    matched = sorted((row, place) for place, row in enumerate(places) if row is not None)
    if not matched:
        raise InputError(
            f"None of the images of {settings.estimates} (the first is {found.names[0]}) is among those of "
            f"{tables.path}: give the particles that were estimated, or those that `prepare` made them from."
        )
    if len(matched) < len(found):
        note("estimates of other particles", f"{len(found) - len(matched):,}, left out")
    rows, order = (np.array(part) for part in zip(*matched, strict=True))
    brought = _bring_back(found.select(torch.from_numpy(order)), origins)
    return Selection(rows, replace(brought, names=tuple(tables.names[row] for row in rows)))


def _read_members(settings: ConvertStage) -> set[str] | None:
    """Return the names of the images of the groups asked for, or None for all."""
    if settings.landscape is None:
        return None
    landscape = read_landscape(find_file(settings.landscape, LANDSCAPE_FILE))
    count = int(landscape.groups.max()) + 1
    if settings.groups and max(settings.groups) > count:
        raise InputError(f"--groups names group {max(settings.groups)}, but the landscape has {count}.")
    pairs = zip(landscape.names, landscape.groups.tolist(), strict=True)
    return {name for name, group in pairs if not settings.groups or group + 1 in settings.groups}


def _make_rule(wanted: str) -> Callable[[Status], bool]:
    if wanted == ALL:
        return lambda status: True
    names = {each.strip() for each in wanted.split(",")}
    unknown = names - set(Status) - {USABLE_WORD}
    if unknown:
        raise InputError(f"--status knows no {min(unknown)!r}: give all, usable, or of {', '.join(Status)}.")
    return lambda status: status in names or (USABLE_WORD in names and status in USABLE)


def _bring_back(found: Estimates, origins: dict[str, Origin]) -> Estimates:
    """Return estimates about the centres of the original images, from which recentred ones were moved."""
    moves = [origins[name].move if name in origins else (0.0, 0.0) for name in found.names]
    shifts = found.poses.shifts + torch.tensor(moves, dtype=torch.float64)
    return replace(found, poses=replace(found.poses, shifts=shifts))
