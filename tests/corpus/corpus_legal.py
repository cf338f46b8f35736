"""Odd inputs that are in order: each is read like the plain one."""

import bz2
import gzip
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import mrcfile
import numpy as np
from corpus_case import IMAGES, OLD_STAR, STAR, check, edit, write_bytes, write_stack
from corpus_cryosparc import particles, retype
from corpus_parameter import CISTEM, PAR, XMD, named, par
from corpus_stack import make_spider, set_word, stack
from mrcfile.dtypes import HEADER_DTYPE


@dataclass(frozen=True)
class Legal:
    """An input that is read; `build` returns the command line, `images` are the pixels that it must give."""

    name: str
    build: Callable[[Path], list[str]]
    images: np.ndarray = field(default_factory=lambda: IMAGES)


def text(content: str | bytes, *, name: str = "a.star", stack_name: str = "s.mrcs") -> Callable[[Path], list[str]]:
    """Write a star file and the stack that it names."""

    def build(folder: Path) -> list[str]:
        write_stack(write_bytes(folder / stack_name, b""))
        return check(write_bytes(folder / name, content if isinstance(content, bytes) else content.encode()))

    return build


def renamed(name: str) -> Callable[[Path], list[str]]:
    """Give the stack another name."""
    return text(edit(STAR, ("@s.mrcs", f"@{name}")), stack_name=name)


def quoted(mark: str) -> str:
    return "\n".join(
        f"{mark}{line.split()[0]}{mark} {' '.join(line.split()[1:])}" if "@" in line else line
        for line in STAR.split("\n")
    )


def absolute(folder: Path) -> list[str]:
    write_stack(write_bytes(folder / "elsewhere" / "s.mrcs", b""))
    return check(write_bytes(folder / "a.star", edit(STAR, ("@s.mrcs", f"@{folder}/elsewhere/s.mrcs")).encode()))


def from_below(name: str) -> Callable[[Path], list[str]]:
    """Put the star file two folders below the stack."""

    def build(folder: Path) -> list[str]:
        write_stack(folder / "s.mrcs")
        return check(write_bytes(folder / "Refine3D" / "job1" / "a.star", edit(STAR, ("@s.mrcs", f"@{name}")).encode()))

    return build


def linked(folder: Path) -> list[str]:
    write_stack(folder / "t.mrcs")
    (folder / "s.mrcs").symlink_to("t.mrcs")
    return check(write_bytes(folder / "a.star", STAR.encode()))


def by_datadir(folder: Path) -> list[str]:
    write_stack(write_bytes(folder / "b" / "s.mrcs", b""))
    return check(write_bytes(folder / "a" / "a.star", STAR.encode()), "--datadir", str(folder / "b"))


def swap(content: bytes, *, with_stamp: bool) -> bytes:
    """Write the numbers of a stack in the other byte order, with the machine stamp of that order or the old one."""
    header = np.frombuffer(content[:1024], dtype=HEADER_DTYPE.newbyteorder("<"))
    swapped = header.astype(HEADER_DTYPE.newbyteorder(">"))
    if with_stamp:
        swapped["machst"] = [0x11, 0x11, 0, 0]
    return swapped.tobytes() + np.frombuffer(content[1024:], dtype="<f4").astype(">f4").tobytes()


def extend(content: bytes) -> bytes:
    return set_word(23, 160)(content[:1024]) + b"x" * 160 + content[1024:]


def as_type(kind: str, images: np.ndarray = IMAGES) -> Callable[[Path], list[str]]:
    return stack(lambda content: content, images=images.astype(kind))


def spider(kind: str) -> Callable[[Path], list[str]]:
    return stack(lambda _: np.frombuffer(make_spider(), "<f4").astype(kind).tobytes(), name="s.stk")


def add_many(table: np.ndarray) -> np.ndarray:
    """Add fields until the header is longer than numpy reads by itself."""
    more = [(f"alignments_class_{number}/cross_cor", "<f4") for number in range(300)]
    new = np.zeros(len(table), dtype=[*table.dtype.descr, *more])
    for name in table.dtype.names:
        new[name] = table[name]
    return new


def volume(folder: Path) -> list[str]:
    """Write the stack as a volume without a word that it is a stack, and without the letters MAP."""
    with mrcfile.new(folder / "s.mrcs") as mrc:
        mrc.set_data(IMAGES)
        mrc.header.map = b"\0\0\0\0"
    return check(write_bytes(folder / "a.star", STAR.encode()))


COMMENTED = STAR.replace("000003@", "\n# between\n\n   # more\n000003@").replace("loop_", "loop_  # of rows")
SHUFFLED = "\n".join(
    " ".join([*line.split()[1:], line.split()[0]]) if "@" in line else line
    for line in edit(
        STAR, ("_rlnImageName #1\n", ""), ("_rlnOpticsGroup #10", "_rlnOpticsGroup #10\n_rlnImageName")
    ).split("\n")
)
PIXELS = edit(STAR, ("OriginXAngst", "OriginX"), ("OriginYAngst", "OriginY"))
ODD_NUMBERS = edit(STAR, ("12001.0", "1.2001E+04"), ("12002.0", "+12002"), ("12003.0", ".12003e5"), ("31.0", "31."))
NOT_GROUPED = edit(STAR, ("_rlnOpticsGroup #10", "_rlnOther #10"))
BLANK_LINES = STAR.replace("\n", "\n\n").replace(" ", "   ")

