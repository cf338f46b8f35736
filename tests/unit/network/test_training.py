import csv
from dataclasses import replace

import pytest
import torch

from deephemnma.core.error import InputError
from deephemnma.core.particle import ImageSource
from deephemnma.network.checkpoint import load_tensors, read_checkpoint
from deephemnma.network.construction import make_network
from deephemnma.network.label import Labels, Standardizer, make_labels
from deephemnma.network.preparation import choose_preparation
from deephemnma.network.schedule import compute_learning_rate
from deephemnma.network.split import split_images
from deephemnma.network.training import LAST_NAME, LOSSES_NAME, train_network
from deephemnma.network.training_images import read_prepared
from deephemnma.network.training_set import make_training_set
from deephemnma.settings.train import TRAIN_PRESETS, TrainSettings


class KilledError(Exception):
    """Stands for a signal."""


def test_a_resumed_training_gives_the_very_same_network(problem, quick, tmp_path):
    straight = read_checkpoint(_train(problem, quick, tmp_path / "straight"))
    with pytest.raises(KilledError):
        _train(problem, quick, tmp_path / "killed", progress=_kill_at(10))
    assert load_tensors(tmp_path / "killed" / LAST_NAME, wanted="")["step"] == 10
    resumed = read_checkpoint(_train(problem, quick, tmp_path / "killed"))
    for name, values in straight.network.state_dict().items():
        assert torch.equal(values, resumed.network.state_dict()[name]), name
    assert torch.equal(straight.deviations, resumed.deviations)
    first, second = ((tmp_path / part / LOSSES_NAME).read_text() for part in ("straight", "killed"))
    assert first == second
    assert not (tmp_path / "killed" / LAST_NAME).exists()


def test_dropout_too_resumes_exactly(problem, quick, tmp_path):
    settings = replace(
        quick, backbone="compact-resnet", rotation="quaternion", dropout=0.5, training_images="mixed", n_images=8 * 8
    )
    straight = read_checkpoint(_train(problem, settings, tmp_path / "straight"))
    with pytest.raises(KilledError):
        _train(problem, settings, tmp_path / "killed", progress=_kill_at(4))
    resumed = read_checkpoint(_train(problem, settings, tmp_path / "killed"))
    for name, values in straight.network.state_dict().items():
        assert torch.equal(values, resumed.network.state_dict()[name]), name


def test_an_unfinished_training_of_other_settings_is_not_taken_over(problem, quick, tmp_path):
    with pytest.raises(KilledError):
        _train(problem, quick, tmp_path, progress=_kill_at(3))
    with pytest.raises(InputError, match="other settings"):
        _train(problem, replace(quick, learning_rate=1e-4), tmp_path)


def test_losses_are_logged_and_fall(problem, quick, tmp_path):
    _train(problem, replace(quick, n_images=60 * 16, batch_size=16), tmp_path)
    with (tmp_path / LOSSES_NAME).open() as stream:
        rows = list(csv.DictReader(stream))
    assert int(rows[-1]["images"]) == 60 * 16
    assert float(rows[-1]["loss"]) < float(rows[0]["loss"]) - 0.5
    validated = [row for row in rows if row["validation_median_angle_deg"]]
    assert len(validated) == 2
    assert float(validated[-1]["validation_loss"]) > 0


@pytest.mark.parametrize(("rotation", "backbone"), [("distribution", "polar"), ("quaternion", "compact-resnet")])
def test_a_network_learns_eight_images_by_heart(problem, rotation, backbone):
    """Images, labels, losses and decoding fit together: otherwise the error cannot vanish."""
    settings = replace(TrainSettings(), rotation=rotation, backbone=backbone)
    rows = torch.arange(8)
    preparation = choose_preparation(32, 2.0, network_box=16, ctf_correction="multiply")
    images = read_prepared(problem.source, rows, preparation, device="cpu")
    labels = make_labels(problem.estimates, rows)
    torch.manual_seed(0)
    network = make_network(settings, box_size=16, n_modes=2)
    network.standardizer.fit(labels)
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-3)
    for _ in range(80):
        optimizer.zero_grad()
        sum(network.compute_losses(network(images.unsqueeze(1)), labels).values()).backward()
        optimizer.step()
    found = network.decode(network(images.unsqueeze(1)), n_hypotheses=1)
    trace = (found.rotations[:, 0] * labels.rotations).sum((1, 2))
    assert ((trace - 1) / 2).clamp(-1, 1).acos().rad2deg().max() < 6
    assert (found.amplitudes[:, 0] - labels.amplitudes).abs().max() < 2
    assert (found.shifts[:, 0] - labels.shifts).abs().max() < 0.6


@pytest.mark.parametrize("training_images", ["simulated", "estimates", "mixed"])
def test_no_image_is_both_learned_from_and_validated_on(problem, quick, training_images):
    seen: set[int] = set()
    source = _Watched(problem.source, seen)
    data = make_training_set(
        problem.model,
        problem.modes,
        source=source,
        estimates=problem.estimates,
        formation=problem.formation,
        preparation=choose_preparation(32, 2.0, network_box=16, ctf_correction="multiply"),
        settings=replace(quick, training_images=training_images, fine_tuning_share=0.5),
        seed=0,
        device=torch.device("cpu"),
    )
    validated, n_validated = set(seen), len(data.validation.labels)
    seen.clear()
    for step in range(data.n_steps):
        data.images.draw(step, 8)
    assert len(validated) == n_validated > 0
    assert not validated & seen
    assert len(seen) == (0 if training_images == "simulated" else 40 - n_validated)


