"""Checks of the stages' own options."""

from pathlib import Path

import pytest

from deephemnma.core.error import InputError
from deephemnma.settings.check import check_at_least, check_between, check_one_of, check_positive
from deephemnma.settings.network import NetworkOptions
from deephemnma.settings.pseudoatom import PseudoatomOptions
from deephemnma.settings.stage.prepare import PrepareStage
from deephemnma.settings.stage.reference import ReferenceOptions
from deephemnma.settings.stage.simulate import ConformationOptions, ImageOptions, SimulateStage
from deephemnma.settings.stage.train import TrainStage
from deephemnma.settings.train import TRAIN_PRESETS, TrainSettings

R = Path("r")


def test_checks_name_the_option_and_the_value() -> None:
    with pytest.raises(InputError, match="--x must be greater than 0, but 0"):
        check_positive("--x", 0)
    with pytest.raises(InputError, match="--x must be 3 or more, but 2"):
        check_at_least("--x", 2, 3)
    with pytest.raises(InputError, match="--x must lie between 0 and 1, but nan"):
        check_between("--x", float("nan"), 0, 1)
    with pytest.raises(InputError, match="--x must be one of a, b, but 'c'"):
        check_one_of("--x", "c", ("a", "b"))


@pytest.mark.parametrize(
    "make",
    [
        lambda: ImageOptions(snr=0.0),
        lambda: ImageOptions(noise_before_ctf=1.1),
        lambda: ImageOptions(box_size=4),
        lambda: ImageOptions(box_size=200_000),
        lambda: PrepareStage(R, box_size=200_000),
        lambda: PseudoatomOptions(target_error=1.0),
        lambda: NetworkOptions(relative_cutoff=0.0),
        lambda: NetworkOptions(cutoff=8.0, relative_cutoff=95.0),
        lambda: NetworkOptions(relative_cutoff=100.5),
        lambda: ImageOptions(b_factor=-1.0),
        lambda: ImageOptions(contrast_spread=1.0),
        lambda: ImageOptions(noise_floor=2.0),
        lambda: NetworkOptions(cutoff=-1.0),
        lambda: NetworkOptions(n_modes=6),
        lambda: PrepareStage(R, pixel_size=0.0),
        lambda: PrepareStage(R, workers=-1),
        lambda: SimulateStage(ReferenceOptions(R), conformation=ConformationOptions(distribution="models")),
        lambda: SimulateStage(ReferenceOptions(R), conformation=ConformationOptions(models=R)),
        lambda: SimulateStage(ReferenceOptions(R), count=0),
    ],
)
def test_values_out_of_range_are_refused(make) -> None:
    with pytest.raises(InputError, match="--"):
        make()


def test_rigid_means_no_modes() -> None:
    assert ReferenceOptions(R, modes="").mode_numbers == ()


def test_a_preset_is_the_start_and_set_options_count_over_it() -> None:
    stage = TrainStage(R, R, ReferenceOptions(R), preset="paper", training=TrainSettings(dropout=0.2))
    resolved = stage.resolve_training()
    assert resolved.dropout == 0.2
    assert resolved.backbone == TRAIN_PRESETS["paper"].backbone != TrainSettings().backbone
