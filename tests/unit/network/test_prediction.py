from dataclasses import replace

import pytest
import torch

from deephemnma.core.error import InputError
from deephemnma.core.estimates import Status
from deephemnma.core.model import Modes
from deephemnma.network.checkpoint import load_tensors, read_checkpoint
from deephemnma.network.prediction import predict_estimates, predict_hypotheses
from deephemnma.network.training import train_network
from deephemnma.settings.predict import PredictSettings
from deephemnma.settings.train import TrainSettings


@pytest.fixture(scope="module")
def checkpoint_path(problem, tmp_path_factory):
    settings = replace(TrainSettings(), n_images=320, batch_size=16, network_box=16, n_validations=1)
    return train_network(
        problem.model,
        problem.modes,
        source=problem.source,
        output=tmp_path_factory.mktemp("trained"),
        settings=settings,
        estimates=problem.estimates,
        formation=problem.formation,
    )


def test_predictions_do_not_depend_on_the_batch(problem, checkpoint_path):
    one, many = (
        predict_estimates(problem.source, checkpoint_path, settings=PredictSettings(batch_size=size))
        for size in (1, 40)
    )
    torch.testing.assert_close(one.poses.rotations, many.poses.rotations, rtol=0, atol=1e-3)
    torch.testing.assert_close(one.amplitudes, many.amplitudes, rtol=0, atol=1e-2)
    torch.testing.assert_close(one.poses.shifts, many.poses.shifts, rtol=0, atol=1e-2)


def test_estimates_are_whole(problem, checkpoint_path):
    told = []
    found = predict_estimates(
        problem.source,
        checkpoint_path,
        modes=problem.modes,
        ids=torch.tensor([5, 2, 9]),
        settings=PredictSettings(batch_size=2),
        progress=lambda done, total: told.append((done, total)),
    )
    assert found.names == tuple(problem.source.names[row] for row in (5, 2, 9))
    assert set(found.status) == {Status.PREDICTED}
    assert found.mode_numbers == (7, 8)
    assert found.poses.rotations.dtype == found.amplitudes.dtype == torch.float64
    identity = found.poses.rotations @ found.poses.rotations.mT
    torch.testing.assert_close(identity, torch.eye(3, dtype=torch.float64).expand(3, 3, 3), rtol=0, atol=1e-12)
    torch.testing.assert_close(torch.linalg.det(found.poses.rotations), torch.ones(3, dtype=torch.float64))
    assert (found.standard_deviations > 0).all()
    assert ((found.score > 0) & (found.score <= 1)).all()
    assert told == [(2, 3), (3, 3)]


def test_hypotheses_come_in_order_and_apart(problem, checkpoint_path):
    hypotheses = predict_hypotheses(problem.source, checkpoint_path, settings=PredictSettings(n_hypotheses=3))
    assert len(hypotheses) == 3
    first, second = hypotheses[:2]
    trace = (first.poses.rotations * second.poses.rotations).sum((1, 2))
    assert ((trace - 1) / 2).clamp(-1, 1).acos().rad2deg().min() > 20
    best = predict_estimates(problem.source, checkpoint_path)
    assert torch.equal(best.poses.rotations, first.poses.rotations)


def test_bad_images_get_a_status_and_finite_values(problem, checkpoint_path):
    images = problem.source.images.clone()
    images[3, 0, 0], images[8] = torch.nan, 1.0
    found = predict_estimates(replace(problem.source, images=images), checkpoint_path)
    bad = [row for row, status in enumerate(found.status) if status == Status.BAD_IMAGE]
    assert bad == [3, 8]
    for values in (found.poses.rotations, found.poses.shifts, found.amplitudes, found.score):
        assert values.isfinite().all()
    assert (found.amplitudes[bad] == 0).all()
    good = predict_estimates(problem.source, checkpoint_path)
    torch.testing.assert_close(found.amplitudes[:3], good.amplitudes[:3])


def test_other_images_or_modes_are_refused(problem, checkpoint_path):
    modes = problem.modes
    with pytest.raises(InputError, match="A a pixel"):
        predict_estimates(replace(problem.source, pixel_size=2.2), checkpoint_path)
    with pytest.raises(InputError, match="32 pixels, these have 30"):
        predict_estimates(replace(problem.source, images=problem.source.images[:, 1:-1, 1:-1]), checkpoint_path)
    with pytest.raises(InputError, match="without CTF parameters"):
        predict_estimates(replace(problem.source, optics=None), checkpoint_path)
    with pytest.raises(InputError, match="modes 7, 8"):
        predict_estimates(problem.source, checkpoint_path, modes=Modes(modes.vectors, modes.eigenvalues, (7, 9)))
    with pytest.raises(InputError, match="not those the network was trained with"):
        predict_estimates(problem.source, checkpoint_path, modes=Modes(-modes.vectors, modes.eigenvalues, (7, 8)))
    single = Modes(modes.vectors.double(), modes.eigenvalues, (7, 8))
    assert len(predict_estimates(problem.source, checkpoint_path, modes=single)) == 40


def test_a_checkpoint_holds_all_that_prediction_needs(problem, checkpoint_path):
    stored = torch.load(checkpoint_path, weights_only=True)
    assert {"settings", "preparation", "modes_hash", "mode_numbers", "deviations", "version"} <= set(stored)
    checkpoint = read_checkpoint(checkpoint_path)
    assert (checkpoint.box_size, checkpoint.pixel_size) == (32, 2.0)
    assert checkpoint.deviations.shape == (7,)
    assert checkpoint.network.standardizer.deviation.max() > 1


def test_no_checkpoint_is_said_so(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read_checkpoint(tmp_path / "none.ckpt")
    (tmp_path / "text.ckpt").write_text("nothing of the kind")
    with pytest.raises(InputError, match="cannot be read"):
        read_checkpoint(tmp_path / "text.ckpt")
    torch.save({"format": 99}, tmp_path / "old.ckpt")
    with pytest.raises(InputError, match="train again"):
        read_checkpoint(tmp_path / "old.ckpt")
    torch.save({"code": print}, tmp_path / "code.ckpt")
    with pytest.raises(InputError, match="cannot be read"):
        load_tensors(tmp_path / "code.ckpt", wanted="a network")