def test_the_split_goes_by_name_and_not_by_row():
    names = tuple(f"{row}@stack" for row in range(50))
    first = split_images(names, n_validation=10, seed=0)
    second = split_images(names[::-1], n_validation=10, seed=0)
    assert {names[row] for row in first.validation} == {names[::-1][row] for row in second.validation}
    assert sorted([*first.validation.tolist(), *first.training.tolist()]) == list(range(50))
    assert not torch.equal(first.validation, split_images(names, n_validation=10, seed=1).validation)
    with pytest.raises(InputError, match="more than once"):
        split_images(("a", "b", "a"), n_validation=1, seed=0)


def test_what_is_missing_or_does_not_fit_is_said(problem, quick, tmp_path):
    estimates = replace(quick, training_images="estimates")
    with pytest.raises(InputError, match="needs estimates"):
        _train(problem, estimates, tmp_path, estimates=None)
    with pytest.raises(InputError, match=r"image_formation\.json"):
        _train(problem, quick, tmp_path, formation=None)
    with pytest.raises(InputError, match="too few"):
        _train(problem, quick, tmp_path, estimates=problem.estimates.select(torch.arange(3)))
    other = replace(problem.estimates, names=("elsewhere", *problem.estimates.names[1:]))
    with pytest.raises(InputError, match="elsewhere"):
        _train(problem, quick, tmp_path, estimates=other)
    with pytest.raises(InputError, match="same, in the same order"):
        _train(problem, quick, tmp_path, estimates=replace(problem.estimates, mode_numbers=(8, 7)))


def test_a_training_gone_astray_is_said_so(problem, quick, tmp_path):
    settings = replace(quick, learning_rate=1e30, backbone="compact-resnet", rotation="quaternion")
    with pytest.raises(InputError, match="lower --learning-rate"):
        _train(problem, settings, tmp_path)


def test_a_rigid_reference_trains_too(problem, quick, tmp_path):
    estimates = replace(
        problem.estimates,
        amplitudes=problem.estimates.amplitudes[:, :0],
        covariance=problem.estimates.covariance[:, 2:, 2:],
        mode_numbers=(),
    )
    rigid = replace(problem, modes=problem.modes.select(()), estimates=estimates)
    checkpoint = read_checkpoint(_train(rigid, replace(quick, n_images=16), tmp_path))
    assert checkpoint.deviations.shape == (5,)
    assert checkpoint.deviations.isfinite().all()


def test_training_needs_no_estimates_for_simulated_images(problem, quick, tmp_path):
    path = _train(problem, replace(quick, n_images=16), tmp_path, estimates=None)
    assert read_checkpoint(path).deviations.isfinite().all()


def test_the_papers_three_networks_train(problem, tmp_path):
    settings = replace(TRAIN_PRESETS["paper"], n_epochs=1, batch_size=18, backbone="compact-resnet")
    checkpoint = read_checkpoint(_train(problem, settings, tmp_path))
    assert len(checkpoint.network.backbones) == 3
    assert checkpoint.preparation.box_size == 32


def test_standardising_is_undone(problem):
    labels = make_labels(problem.estimates, torch.arange(40))
    scale = Standardizer(2)
    scale.fit(labels)
    values = scale.standardize(labels)
    torch.testing.assert_close(values[:, 2:].mean(0), torch.zeros(2), rtol=0, atol=1e-5)
    torch.testing.assert_close(values[:, 2:].std(0), torch.ones(2))
    shifts, amplitudes = scale.restore(values)
    torch.testing.assert_close(shifts, labels.shifts)
    torch.testing.assert_close(amplitudes, labels.amplitudes)
    constant = Labels(labels.rotations, labels.shifts, torch.full_like(labels.amplitudes, 3.0))
    scale.fit(constant)
    assert scale.standardize(constant).isfinite().all()


def test_learning_rates_follow_their_schedule():
    cycle = [compute_learning_rate(step, 100, peak=1.0, schedule="one-cycle") for step in range(100)]
    assert max(cycle) == pytest.approx(1, abs=1e-3)
    assert cycle[0] < 0.1
    assert cycle[-1] < 0.001
    stairs = [compute_learning_rate(step, 400, peak=1e-5, schedule="steps") for step in (0, 79, 80, 399)]
    assert stairs == pytest.approx([1e-5, 1e-5, 1e-6, 1e-9])


class _Watched(ImageSource):
    """A source that notes which images are read."""

    def __init__(self, source, seen):
        self._source, self._seen = source, seen

    @property
    def names(self):
        return self._source.names

    @property
    def box_size(self):
        return self._source.box_size

    @property
    def pixel_size(self):
        return self._source.pixel_size

    @property
    def optics(self):
        return self._source.optics

    def __getitem__(self, ids):
        self._seen.update(ids.tolist())
        return self._source[ids]


def _kill_at(step):
    def progress(done, total):
        if done == step * 8:
            raise KilledError

    return progress


def _train(problem, settings, output, **changes):
    inputs = {"source": problem.source, "estimates": problem.estimates, "formation": problem.formation} | changes
    return train_network(problem.model, problem.modes, output=output, settings=settings, seed=3, **inputs)
