from pathlib import Path

import pytest

from deephemnma.core.error import InputError
from deephemnma.io.atomic import read_json, remove_leftovers, write_beside, write_folder_beside, write_json


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


def test_a_folder_appears_only_when_it_is_whole_and_the_first_one_stays(tmp_path):
    path = tmp_path / "block"
    with write_folder_beside(path) as temporary:
        (temporary / "a").write_text("first")
        assert not path.exists()
    with write_folder_beside(path) as temporary:
        (temporary / "a").write_text("second")
    assert (path / "a").read_text() == "first"
    assert list(tmp_path.iterdir()) == [path]


def test_only_what_was_being_written_is_a_leftover(tmp_path):
    """A user's hidden files, a repository's above all, are no business of ours."""
    kept = [tmp_path / name for name in (".git", ".gitignore", "a.1-00000000.txt", ".env.local")]
    for path in (*kept, tmp_path / "inner"):
        path.mkdir()
    with write_beside(tmp_path / "inner" / "a.txt") as file, write_folder_beside(tmp_path / "b") as folder:
        file.write_text("half")
        remove_leftovers(tmp_path)
        assert not file.exists()
        assert not folder.exists()
        file.touch()
        folder.mkdir()
    assert all(path.exists() for path in kept)


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
