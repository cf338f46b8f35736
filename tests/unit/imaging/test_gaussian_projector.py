"""Gaussians of many widths; all else that a projector must do is in tests/property/test_projection.py."""

import math

import pytest
import torch

from deephemnma.core.model import GaussianModel, Modes
from deephemnma.core.rotation import make_random_rotations
from deephemnma.imaging.band import make_band
from deephemnma.imaging.finufft_transform import FinufftTransform
from deephemnma.imaging.gaussian_projector import GaussianProjector
from deephemnma.imaging.splat_transform import SplatTransform

SITES = 50


def make_model(widths: torch.Tensor) -> GaussianModel:
    generator = torch.Generator().manual_seed(0)
    positions = 12 * torch.rand(SITES, 3, generator=generator, dtype=torch.float64) - 6
    weights = 1 + torch.rand(SITES, generator=generator, dtype=torch.float64)
    return GaussianModel(positions, weights, widths.double(), torch.zeros(3, dtype=torch.float64))


@pytest.mark.parametrize("kind", ["the fastest", FinufftTransform, SplatTransform])
@pytest.mark.parametrize("tolerance", [1e-2, 1e-4])
@pytest.mark.parametrize(("narrowest", "widest"), [(2.0, 2.0), (0.5, 2.5), (0.4, 12.0)])
def test_every_site_keeps_its_own_width(narrowest, widest, tolerance, kind, monkeypatch):
    if kind != "the fastest":
        monkeypatch.setattr("deephemnma.imaging.gaussian_projector.make_point_transform", kind)
    model = make_model(torch.linspace(narrowest, widest, SITES))
    band = make_band(24, 1.8)
    rigid = Modes(torch.zeros(0, SITES, 3, dtype=torch.float64), torch.zeros(0), ())
    rotations = make_random_rotations(3, generator=torch.Generator().manual_seed(1))
    projector = GaussianProjector(model, rigid, band, tolerance=tolerance)
    found = projector.project(rotations.float(), torch.zeros(3, 2), torch.zeros(3, 0))
    k = torch.stack((band.columns, band.rows), dim=-1).double() / (24 * 1.8)
    damping = (-2 * math.pi**2 * model.widths.square()[:, None] * k.square().sum(-1)).exp()
    waves = torch.exp(-2j * math.pi * ((model.positions @ rotations.mT)[..., :2] @ k.T))
    wanted = (model.weights[:, None] * damping * waves).sum(1) / 24
    error = (found - wanted).abs().square().sum(1) / wanted.abs().square().sum(1)
    assert float(error.sqrt().max()) < max(2 * tolerance, 1e-3 if kind is SplatTransform else 0)
