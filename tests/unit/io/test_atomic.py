from pathlib import Path

import pytest

from deephemnma.core.error import InputError
from deephemnma.io.atomic import read_json, write_beside, write_json


def test_a_file_appears_only_when_it_is_whole(tmp_path):
    path = tmp_path / "new" / "a.txt"
    with write_beside(path) as temporary:
        temporary.write_text("whole")
        assert temporary.parent == path.parent
        assert temporary.suffix == ".txt"
        assert not path.exists()
    assert path.read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]


def _write_half(path: Path) -> None:
    with write_beside(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError("stop")


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError, match="stop"):
        _write_half(path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_json_comes_back(tmp_path):
    write_json(tmp_path / "a.json", {"a": [1, 2.5, None], "path": Path("b")})
    assert read_json(tmp_path / "a.json") == {"a": [1, 2.5, None], "path": "b"}


def test_a_missing_or_damaged_json_file_is_told(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_json(tmp_path / "a.json")
    with pytest.raises(InputError, match="a folder stands there"):
        read_json(tmp_path)
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(InputError, match="not valid JSON"):
        read_json(tmp_path / "a.json")
