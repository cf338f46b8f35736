"""One pass over many images as they are on disk: damaged ones, identical ones, and the time that reading takes."""

import hashlib
import time
from collections import Counter
from dataclasses import dataclass

from deephemnma.core.particle import ImageSource
from deephemnma.imaging.bad_image import find_bad_images
from deephemnma.pipeline.preflight.finding import Finding, Verdict, choose_verdict
from deephemnma.pipeline.preflight.sample import draw_sample
from deephemnma.pipeline.progress import track_progress

BLOCK = 64
BAD_NOTE, BAD_FIX = 1e-9, 0.05
SAME_NOTE, SAME_FIX = 1e-9, 0.01


@dataclass(frozen=True)
class Scan:
    """What was seen of `n_looked` images out of `n_images`.

    Attributes
    ----------
    n_images, n_looked
        Images of the set, and those that were read.
    n_bad
        That hold NaN or are flat.
    n_repeats
        Whose pixels are those of another that was read, the first of each kind not counted.
    example
        Names of two that are identical; empty where there are none.
    seconds
        Spent on reading.
    """

    n_images: int
    n_looked: int
    n_bad: int
    n_repeats: int
    example: tuple[str, ...]
    seconds: float

    @property
    def repeated_share(self) -> float:
        """Share of all images that repeat another: of pairs a sample holds but few."""
        if not self.n_looked:
            return 0.0
        return min(1.0, self.n_repeats / self.n_looked * self.n_images / self.n_looked)


def scan_images(source: ImageSource, *, count: int, seed: int) -> Scan:
    """Read up to `count` images, spread over the source."""
    ids = draw_sample(len(source), count, seed=seed) if count else draw_sample(0, 0, seed=seed)
    n_bad, seconds, first, example, seen = 0, 0.0, {}, (), Counter()
    names = source.names
    with track_progress("images looked at", max(1, len(ids))) as advance:
        for rows in ids.split(BLOCK):
            started = time.perf_counter()
            images = source[rows]
            seconds += time.perf_counter() - started
            bad = find_bad_images(images)
            n_bad += int(bad.sum())
            for row, image, is_bad in zip(rows.tolist(), images, bad.tolist(), strict=True):
                if is_bad:
                    continue
                digest = hashlib.blake2b(image.contiguous().numpy(), digest_size=12).digest()
                seen[digest] += 1
                if digest in first and not example:
                    example = (names[first[digest]], names[row])
                first.setdefault(digest, row)
            advance(len(rows))
    repeats = sum(number - 1 for number in seen.values())
    return Scan(len(source), len(ids), n_bad, repeats, example, seconds)


def judge_bad(scan: Scan) -> Finding:
    """Say how many images are damaged."""
    share = scan.n_bad / max(1, scan.n_looked)
    verdict = choose_verdict(share, note=BAD_NOTE, fix=BAD_FIX)
    sentence = f"{scan.n_bad:,} of {scan.n_looked:,} images looked at hold NaN or are flat ({share:.1%}, none expected)"
    advice = {
        Verdict.OK: ".",
        Verdict.NOTE: "; they get the status `bad_image`, and the rest goes on.",
        Verdict.FIX: ": extract the particles again, or leave these out of the file of particles.",
    }
    return Finding("bad images", verdict, sentence + advice[verdict], {"bad": scan.n_bad, "looked_at": scan.n_looked})


def judge_repeats(scan: Scan) -> Finding:
    """Say how many images are the same as another, pixel by pixel."""
    share = scan.repeated_share
    verdict = choose_verdict(share, note=SAME_NOTE, fix=SAME_FIX)
    sentence = f"{scan.n_repeats:,} of {scan.n_looked:,} images looked at have the very pixels of another"
    if scan.n_looked < scan.n_images:
        sentence += f" (of all {scan.n_images:,}, about {share:.1%})"
    advice = "."
    if verdict is not Verdict.OK:
        advice = (
            f", none expected (such as {scan.example[0]} and {scan.example[1]}): they count double in every average "
            "and make half-maps agree; remove them from the file of particles."
        )
    figures = {"repeats": scan.n_repeats, "looked_at": scan.n_looked, "share": share}
    return Finding("identical images", verdict, sentence + advice, figures)
