"""Set 1 of the estimation benchmark with very many images: images a second, device memory, ratio to bound, failures.

python benchmarks/estimation_gpu.py --images 100000 --work somewhere --results benchmarks/results
python benchmarks/estimation_gpu.py --images 64 --device cpu

Images are made on the device in blocks, outside the time that is measured, and handed to the aligner in the host's
memory, as a reader of files would. One call works for --seconds at the most; the same call again goes on with the
blocks that are missing. The last one reports.
"""

import argparse
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from image_set import FIELD_OF_VIEW, STRUCTURE, store_reference
from measurement import measure_peak_memory
from memory_images import MemoryImages
from progress import make_teller
from summary import SHORT, summarize
from table import add_results_option, report

from deephemnma.alignment.aligner import Aligner, align_images
from deephemnma.alignment.assembly import make_search_aligner
from deephemnma.alignment.bound import compute_bound
from deephemnma.alignment.pilot import measure_formation
from deephemnma.core.estimates import Estimates, Status, concatenate_estimates, make_estimates
from deephemnma.core.particle import Poses
from deephemnma.core.rotation import make_random_rotations
from deephemnma.core.seed import make_image_generator
from deephemnma.distributed.device import choose_device
from deephemnma.imaging.synthesis import ImageFormation, project_images
from deephemnma.io.table import read_estimates, write_estimates
from deephemnma.pipeline.conformation import make_draw
from deephemnma.pipeline.formation import read_formation, write_formation
from deephemnma.pipeline.microscope import N_CHANCES, compute_image_ctf, make_noise_model, make_optics
from deephemnma.pipeline.reference import Reference, load_reference
from deephemnma.settings.build import make_settings
from deephemnma.settings.estimate import EstimateSettings
from deephemnma.settings.molecule import MoleculeOptions
from deephemnma.settings.stage.simulate import ConformationOptions, ImageOptions

BLOCK = 1024
"""Images made together; what they show depends on seed and block alone."""


@dataclass(frozen=True)
class Microscope:
    """All that makes images, on one device.

    Attributes
    ----------
    reference
        The molecule.
    options
        Box, pixel size, optics, noise.
    formation
        The true contrast and noise.
    seed
        Of everything that is drawn.
    device
        That computes.
    """

    reference: Reference
    options: ImageOptions
    formation: ImageFormation
    seed: int
    device: torch.device

    def draw_truth(self, ids: torch.Tensor) -> Estimates:
        """Draw the conformations and poses of a block of images."""
        generator = make_image_generator(self.seed, int(ids[0]))
        model, modes = self.reference.model, self.reference.modes
        draw = make_draw(ConformationOptions(), n_sites=model.n_sites, n_modes=modes.n_modes, seed=self.seed)
        shifts = self.options.shift_range * (2 * torch.rand(len(ids), 2, generator=generator, dtype=torch.float64) - 1)
        return make_estimates(
            names=tuple(f"{image:07d}" for image in ids.tolist()),
            poses=Poses(make_random_rotations(len(ids), generator=generator), shifts),
            amplitudes=torch.stack([draw(image, generator) for image in ids.tolist()]),
            mode_numbers=modes.numbers,
            status=Status.GIVEN,
        )

    def make_images(self, truth: Estimates) -> MemoryImages:
        """Return the images of one block, in the host's memory."""
        optics = self.make_optics(len(truth))
        clean = self.formation.contrast * self.project(truth)
        seed = make_image_generator(self.seed, -1 - int(truth.names[0])).initial_seed()
        generator = torch.Generator(self.device).manual_seed(seed)
        ctf = compute_image_ctf(self.options, optics).to(self.device)
        images = clean + self.formation.noise.draw(len(truth), generator=generator, ctf=ctf)
        return MemoryImages(images.cpu(), optics, truth.names, pixel_size=self.options.pixel_size)

    def make_optics(self, count: int):
        """Return the optics, the same for all images."""
        return make_optics(self.options, torch.full((count, N_CHANCES), 0.5, dtype=torch.float64))

    def project(self, truth: Estimates) -> torch.Tensor:
        """Return clean images of a block at contrast 1."""
        return project_images(
            self.reference.model,
            self.reference.modes,
            truth.poses,
            truth.amplitudes,
            optics=self.make_optics(len(truth)),
            box_size=self.options.box_size,
            pixel_size=self.options.pixel_size,
            device=self.device,
        )


def main() -> None:
    """Work on the blocks that are missing; report when there are none."""
    arguments = _parse()
    start = time.monotonic()
    device = choose_device(arguments.device)
    if device.type == "cpu":
        torch.set_num_threads(1)
    settings = make_settings(
        EstimateSettings,
        dict(change.split("=", 1) for change in arguments.estimate),
        resolve_path=Path,
        where="--estimate",
    )
    with tempfile.TemporaryDirectory() as folder:
        work = arguments.work or Path(folder)
        work.mkdir(parents=True, exist_ok=True)
        microscope = _make_microscope(arguments, device, work)
        blocks = torch.arange(arguments.images).split(BLOCK)
        missing = [ids for ids in blocks if not _name_block(work, ids).exists()]
        if missing:
            aligner = _make_aligner(microscope, settings, work)
            missing = _align(microscope, aligner, missing, work, until=start + arguments.seconds)
        if missing:
            print(f"{len(missing)} of {len(blocks)} blocks are left: run the same again.")
        else:
            row = _summarize(microscope, blocks, work, n_bound=arguments.bound_images)
            notes = {"device": _name_device(device), "seed": arguments.seed, "changes": " ".join(arguments.estimate)}
            report("estimation_gpu", [row], notes=notes, folder=arguments.results)


