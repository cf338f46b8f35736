"""Images of NaN or without any contrast inside a good stack: they get a status, and the run goes on."""

import shutil
from pathlib import Path

import mrcfile
import numpy as np
import pytest
import torch

from deephemnma.cli.main import main
from deephemnma.core.estimates import Estimates, Status
from deephemnma.io.metadata.reader import read_particle_tables
from deephemnma.io.particles import read_particles
from deephemnma.io.table import read_estimates
from deephemnma.pipeline.estimate import run_estimate
from deephemnma.settings.build import make_settings
from deephemnma.settings.stage.estimate import EstimateStage

COUNT = 12
SPOILT = {1: np.nan, 4: 0.0, 7: np.inf, 8: 3.25}
"""What fills an image, or of NaN and infinity a single pixel of it."""
SEARCH = {"orientations": 300, "starts": 8, "amplitude_range": 2.0, "amplitude_spacing": 2.0, "pilot_images": 8}


@pytest.fixture(scope="module")
def folder(make_bead_set) -> Path:
    """Modes, a set, and the same set with spoilt images."""
    folder = make_bead_set(count=COUNT, snr=2)
    shutil.copytree(folder / "set", folder / "spoilt")
    star = folder / "spoilt" / "particles.star"
    star.write_text(star.read_text().replace(f"@{folder}/set/", "@"))
    with mrcfile.open(folder / "spoilt" / "particles.mrcs", mode="r+", permissive=True) as mrc:
        for row, value in SPOILT.items():
            if np.isfinite(value):
                mrc.data[row] = value
            else:
                mrc.data[row, 3, 4] = value
    return folder


@pytest.fixture(scope="module")
def found(folder) -> Estimates:
    options = {
        "particles": str(folder / "spoilt"), "reference": str(folder / "modes"), "modes": "7-8", "workers": 1,
        "search": SEARCH,
    }  # fmt: skip
    settings = make_settings(EstimateStage, options, resolve_path=Path, where="test")
    return read_estimates(run_estimate(settings, output=folder / "estimates") / "estimates.parquet")


def test_the_images_are_as_spoilt(folder):
    images = read_particles(folder / "spoilt" / "particles.star")[torch.arange(COUNT)]
    assert not images[[1, 7]].isfinite().all((1, 2)).any()
    assert images[4].std() == images[8].std() == 0


def test_bad_images_get_a_status_and_the_others_are_estimated(folder, found):
    bad = [row for row, status in enumerate(found.status) if status == Status.BAD_IMAGE]
    assert bad == list(SPOILT)
    good = torch.tensor([row for row in range(COUNT) if row not in SPOILT])
    assert found.score[good].isfinite().all()
    assert found.amplitudes[good].isfinite().all()
    truth = read_estimates(folder / "set" / "truth.parquet")
    near = (found.amplitudes[good] - truth.amplitudes[good]).abs().amax(1) < 25
    assert near.sum() >= 0.7 * len(good)


def test_the_table_that_other_programs_read_has_every_image(folder, found):
    table = read_particle_tables(folder / "estimates" / "estimates.star").particles
    assert table["rlnImageName"].tolist() == list(found.names)
    assert table["deephemnmaStatus"].tolist() == list(found.status)
    again = read_estimates(folder / "estimates" / "estimates.star")
    assert again.status == found.status


def test_check_counts_them(folder, capsys):
    assert main(["check", "--particles", str(folder / "spoilt")]) == 0
    assert f"of {COUNT} looked at, {len(SPOILT)} are bad (NaN or flat)" in capsys.readouterr().out
