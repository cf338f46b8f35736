"""Files that are not where or what they should be, and command lines."""

import os
from collections.abc import Callable
from pathlib import Path

from corpus_case import IMAGES, OLD_STAR, STAR, Build, Case, check, edit, edited, star, write_bytes, write_stack


def odd_file(make: Callable[[Path], object], *, name: str = "a.star") -> Build:
    """Make a case whose file of particles is no plain file."""

    def build(folder: Path) -> list[str]:
        make(folder / name)
        return check(folder / name)

    return build


def odd_stack(make: Callable[[Path], object]) -> Build:
    def build(folder: Path) -> list[str]:
        make(folder / "s.mrcs")
        return check(write_bytes(folder / "a.star", STAR.encode()))

    return build


def loop(path: Path) -> None:
    path.symlink_to(path.name)


def dangle(path: Path) -> None:
    path.symlink_to("none")


def command(*words: str, text: str = STAR) -> Build:
    """Make a case of a command line, in which {} stands for the folder of a sound set."""

    def build(folder: Path) -> list[str]:
        star(text)(folder)
        return [word.replace("{}", str(folder)) for word in words]

    return build


def many_missing(folder: Path) -> list[str]:
    """Name 100,000 particles of one stack that is not there."""
    head = OLD_STAR[: OLD_STAR.index("000001@")]
    rows = (f"{n:06d}@t.mrcs 300.0 2.7 0.1 12001.0 11001.0 45.0 100000 13.0" for n in range(1, 100_001))
    return check(write_bytes(folder / "a.star", (head + "\n".join(rows)).encode()))


def many_stacks(folder: Path) -> list[str]:
    """Name 5,000 stacks that are not there."""
    head = OLD_STAR[: OLD_STAR.index("000001@")]
    rows = (f"1@t{n}.mrcs 300.0 2.7 0.1 12001.0 11001.0 45.0 100000 13.0" for n in range(5_000))
    return check(write_bytes(folder / "a.star", (head + "\n".join(rows)).encode()))


def two_boxes(folder: Path) -> list[str]:
    write_stack(folder / "s.mrcs")
    write_stack(folder / "t.mrcs", IMAGES[:, :6, :6].copy())
    text = edit(OLD_STAR, ("000003@s.mrcs", "3@t.mrcs"))
    path = write_bytes(folder / "a.star", text.encode())
    return ["estimate", "--particles", str(path), "--reference", str(path), "--modes", "7", "-o", str(folder / "out")]


