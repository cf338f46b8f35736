"""Alignment of many images that tells how long it will take."""

import sys
import time
from collections.abc import Callable

import torch

from deephemnma.alignment.aligner import Aligner, align_images
from deephemnma.core.estimates import Estimates, concatenate_estimates
from deephemnma.core.particle import ImageSource

TELL_EVERY = 20.0
"""Seconds between lines of progress."""


def align_with_progress(aligner: Aligner, source: ImageSource, *, label: str) -> Estimates:
    """Align all images batch by batch, now and then telling how long it will take."""
    tell, parts, done = make_teller(label, len(source)), [], 0
    for ids in torch.arange(len(source)).split(aligner.batch_size):
        parts.append(align_images(aligner, source, ids))
        done += len(ids)
        tell(done)
    return concatenate_estimates(parts)


def make_teller(label: str, total: int) -> Callable[[int], None]:
    """Return what prints, from time to time, how many of `total` are done and how long the others will take."""
    start = told = time.monotonic()

    def tell(done: int) -> None:
        nonlocal told
        now = time.monotonic()
        if now - told > TELL_EVERY:
            told, left = now, (now - start) * (total - done) / done / 60
            print(f"{label}: {done} of {total} images, {left:.1f} min left", file=sys.stderr, flush=True)

    return tell
