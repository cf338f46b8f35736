"""Images that RELION projected with shifts, recentred, are those that it projected without."""

import pytest
import torch

from deephemnma.io.particles import read_particles
from deephemnma.pipeline.prepare import run_prepare
from deephemnma.settings.stage.prepare import PrepareStage


@pytest.mark.shared_data
@pytest.mark.parametrize("box", [64, 65])
def test_recentred_projections_are_the_centred_ones(shared_data, tmp_path, box) -> None:
    folder = shared_data / "particles" / "relion_projections"
    settings = PrepareStage(folder / f"rln_proj_{box}_shifted.star", recenter=True, normalize=False)
    moved = read_particles(run_prepare(settings, output=tmp_path / "p") / "particles.star")
    centred = read_particles(folder / f"rln_proj_{box}_centered.star")
    ids = torch.arange(len(moved))
    pairs = torch.stack((moved[ids].flatten(1), centred[ids].flatten(1)), dim=1).double()
    worst = min(float(torch.corrcoef(pair)[0, 1]) for pair in pairs)
    print(f"{box} pixels: correlation {worst:.6f}")
    assert worst > 0.999
    assert moved.poses.shifts.abs().max() < 0.5 + 1e-6