def _make_microscope(arguments: argparse.Namespace, device: torch.device, work: Path) -> Microscope:
    options = ImageOptions(
        box_size=arguments.box_size, pixel_size=FIELD_OF_VIEW / arguments.box_size, snr=arguments.snr
    )
    reference = load_reference(store_reference(work, "ak", path=STRUCTURE, molecule=MoleculeOptions()))
    optics = make_optics(options, torch.full((1, N_CHANCES), 0.5, dtype=torch.float64))
    noise = make_noise_model(options, compute_image_ctf(options, optics))
    blank = Microscope(reference, options, ImageFormation(1.0, noise), arguments.seed, device)
    clean = blank.project(blank.draw_truth(torch.arange(256)))
    contrast = float((options.snr / clean.var(dim=(-2, -1), correction=0).mean()) ** 0.5)
    return Microscope(reference, options, ImageFormation(contrast, noise), arguments.seed, device)


def _make_aligner(microscope: Microscope, settings: EstimateSettings, work: Path) -> Aligner:
    """Make the aligner; contrast and noise are measured once, on images of the first block."""
    reference, stored = microscope.reference, work / "image_formation.json"
    pilots = microscope.make_images(microscope.draw_truth(torch.arange(min(BLOCK, 4 * settings.pilot_images))))
    options = {"settings": settings, "device": microscope.device}
    if not stored.exists():
        write_formation(stored, measure_formation(reference.model, reference.modes, pilots, **options))
    return make_search_aligner(reference.model, reference.modes, pilots, formation=read_formation(stored), **options)


def _align(
    microscope: Microscope, aligner: Aligner, blocks: list[torch.Tensor], work: Path, *, until: float
) -> list[torch.Tensor]:
    """Align blocks until the time is up, and return those that are left."""
    tell, done = make_teller("aligned", sum(map(len, blocks))), 0
    longest = 0.0
    for number, ids in enumerate(blocks):
        begin = time.monotonic()
        if number and begin + longest > until:
            return blocks[number:]
        images = microscope.make_images(microscope.draw_truth(ids))
        _wait(microscope.device)
        start, cpu = time.monotonic(), time.process_time()
        found = align_images(aligner, images, torch.arange(len(ids)))
        _wait(microscope.device)
        seconds, cpu_seconds = time.monotonic() - start, time.process_time() - cpu
        _write_cost(work, ids, seconds=seconds, cpu_seconds=cpu_seconds, device=microscope.device)
        write_estimates(_name_block(work, ids), found)  # last: a block whose table is there is done
        longest, done = max(longest, time.monotonic() - begin), done + len(ids)
        tell(done)
    return []


def _summarize(
    microscope: Microscope, blocks: tuple[torch.Tensor, ...], work: Path, *, n_bound: int
) -> dict[str, object]:
    """Return the figures: failures by angle of all images, those against the bound of the first `n_bound`."""
    found = concatenate_estimates([read_estimates(_name_block(work, ids)) for ids in blocks])
    truth = concatenate_estimates([microscope.draw_truth(ids) for ids in blocks])
    costs = [torch.load(_name_cost(work, ids)) for ids in blocks]
    n_sites = microscope.reference.model.n_sites
    every = summarize(found, truth, None, n_sites=n_sites)
    first = torch.arange(min(n_bound, len(found)))
    some = truth.select(first)
    bound = compute_bound(
        microscope.reference.model,
        microscope.reference.modes,
        some.poses,
        some.amplitudes,
        optics=microscope.make_optics(len(first)),
        formation=microscope.formation,
    )
    near = summarize(found.select(first), some, bound, n_sites=n_sites)
    return {
        "images": len(found),
        "images/s": len(found) / sum(cost["seconds"] for cost in costs),
        "CPU s an image": sum(cost["cpu_seconds"] for cost in costs) / len(found),
        "peak device memory (GiB)": max(cost["memory"] for cost in costs),
        "peak memory (GiB)": measure_peak_memory(),
        "beyond 3 degrees or 1 A": every["failed"],
        "images with bound": len(first),
        **{name: near[name] for name in SHORT},
    }


def _write_cost(work: Path, ids: torch.Tensor, *, seconds: float, cpu_seconds: float, device: torch.device) -> None:
    memory = torch.cuda.max_memory_allocated(device) / 2**30 if device.type == "cuda" else 0.0
    torch.save({"seconds": seconds, "cpu_seconds": cpu_seconds, "memory": memory}, _name_cost(work, ids))


def _name_block(work: Path, ids: torch.Tensor) -> Path:
    return work / f"estimates_{int(ids[0]):07d}_{len(ids)}.parquet"


def _name_cost(work: Path, ids: torch.Tensor) -> Path:
    return work / f"cost_{int(ids[0]):07d}_{len(ids)}.pt"


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _name_device(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=100_000, help="number of images")
    parser.add_argument("--box-size", type=int, default=128, help="pixels in the same field of view")
    parser.add_argument("--snr", type=float, default=0.1, help="as in the paper")
    parser.add_argument("--seed", type=int, default=0, help="of the images")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--seconds", type=float, default=510.0, help="after which no further block is begun")
    parser.add_argument("--bound-images", type=int, default=1024, help="of which the bound is computed")
    parser.add_argument("--estimate", nargs="*", default=[], metavar="NAME=VALUE", help="instead of defaults")
    parser.add_argument("--work", type=Path, help="folder of the finished blocks; a fresh one for other options")
    add_results_option(parser)
    return parser.parse_args()


if __name__ == "__main__":
    main()
