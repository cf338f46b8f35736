"""Small data sets that several stages are tried on."""

from collections.abc import Callable
from pathlib import Path

import pytest

from deephemnma.pipeline.modes import run_modes
from deephemnma.pipeline.simulate import run_simulate
from deephemnma.settings.build import make_settings
from deephemnma.settings.stage.modes import ModesStage
from deephemnma.settings.stage.simulate import SimulateStage


@pytest.fixture(scope="session")
def make_bead_set(tmp_path_factory, adenylate_kinase_path) -> Callable[..., Path]:
    """Make a folder with the modes of adenylate kinase's beads (`modes`) and `count` images of it (`set`)."""

    def make(kind, output: Path, run: Callable, **options) -> None:
        run(make_settings(kind, options, resolve_path=Path, where="test"), output=output)

    def make_set(*, count: int, snr: float) -> Path:
        folder = tmp_path_factory.mktemp("beads")
        make(
            ModesStage, folder / "modes", run_modes,
            reference=str(adenylate_kinase_path), sites="ca", cutoff=10, width=2.5, n_modes=8, animation_frames=3,
        )  # fmt: skip
        make(
            SimulateStage, folder / "set", run_simulate,
            reference=str(folder / "modes"), modes="7-8", count=count, box_size=32, pixel_size=2.6, snr=snr,
            distribution="normal", amplitude_scale=15, seed=3,
        )  # fmt: skip
        return folder

    return make_set
