import bz2
import gzip

import mrcfile
import numpy as np
import pytest
import torch

from deephemnma.core.error import InputError
from deephemnma.core.structure import DensityMap
from deephemnma.io.density import read_map, write_map


@pytest.fixture
def density(generator):
    return DensityMap(
        values=torch.randn(5, 6, 7, generator=generator),
        voxel_size=1.35,
        origin=torch.tensor([1.5, -2.0, 30.25], dtype=torch.float64),
        source="a.mrc",
    )


def _write(path, values, *, change=None):
    with mrcfile.new(path, overwrite=True) as mrc:
        mrc.set_data(values)
        mrc.set_volume()
        mrc.voxel_size = 2.0
        if change is not None:
            change(mrc.header)


def test_maps_come_back(tmp_path, density):
    write_map(tmp_path / "a.mrc", density)
    found = read_map(tmp_path / "a.mrc")
    assert torch.equal(found.values, density.values)
    assert found.voxel_size == 1.35
    assert torch.equal(found.origin, density.origin)
    assert found.source == "a.mrc"


def test_equal_maps_make_equal_files(tmp_path, density):
    for name in "ab":
        write_map(tmp_path / name, density)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert mrcfile.validate(tmp_path / "a")


@pytest.mark.parametrize("axes", [(1, 2, 3), (3, 2, 1), (2, 1, 3), (3, 1, 2), (2, 3, 1)])
def test_any_axis_order_gives_the_same_map(tmp_path, density, axes):
    # `axes` says which of x y z runs along columns, rows, sections.
    stored = density.values.numpy().transpose([3 - axis for axis in axes[::-1]])
    starts = {1: 10, 2: 20, 3: 30}

    def change(header):
        header.mapc, header.mapr, header.maps = axes
        header.mx, header.my, header.mz = 7, 6, 5
        header.cella.x, header.cella.y, header.cella.z = 14, 12, 10
        header.nxstart, header.nystart, header.nzstart = (starts[axis] for axis in axes)

    _write(tmp_path / "a.mrc", np.ascontiguousarray(stored), change=change)
    found = read_map(tmp_path / "a.mrc")
    assert torch.equal(found.values, density.values)
    assert found.voxel_size == 2.0
    assert found.origin.tolist() == [20, 40, 60]


def test_the_origin_field_goes_before_the_start(tmp_path):
    def change(header):
        header.nxstart = 5
        header.origin.y = 7

    _write(tmp_path / "a.mrc", np.zeros((3, 3, 3), np.float32), change=change)
    assert read_map(tmp_path / "a.mrc").origin.tolist() == [0, 7, 0]


def test_integers_are_read(tmp_path):
    values = np.arange(-13, 14, dtype=np.int8).reshape(3, 3, 3)
    _write(tmp_path / "a.mrc", values)
    found = read_map(tmp_path / "a.mrc").values
    assert found.dtype == torch.float32
    assert torch.equal(found, torch.from_numpy(values).float())


def test_an_unknown_voxel_size_is_refused(tmp_path):
    def change(header):
        header.cella.x = header.cella.y = header.cella.z = 0

    _write(tmp_path / "a.mrc", np.zeros((3, 3, 3), np.float32), change=change)
    with pytest.raises(InputError, match="gives no voxel size"):
        read_map(tmp_path / "a.mrc")


def test_the_voxel_size_may_be_stated(tmp_path):
    def change(header):
        header.cella.x = header.cella.y = header.cella.z = 0
        header.nxstart = 3

    _write(tmp_path / "a.mrc", np.zeros((3, 3, 3), np.float32), change=change)
    found = read_map(tmp_path / "a.mrc", voxel_size=1.5)
    assert found.voxel_size == 1.5
    assert found.origin.tolist() == [4.5, 0, 0]


