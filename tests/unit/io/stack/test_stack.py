"""Stacks as programs write them: kinds of pixels, byte orders, SPIDER, packed files, and where they are found."""

import bz2
import gzip
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from PIL import Image

from deephemnma.core.error import InputError
from deephemnma.io.stack.location import advise, find_stack
from deephemnma.io.stack.reader import read_images, read_stack_layout
from deephemnma.io.stack.unpacking import CACHE_VARIABLE

COUNT, BOX = 3, 6


@pytest.fixture
def values() -> np.ndarray:
    return np.random.default_rng(0).integers(-100, 100, size=(COUNT, BOX, BOX)).astype(np.float32)


def read_all(path: Path) -> np.ndarray:
    layout = read_stack_layout(path)
    return read_images([layout], np.zeros(layout.count, dtype=int), np.arange(layout.count))


def write_mrc(path: Path, values: np.ndarray, *, order: str = "<") -> Path:
    with mrcfile.new(path) as mrc:
        mrc.set_data(values)
        mrc.set_image_stack()
        mrc.voxel_size = 1.3
    if order == ">":
        with mrcfile.open(path) as mrc:
            header, data = mrc.header.copy(), mrc.data.copy()
        header.machst[:] = 0x11, 0x11, 0, 0
        swapped = header.view(np.recarray).astype(header.dtype.newbyteorder(">"))
        path.write_bytes(swapped.tobytes() + data.astype(data.dtype.newbyteorder(">")).tobytes())
    return path


@pytest.mark.parametrize("kind", ["int8", "int16", "uint16", "float16", "float32"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_every_kind_of_real_pixels_is_read(tmp_path, values, kind, order):
    values = np.abs(values) if kind == "uint16" else values
    path = write_mrc(tmp_path / "a.mrcs", values.astype(kind), order=order)
    found = read_all(path)
    assert found.dtype == np.float32
    assert np.array_equal(found, values)
    assert read_stack_layout(path).pixel_size == 1.3


def write_spider(path: Path, values: np.ndarray, *, order: str = "<") -> Path:
    """A stack as SPIDER's manual describes it: its own header, and one before every image."""
    records = -(-1024 // (4 * BOX))
    words = np.zeros(records * BOX, dtype=f"{order}f4")
    for place, value in {
        1: 1,
        2: BOX,
        3: records + BOX,
        5: 1,
        12: BOX,
        13: records,
        22: 4 * records * BOX,
        23: 4 * BOX,
    }.items():
        words[place - 1] = value
    stack = words.copy()
    stack[23], stack[25] = 2, len(values)
    parts = [stack.tobytes()]
    for number, image in enumerate(values, start=1):
        words[26] = number
        parts += [words.tobytes(), image.astype(f"{order}f4").tobytes()]
    path.write_bytes(b"".join(parts))
    return path


@pytest.mark.parametrize("order", ["<", ">"])
def test_spider_stacks_are_read(tmp_path, values, order):
    path = write_spider(tmp_path / "a.stk", values, order=order)
    assert np.array_equal(read_all(path), values)
    for number in range(COUNT):
        with Image.open(path) as theirs:  # pillow reads them as well, but forgets the count after one step
            theirs.seek(number)
            assert np.array_equal(np.array(theirs), values[number])


def test_an_mrc_stack_may_be_called_stk(tmp_path, values):
    assert np.array_equal(read_all(write_mrc(tmp_path / "a.stk", values)), values)


@pytest.mark.parametrize(("suffix", "pack"), [("gz", gzip.compress), ("bz2", bz2.compress)])
def test_packed_stacks_are_unpacked_once(tmp_path, values, monkeypatch, suffix, pack):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    plain = write_mrc(tmp_path / "a.mrcs", values)
    packed = tmp_path / f"a.mrcs.{suffix}"
    packed.write_bytes(pack(plain.read_bytes()))
    assert np.array_equal(read_all(packed), values)
    (copy,) = (tmp_path / "cache").rglob("a.mrcs")
    before = copy.stat().st_mtime_ns
    assert read_stack_layout(packed).path == copy
    assert copy.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content[:-5], "damaged|unpacks to"),
        (lambda content: gzip.compress(gzip.decompress(content) + b"x"), "unpacks to more than the 1,456 bytes"),
        (lambda content: gzip.compress(gzip.decompress(content)[:-1]), "unpacks to 1,455 of the 1,456 bytes"),
        (lambda content: b"not packed", "damaged"),
    ],
)
def test_damaged_packing_is_told_and_leaves_nothing(tmp_path, values, monkeypatch, change, message):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    plain = write_mrc(tmp_path / "a.mrcs", values)
    packed = tmp_path / "a.mrcs.gz"
    packed.write_bytes(change(gzip.compress(plain.read_bytes())))
    with pytest.raises(InputError, match=message):
        read_stack_layout(packed)
    assert not [each for each in (tmp_path / "cache").rglob("*") if each.is_file()]


def test_names_of_other_programs_lead_to_the_stack(tmp_path):
    (tmp_path / "project/J1").mkdir(parents=True)
    stack = tmp_path / "project/J1/a.mrcs"
    stack.touch()
    table = tmp_path / "project/J24/p.cs"
    assert find_stack(">J1/a.mrcs", table_path=table, datadir=None) == stack
    assert find_stack("J1/a.mrcs:mrcs", table_path=table, datadir=None) == stack
    assert find_stack("elsewhere/a.mrcs", table_path=table, datadir=stack.parent) == stack
    link = tmp_path / "project/J1/linked.mrcs"
    link.symlink_to(stack)
    assert find_stack("J1/linked.mrcs", table_path=table, datadir=None) == link
    assert find_stack("J2/imported/000090334788266266069_a.mrcs", table_path=table, datadir=stack.parent) == stack
    assert find_stack("J1/none.mrcs", table_path=table, datadir=None) is None
    assert find_stack("x" * 5000, table_path=table, datadir=None) is None


def test_the_likely_fix_is_said(tmp_path):
    (tmp_path / "job/images").mkdir(parents=True)
    (tmp_path / "job/images/a.mrcs").touch()
    told = advise("/other/disk/images/a.mrcs", table_path=tmp_path / "job/tables/p.star")
    assert told == f"it may be {tmp_path}/job/images/a.mrcs; name its folder (--datadir {tmp_path}/job/images)."
    assert "give the folder" in advise("b.mrcs", table_path=tmp_path / "job/p.star")


def test_images_come_in_any_order_and_repeated(tmp_path, values):
    layout = read_stack_layout(write_spider(tmp_path / "a.stk", values))
    order = np.array([2, 0, 1, 2, 2, 1])
    assert np.array_equal(layout.read(order), values[order])


def test_a_stack_that_shrinks_while_it_is_read_is_told(tmp_path, values):
    layout = read_stack_layout(write_mrc(tmp_path / "a.mrcs", values))
    layout.path.write_bytes(layout.path.read_bytes()[:-1])
    with pytest.raises(InputError, match="has become shorter"):
        layout.read(np.array([2]))
