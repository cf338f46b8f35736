"""Broken image stacks, behind a sound star file."""

import bz2
import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
from corpus_case import BOX_SIZE, COUNT, IMAGES, STAR, Build, Case, check, edit, write_bytes, write_stack

Spoil = Callable[[bytes], bytes]


def stack(spoil: Spoil, *options: str, name: str = "s.mrcs", images: np.ndarray = IMAGES) -> Build:
    """Make a case whose stack is what `spoil` makes of a sound one."""

    def build(folder: Path) -> list[str]:
        content = write_stack(folder / "s.mrcs", images).read_bytes()
        (folder / "s.mrcs").unlink()
        write_bytes(folder / name, spoil(content))
        return check(write_bytes(folder / "a.star", edit(STAR, ("@s.mrcs", f"@{name}")).encode()), *options)

    return build


def set_word(place: int, value: float, kind: str = "<i") -> Spoil:
    """Set a word of an MRC header: 0 to 2 sides, 3 mode, 7 grid, 10 cell, 23 bytes of the extended header."""

    def spoil(content: bytes) -> bytes:
        packed = struct.pack(kind, value)
        return content[: 4 * place] + packed + content[4 * place + len(packed) :]

    return spoil


def make_spider(**changes: float) -> bytes:
    """Return a SPIDER stack; words by their number in its manual."""
    header = np.zeros(BOX_SIZE * 32, dtype="<f4")
    words = {1: 1, 2: BOX_SIZE, 5: 1, 12: BOX_SIZE, 13: 32, 22: BOX_SIZE * 32 * 4, 23: BOX_SIZE * 4, 24: 2, 26: COUNT}
    words |= {int(name[1:]): value for name, value in changes.items()}
    for place, value in words.items():
        header[place - 1] = value
    image = header.copy()
    image[23] = image[25] = 0
    return header.tobytes() + b"".join(image.tobytes() + each.tobytes() for each in IMAGES)


def spider(spoil: Spoil = lambda content: content, **changes: float) -> Build:
    return stack(lambda _: spoil(make_spider(**changes)), name="s.stk")


def packed(spoil: Spoil, name: str = "s.mrcs.gz") -> Build:
    return stack(spoil, name=name)


