"""Files that promise or pack more than there is: little memory, little time, and one line."""

import gzip
import json
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from corpus_case import STAR, check, edit, write_bytes, write_stack
from corpus_cryosparc import lie
from corpus_stack import set_word

PIECE = 1 << 24
PIECES = 130
"""Together more than 2 GB."""
LARGEST_GROWTH = 300 << 10
"""KiB."""
# Each command line in a process of its own would be slow; what one process took at most is the most of any of them.
RUN = """
import json, resource, sys
from deephemnma.cli.main import main
from pathlib import Path

def measure_peak():  # KiB; on Linux ru_maxrss is that of the process that started this one, where that is more
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))

warm, *commands = json.loads(sys.stdin.read())
main(warm)
before = measure_peak()
for command in commands:
    code = main(command)
    print("RESULT", code, measure_peak() - before, flush=True)
"""


def make_bomb(content: bytes, head: bytes = b"") -> bytes:
    """Pack `head` and then more than 2 GB of `content`, one packed piece many times."""
    assert len(content) == PIECE
    return gzip.compress(head) + gzip.compress(content) * PIECES


def bomb_table(content: bytes, head: bytes = b""):
    return lambda folder: check(write_bytes(folder / "a.star.gz", make_bomb(content, head)))


def bomb_stack(images: int):
    """Pack zeros behind a header that asks for so many images of 4096 pixels."""

    def build(folder: Path) -> list[str]:
        header = write_stack(folder / "s.mrcs").read_bytes()[:1024]
        for place, value in ((0, 4096), (1, 4096), (2, images)):
            header = set_word(place, value)(header)
        write_bytes(folder / "s.mrcs.gz", make_bomb(bytes(PIECE), header))
        return check(write_bytes(folder / "a.star", edit(STAR, ("@s.mrcs", "@s.mrcs.gz")).encode()))

    return build


def bomb_zeros(folder: Path) -> list[str]:
    write_bytes(folder / "s.mrcs.gz", make_bomb(bytes(PIECE)))
    return check(write_bytes(folder / "a.star", edit(STAR, ("@s.mrcs", "@s.mrcs.gz")).encode()))


def promise_extended(folder: Path) -> list[str]:
    stack = write_stack(folder / "s.mrcs")
    write_bytes(stack, set_word(23, 2**31 - 1)(stack.read_bytes()))
    return check(write_bytes(folder / "a.star", STAR.encode()))


def promise_map(folder: Path) -> list[str]:
    path = write_stack(folder / "m.mrc")
    write_bytes(path, set_word(23, 2**31 - 1)(path.read_bytes()))
    return ["modes", str(path), "-o", str(folder / "out")]


def promise_rows(rows: int):
    return lambda folder: check(write_bytes(folder / "a.cs", lie(rows)(folder)))


def sparse(name: str):
    """Make 64 GB of nothing."""

    def build(folder: Path) -> list[str]:
        with (folder / name).open("wb") as stream:
            stream.truncate(64 << 30)
        return check(folder / name)

    return build


def compressed_table(folder: Path) -> list[str]:
    """Promise gigabytes in cryoSPARC's own format."""
    return check(write_bytes(folder / "a.cs", b"\x94CSDAT" + np.full(99, 2**31 - 1, "<u4").tobytes()))


CASES = {
    "zeros packed as a table": (bomb_table(bytes(PIECE)), r"a.star.gz holds binary data"),
    "lines packed as a table": (bomb_table(b"\n" * PIECE), "a.star.gz unpacks to more than"),
    "rows packed as a table": (
        bomb_table((b"1@s.mrcs 1.0 2.0\n" * (PIECE // 17 + 1))[:PIECE], b"data_\nloop_\n_rlnImageName\n_rlnA\n_rlnB\n"),
        "a.star.gz unpacks to more than",
    ),
    "zeros packed as 4 images": (bomb_stack(4), "s.mrcs.gz unpacks to"),
    "zeros packed as 30 images": (bomb_stack(30), "s.mrcs.gz unpacks to 2,013,266,944 bytes, more than 200 times"),
    "zeros without a header": (bomb_zeros, "s.mrcs.gz does not unpack to an MRC stack"),
    "2 GB of extended header": (promise_extended, "s.mrcs is truncated"),
    "2 GB of extended header of a map": (promise_map, "m.mrc holds 2,048 bytes, less than the extended header"),
    "10^12 rows": (promise_rows(10**12), "a.cs cannot be read as a .cs file"),
    "10^30 rows": (promise_rows(10**30), "a.cs cannot be read as a .cs file"),
    "64 GB of nothing as a table": (sparse("a.star"), "a.star holds binary data"),
    "64 GB of nothing as parameters": (sparse("a.par"), "a.par "),
    "64 GB of nothing as .cs": (sparse("a.cs"), "a.cs cannot be read as a .cs file"),
    "a compressed table": (compressed_table, "a.cs "),
}


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> list[tuple[str, str]]:
    """Of each case: what was printed as its result, and the line of its mistake."""
    folders = [tmp_path_factory.mktemp("bomb") for _ in CASES]
    commands = [build(folder) for (build, _), folder in zip(CASES.values(), folders, strict=True)]
    plain = tmp_path_factory.mktemp("plain")
    write_stack(plain / "s.mrcs")
    warm = check(write_bytes(plain / "a.star", STAR.encode()))
    run = subprocess.run(
        [sys.executable, "-c", RUN], input=json.dumps([warm, *commands]), capture_output=True, text=True, timeout=120
    )
    told = [line for line in run.stderr.splitlines() if line.startswith("deephemnma")]
    counted = [line for line in run.stdout.splitlines() if line.startswith("RESULT")]
    assert len(told) == len(counted) == len(CASES), run.stderr[-2000:]
    return list(zip(counted, told, strict=True))


@pytest.mark.parametrize("number", range(len(CASES)), ids=list(CASES))
def test_what_promises_too_much_is_refused_without_memory(results, number):
    result, line = results[number]
    _, code, growth = result.split()
    assert code == "2", line
    assert list(CASES.values())[number][1] in line
    assert int(growth) < LARGEST_GROWTH


def test_the_bomb_is_one():
    packed = make_bomb(bytes(PIECE))
    assert len(packed) < 3 << 20
    assert len(zlib.decompress(gzip.compress(bytes(PIECE)), wbits=31)) * PIECES > 2 << 30
