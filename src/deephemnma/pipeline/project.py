"""A project: all its stages, in order, from one YAML file."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from deephemnma.core.error import InputError
from deephemnma.io.atomic import remove_leftovers, require_file
from deephemnma.pipeline.animate import run_animate
from deephemnma.pipeline.convert import run_convert
from deephemnma.pipeline.estimate import run_estimate
from deephemnma.pipeline.fingerprint import hash_file
from deephemnma.pipeline.fsc import run_fsc
from deephemnma.pipeline.landscape import run_landscape
from deephemnma.pipeline.manifest import NAME, Manifest, read_manifest, tell_time
from deephemnma.pipeline.modes import run_modes
from deephemnma.pipeline.observability import run_observability
from deephemnma.pipeline.predict import run_predict
from deephemnma.pipeline.preflight.stage import run_preflight
from deephemnma.pipeline.prepare import run_prepare
from deephemnma.pipeline.reconstruct import run_reconstruct
from deephemnma.pipeline.refine import run_refine
from deephemnma.pipeline.reporting import run_report
from deephemnma.pipeline.simulate import run_simulate
from deephemnma.pipeline.stage import holds_anything
from deephemnma.pipeline.train import run_train
from deephemnma.settings.build import list_options, make_settings
from deephemnma.settings.stage.animate import AnimateStage
from deephemnma.settings.stage.convert import ConvertStage
from deephemnma.settings.stage.estimate import EstimateStage
from deephemnma.settings.stage.fsc import FscStage
from deephemnma.settings.stage.landscape import LandscapeStage
from deephemnma.settings.stage.modes import ModesStage
from deephemnma.settings.stage.observability import ObservabilityStage
from deephemnma.settings.stage.predict import PredictStage
from deephemnma.settings.stage.preflight import PreflightStage
from deephemnma.settings.stage.prepare import PrepareStage
from deephemnma.settings.stage.reconstruct import ReconstructStage
from deephemnma.settings.stage.refine import RefineStage
from deephemnma.settings.stage.report import ReportStage
from deephemnma.settings.stage.run import RunStage
from deephemnma.settings.stage.simulate import SimulateStage
from deephemnma.settings.stage.train import TrainStage

COMMANDS: dict[str, tuple[type, Callable[..., Path]]] = {
    "modes": (ModesStage, run_modes),
    "observability": (ObservabilityStage, run_observability),
    "simulate": (SimulateStage, run_simulate),
    "preflight": (PreflightStage, run_preflight),
    "prepare": (PrepareStage, run_prepare),
    "estimate": (EstimateStage, run_estimate),
    "train": (TrainStage, run_train),
    "predict": (PredictStage, run_predict),
    "refine": (RefineStage, run_refine),
    "landscape": (LandscapeStage, run_landscape),
    "convert": (ConvertStage, run_convert),
    "animate": (AnimateStage, run_animate),
    "reconstruct": (ReconstructStage, run_reconstruct),
    "fsc": (FscStage, run_fsc),
    "report": (ReportStage, run_report),
}
DATA = Path(__file__).parents[1] / "data"
"""What ships with the package; a project calls it ``$data``."""

Tell = Callable[[str, Path], None]


@dataclass(frozen=True)
class _Step:
    """One stage of a project: its name, command and options as the file has them."""

    name: str
    command: str
    options: dict[str, Any]


def run_project(settings: RunStage, *, output: Path | str, tell: Tell | None = None) -> Path:
    """Run all stages of a project in order, each in a numbered folder; those that are done are skipped.

    Parameters
    ----------
    settings
        Names the YAML file (see the documentation's page on projects).
    output
        Folder of the run, made if absent.
    tell
        Called with the name and folder of each stage when it is done.

    Returns
    -------
    folder : Path
        `output`.

    Raises
    ------
    InputError
        If the file has a mistake; it is checked as a whole before the first stage starts.
    """
    output, config = Path(output), require_file(settings.config, "the YAML file of a project")
    steps = _read_steps(config)
    folders = {step.name: output / f"{number:02d}_{step.name}" for number, step in enumerate(steps, start=1)}
    prepared = [(step, _make_step_settings(step, config, folders)) for step in steps]
    manifest = _start_manifest(config, output)
    for step, stage_settings in prepared:
        _, run = COMMANDS[step.command]
        run(stage_settings, output=folders[step.name])
        if tell is not None:
            tell(step.name, folders[step.name])
    _finish_manifest(manifest, output, folders)
    return output


def _read_steps(config: Path) -> list[_Step]:
    try:
        content = yaml.safe_load(config.read_text(encoding="utf8"))
    except yaml.YAMLError as error:
        raise InputError(f"{config} is not valid YAML: {error}") from None
    if not isinstance(content, dict) or not isinstance(content.get("stages"), dict):
        raise InputError(f"{config} must have a mapping `stages`, name by name in order, and may have `defaults`.")
    unknown = set(content) - {"stages", "defaults"}
    if unknown:
        raise InputError(f"{config} has an entry {sorted(unknown)[0]!r}: it may have `stages` and `defaults` only.")
    defaults = content.get("defaults") or {}
    return [_make_step(str(name), options or {}, defaults, config) for name, options in content["stages"].items()]


def _make_step(name: str, options: dict[str, Any], defaults: dict[str, Any], config: Path) -> _Step:
    options = {str(option).replace("-", "_"): value for option, value in options.items()}
    command = options.pop("command", name)
    if command not in COMMANDS:
        raise InputError(f"{config}, stage {name}: {command!r} is no command; there are {', '.join(COMMANDS)}.")
    known = list_options(COMMANDS[command][0])
    fitting = {option: value for option, value in defaults.items() if option.replace("-", "_") in known}
    return _Step(name, command, fitting | options)


def _make_step_settings(step: _Step, config: Path, folders: dict[str, Path]) -> Any:
    names = list(folders)
    earlier = {name: folders[name] for name in names[: names.index(step.name)]}
    options = {
        name: list(map(str, earlier.values())) if value == "$all" else value for name, value in step.options.items()
    }
    taken = {str(folder) for folder in earlier.values()}

    def resolve_path(text: str) -> Path:
        """Take ``$name`` for the folder of an earlier stage, and other paths relative to the project's file."""
        if text in taken:
            return Path(text)
        if not text.startswith("$"):
            return config.parent / text
        name, *inside = text[1:].split("/")
        places = earlier | {"data": DATA}
        if name not in places:
            raise InputError(
                f"{config}, stage {step.name}: ${name} is no earlier stage; there are {', '.join(places)}."
            )
        return places[name].joinpath(*inside)

    kind, _ = COMMANDS[step.command]
    return make_settings(kind, options, resolve_path=resolve_path, where=f"{config}, stage {step.name}")


def _start_manifest(config: Path, output: Path) -> Manifest:
    earlier = read_manifest(output)
    if earlier is None and holds_anything(output):
        raise InputError(f"--output {output} holds files of something else: choose a new or empty folder.")
    if earlier is not None and earlier.stage != "run":
        raise InputError(f"--output {output} holds the results of `{earlier.stage}`, not of a project.")
    digest = hash_file(config)
    manifest = Manifest(
        stage="run",
        settings={"config": str(config), "text": config.read_text(encoding="utf8")},
        fingerprint=digest,
        inputs={str(config): digest},
        attempts=1 + (earlier.attempts if earlier else 0),
    )
    if earlier is not None:
        manifest.started = earlier.started
    output.mkdir(parents=True, exist_ok=True)
    remove_leftovers(output)
    manifest.write(output)
    return manifest


def _finish_manifest(manifest: Manifest, output: Path, folders: dict[str, Path]) -> None:
    stages = [read_manifest(folder) for folder in folders.values()]
    manifest.status, manifest.finished = "done", tell_time()
    manifest.wall_seconds = sum(stage.wall_seconds for stage in stages)
    manifest.cpu_seconds = sum(stage.cpu_seconds for stage in stages)
    manifest.outputs = [str(folder.relative_to(output) / NAME) for folder in folders.values()]
    manifest.summary = {"stages": ", ".join(folders)}
    manifest.write(output)
