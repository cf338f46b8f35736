"""Contrast, noise and B-factor in files, and in a stage's summary."""

import json
from dataclasses import replace

import pytest
import torch

from deephemnma.core.error import InputError
from deephemnma.core.estimates import Status, make_estimates
from deephemnma.core.model import GaussianModel, Modes
from deephemnma.core.particle import Poses
from deephemnma.imaging.noise import make_white_noise
from deephemnma.imaging.synthesis import ImageFormation
from deephemnma.pipeline.formation import read_formation, write_formation
from deephemnma.pipeline.likelihood import summarize_likelihood
from deephemnma.pipeline.reference import Molecule, Reference
from deephemnma.settings.likelihood import LikelihoodSettings


@pytest.fixture
def formation() -> ImageFormation:
    noise = make_white_noise(2.0, box_size=16, pixel_size=1.5)
    scale = torch.rand(2, len(noise.power), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    noise = replace(noise, structural=noise.power / 3, group_scale=scale)
    return ImageFormation(0.7, noise, contrast_spread=0.1, b_factor=42.0)


def test_a_formation_comes_back(tmp_path, formation):
    write_formation(tmp_path / "a.json", formation)
    found = read_formation(tmp_path / "a.json")
    assert (found.contrast, found.contrast_spread, found.b_factor) == (0.7, 0.1, 42.0)
    for name in ("power", "structural", "group_scale"):
        torch.testing.assert_close(getattr(found.noise, name), getattr(formation.noise, name).double())


def test_files_from_before_b_factors_and_groups_are_read(tmp_path, formation):
    write_formation(tmp_path / "a.json", formation)
    old = json.loads((tmp_path / "a.json").read_text())
    del old["b_factor"], old["noise"]["group_scale"]
    (tmp_path / "old.json").write_text(json.dumps(old))
    found = read_formation(tmp_path / "old.json")
    assert (found.b_factor, found.noise.group_scale) == (0.0, None)
    del old["contrast"]
    (tmp_path / "old.json").write_text(json.dumps(old))
    with pytest.raises(InputError, match="lacks 'contrast'"):
        read_formation(tmp_path / "old.json")


def test_the_summary_says_how_often_a_prior_moved_the_answer(tmp_path, formation):
    """Prior and image equally sharp: an amplitude of q was 2 q, a shift of q / sd of the image alone."""
    write_formation(tmp_path / "a.json", formation)
    positions = torch.randn(100, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    model = GaussianModel(positions, torch.ones(100).double(), torch.ones(100).double(), torch.zeros(3).double())
    reference = Reference(
        Molecule(model, sites=None), Modes(torch.full((1, 100, 3), 300**-0.5).double(), torch.ones(1).double(), (7,))
    )
    amplitudes = torch.tensor([[9.0], [11.0], [-11.0], [500.0]], dtype=torch.float64)
    given = make_estimates(
        names=("a", "b", "c", "d"),
        poses=Poses(torch.eye(3).double().expand(4, 3, 3), torch.zeros(4, 2).double()),
        amplitudes=amplitudes,
        mode_numbers=(7,),
        status=Status.CONVERGED,
    )
    covariance = torch.eye(6, dtype=torch.float64).repeat(4, 1, 1)
    covariance[:, 0, 0] = 50  # sd 10 of the image alone, and 10 of the prior
    covariance[3] = torch.nan  # nothing is known of the last
    estimates = replace(given, covariance=covariance)
    common = {"reference": reference, "formation": tmp_path / "a.json"}
    found = summarize_likelihood(estimates, likelihood=LikelihoodSettings(prior_rmsd=(1.0,)), **common)
    assert found == {"B-factor (A^2)": 42.0, "share moved by the prior, > 1 sd": pytest.approx(2 / 3)}
    assert summarize_likelihood(estimates, likelihood=LikelihoodSettings(), **common) == {"B-factor (A^2)": 42.0}