def test_voxels_that_are_not_cubes_become_cubes(tmp_path):
    """A wave of known length keeps it, and voxel (0, 0, 0) its place."""
    z, y, x = np.meshgrid(np.arange(20) * 2.5, np.arange(24) * 2.0, np.arange(22) * 2.2, indexing="ij")

    def make(z, y, x):
        return (np.cos(2 * np.pi * z / 25) + np.sin(2 * np.pi * x / 22 + y / 10)).astype(np.float32)

    def change(header):
        header.cella.x, header.cella.y, header.cella.z = 22 * 2.2, 24 * 2.0, 20 * 2.5
        header.nxstart, header.nystart, header.nzstart = 1, 2, 3

    _write(tmp_path / "a.mrc", make(z, y, x), change=change)
    found = read_map(tmp_path / "a.mrc")
    assert found.voxel_size == pytest.approx(2.0)
    assert tuple(found.values.shape) == (24, 24, 24)
    assert found.origin.tolist() == pytest.approx([2.2, 4.0, 7.5], abs=1e-5)
    assert "resampled to cubic voxels of 2 A" in found.source
    grid = np.meshgrid(*[np.arange(24) * 2.0] * 3, indexing="ij")
    assert np.abs(found.values.numpy() - make(*grid))[3:-3, 3:-3, 3:-3].max() < 0.01


def test_little_differences_of_the_sides_are_rounding(tmp_path):
    def change(header):
        header.cella.z = 6.002

    _write(tmp_path / "a.mrc", np.zeros((3, 3, 3), np.float32), change=change)
    assert read_map(tmp_path / "a.mrc").source == "a.mrc"


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.float32, np.uint16, np.float16])
@pytest.mark.parametrize("order", ["<", ">"])
def test_modes_of_either_byte_order_are_read(tmp_path, dtype, order):
    values = np.arange(100, 124).reshape(2, 3, 4).astype(dtype)
    _write(tmp_path / "a.mrc", values)
    if order == ">":
        with mrcfile.open(tmp_path / "a.mrc") as mrc:
            header, data = mrc.header.copy(), mrc.data.copy()
        swapped = header.byteswap()  # text and flags are bytes, and stay
        swapped["machst"] = [17, 17, 0, 0]
        swapped["map"], swapped["exttyp"] = header["map"], header["exttyp"]
        (tmp_path / "a.mrc").write_bytes(swapped.tobytes() + data.byteswap().tobytes())
    found = read_map(tmp_path / "a.mrc")
    assert torch.equal(found.values, torch.arange(100, 124).reshape(2, 3, 4).float())
    assert found.voxel_size == 2.0


@pytest.mark.parametrize("suffix", ["gz", "bz2"])
def test_compressed_maps_are_read(tmp_path, suffix):
    _write(tmp_path / "a.mrc", np.arange(27, dtype=np.float32).reshape(3, 3, 3))
    squeeze = {"gz": gzip.compress, "bz2": bz2.compress}[suffix]
    content = squeeze((tmp_path / "a.mrc").read_bytes())
    (tmp_path / f"a.mrc.{suffix}").write_bytes(content)
    assert torch.equal(read_map(tmp_path / f"a.mrc.{suffix}").values, read_map(tmp_path / "a.mrc").values)
    (tmp_path / f"half.mrc.{suffix}").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=rf"half\.mrc\.{suffix}"):
        read_map(tmp_path / f"half.mrc.{suffix}")


def test_an_extended_header_is_skipped(tmp_path):
    with mrcfile.new(tmp_path / "a.mrc") as mrc:
        mrc.set_data(np.full((3, 4, 5), 2, np.float32))
        mrc.voxel_size = 1.0
        mrc.set_extended_header(np.frombuffer(b"x" * 160, dtype="V80"))
    assert (read_map(tmp_path / "a.mrc").values == 2).all()


def test_bytes_of_imod_are_unsigned_where_it_says_so(tmp_path):
    def change(header):
        extra = bytearray(header.extra2.tobytes())
        extra[40:48] = np.array([1146047817, 0], dtype="<i4").tobytes()
        header.extra2 = np.void(bytes(extra))

    _write(tmp_path / "a.mrc", np.full((3, 3, 3), -1, np.int8), change=change)
    assert (read_map(tmp_path / "a.mrc").values == 255).all()


def _slant(header):
    header.cellb.gamma = 120


