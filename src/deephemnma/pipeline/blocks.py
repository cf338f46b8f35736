"""A stage over images, cut into blocks of image ids: a killed run repeats only the blocks that are missing."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from deephemnma.core.estimates import Estimates, concatenate_estimates
from deephemnma.distributed.pool import map_blocks
from deephemnma.io.atomic import write_folder_beside
from deephemnma.io.table import read_estimates, write_estimates
from deephemnma.pipeline.progress import track_progress
from deephemnma.pipeline.stage import StageFolder

Block = tuple[int, int]
"""First image and the one after the last."""
EstimateIds = Callable[[Tensor], tuple[Estimates, ...]]
"""What makes estimates of images from their ids; several, where an image has several hypotheses."""

BLOCK = 32
"""Images of a block on a CPU."""


def choose_block_size(batch_size: int, device: torch.device) -> int:
    """Return how many images a block has: a batch on a GPU, which is fast with many images at once alone."""
    return BLOCK if device.type == "cpu" else max(BLOCK, batch_size)


def run_blocks(
    stage: StageFolder,
    count: int,
    *,
    block_size: int,
    prepare: Callable[[], EstimateIds],
    n_workers: int,
    label: str,
) -> tuple[Estimates, ...]:
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
    missing = [block for block in blocks if not _get_folder(stage.blocks, block).exists()]
    with track_progress(label, count) as advance:
        advance(count - sum(last - first for first, last in missing))
        worker = partial(_make_block_worker, prepare, stage.blocks)
        for done in map_blocks(worker, missing, n_workers=min(n_workers, max(1, len(missing)))):
            stage.save(process=done.process, cpu_seconds=done.cpu_seconds)
            advance(done.item[1] - done.item[0])
    parts = [[read_estimates(file) for file in sorted(_get_folder(stage.blocks, block).iterdir())] for block in blocks]
    return tuple(concatenate_estimates(list(same_rank)) for same_rank in zip(*parts, strict=True))


def _make_block_worker(prepare: Callable[[], EstimateIds], folder: Path) -> Callable[[Block], None]:
    estimate = prepare()

    def work(block: Block) -> None:
        with write_folder_beside(_get_folder(folder, block)) as beside:
            for rank, estimates in enumerate(estimate(torch.arange(*block))):
                write_estimates(beside / f"{rank:02d}.parquet", estimates)

    return work


def _get_folder(folder: Path, block: Block) -> Path:
    return folder / f"{block[0]:08d}-{block[1]:08d}"
