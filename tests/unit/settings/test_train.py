import pytest

from deephemnma.core.error import InputError
from deephemnma.settings.predict import PredictSettings
from deephemnma.settings.train import TRAIN_PRESETS, TrainSettings


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"network_box": 31}, "--network-box"),
        ({"batch_size": 1}, "--batch-size"),
        ({"learning_rate": 0.0}, "--learning-rate"),
        ({"dropout": 1.0}, "--dropout"),
        ({"n_epochs": 3}, "--n-epochs needs"),
        ({"targets": "separate", "backbone": "resnet34"}, "--targets separate needs"),
        ({"rotation": "quaternion"}, "--backbone polar needs"),
    ],
)
def test_options_that_cannot_be_are_named(options, message):
    with pytest.raises(InputError, match=message):
        TrainSettings(**options)


def test_the_papers_preset_is_the_papers():
    paper = TRAIN_PRESETS["paper"]
    assert (paper.backbone, paper.targets, paper.rotation, paper.loss) == ("resnet34", "separate", "quaternion", "l1")
    assert (paper.learning_rate, paper.weight_decay, paper.batch_size) == (1e-5, 1e-5, 2)
    assert (paper.n_epochs, paper.dropout, paper.schedule) == (400, 0.5, "steps")
    assert TRAIN_PRESETS["default"] == TrainSettings()


def test_prediction_takes_at_least_one():
    with pytest.raises(InputError, match="--n-hypotheses"):
        PredictSettings(n_hypotheses=0)
