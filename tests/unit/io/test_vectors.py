"""Files of displacement vectors."""

from pathlib import Path

import pytest
import torch

from deephemnma.core.error import InputError
from deephemnma.io.vectors import read_vectors

ROWS = ((" 1.5D-01 0.25 -1", "2 0 1e-3"), ("3 3 3", "0 0 -0.5"))
EXPECTED = torch.tensor([[[0.15, 0.25, -1], [2, 0, 1e-3]], [[3, 3, 3], [0, 0, -0.5]]], dtype=torch.float64)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, rows in zip((10, 9), ROWS, strict=True):
        (tmp_path / f"vec.{number}").write_text("\n".join(rows) + "\n")
    (tmp_path / "vec_ani.pkl").write_text("not a vector")
    return tmp_path


def test_elnemos_eigenfacs(tmp_path: Path) -> None:
    path = tmp_path / "matrix.eigenfacs"
    blocks = (
        f" VECTOR    {number}       VALUE  {value}\n {35 * '-'}\n" + "\n".join(rows)
        for number, value, rows in zip((7, 8), ("0.1814", "4.6D-01"), ROWS, strict=True)
    )
    path.write_text("\n".join(blocks) + "\n")
    found = read_vectors(path)
    assert torch.equal(found.vectors, EXPECTED)
    assert found.numbers == (7, 8)
    assert found.eigenvalues.tolist() == [0.1814, 0.46]
    path.write_text(path.read_text().rstrip().rpartition("\n")[0])
    with pytest.raises(InputError, match="vector 8 has 1 sites, but vector 7 has 2: the file is cut short"):
        read_vectors(path)


def test_a_folder_of_vec_files_in_the_order_of_their_numbers(folder: Path) -> None:
    found = read_vectors(folder)
    assert found.numbers == (9, 10)
    assert torch.equal(found.vectors, EXPECTED.flip(0))
    assert found.eigenvalues.isnan().all()
    assert read_vectors(folder / "vec.10").numbers == (10,)


def test_xmipps_metadata_takes_the_enabled_modes(folder: Path) -> None:
    (folder / "modes").mkdir()
    for name in ("vec.9", "vec.10"):
        (folder / name).rename(folder / "modes" / name)
    path = folder / "modes.xmd"
    head = (
        "# XMIPP_STAR_1 * \n# \ndata_noname\nloop_\n _enabled\n _nmaCollectivity\n _nmaModefile\n _nmaScore\n _order_\n"
    )
    rows = "-1 0.4 Runs/000123_ProtNMA/modes/vec.9 0.1 9\n1 0.5 Runs/000123_ProtNMA/modes/vec.10 0.2 10\n"
    path.write_text(head + rows)
    found = read_vectors(path)
    assert found.numbers == (10,)
    assert torch.equal(found.vectors, EXPECTED[:1])
    path.write_text(head + rows.replace("vec.10", "vec.11"))
    with pytest.raises(InputError, match=r"row 2, names Runs/000123_ProtNMA/modes/vec\.11, which is neither there nor"):
        read_vectors(path)


def test_prodys_nmd(tmp_path: Path) -> None:
    path = tmp_path / "anm.nmd"
    flat = [" ".join(f"{value:g}" for value in vector.flatten().tolist()) for vector in EXPECTED]
    path.write_text(f"title x\nnames CA CA\ncoordinates 0 0 0 3.8 0 0\nmode 3 2.0 {flat[0]}\nmode {flat[1]}\n")
    found = read_vectors(path)
    assert found.numbers == (3, 2)
    assert found.eigenvalues[0] == 0.25
    assert found.eigenvalues[1].isnan()
    assert torch.equal(found.vectors, EXPECTED)
    assert found.positions is not None
    assert found.positions.tolist() == [[0, 0, 0], [3.8, 0, 0]]
    path.write_text("coordinates 0 0 0 3.8 0 0\nmode 1 1.0 1 2 3\n")
    with pytest.raises(InputError, match="mode 1 has 5 numbers for 6 coordinates"):
        read_vectors(path)


@pytest.mark.parametrize(
    ("content", "message"), [("1 2 3\n4 5\n", "site 2 of a vector"), ("1 2 x\n", "not a number"), ("", "site 1")]
)
def test_what_is_no_vector_is_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "vec.7"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        read_vectors(path)


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_text("1 2 3\n")
    with pytest.raises(InputError, match="no file of vectors that is known"):
        read_vectors(path)
    with pytest.raises(InputError, match=r"no files vec\.7"):
        read_vectors(tmp_path)
