"""The run folder: what is skipped, what is repeated, what is refused."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from deephemnma.core.error import InputError
from deephemnma.pipeline.fingerprint import find_input_paths, hash_file
from deephemnma.pipeline.manifest import read_manifest
from deephemnma.pipeline.stage import StageFolder, run_stage


@dataclass(frozen=True)
class Settings:
    source: Path
    factor: int = 1
    workers: int = 1
    seed: int = 7


class Body:
    """Counts its calls; fails when told to."""

    def __init__(self) -> None:
        self.calls = 0
        self.failure: BaseException | None = None

    def __call__(self, settings: Settings, stage: StageFolder) -> dict[str, int]:
        self.calls += 1
        stage.blocks.mkdir(exist_ok=True)
        (stage.blocks / f"{self.calls}").touch()
        if self.failure is not None:
            raise self.failure
        (stage.path / f"factor_{settings.factor}.txt").touch()
        (stage.path / "result.txt").write_text(settings.source.read_text() * settings.factor)
        return {"answer": 42}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source.txt"
    path.write_text("abc")
    return path


def test_manifest_tells_all(source: Path, tmp_path: Path) -> None:
    folder = run_stage("x", Settings(source), output=tmp_path / "out", body=Body())
    manifest = read_manifest(folder)
    assert manifest.status == "done"
    assert manifest.settings == {"source": str(source), "factor": 1, "workers": 1, "seed": 7}
    assert manifest.inputs == {str(source): hash_file(source)}
    assert manifest.outputs == ["factor_1.txt", "result.txt"]
    assert manifest.summary == {"answer": 42}
    assert manifest.seed == 7
    assert manifest.wall_seconds > 0
    assert manifest.attempts == 1
    assert all((manifest.version, manifest.host, manifest.started, manifest.finished))
    assert not (folder / "blocks").exists()


@pytest.mark.parametrize("workers", [1, 8])
def test_alike_is_skipped_whatever_the_workers(source: Path, tmp_path: Path, workers: int) -> None:
    body = Body()
    run_stage("x", Settings(source), output=tmp_path / "out", body=body)
    run_stage("x", Settings(source, workers=workers), output=tmp_path / "out", body=body)
    assert body.calls == 1


def test_other_settings_or_inputs_are_done_anew_without_the_earlier_results(source: Path, tmp_path: Path) -> None:
    body, out = Body(), tmp_path / "out"
    run_stage("x", Settings(source), output=out, body=body)
    run_stage("x", Settings(source, factor=2), output=out, body=body)
    assert body.calls == 2
    assert (out / "result.txt").read_text() == "abcabc"
    assert not (out / "factor_1.txt").exists()
    source.write_text("d")
    run_stage("x", Settings(source, factor=2), output=out, body=body)
    assert (out / "result.txt").read_text() == "dd"


def test_what_the_user_put_beside_finished_results_stays(source: Path, tmp_path: Path) -> None:
    body, output = Body(), tmp_path / "out"
    run_stage("estimate", Settings(source), output=output, body=body)
    (output / "my_notes.txt").write_text("keep")
    run_stage("estimate", Settings(source, factor=2), output=output, body=body)
    assert (output / "my_notes.txt").read_text() == "keep"
    assert (output / "result.txt").read_text() == "abcabc"


def test_the_same_content_elsewhere_is_alike(source: Path, tmp_path: Path) -> None:
    body, copy = Body(), tmp_path / "copy.txt"
    copy.write_bytes(source.read_bytes())
    run_stage("x", Settings(source), output=tmp_path / "out", body=body)
    run_stage("x", Settings(copy), output=tmp_path / "out", body=body)
    assert body.calls == 1


def test_a_lost_output_is_made_again(source: Path, tmp_path: Path) -> None:
    body, out = Body(), tmp_path / "out"
    run_stage("x", Settings(source), output=out, body=body)
    (out / "result.txt").unlink()
    run_stage("x", Settings(source), output=out, body=body)
    assert body.calls == 2
    assert (out / "result.txt").exists()


def test_an_interruption_keeps_blocks_and_adds_times(source: Path, tmp_path: Path) -> None:
    body, out = Body(), tmp_path / "out"
    body.failure = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        run_stage("x", Settings(source), output=out, body=body)
    first = read_manifest(out)
    assert first.status == "failed"
    assert (out / "blocks" / "1").exists()
    (out / ".half.1-0123abcd.txt").touch()
    body.failure = None
    run_stage("x", Settings(source), output=out, body=body)
    second = read_manifest(out)
    assert second.attempts == 2
    assert second.wall_seconds > first.wall_seconds
    assert second.started == first.started
    assert not (out / ".half.1-0123abcd.txt").exists()


def test_folders_of_something_else_are_refused(source: Path, tmp_path: Path) -> None:
    run_stage("x", Settings(source), output=tmp_path / "out", body=Body())
    with pytest.raises(InputError, match="results of `x`, not of `y`"):
        run_stage("y", Settings(source), output=tmp_path / "out", body=Body())
    with pytest.raises(InputError, match="holds files of something else"):
        run_stage("x", Settings(source), output=tmp_path, body=Body())
    with pytest.raises(InputError, match="is a file"):
        run_stage("x", Settings(source), output=source, body=Body())
    assert source.exists()


def test_a_hidden_folder_of_the_user_is_refused_and_a_half_written_file_is_not(source: Path, tmp_path: Path) -> None:
    (tmp_path / "mine" / ".git").mkdir(parents=True)
    with pytest.raises(InputError, match="holds files of something else"):
        run_stage("x", Settings(source), output=tmp_path / "mine", body=Body())
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / ".manifest.1-0123abcd.json").touch()
    run_stage("x", Settings(source), output=tmp_path / "ours", body=Body())
    assert not list((tmp_path / "ours").glob(".*"))


def test_inputs_must_be_there(source: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"There is no .*absent"):
        run_stage("x", Settings(tmp_path / "absent"), output=tmp_path / "out", body=Body())
    with pytest.raises(InputError, match="without a finished stage"):
        run_stage("x", Settings(tmp_path), output=tmp_path / "out", body=Body())
    assert not (tmp_path / "out").exists()


def test_a_stage_folder_as_input_counts_by_its_fingerprint(source: Path, tmp_path: Path) -> None:
    body, first = Body(), tmp_path / "first"
    run_stage("x", Settings(source), output=first, body=Body())
    run_stage("y", Settings(source=first / "result.txt"), output=tmp_path / "second", body=body)
    run_stage("x", Settings(source, seed=8), output=first, body=Body())
    run_stage("y", Settings(source=first / "result.txt"), output=tmp_path / "second", body=body)
    assert body.calls == 2


def test_all_paths_among_settings_are_found(source: Path) -> None:
    @dataclass(frozen=True)
    class Nested:
        inner: Settings
        more: tuple[Path, ...]

    assert find_input_paths(Nested(Settings(source), (Path("a"), Path("b")))) == [source, Path("a"), Path("b")]


def test_the_folder_in_which_to_look_for_images_is_no_input(source: Path) -> None:
    @dataclass(frozen=True)
    class WithPlace:
        source: Path
        datadir: Path | None

    assert find_input_paths(WithPlace(source, source.parent)) == [source]


def test_an_output_that_cannot_be_made_is_a_sentence(source: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match=r"--output .*file/out cannot be written \(Not a directory\)"):
        run_stage("x", Settings(source), output=tmp_path / "file" / "out", body=Body())