CASES = [
    Legal("Windows line ends", text(STAR.replace("\n", "\r\n"))),
    Legal("old Macintosh line ends", text(STAR.replace("\n", "\r"))),
    Legal("mixed line ends", text(STAR.replace("1\n0", "1\r\n0"))),
    Legal("a byte-order mark", text(b"\xef\xbb\xbf" + STAR.encode())),
    Legal("tabs", text(STAR.replace(" ", "\t"))),
    Legal("no final newline", text(STAR.rstrip("\n"))),
    Legal("no first blank line", text(STAR.lstrip("\n"))),
    Legal("more blanks and blank lines", text(BLANK_LINES)),
    Legal("blanks at both ends", text(STAR.replace("\n", "  \n\t "))),
    Legal("comments", text(COMMENTED)),
    Legal("bytes of Latin 1 in a comment", text(STAR.encode() + b"\n# \xc5ngstr\xf6m\n")),
    Legal("single quotes", text(quoted("'"))),
    Legal("double quotes", text(quoted('"'))),
    Legal("columns in another order", text(SHUFFLED)),
    Legal("heads without numbers", text(edit(STAR, *((f" #{n}\n", "\n") for n in range(10, 0, -1))))),
    Legal("numbers in other spellings", text(ODD_NUMBERS)),
    Legal("one optics group that no particle names", text(NOT_GROUPED)),
    Legal("no optics groups", text(OLD_STAR)),
    Legal("origins in pixels", text(PIXELS)),
    Legal("another table beside", text(STAR + "\ndata_movies\nloop_\n_rlnMovie\na\n")),
    Legal("an empty table beside", text(STAR + "\ndata_empty\n\ndata_none\nloop_\n_rlnX\n")),
    Legal("a name in large letters", text(STAR, name="A.STAR")),
    Legal("a table packed with gzip", text(gzip.compress(STAR.encode()), name="a.star.gz")),
    Legal("a table packed in two members", text(gzip.compress(STAR[:300].encode()) + gzip.compress(STAR[300:].encode()),
          name="a.star.gz")),
    Legal("a table packed with bzip2", text(bz2.compress(STAR.encode()), name="a.star.bz2")),
    Legal("another alphabet", renamed("Ångström_粒子.mrcs")),
    Legal("blanks in a name", text(quoted("'").replace("@s.mrcs", "@my stack.mrcs"), stack_name="my stack.mrcs")),
    Legal("a blank of no break in a name", renamed("my\u00a0stack.mrcs")),
    Legal("a name that begins like a table", renamed("data_1/data_s.mrcs")),
    Legal("a comment's sign in a name", renamed("a#b.mrcs")),
    Legal("an at sign in a folder", renamed("a@b/s.mrcs")),
    Legal("a name like an option", renamed("-o.mrcs")),
    Legal("a name with dots", renamed("a.b..mrcs")),
    Legal("image numbers without zeros", text(edit(STAR, ("00000", "")))),
    Legal("image numbers with more zeros", text(edit(STAR, ("00000", "00000000")))),
    Legal("an absolute path", absolute),
    Legal("a path up", from_below("../../s.mrcs")),
    Legal("a path from the project's folder", from_below("s.mrcs")),
    Legal("a path that wanders", from_below("../job1/../../s.mrcs")),
    Legal("a linked stack", linked),
    Legal("a folder of images", by_datadir),
    Legal("big-endian", stack(lambda content: swap(content, with_stamp=True))),
    Legal("big-endian with a wrong machine stamp", stack(lambda content: swap(content, with_stamp=False))),
    Legal("bytes", as_type("i1")),
    Legal("short integers", as_type("i2")),
    Legal("unsigned short integers", as_type("u2", IMAGES + 100), IMAGES + 100),
    Legal("half precision", as_type("f2")),
    Legal("an extended header", stack(extend)),
    Legal("more bytes than promised", stack(lambda content: content + b"more")),
    Legal("a volume in place of a stack", volume),
    Legal("a stack of .mrc", stack(lambda content: content, name="s.mrc")),
    Legal("a stack in large letters", stack(lambda content: content, name="S.MRCS")),
    Legal("a stack packed with gzip", stack(gzip.compress, name="s.mrcs.gz")),
    Legal("a stack packed with bzip2", stack(bz2.compress, name="s.mrcs.bz2")),
    Legal("SPIDER", spider("<f4")),
    Legal("SPIDER, big-endian", spider(">f4")),
    Legal("an MRC stack by the name of .stk", stack(lambda content: content, name="s.stk")),
    Legal("Xmipp", named("a.xmd", XMD)),
    Legal("Xmipp with kinds of files", named("a.xmd", XMD.replace("s.mrcs", "s.mrcs:mrcs"))),
    Legal("Xmipp by the name of .star", named("a.star", XMD)),
    Legal("FREALIGN", par(PAR)),
    Legal("FREALIGN with Windows line ends", par(PAR.replace("\n", "\r\n"))),
    Legal("cisTEM", named("a.star", CISTEM)),
    Legal("cisTEM packed", lambda folder: [*named("a.star", CISTEM)(folder)[:2],
          str(write_bytes(folder / "b.star.gz", gzip.compress(CISTEM.encode())))]),
    Legal("cryoSPARC", particles(lambda table: table)),
    Legal("cryoSPARC without uid", particles(retype("uid", None))),
    Legal("cryoSPARC with names in UTF-16", particles(lambda table: retype("blob/path", "U20", ">s.mrcs")(table))),
    Legal("cryoSPARC, big-endian", particles(lambda table: table.astype(table.dtype.newbyteorder(">")))),
    Legal("cryoSPARC with very many fields", particles(add_many)),
    Legal("cryoSPARC with dark protein", particles(lambda table: retype("blob/sign", "<f4", -1)(table)), -IMAGES),
]  # fmt: skip
