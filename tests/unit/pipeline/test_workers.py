"""The same table to the last bit, whatever the number of workers; far within its errors, whatever the batch."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from deephemnma.alignment.aligner import align_images
from deephemnma.alignment.assembly import make_search_aligner
from deephemnma.core.error import InputError
from deephemnma.core.estimates import Estimates
from deephemnma.core.rotation import compute_geodesic_angle
from deephemnma.imaging.finufft_transform import FinufftTransform
from deephemnma.imaging.splat_transform import SplatTransform
from deephemnma.io.particles import read_particles
from deephemnma.io.table import read_estimates
from deephemnma.pipeline.estimate import run_estimate
from deephemnma.pipeline.formation import read_formation
from deephemnma.pipeline.progress import listen_to_announcements
from deephemnma.pipeline.reference import load_reference
from deephemnma.settings.build import make_settings
from deephemnma.settings.estimate import EstimateSettings
from deephemnma.settings.stage.estimate import EstimateStage
from deephemnma.settings.stage.reference import ReferenceOptions

COUNT = 16
SEARCH = {"orientations": 300, "starts": 8, "amplitude_range": 2.0, "amplitude_spacing": 2.0, "pilot_images": 8}


def make(kind, **options):
    return make_settings(kind, options, resolve_path=Path, where="test")


@pytest.fixture(scope="module")
def folder(make_bead_set) -> Path:
    return make_bead_set(count=COUNT, snr=1)


def estimate(folder: Path, name: str, *, workers: int = 1) -> Path:
    settings = make(
        EstimateStage, particles=str(folder / "set"), reference=str(folder / "modes"), modes="7-8", search=SEARCH,
        workers=workers,
    )  # fmt: skip
    return run_estimate(settings, output=folder / name) / "estimates.parquet"


def align(folder: Path, *, batch_size: int) -> Estimates:
    reference = load_reference(ReferenceOptions(reference=folder / "modes", modes="7-8"))
    particles = read_particles(folder / "set" / "particles.star")
    aligner = make_search_aligner(
        reference.model, reference.modes, particles,
        settings=EstimateSettings(batch_size=batch_size, **SEARCH),
        formation=read_formation(folder / "set" / "simulation.json"),
    )  # fmt: skip
    return align_images(aligner, particles, torch.arange(COUNT))


def measure_changes(found: Estimates, wanted: Estimates) -> Tensor:
    """Return the greatest change of a parameter of each image, in standard deviations."""
    angle = compute_geodesic_angle(found.poses.rotations, wanted.poses.rotations)
    changes = torch.cat(
        (
            (found.amplitudes - wanted.amplitudes).abs(),
            angle[:, None].expand(-1, 3),
            (found.poses.shifts - wanted.poses.shifts).abs(),
        ),
        dim=1,
    )
    return (changes / wanted.standard_deviations).amax(1)


def test_any_number_of_workers_writes_the_same_bytes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deephemnma.pipeline.blocks.BLOCK", 4)  # a block for each of four workers
    first, *others = [estimate(folder, f"by-{workers}", workers=workers) for workers in (1, 2, 4)]
    assert len(read_estimates(first)) == COUNT
    for other in others:
        assert other.read_bytes() == first.read_bytes()


def test_the_batch_shows_in_no_digit_that_counts(folder: Path) -> None:
    """A product of other shape may add in another order, and a descent then end elsewhere within its tolerance."""
    whole = align(folder, batch_size=COUNT)
    for batch_size in (1, 5):
        parts = align(folder, batch_size=batch_size)
        assert parts.status == whole.status
        changes = measure_changes(parts, whole)
        assert float(changes.median()) < 1e-5
        assert float(changes.max()) < 0.1


@pytest.mark.parametrize("kind", [FinufftTransform, SplatTransform])
def test_other_transforms_give_the_same_estimates(kind, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Splats are what a GPU may use: the whole way through, and what differs is far less than the error bars."""
    wanted = align(folder, batch_size=COUNT)
    monkeypatch.setattr("deephemnma.imaging.gaussian_projector.make_point_transform", kind)
    found = align(folder, batch_size=COUNT)
    assert found.status == wanted.status
    changes = measure_changes(found, wanted)
    assert float(changes.median()) < 0.02
    assert float(changes.max()) < 0.3


def test_the_memory_is_stated_before_the_run(folder: Path) -> None:
    said: list[str] = []
    with listen_to_announcements(said.append):
        estimate(folder, "told")
    assert len(said) == 1
    assert "GiB a worker" in said[0]
    assert "1 worker;" in said[0]


def test_what_does_not_fit_is_refused_before_the_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deephemnma.pipeline.memory.measure_free_memory", lambda device: 2**27)
    with pytest.raises(InputError, match=r"0\.1 GiB are free"):
        estimate(folder, "refused")
