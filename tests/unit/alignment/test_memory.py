"""What alignment is said to need is what it takes, and a plan that does not fit is cut down."""

import json
import subprocess
import sys

import pytest

from deephemnma.alignment.memory import GIB, PROCESS, MemoryPlan
from deephemnma.core.error import InputError

MIB = 2**20
MEASURE = """
import json, resource, sys
from pathlib import Path
import torch
from deephemnma.alignment.aligner import align_images
from deephemnma.alignment.assembly import make_search_aligner
from deephemnma.core.particle import ImageSource
from deephemnma.distributed.pool import map_blocks
from deephemnma.imaging.noise import make_white_noise
from deephemnma.imaging.synthesis import ImageFormation
from deephemnma.pipeline.memory import plan_alignment
from deephemnma.pipeline.reference import load_reference
from deephemnma.settings.estimate import EstimateSettings
from deephemnma.settings.molecule import MoleculeOptions
from deephemnma.settings.network import NetworkOptions
from deephemnma.settings.stage.reference import ReferenceOptions
from deephemnma.settings.structure import StructureOptions

options = json.loads(sys.argv[1])
images, box_size = options["images"], options["box_size"]

class Noise(ImageSource):
    names = tuple(map(str, range(images)))
    box_size, pixel_size, optics = box_size, 83.2 / box_size, None
    def __getitem__(self, ids):
        return torch.randn(len(ids), box_size, box_size, generator=torch.Generator().manual_seed(0))

torch.set_num_threads(1)
molecule = MoleculeOptions(structure=StructureOptions(sites=options["sites"]), network=NetworkOptions(cutoff=10.0))
reference = load_reference(ReferenceOptions(reference=Path(options["structure"]), modes="7-9", molecule=molecule))
settings = EstimateSettings(batch_size=images, iterations=2, effort="quick", **options["search"])
plan = plan_alignment(reference, Noise(), search=settings, workers=1, block_size=images, device=torch.device("cpu"))
noise = make_white_noise(1.0, box_size=box_size, pixel_size=83.2 / box_size)
aligner = make_search_aligner(
    reference.model, reference.modes, Noise(), settings=settings, formation=ImageFormation(1.0, noise)
)
align_images(aligner, Noise(), torch.arange(images))
status = Path("/proc/self/status")
if status.exists():  # for on Linux ru_maxrss is the parent's where that is more
    peak = 1024 * next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))
else:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps([plan.a_worker, peak]))
"""

CASES = {
    "small": {"images": 8, "box_size": 48, "sites": "ca", "search": {"orientations": 50}},
    "large": {
        "images": 64,
        "box_size": 160,
        "sites": "heavy",
        "search": {"orientations": 400, "amplitude_spacing": 5.0, "starts": 6},
    },
}


@pytest.mark.parametrize("case", CASES)
def test_the_plan_is_what_a_process_takes(case: str, adenylate_kinase_path) -> None:
    options = {"structure": str(adenylate_kinase_path), **CASES[case]}
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, json.dumps(options)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    planned, taken = json.loads(done.stdout)
    assert 0.6 < planned / taken < 1.6
    if case == "large":  # the libraries alone do not hide what alignment takes
        assert 0.5 < (planned - PROCESS) / (taken - PROCESS) < 2
        assert planned - PROCESS > 100 * MIB


def make_plan(**changes) -> MemoryPlan:
    wanted = {"bank": GIB, "workspace": 0, "an_image": 10 * MIB, "batch_size": 64, "n_workers": 4}
    return MemoryPlan(**wanted | changes)


def test_a_plan_that_fits_stays() -> None:
    assert make_plan().fit_into(20 * GIB) == make_plan()


@pytest.mark.parametrize("free", [2.0, 3.0, 5.0, 7.0, 8.0])
def test_what_is_left_of_a_plan_fits(free: float) -> None:
    plan = make_plan().fit_into(int(free * GIB))
    assert plan.n_workers * plan.a_worker <= free * GIB
    assert plan != make_plan()


def test_images_at_once_go_before_workers() -> None:
    fewer_images = make_plan().fit_into(int(7 * GIB))
    assert (fewer_images.n_workers, fewer_images.batch_size < 64) == (4, True)
    fewer_workers = make_plan().fit_into(int(5 * GIB))
    assert fewer_workers.n_workers < 4
    assert fewer_workers.batch_size >= 8


def test_the_last_worker_takes_images_one_by_one() -> None:
    plan = make_plan(bank=0, an_image=200 * MIB).fit_into(int(0.8 * GIB))
    assert (plan.n_workers, plan.batch_size) == (1, 1)


def test_what_cannot_fit_is_refused_with_advice() -> None:
    with pytest.raises(InputError, match=r"1\.4 GiB even for one worker.*1\.0 GiB are free.*--orientations"):
        make_plan().fit_into(GIB)


def test_the_plan_is_told_in_one_sentence() -> None:
    said = make_plan(n_workers=2).describe(20 * GIB)
    assert said.startswith(
        "Alignment needs about 2.0 GiB a worker (1.0 GiB of templates, 64 images at once), 2 workers;"
    )
    assert said.endswith("20.0 GiB are free.")
