"""Reading particles: tables of a million rows, and random batches of stacks, beside what the machine can do.

python benchmarks/reading.py

Each row of the images is the same images by another way: a copy of a memory map in order is what the machine can
do, and random batches, as training asks for them, are held against it. Files lie in the system's cache (they were just
written), so that the figures are of the program, not of a disk. The memory is that of the process alone, without the
mapped files. Tables are written and read, with the peak of all memory in a process of its own.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from table import CpuClock, add_results_option, report

from deephemnma.io.metadata.particle_tables import name_image
from deephemnma.io.metadata.reader import read_particle_tables
from deephemnma.io.metadata.relion import make_particle_table, write_particle_star
from deephemnma.io.particles import ParticleStack, read_particles
from deephemnma.io.stack.layout import StackLayout
from deephemnma.io.stack.writer import StackWriter

BATCH = 64
COLUMNS = 28
"""Of the tables besides image and micrograph, as RELION's refinements have them."""


def main() -> None:
    """Measure stacks, then tables."""
    options = _parse()
    if options.table_only:
        _print_table_cost(options.table_only)
        return
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(dir=options.work) as folder:
        images = list(_measure_images(Path(folder), options.images, options.box_size))
        tables = [_measure_table(Path(folder), count) for count in options.rows]
    report("reading", images, notes={"batch": BATCH}, folder=options.results)
    report("reading_tables", tables, notes={"columns": COLUMNS + 2}, folder=options.results)


def _measure_images(folder: Path, count: int, box_size: int) -> Iterator[dict[str, object]]:
    one = _write_set(folder / "one", count, box_size, n_stacks=1)
    many = _write_set(folder / "many", count, box_size, n_stacks=min(500, count))
    plain = _time_plain(StackLayout(one / "0000.mrcs", count, box_size, 1.0, np.dtype("<f4"), 1024), count)
    yield _make_row("plain copy in order", plain, plain, box_size, memory=0.0)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(0))
    for method, path, ids in (
        ("blocks in order, 1 stack", one, torch.arange(count)),
        ("random batches, 1 stack", one, order),
        ("random batches, 500 stacks", many, order),
    ):
        before = _get_memory("RssAnon")
        particles = read_particles(path / "particles.star")
        speed = _time_batches(particles, ids)
        yield _make_row(method, speed, plain, box_size, memory=_get_memory("RssAnon") - before)


def _write_set(folder: Path, count: int, box_size: int, *, n_stacks: int) -> Path:
    folder.mkdir()
    generator = torch.Generator().manual_seed(0)
    names = []
    for stack, ids in enumerate(torch.arange(count).chunk(n_stacks)):
        path = folder / f"{stack:04d}.mrcs"
        with StackWriter(path, box_size=box_size, pixel_size=1.0, count=len(ids)) as writer:
            for block in ids.split(256):
                writer.write(torch.randn(len(block), box_size, box_size, generator=generator))
        names += [name_image(number, path.name) for number in range(1, len(ids) + 1)]
    table, optics = make_particle_table(names, pixel_size=1.0, box_size=box_size)
    write_particle_star(folder / "particles.star", table=table, optics_table=optics)
    return folder


def _time_plain(layout: StackLayout, count: int) -> float:
    """Return images/s of copying all pixels once, in order."""
    values = np.memmap(
        layout.path, dtype=layout.dtype, mode="r", offset=layout.offset, shape=(count, *[layout.box_size] * 2)
    )
    start = time.perf_counter()
    for first in range(0, count, BATCH):
        values[first : first + BATCH].copy()
    return count / (time.perf_counter() - start)


def _time_batches(particles: ParticleStack, ids: torch.Tensor) -> float:
    start = time.perf_counter()
    for batch in ids.split(BATCH):
        particles[batch]
    return len(ids) / (time.perf_counter() - start)


def _make_row(method: str, speed: float, plain: float, box_size: int, *, memory: float) -> dict[str, object]:
    return {
        "method": f"{method}, {box_size} px",
        "images/s": speed,
        "share of a plain copy": speed / plain,
        "GB/s": speed * box_size**2 * 4 / 1e9,
        "own memory (MiB)": memory,
    }


def _get_memory(name: str) -> float:
    """Return what the system says of this process, MiB: RssAnon (without mapped files) or VmHWM (at the peak)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) / 1024
    return float("nan")


def _measure_table(folder: Path, count: int) -> dict[str, object]:
    path = folder / "table.star"
    generator = np.random.default_rng(0)
    names = [name_image(row + 1, f"Extract/job007/Movies/{row // 200}.mrcs") for row in range(count)]
    table, optics = make_particle_table(names, pixel_size=1.0, box_size=128)
    numbers = pd.DataFrame(generator.normal(size=(count, COLUMNS)), columns=[f"rlnC{k}" for k in range(COLUMNS)])
    clock = CpuClock()
    write_particle_star(path, table=pd.concat((table, numbers.round(6)), axis=1), optics_table=optics)
    written = clock.seconds
    command = [sys.executable, __file__, "--table-only", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, peak = map(float, done.stdout.split())
    size = path.stat().st_size / 2**20
    return {
        "method": f"table of {count:,} rows, {size:,.0f} MiB",
        "read, CPU s": seconds,
        "written, CPU s": written,
        "peak memory (MiB)": peak,
    }


def _print_table_cost(path: Path) -> None:
    clock = CpuClock()
    read_particle_tables(path)
    print(clock.seconds, _get_memory("VmHWM"))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--box-size", type=int, default=128, help="pixels")
    parser.add_argument("--rows", type=int, nargs="*", default=[200_000, 1_000_000], help="of the tables")
    parser.add_argument("--work", type=Path, help="folder for the files; by default the system's for temporary ones")
    parser.add_argument("--table-only", type=Path, help=argparse.SUPPRESS)
    add_results_option(parser)
    return parser.parse_args()


if __name__ == "__main__":
    main()
