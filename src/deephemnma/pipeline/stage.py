"""What every stage has in common: a folder, a manifest, and skipping what is done."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from deephemnma.core.error import InputError
from deephemnma.io.atomic import is_leftover, remove_leftovers
from deephemnma.io.vectors import list_vector_files
from deephemnma.pipeline.fingerprint import describe_settings, find_input_paths, hash_file, make_fingerprint
from deephemnma.pipeline.manifest import NAME, Manifest, Stopwatch, read_manifest, tell_time
from deephemnma.pipeline.note import collect_notes

BLOCKS = "blocks"


class StageFolder:
    """The folder of a stage that is under way.

    Parameters
    ----------
    path
        The folder.
    manifest
        Its record; kept up to date on disk.
    """

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.path = path
        self.manifest = manifest
        self._stopwatch = Stopwatch(manifest)

    @property
    def blocks(self) -> Path:
        """Where finished blocks wait for the others."""
        return self.path / BLOCKS

    def save(self, *, process: int | None = None, cpu_seconds: float = 0.0) -> None:
        """Write the manifest with the time spent so far, counting what another `process` has used."""
        if process is not None:
            self._stopwatch.note_process(process, cpu_seconds)
        self._stopwatch.update()
        self.manifest.write(self.path)

    def list_outputs(self) -> list[str]:
        """Return the files made so far, relative to the folder."""
        files = (path.relative_to(self.path) for path in self.path.rglob("*") if path.is_file())
        return sorted(str(file) for file in files if str(file) != NAME and file.parts[0] != BLOCKS)


Body = Callable[[Any, StageFolder], dict[str, Any]]


def run_stage(name: str, settings: Any, *, output: Path | str, body: Body) -> Path:
    """Run `body` in the folder `output`, unless the same settings and inputs have been through it already.

    Parameters
    ----------
    name
        Of the command.
    settings
        The stage's dataclass.
    output
        Folder, made if absent; may hold an earlier run of the same command.
    body
        Writes the results into the folder and returns the summary.

    Returns
    -------
    folder : Path
        `output`.
    """
    output = Path(output)
    inputs = _hash_inputs(settings)
    manifest = Manifest(
        stage=name, settings=describe_settings(settings), fingerprint="", inputs=inputs, seed=_find_seed(settings)
    )
    manifest.fingerprint = make_fingerprint(name, settings, version=manifest.version, inputs=inputs)
    earlier = _check_folder(output, name)
    if earlier is not None and earlier.fingerprint == manifest.fingerprint:
        if earlier.status == "done" and all((output / file).exists() for file in earlier.outputs):
            return output
        _inherit(manifest, earlier)
    elif earlier is not None:
        _remove_results(output, earlier)
    remove_leftovers(output)
    _run(StageFolder(output, manifest), settings, body)
    return output


def holds_anything(folder: Path) -> bool:
    """Return whether a folder holds anything, but for what a killed run was writing."""
    return folder.exists() and not all(map(is_leftover, folder.iterdir()))


def _run(stage: StageFolder, settings: Any, body: Body) -> None:
    manifest = stage.manifest
    manifest.attempts += 1
    _make_folder(stage)
    try:
        with collect_notes() as notes:
            summary = body(settings, stage)
        manifest.summary = notes | summary
    except BaseException:
        manifest.status = "failed"
        stage.save()
        raise
    manifest.status, manifest.finished, manifest.outputs = "done", tell_time(), stage.list_outputs()
    stage.save()
    shutil.rmtree(stage.blocks, ignore_errors=True)


def _make_folder(stage: StageFolder) -> None:
    """Make the folder and begin its record, or say why that cannot be."""
    try:
        stage.path.mkdir(parents=True, exist_ok=True)
        stage.save()
    except OSError as error:
        raise InputError(
            f"--output {stage.path} cannot be written ({error.strerror or error}): choose a folder that you may write, "
            "on a disk with room."
        ) from None


def _inherit(manifest: Manifest, earlier: Manifest) -> None:
    manifest.started, manifest.attempts = earlier.started, earlier.attempts
    manifest.wall_seconds, manifest.cpu_seconds = earlier.wall_seconds, earlier.cpu_seconds


def _check_folder(output: Path, name: str) -> Manifest | None:
    """Return the manifest of an earlier run; refuse a folder that holds something else."""
    if output.exists() and not output.is_dir():
        raise InputError(f"--output wants a folder, but {output} is a file: choose another name.")
    earlier = read_manifest(output)
    if earlier is None and holds_anything(output):
        raise InputError(f"--output {output} holds files of something else: choose a new or empty folder.")
    if earlier is not None and earlier.stage != name:
        raise InputError(
            f"--output {output} holds the results of `{earlier.stage}`, not of `{name}`: choose another folder."
        )
    return earlier


def _remove_results(output: Path, earlier: Manifest) -> None:
    """Remove what an earlier run with other settings or inputs wrote, of which no part must be taken over.

    A finished run has a list of its files, and whatever else the user put there stays. An unfinished one has none, but
    its folder was empty when it began.
    """
    if earlier.status != "done":
        for path in output.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        return
    shutil.rmtree(output / BLOCKS, ignore_errors=True)
    for file in earlier.outputs:
        (output / file).unlink(missing_ok=True)


def _hash_inputs(settings: Any) -> dict[str, str]:
    return {str(path): _hash_input(path) for path in find_input_paths(settings)}


def _hash_input(path: Path) -> str:
    """Hash a file, with the fingerprint of the stage that made it: a star file does not tell what its images are."""
    if not path.exists():
        raise InputError(f"There is no {path}: check the path (it is taken relative to the current folder).")
    if files := list_vector_files(path):
        return "+".join(f"{each.name} {hash_file(each)}" for each in files)
    folder = path if path.is_dir() else path.parent
    manifest = read_manifest(folder)
    if path.is_dir():
        if manifest is None or manifest.status != "done":
            raise InputError(f"{path} is a folder without a finished stage: name a file, or finish the stage first.")
        return manifest.fingerprint
    return hash_file(path) + (f"+{manifest.fingerprint}" if manifest else "")


def _find_seed(settings: Any) -> int | None:
    return getattr(settings, "seed", None)