PLACES = [
    Case("no such file", lambda folder: check(folder / "none.star"), r"Wanted a file of particles .*none\.star, but t"),
    Case("a folder without particles", lambda folder: check(folder), r" holds no particles\.star or .*name the file"),
    Case("a folder by the name of a star file", odd_file(Path.mkdir), r"a\.star holds no particles\.star"),
    Case("a pipe", odd_file(os.mkfifo), r"Wanted a file of particles .*a\.star, but a pipe .*stands there"),
    Case("a pipe of a .cs", odd_file(os.mkfifo, name="a.cs"), r"a\.cs, but a pipe .*stands there"),
    Case("a device", lambda folder: check(Path("/dev/zero")), r"/dev/zero, but a (pipe|device).*stands there"),
    Case("a link to itself", odd_file(loop), r"Wanted .*a\.star, but a link .*leads nowhere"),
    Case("a link to nothing", odd_file(dangle), r"Wanted .*a\.star, but a link .*leads nowhere"),
    Case("a stack that is a link to itself", odd_stack(loop), r"1 of the 1 stacks .*a\.star .*'?s\.mrcs.*leads nowher"),
    Case("a stack that is a link to nothing", odd_stack(dangle), r"1 of the 1 stacks .*s\.mrcs.*leads nowhere"),
    Case("a stack that is a folder", odd_stack(Path.mkdir), r"1 of the 1 stacks .*s\.mrcs.*folder stands there"),
    Case("a stack that is a pipe", odd_stack(os.mkfifo), r"1 of the 1 stacks .*s\.mrcs.*pipe .*stands there"),
    Case("a stack that is a device", edited(("@s.mrcs", "@/dev/zero")), r"1 of the 1 stacks .*/dev/zero.*stands there"),
    Case("a stack for particles", lambda folder: check(write_stack(folder / "s.mrcs")), r"s\.mrcs is an image stack"),
    Case("a map for particles", lambda folder: check(write_stack(folder / "s.mrc")), r"s\.mrc is an image stack or a"),
    Case("a packed stack for particles", lambda folder: check(write_bytes(folder / "s.mrcs.gz", b"x")), r"s\.mrcs\.gz"),
    Case("a structure for particles", lambda folder: check(write_bytes(folder / "a.pdb", b"ATOM")), r"a\.pdb is an at"),
    Case("a name too long", lambda folder: check(folder / ("n" * 300 + ".star")), r"n{300}\.star"),
    Case("a name with NUL", lambda folder: check(Path(f"{folder}/a\0.star")), r"Wanted a file of particles"),
    Case("100,000 particles of a missing stack", many_missing, r"1 of the 1 stacks that .*a\.star names .*t\.mrcs"),
    Case("5,000 missing stacks", many_stacks, r"5,?000 of the 5,?000 stacks that .*a\.star names .*t0\.mrcs"),
]  # fmt: skip
COMMANDS = [
    Case("no folder of images", command("check", "--particles", "{}/a.star", "--datadir", "{}/x"), r"no folder .*/x"),
    Case("a file for a folder of images", command("check", "--particles", "{}/a.star", "--datadir", "{}/a.star"),
         r"no folder .*/a\.star.*--datadir"),
    Case("a sample below 0", command("check", "--particles", "{}/a.star", "--sample", "-1"), r"--sample"),
    Case("a sample of text", command("check", "--particles", "{}/a.star", "--sample", "x"), r"--sample .*number"),
    Case("no particles named", command("check"), r"--particles"),
    Case("an option that is none", command("check", "--particles", "{}/a.star", "--bogus", "1"), r"--bogus"),
    Case("a passthrough of a star file", command("check", "--particles", "{}/a.star", "--passthrough", "{}/a.cs"),
         r"--passthrough goes with a \.cs file.*a\.star"),
    Case("classes of a star file", command("check", "--particles", "{}/a.star", "--class-parameters", "{}/b.par"),
         r"--class-parameters goes with a \.par file.*a\.star"),
    Case("pixel size 0", command("check", "--particles", "{}/a.star", "--pixel-size", "0"), r"--pixel-size"),
    Case("pixel size nan", command("check", "--particles", "{}/a.star", "--pixel-size", "nan"), r"--pixel-size"),
    Case("a form that is none", command("convert", "--particles", "{}/a.star", "--format", "csv", "-o", "{}/out"), r""),
    Case("convert, a stack that is not there", command("convert", "--particles", "{}/a.star", "-o", "{}/out",
         text=edit(OLD_STAR, ("@s.mrcs", "@t.mrcs"))), r"a\.star names the stack 't\.mrcs', which was not found"),
    Case("convert, a truncated table", command("convert", "--particles", "{}/a.star", "-o", "{}/out", text=STAR[:-20]),
         r"a\.star, data_particles: row 4"),
    Case("convert, estimates that are none", command("convert", "--particles", "{}/a.star", "--estimates", "{}/s.mrcs",
         "-o", "{}/out"), r"s\.mrcs"),
    Case("prepare, a broken number", command("prepare", "--particles", "{}/a.star", "-o", "{}/out",
         text=edit(STAR, ("12003.0", "1_2"))), r"a\.star, particle 3: rlnDefocusU is '1_2'"),
    Case("estimate, a broken number", command("estimate", "--particles", "{}/a.star", "--reference", "{}/a.pdb",
         "--modes", "7", "-o", "{}/out", text=edit(STAR, ("12003.0", "1_2"))), r"a\.(star, particle 3|pdb)"),
    Case("landscape, a status that is none", command("landscape", "--estimates", "{}/a.star", "-o", "{}/out",
         text=edit(STAR, ("_rlnDefocusAngle", "_deephemnmaStatus"))), r"a\.star, row 1: the status is '45.0'"),
    Case("landscape, a score of text", command("landscape", "--estimates", "{}/a.star", "-o", "{}/out",
         text=edit(STAR, ("_rlnDefocusAngle", "_deephemnmaScore"), ("45.0", "high"))), r"a\.star, particle 1: .*Score"),
    Case("landscape, a mode of other digits", command("landscape", "--estimates", "{}/a.star", "-o", "{}/out",
         text=edit(STAR, ("_rlnDefocusAngle", "_deephemnmaAmplitude²"))), r"a\.star|mode"),
    Case("landscape, particles without angles", command("landscape", "--estimates", "{}/a.star", "-o", "{}/out",
         text=OLD_STAR), r"a\.star has no angles"),
    Case("two boxes where one is wanted", two_boxes, r"a\.star"),
]  # fmt: skip
CASES = [*PLACES, *COMMANDS]
