"""STAR text: every value as it stands, and beside a library's reading of the same files."""

import pytest
import starfile

from deephemnma.core.error import InputError
from deephemnma.io.metadata.star_text import parse_star, read_star_blocks, read_version

TABLE = """# version 50001

data_optics

loop_ # comment
_rlnOpticsGroup #1
_rlnMagMat #2
1 [0.068,-1.79]

data_particles

loop_
_rlnImageName #1
_rlnMicrographName #2
_rlnX #3
000001@data_1/a.mrcs   data_2/b.mrc   1.50000000000000000001
2@a#b.mrcs             'with blanks'  -0
# a comment between
3@Åb.mrcs              "it's"         1e5

"""


def parse(text: str) -> dict:
    return {name: table.to_dict("list") for name, table in parse_star(text, source="f").items()}


def test_values_come_as_they_stand():
    found = parse(TABLE)
    assert found["optics"] == {"rlnOpticsGroup": ["1"], "rlnMagMat": ["[0.068,-1.79]"]}
    assert found["particles"]["rlnImageName"] == ["000001@data_1/a.mrcs", "2@a#b.mrcs", "3@Åb.mrcs"]
    assert found["particles"]["rlnMicrographName"] == ["data_2/b.mrc", "with blanks", "it's"]
    assert found["particles"]["rlnX"] == ["1.50000000000000000001", "-0", "1e5"]


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_line_ends_of_other_systems_do_not_matter(tmp_path, end):
    path = tmp_path / "a.star"
    path.write_bytes(b"\xef\xbb\xbf" + TABLE.replace("\n", end).encode())
    assert {name: table.to_dict("list") for name, table in read_star_blocks(path).items()} == parse(TABLE)
    assert read_version(path) == "50001"


def test_pairs_are_a_table_of_one_row():
    assert parse("data_general\n\n_rlnA   1\n_rlnB 'x y'\n") == {"general": {"rlnA": ["1"], "rlnB": ["x y"]}}


def test_a_table_may_be_empty_and_another_follow():
    found = parse("data_a\n\nloop_\n_x\n_y\n\ndata_b\nloop_\n_z\n1\n")
    assert found == {"a": {"x": [], "y": []}, "b": {"z": ["1"]}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nothing", "no line of it begins a table"),
        ("data_\nloop_\n_a\n_b\n1 2\n3\n5 6\n", r"row 2 \(line 6\) has 1 values, but there are 2 columns"),
        ("data_\nloop_\n_a\n_b\n1 2 3\n4 5 6\n", r"row 1 \(line 5\) has 3 values"),
        ("data_\nloop_\n_a\n_b\n\n# x\n1 2\n\n'3 4\n5 6 7\n", r"row 3 \(line 10\) has 3 values"),
        ("data_\nloop_\n_a\n_a\n1 2\n", "has the column a twice"),
        ("data_\nloop_\n_a\n1\ndata_\nloop_\n_a\n1\n", "line 5: a second table data_;"),
        ("data_\n_a 1\nx y\n", "line 3: wanted a name and its value"),
    ],
)
def test_mistakes_are_told_by_their_line(text, message):
    with pytest.raises(InputError, match=message):
        parse_star(text, source="f")


@pytest.mark.shared_data
def test_tables_are_those_that_a_library_reads(shared_data):
    paths = sorted((shared_data / "metadata").glob("*.star"))
    assert len(paths) > 20
    for path in paths:
        ours, theirs = read_star_blocks(path), starfile.read(path, always_dict=True)
        for name, table in theirs.items():
            columns = list(table.columns) if hasattr(table, "columns") else list(table)
            assert list(ours[name].columns) == columns
            if hasattr(table, "columns"):
                numbers = [column for column in columns if table[column].dtype.kind in "if"]
                assert len(ours[name]) == len(table)
                assert (ours[name][numbers].astype(float).to_numpy() == table[numbers].to_numpy()).all()
