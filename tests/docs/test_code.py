"""Code in the documentation runs: Python as it stands, commands through the command line, projects as YAML."""

import re
import shlex
import shutil
from pathlib import Path

import pytest

from deephemnma.cli.main import main
from deephemnma.pipeline.project import run_project
from deephemnma.settings.stage.run import RunStage

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```", flags=re.MULTILINE | re.DOTALL)
NOT_RUN = "not-run:"


def list_blocks(page: Path, language: str) -> list[str]:
    """Return the blocks of a language; one that says why it is not run is left out."""
    found = FENCE.findall(page.read_text(encoding="utf8"))
    return [code for kind, rest, code in found if kind == language and NOT_RUN not in rest]


def list_pages(language: str) -> list[Path]:
    return [page for page in PAGES if list_blocks(page, language)]


@pytest.fixture(autouse=True)
def in_a_folder_with_the_structure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, adenylate_kinase_path: Path
) -> None:
    shutil.copy(adenylate_kinase_path, tmp_path)
    monkeypatch.chdir(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("page", list_pages("python"), ids=lambda page: page.name)
def test_python_runs(page: Path) -> None:
    names: dict[str, object] = {}
    for code in list_blocks(page, "python"):
        exec(compile(code, str(page), "exec"), names)


@pytest.mark.slow
@pytest.mark.parametrize("page", list_pages("bash"), ids=lambda page: page.name)
def test_commands_run(page: Path) -> None:
    for line in "".join(list_blocks(page, "bash")).splitlines():
        program, *arguments = shlex.split(line, comments=True)
        assert program == "deephemnma"
        assert main(arguments) == 0


@pytest.mark.slow
@pytest.mark.parametrize("page", list_pages("yaml"), ids=lambda page: page.name)
def test_projects_run(page: Path, tmp_path: Path) -> None:
    for number, text in enumerate(list_blocks(page, "yaml")):
        file = tmp_path / f"project_{number}.yaml"
        file.write_text(text)
        run_project(RunStage(file), output=tmp_path / f"run_{number}")


def test_a_reason_is_given_for_what_does_not_run() -> None:
    reasons = [rest for page in PAGES for _, rest, _ in FENCE.findall(page.read_text(encoding="utf8")) if rest.strip()]
    assert all(re.search(rf"{NOT_RUN} \w+", rest) for rest in reasons)


def test_links_between_pages_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf8")):
            assert (page.parent / target).exists() or target.startswith("docs/images"), f"{page.name}: {target}"


def test_every_decision_is_in_the_index() -> None:
    folder = ROOT / "docs" / "decisions"
    index = (folder / "index.md").read_text(encoding="utf8")
    assert [path.name for path in sorted(folder.glob("0*.md")) if f"({path.name})" not in index] == []


def test_demo_is_a_valid_project(tmp_path: Path) -> None:
    """All settings are made before the first stage starts, which fails here for want of its structure."""
    text = (ROOT / "examples" / "demo.yaml").read_text(encoding="utf8")
    (tmp_path / "demo.yaml").write_text(text.replace("$data/4ake_chain_a.pdb", "absent.pdb"))
    with pytest.raises(Exception, match=r"There is no .*absent\.pdb"):
        run_project(RunStage(tmp_path / "demo.yaml"), output=tmp_path / "run")
