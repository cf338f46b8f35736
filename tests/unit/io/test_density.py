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


def test_voxels_that_are_not_cubes_are_refused(tmp_path):
    def stretch(header):
        header.cella.z = 7

    def slant(header):
        header.cellb.gamma = 120

    _write(tmp_path / "a.mrc", np.zeros((3, 3, 3), np.float32), change=stretch)
    with pytest.raises(InputError, match="only cubic"):
        read_map(tmp_path / "a.mrc")
    _write(tmp_path / "a.mrc", np.zeros((3, 3, 3), np.float32), change=slant)
    with pytest.raises(InputError, match="right angles"):
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
    with pytest.raises(InputError, match=r"cut\.mrc"):
        read_map(tmp_path / "cut.mrc")


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