def _flatten(header):
    header.cella.z = 13


def _forget_axes(header):
    header.mapc = 3


def _stack(header):
    header.ispg, header.mz = 0, 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_slant, "right angles"),
        (_flatten, "no side is more than twice another"),
        (_forget_axes, "names its axes"),
        (_stack, "stack of 3 images"),
    ],
)
def test_odd_headers_are_refused(tmp_path, change, words):
    _write(tmp_path / "a.mrc", np.zeros((3, 3, 3), np.float32), change=change)
    with pytest.raises(InputError, match=rf"a\.mrc .*{words}"):
        read_map(tmp_path / "a.mrc")


@pytest.mark.filterwarnings("ignore::RuntimeWarning:mrcfile", "ignore::RuntimeWarning:numpy")
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_voxels_that_are_no_numbers_are_refused(tmp_path, value):
    values = np.zeros((3, 4, 5), np.float32)
    values[1, 2, 3] = value
    _write(tmp_path / "a.mrc", values)
    with pytest.raises(InputError, match=r"1 voxels that are not finite numbers, the first at x y z \(3, 2, 1\)"):
        read_map(tmp_path / "a.mrc")


def test_transforms_are_refused(tmp_path):
    _write(tmp_path / "a.mrc", np.zeros((3, 3, 3), np.complex64))
    with pytest.raises(InputError, match=r"mode 4.*a transform"):
        read_map(tmp_path / "a.mrc")


def test_what_is_not_a_map_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_map(tmp_path / "none.mrc")
    (tmp_path / "text.mrc").write_text("not a map")
    with pytest.raises(InputError, match=r"text\.mrc"):
        read_map(tmp_path / "text.mrc")
    with mrcfile.new(tmp_path / "image.mrc") as mrc:
        mrc.set_data(np.zeros((4, 4), np.float32))
    with pytest.raises(InputError, match="three-dimensional"):
        read_map(tmp_path / "image.mrc")
    _write(tmp_path / "whole.mrc", np.zeros((3, 3, 3), np.float32))
    (tmp_path / "cut.mrc").write_bytes((tmp_path / "whole.mrc").read_bytes()[:-20])
    with pytest.raises(InputError, match=r"cut\.mrc holds 1,112 bytes of the 1,132 .*truncated"):
        read_map(tmp_path / "cut.mrc")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a.mrcs", "an image stack"),
        ("a.stk", "an image stack"),
        ("a.pdb", "an atomic model"),
        ("a.cif.gz", "an atomic"),
    ],
)
def test_files_of_another_kind_are_called_by_it(tmp_path, name, words):
    (tmp_path / name).write_text("any content")
    with pytest.raises(InputError, match=words):
        read_map(tmp_path / name)


def test_few_square_sections_without_voxel_size_look_like_images(tmp_path):
    def change(header):
        header.cella.x = header.cella.y = header.cella.z = 0

    _write(tmp_path / "a.mrc", np.zeros((3, 24, 24), np.float32), change=change)
    with pytest.raises(InputError, match="looks like a stack of 3 images of 24 x 24"):
        read_map(tmp_path / "a.mrc")
    assert read_map(tmp_path / "a.mrc", voxel_size=2.0).values.shape == (3, 24, 24)


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("name", "shape", "voxel_size", "origin"),
    [
        ("beta_galactosidase_3.54A.mrc", (100, 100, 100), 3.54, [0, 0, 0]),
        ("emd_1155.ccp4", (281, 91, 141), 16.4, [0, 0, 0]),
        ("EMD-3197.map", (20, 20, 20), 11.4, [-22.8, 0, 0]),
        ("emd_1883.map.mrc", (70, 70, 70), 3.71, [0, 0, 0]),
    ],
)
def test_shared_maps_are_read(shared_data, name, shape, voxel_size, origin):
    found = read_map(shared_data / "maps" / name)
    assert tuple(found.values.shape) == shape
    assert found.voxel_size == pytest.approx(voxel_size, abs=1e-5)
    assert found.origin.tolist() == pytest.approx(origin, abs=1e-4)
    assert found.values.std() > 0
