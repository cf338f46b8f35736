"""A stage over images, cut into blocks of image ids: a killed run repeats only the blocks that are missing."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from deephemnma.core.estimates import Estimates, concatenate_estimates
from deephemnma.distributed.pool import map_blocks
from deephemnma.io.table import read_estimates, write_estimates
from deephemnma.pipeline.progress import track_progress
from deephemnma.pipeline.stage import StageFolder

Block = tuple[int, int]
"""First image and the one after the last."""
EstimateIds = Callable[[Tensor], Estimates]


def run_blocks(
    stage: StageFolder,
    count: int,
    *,
    block_size: int,
    prepare: Callable[[], EstimateIds],
    n_workers: int,
    label: str,
) -> Estimates:
    """Return the estimates of images 0 to `count`, made block by block and merged by id.

    Parameters
    ----------
    stage
        Whose folder keeps the finished blocks.
    count
        Number of images.
    block_size
        Images a block; part of the answer's definition, so it never depends on `n_workers`.
    prepare
        Called once a process; returns the function of image ids. Picklable.
    n_workers
        Processes.
    label
        Shown beside the progress.
    """
    blocks = [(first, min(first + block_size, count)) for first in range(0, count, block_size)]
    missing = [block for block in blocks if not _get_path(stage.blocks, block).exists()]
    with track_progress(label, count) as advance:
        advance(sum(last - first for first, last in set(blocks) - set(missing)))
        worker = partial(_make_block_worker, prepare, stage.blocks)
        for done in map_blocks(worker, missing, n_workers=min(n_workers, max(1, len(missing)))):
            stage.save(process=done.process, cpu_seconds=done.cpu_seconds)
            advance(done.item[1] - done.item[0])
    return concatenate_estimates([read_estimates(_get_path(stage.blocks, block)) for block in blocks])


def _make_block_worker(prepare: Callable[[], EstimateIds], folder: Path) -> Callable[[Block], None]:
    estimate = prepare()

    def work(block: Block) -> None:
        write_estimates(_get_path(folder, block), estimate(torch.arange(*block)))

    return work


def _get_path(folder: Path, block: Block) -> Path:
    return folder / f"{block[0]:08d}-{block[1]:08d}.parquet"
