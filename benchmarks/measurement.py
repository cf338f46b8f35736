"""Measures one data set of the estimation benchmark: errors against the bound and the truth, error bars, cost."""

from pathlib import Path

from hemnma import compare_with_hemnma
from image_set import ENTRIES, Options, make_image_set
from memory import measure_peak_memory
from nearby import refine_at_truth, refine_near_truth
from progress import align_with_progress
from table import CpuClock
from truth import compare_sites, find_truth, summarize_against

from deephemnma.alignment.assembly import make_search_aligner
from deephemnma.alignment.pilot import measure_formation
from deephemnma.io.particles import read_particles
from deephemnma.pipeline.formation import read_formation
from deephemnma.pipeline.reference import load_reference
from deephemnma.pipeline.simulate import run_simulate
from deephemnma.settings.build import make_settings
from deephemnma.settings.estimate import EstimateSettings


def simulate_set(number: int, options: Options) -> None:
    """Make the images of a set, unless they are there."""
    if ENTRIES[number].make is None:
        return
    run_simulate(make_image_set(number, options).simulation, output=get_folder(number, options))


def measure_set(number: int, options: Options) -> list[dict[str, object]]:
    """Estimate the images that :func:`simulate_set` made, and return the set's rows."""
    if ENTRIES[number].make is None:
        settings = make_estimate_settings(options)
        rows = compare_with_hemnma(options.data / "hemnma", settings=settings)
        return [{"name": ENTRIES[number].name, **row} for row in rows]
    images = make_image_set(number, options)
    folder = get_folder(number, options)
    particles, reference = read_particles(folder / "particles.star"), load_reference(images.estimation)
    settings = make_estimate_settings(options)
    clock = CpuClock()
    formation = measure_formation(reference.model, reference.modes, particles, settings=settings)
    preparation, clock = clock.seconds, CpuClock()
    aligner = make_search_aligner(reference.model, reference.modes, particles, settings=settings, formation=formation)
    bank, clock = clock.seconds, CpuClock()
    found = align_with_progress(aligner, particles, label=f"set {number}, search")
    cost, memory = clock.seconds / len(found), measure_peak_memory()
    del aligner
    truth = find_truth(images, folder, reference)
    row = {
        "name": ENTRIES[number].name,
        **summarize_against(found, truth, reference),
    }
    row |= {"CPU s an image": cost, "bank (CPU s)": bank, "preparation (CPU s)": preparation + bank}
    row |= {"peak memory (GiB)": memory, **compare_sites(found, truth, reference)}
    row["formation"] = {"contrast": formation.contrast, "contrast_spread": formation.contrast_spread}
    row["formation"]["b_factor"] = formation.b_factor
    local = refine_near_truth(
        images, particles, reference, truth, formation=formation, settings=settings, options=options
    )
    row |= {f"refinement, {name}": value for name, value in local.items()}
    if truth.bound is not None:
        limit = refine_at_truth(particles, reference, truth, formation=read_formation(folder / "simulation.json"))
        row |= {f"limit, {name}": value for name, value in limit.items()}
    return [row]


def make_estimate_settings(options: Options) -> EstimateSettings:
    """Return the defaults, with the changes asked for."""
    return make_settings(EstimateSettings, options.estimate, resolve_path=Path, where="--estimate")


def get_folder(number: int, options: Options) -> Path:
    count, box = options.images or "all", options.box_size or 128
    return options.work / f"set{number}_seed{options.seed}_{count}_{box}"
