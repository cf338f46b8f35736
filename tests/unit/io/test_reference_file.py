from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from deephemnma.core.error import InputError
from deephemnma.core.landscape import Landscape
from deephemnma.core.model import Basis, GaussianModel, Modes
from deephemnma.io.landscape import read_landscape, write_landscape
from deephemnma.io.reference import read_reference, write_reference
from deephemnma.io.table import read_table, write_table


@pytest.fixture
def reference(generator):
    def draw(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    model = GaussianModel(positions=draw(9, 3), weights=draw(9), widths=draw(9), center=torch.tensor([10.0, 20, 30]))
    return model, Modes(draw(4, 9, 3), draw(4), (7, 8, 9, 12))


def test_reference_comes_back(tmp_path, reference):
    write_reference(tmp_path / "modes.npz", *reference)
    model, modes = read_reference(tmp_path / "modes.npz")
    for field in ("positions", "weights", "widths", "center"):
        torch.testing.assert_close(getattr(model, field), getattr(reference[0], field).double())
    assert torch.equal(modes.vectors, reference[1].vectors)
    assert torch.equal(modes.eigenvalues, reference[1].eigenvalues)
    assert modes.numbers == (7, 8, 9, 12)


def test_positions_are_in_the_frame_of_the_file(tmp_path, reference):
    write_reference(tmp_path / "modes.npz", *reference)
    with np.load(tmp_path / "modes.npz") as stored:
        wanted = reference[0].positions + torch.tensor([10.0, 20, 30])
        np.testing.assert_allclose(stored["positions"], wanted.numpy())
        arrays = {name: stored[name] for name in stored.files}
    old = {"positions", "center", "weights", "widths", "vectors", "eigenvalues", "numbers"}
    assert set(arrays) == old | {"basis"}
    np.savez(tmp_path / "old.npz", **{name: arrays[name] for name in old})
    assert read_reference(tmp_path / "old.npz")[1].basis == Basis.NORMAL_MODES


def test_the_basis_comes_back(tmp_path, reference):
    model, modes = reference
    write_reference(tmp_path / "modes.npz", model, replace(modes, basis=Basis.PRINCIPAL_COMPONENTS))
    assert read_reference(tmp_path / "modes.npz")[1].select([7]).basis == Basis.PRINCIPAL_COMPONENTS


def test_equal_references_make_equal_files(tmp_path, reference):
    for name in "ab":
        write_reference(tmp_path / f"{name}.npz", *reference)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_other_files_are_refused(tmp_path, reference):
    with pytest.raises(InputError, match="no such file"):
        read_reference(tmp_path / "modes.npz")
    write_reference(tmp_path / "modes.npz", *reference)
    np.save(tmp_path / "lone.npy", np.zeros(3))
    whole, lone = (tmp_path / "modes.npz").read_bytes(), (tmp_path / "lone.npy").read_bytes()
    for content in (b"text", b"", whole[:-100], lone):
        (tmp_path / "modes.npz").write_bytes(content)
        with pytest.raises(InputError, match=r"cannot be read as modes \(modes.npz\) .*`deephemnma modes`"):
            read_reference(tmp_path / "modes.npz")
    np.savez(tmp_path / "modes.npz", positions=np.zeros((2, 3)))
    with pytest.raises(InputError, match="lacks the array 'center'"):
        read_reference(tmp_path / "modes.npz")


def test_landscape_comes_back(tmp_path, generator):
    landscape = Landscape(
        names=("1@a.mrcs", "2@a.mrcs", "3@a.mrcs"),
        coordinates=torch.randn(3, 2, generator=generator, dtype=torch.float64),
        groups=torch.tensor([0, -1, 4]),
        mean=torch.tensor([1.0, 2, 3], dtype=torch.float64),
        axes=torch.randn(2, 3, generator=generator, dtype=torch.float64),
        explained=torch.tensor([0.7, 0.2], dtype=torch.float64),
        mode_numbers=(7, 8, 11),
    )
    write_landscape(tmp_path / "landscape.parquet", landscape)
    found = read_landscape(tmp_path / "landscape.parquet")
    for field in ("coordinates", "groups", "mean", "axes", "explained"):
        assert torch.equal(getattr(found, field), getattr(landscape, field))
    assert found.names == landscape.names
    assert found.mode_numbers == (7, 8, 11)
    assert read_table(tmp_path / "landscape.parquet").columns.tolist() == ["image", "pc1", "pc2", "group"]


def test_another_table_is_no_landscape(tmp_path):
    write_table(tmp_path / "a.parquet", pd.DataFrame({"image": ["1@a.mrcs"]}))
    with pytest.raises(InputError, match="not a landscape"):
        read_landscape(tmp_path / "a.parquet")
    (tmp_path / "b.parquet").write_text("text")
    for read in (read_landscape, read_table):
        with pytest.raises(InputError, match="cannot be read"):
            read(tmp_path / "b.parquet")
