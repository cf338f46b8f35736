"""The rules of the house that no other tool checks: sizes, and what must not stand in a source file."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60
SOURCES = sorted((ROOT / "src").rglob("*.py"))
ALL = SOURCES + sorted((ROOT / "tests").rglob("*.py")) + sorted((ROOT / "benchmarks").rglob("*.py"))


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def find_long_functions(source: str) -> list[str]:
    """Return "name: lines" of every function over the budget."""
    nodes = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    lengths = ((node.name, node.end_lineno - node.lineno + 1) for node in nodes)
    return [f"{name}: {lines}" for name, lines in lengths if lines > MAX_FUNCTION_LINES]


@pytest.mark.parametrize("path", ALL, ids=_name)
def test_file_keeps_to_the_size_budget(path: Path) -> None:
    source = path.read_text(encoding="utf8")
    assert len(source.splitlines()) <= MAX_FILE_LINES
    assert find_long_functions(source) == []


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_annotations_are_evaluated(path: Path) -> None:
    """Postponed annotations hide shapes from the shape checker."""
    assert "from __future__ import annotations" not in path.read_text(encoding="utf8")


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_module_is_a_singular_noun_with_a_docstring(path: Path) -> None:
    assert path.stem not in {"utils", "util", "helpers", "misc", "common_utils"}
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf8")))
    assert docstring is not None
    assert len(docstring) > 5


def test_every_folder_of_the_package_has_tests() -> None:
    packages = {path.parent.name for path in (ROOT / "src" / "deephemnma").glob("*/__init__.py")}
    tested = {path.parent.name for path in (ROOT / "tests" / "unit").glob("*/test_*.py")}
    assert packages - tested == set()


def test_the_size_test_can_fail() -> None:
    long_function = "def f():\n" + "    x = 1\n" * MAX_FUNCTION_LINES
    assert find_long_functions(long_function) == [f"f: {MAX_FUNCTION_LINES + 1}"]
