"""A stack of images made block by block, each at its place: a killed run repeats only the blocks that are missing."""

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from deephemnma.core.error import InputError
from deephemnma.distributed.device import choose_workers
from deephemnma.distributed.pool import map_blocks
from deephemnma.io.atomic import read_json, write_json
from deephemnma.io.stack.writer import make_empty_stack, write_images
from deephemnma.pipeline.progress import track_progress
from deephemnma.pipeline.stage import StageFolder
from deephemnma.pipeline.target_grid import Grid

Made = tuple[Float[Tensor, "images box box"], dict[str, int]]
MakeImages = Callable[[Int[Tensor, "images"]], Made]
"""What makes images from their ids, and counts something in them."""
BLOCKS_A_WORKER = 32
"""Blocks for which it is worth to start another process, which takes seconds."""
DTYPES = {False: "float32", True: "float16"}


def run_stack_blocks(
    stage: StageFolder,
    path: Path,
    *,
    count: int,
    block_size: int,
    grid: Grid,
    float16: bool,
    prepare: Callable[[], MakeImages],
    workers: int,
    label: str,
) -> dict[str, int]:
    """Make images 0 to `count` and write them as the stack `path`, which appears when it is whole.

    Parameters
    ----------
    stage
        Whose folder keeps the stack and the marks of its finished blocks meanwhile.
    path
        Destination.
    count, grid
        Of the stack.
    block_size
        Images a block; part of the answer's definition, so it never depends on `workers`.
    float16
        Half precision.
    prepare
        Called once a process; returns the function of image ids. Picklable.
    workers
        Processes; 0 is one a core, where there is enough to do for each.
    label
        Shown beside the progress.

    Returns
    -------
    counts
        Sums of what the blocks counted.
    """
    blocks = [(first, min(first + block_size, count)) for first in range(0, count, block_size)]
    missing = [block for block in blocks if not _get_mark(stage.blocks, block).exists()]
    if missing or not path.exists():
        unfinished = stage.blocks / path.name
        if not unfinished.exists():
            _begin(unfinished, count=count, grid=grid, dtype=DTYPES[float16])
            missing = blocks
        n_workers = _count_workers(workers, n_blocks=len(missing))
        with track_progress(label, count) as advance:
            advance(count - sum(last - first for first, last in missing))
            for done in map_blocks(partial(_make_worker, prepare, unfinished), missing, n_workers=n_workers):
                stage.save(process=done.process, cpu_seconds=done.cpu_seconds)
                advance(done.item[1] - done.item[0])
        unfinished.replace(path)
    marks = [read_json(_get_mark(stage.blocks, block)) for block in blocks]
    return {name: sum(mark[name] for mark in marks) for name in marks[0]}


def _count_workers(workers: int, *, n_blocks: int) -> int:
    worthwhile = n_blocks if workers else n_blocks // BLOCKS_A_WORKER
    return choose_workers(workers, torch.device("cpu"), n_blocks=max(1, worthwhile))


def _begin(stack: Path, *, count: int, grid: Grid, dtype: str) -> None:
    """Make the stack with all its images black; marks of an earlier one that is gone count no more."""
    shutil.rmtree(stack.parent, ignore_errors=True)
    stack.parent.mkdir(parents=True)
    wanted = count * grid.box_size**2 * (2 if dtype == "float16" else 4)
    free = shutil.disk_usage(stack.parent).free
    if wanted > free:
        raise InputError(
            f"The images need {wanted / 1e9:.1f} GB, but the disk of --output has {free / 1e9:.1f} GB free: choose "
            "another folder, a smaller --box-size, or --float16."
        )
    make_empty_stack(stack, box_size=grid.box_size, pixel_size=grid.pixel_size, count=count, dtype=dtype)


def _make_worker(prepare: Callable[[], MakeImages], stack: Path) -> Callable[[tuple[int, int]], Any]:
    make = prepare()

    def work(block: tuple[int, int]) -> None:
        images, counts = make(torch.arange(*block))
        write_images(stack, images, first=block[0])
        write_json(_get_mark(stack.parent, block), counts)

    return work


def _get_mark(folder: Path, block: tuple[int, int]) -> Path:
    return folder / f"{block[0]:08d}-{block[1]:08d}.json"