MRC = [
    Case("empty", stack(lambda _: b""), r"s\.mrcs .*is empty"),
    Case("shorter than a header", stack(lambda content: content[:500]), r"s\.mrcs .* 500 bytes, a header alone 1,024"),
    Case("a header alone", stack(lambda content: content[:1024]), r"s\.mrcs is truncated.* 2048 bytes, .* 1024"),
    Case("truncated", stack(lambda content: content[:-100]), r"s\.mrcs is truncated: .* 4 images of 8 x 8, 2048 bytes"),
    Case("truncated by a byte", stack(lambda content: content[:-1]), r"s\.mrcs is truncated: .*but there are 2047"),
    Case("a lying number of images", stack(set_word(2, 2**31 - 1)), r"s\.mrcs is truncated: .* 2147483647 images"),
    Case("no images", stack(set_word(2, 0)), r"s\.mrcs says that it holds 0 images.*damaged"),
    Case("-4 images", stack(set_word(2, -4)), r"s\.mrcs says that it holds -4 images.*damaged"),
    Case("a side of 0", stack(lambda c: set_word(0, 0)(set_word(1, 0)(c))), r"s\.mrcs says .* of 0 x 0 pixels.*damage"),
    Case("sides of 2 billion", stack(lambda c: set_word(0, 2**31 - 1)(set_word(1, 2**31 - 1)(c))), r"of 2147483647 x"),
    Case("sides of 16384", stack(lambda c: set_word(0, 16384)(set_word(1, 16384)(c))), r"s\.mrcs is truncated"),
    Case("images that are not square", stack(set_word(0, 16)), r"s\.mrcs holds images of 16 x 8: only square"),
    Case("complex pixels", stack(set_word(3, 4)), r"s\.mrcs has pixels of MRC mode 4, wanted real images"),
    Case("packed pixels", stack(set_word(3, 101)), r"s\.mrcs has pixels of MRC mode 101, wanted real images"),
    Case("an unknown mode", stack(set_word(3, 77)), r"s\.mrcs is no MRC stack"),
    Case("a mode below 0", stack(set_word(3, -1)), r"s\.mrcs is no MRC stack"),
    Case("an extended header below 0", stack(set_word(23, -2000)), r"s\.mrcs says .*damaged"),
    Case("an extended header beyond the end", stack(set_word(23, 10**9)), r"s\.mrcs is truncated"),
    Case("another box than the star file's", stack(lambda c: c, images=IMAGES[:, :6, :6].copy()), r"images have 8 pix"),
    Case("fewer images than are named", stack(lambda c: c, images=IMAGES[:3]), r"a\.star, particle 4: .* images 1 to"),
    Case("text", stack(lambda _: b"These are not images. " * 99), r"s\.mrcs .*text"),
    Case("short text", stack(lambda _: b"hello"), r"s\.mrcs .*text"),
    Case("a web page", stack(lambda _: b"<!doctype html><html>" + b" " * 2000), r"s\.mrcs .*web page \(HTML\)"),
    Case("a Git LFS pointer", stack(lambda _: b"version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 99\n"),
         r"s\.mrcs .*Git LFS pointer.*git lfs pull"),
    Case("a git-annex pointer", stack(lambda _: b"/annex/objects/SHA256E-s2048--aa.mrcs\n"), r"s\.mrcs .*git-annex"),
    Case("packed without saying so", stack(gzip.compress), r"s\.mrcs .*packed \(gzip\).*\.gz"),
    Case("HDF5", stack(lambda _: b"\x89HDF\r\n\x1a\n" + bytes(3000)), r"s\.mrcs .*HDF5"),
    Case("TIFF", stack(lambda _: b"II*\0" + bytes(range(256)) * 9), r"s\.mrcs .*TIFF"),
    Case("an array of numpy", stack(lambda _: b"\x93NUMPY\x01\0" + bytes(range(256)) * 9), r"s\.mrcs .*numpy"),
    Case("zeros", stack(lambda _: bytes(4096)), r"s\.mrcs .*damaged"),
    Case("noise", stack(lambda _: np.random.default_rng(0).bytes(4096)), r"s\.mrcs .*(damaged|truncated|no MRC stack)"),
]  # fmt: skip
OTHERS = [
    Case("SPIDER, truncated", spider(lambda content: content[:-4]), r"s\.stk is truncated: .* 4 images of 8 x 8"),
    Case("SPIDER, a lying number of images", spider(w26=10**9), r"s\.stk is truncated: .* 1000000000 images"),
    Case("SPIDER, no images", spider(w26=0), r"s\.stk says that it holds 0 images.*damaged"),
    Case("SPIDER, not square", spider(w2=16), r"s\.stk holds images of 8 x 16: only square"),
    Case("SPIDER, a volume", spider(w5=3), r"s\.stk .*(no MRC stack|neither|damaged)"),
    Case("SPIDER, a header alone", spider(lambda content: content[:64]), r"s\.stk .*64 bytes"),
    Case("SPIDER, sides of 10^18", spider(w2=1e18, w12=1e18, w13=1, w22=4e18), r"s\.stk says .*damaged"),
    Case("SPIDER, an endless header", spider(w13=1e30, w22=3.2e31), r"s\.stk .*damaged"),
    Case("gzip, damaged", packed(lambda c: gzip.compress(c)[:300] + b"\0" * 50), r"s\.mrcs\.gz is damaged .*copy it a"),
    Case("gzip, cut", packed(lambda c: gzip.compress(c)[:-12]), r"s\.mrcs\.gz is damaged .*copy it again"),
    Case("gzip, a wrong checksum", packed(lambda c: gzip.compress(c)[:-8] + bytes(8)), r"s\.mrcs\.gz is damaged"),
    Case("gzip that is none", packed(lambda c: c), r"s\.mrcs\.gz is damaged .*copy it again"),
    Case("gzip, empty", packed(lambda _: b""), r"s\.mrcs\.gz .*(damaged|empty)"),
    Case("gzip of nothing", packed(lambda _: gzip.compress(b"")), r"s\.mrcs\.gz .*is empty"),
    Case("gzip of text", packed(lambda _: gzip.compress(b"no images " * 300)), r"s\.mrcs\.gz .*(damaged|text)"),
    Case("gzip of a truncated stack", packed(lambda c: gzip.compress(c[:-9])), r"s\.mrcs\.gz unpacks to 2,039 of the"),
    Case("gzip of more than a stack", packed(lambda c: gzip.compress(c + b"x")), r"s\.mrcs\.gz unpacks to more than t"),
    Case("gzip of lying sides", packed(lambda c: gzip.compress(set_word(0, 2**30)(c))), r"s\.mrcs\.gz .*damaged"),
    Case("gzip of SPIDER", stack(lambda _: gzip.compress(make_spider()), name="s.stk.gz"), r"s\.stk\.gz does not unpa"),
    Case("bzip2, damaged", packed(lambda c: bz2.compress(c)[:200] + b"\0" * 50, "s.mrcs.bz2"), r"s\.mrcs\.bz2 is dama"),
    Case("bzip2, cut", packed(lambda c: bz2.compress(c)[:-9], "s.mrcs.bz2"), r"s\.mrcs\.bz2 is damaged .*copy it agai"),
    Case("bzip2 that is gzip", packed(gzip.compress, "s.mrcs.bz2"), r"s\.mrcs\.bz2 is damaged"),
    Case("all images bad", stack(lambda c: c, images=IMAGES * 0), r"a\.star: all 4 images .*bad"),
]  # fmt: skip
CASES = [*MRC, *OTHERS]
