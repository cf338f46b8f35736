"""The data sets of the estimation benchmark: how each is made, and what the estimator is given."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import roma
import torch

from deephemnma.core.structure import AtomicModel
from deephemnma.io.reference import write_reference
from deephemnma.io.structure import read_structure
from deephemnma.io.structure_writer import write_models
from deephemnma.pipeline.reference import read_or_compute_modes
from deephemnma.reference.site import select_sites
from deephemnma.settings.molecule import MoleculeOptions
from deephemnma.settings.network import NetworkOptions
from deephemnma.settings.stage.reference import ReferenceOptions
from deephemnma.settings.stage.simulate import ConformationOptions, ImageOptions, SimulateStage
from deephemnma.settings.structure import StructureOptions

STRUCTURE = Path(__file__).parents[1] / "src/deephemnma/data/4ake_chain_a.pdb"
FIELD_OF_VIEW, RIBOSOME_FIELD = 128 * 0.65, 128 * 2.95
RIBOSOME_RMSD = 3.0
FRAMES = 64
HARD_MICROSCOPE = {
    "defocus_um": 1.75,
    "defocus_spread_um": 1.25,
    "astigmatism_um": 0.1,
    "noise_resolution": 10.0,
    "noise_floor": 0.3,
    "contrast_spread": 0.3,
    "b_factor": 50.0,
}


@dataclass(frozen=True)
class Options:
    """What a user may change; the same for all sets.

    Attributes
    ----------
    images
        A set; None takes each set's own number.
    box_size
        Pixels; the field of view stays. None takes 128.
    seed
        Of images and starts.
    data
        The shared data.
    work
        Where images and references are kept.
    estimate
        Changes to the default `EstimateSettings`.
    start
        How far from the truth local refinement starts: degrees, A RMSD of the amplitudes, A of shift.
    """

    images: int | None
    box_size: int | None
    seed: int
    data: Path
    work: Path
    estimate: Mapping[str, str] = field(default_factory=dict)
    start: tuple[float, float, float] = (10.0, 1.5, 1.0)


@dataclass(frozen=True)
class ImageSet:
    """One data set.

    Attributes
    ----------
    simulation
        Makes the images.
    estimation
        The reference that the estimator gets.
    mismatch
        True where no amplitudes make the estimator's reference the molecule of the images: no bound applies.
    """

    simulation: SimulateStage
    estimation: ReferenceOptions
    mismatch: bool = False


@dataclass(frozen=True)
class Entry:
    """A set as the table lists it.

    Attributes
    ----------
    name
        For people.
    images
        By default.
    make
        Builds it; None for HEMNMA's own images, which are there.
    """

    name: str
    images: int
    make: Callable[[Options, int], ImageSet] | None


def _make_plain(options: Options, count: int, *, snr: float, **microscope: float) -> ImageSet:
    reference = store_reference(options.work, "ak", path=STRUCTURE, molecule=MoleculeOptions())
    return ImageSet(_simulate(options, reference, count, snr=snr, **microscope), reference)


def _make_beads(options: Options, count: int) -> ImageSet:
    atoms = store_reference(options.work, "ak", path=STRUCTURE, molecule=MoleculeOptions())
    beads = store_reference(
        options.work, "ak_beads", path=STRUCTURE, molecule=MoleculeOptions(structure=StructureOptions(sites="ca"))
    )
    return ImageSet(_simulate(options, atoms, count, snr=0.1), beads, mismatch=True)


def _make_path(options: Options, count: int) -> ImageSet:
    frames = min(FRAMES, count)
    folder = options.work / f"path_{frames}"
    if not (folder / "frames.cif").exists():
        folder.mkdir(parents=True, exist_ok=True)
        ends = [options.data / "structures" / f"{name}_chainA.pdb" for name in ("4ake", "1ake")]
        first, last = _find_common_atoms(*(select_sites(read_structure(path), "heavy") for path in ends))
        write_models(folder / "start.cif", first, first.positions[None])
        rotation, move = roma.rigid_points_registration(last.positions, first.positions)
        end = last.positions @ rotation.mT + move  # else the path would lead through squashed molecules
        step = torch.linspace(0, 1, frames, dtype=torch.float64)[:, None, None]
        write_models(folder / "frames.cif", first, torch.lerp(first.positions[None], end[None], step))
    reference = store_reference(
        options.work, "ak_common", path=folder / "start.cif", molecule=MoleculeOptions(), modes="7-12"
    )
    conformation = ConformationOptions(distribution="models", models=folder / "frames.cif")
    return ImageSet(_simulate(options, reference, count, snr=0.1, conformation=conformation), reference, mismatch=True)


def _make_ribosome(options: Options, count: int) -> ImageSet:
    path = options.data / "structures" / "6zu5_80S_ribosome.cif.gz"
    molecule = MoleculeOptions(
        structure=StructureOptions(sites="ca-p"), network=NetworkOptions(cutoff=20.0, n_modes=12)
    )
    reference = store_reference(options.work, "ribosome", path=path, molecule=molecule, modes="7-10")
    n_sites = read_or_compute_modes(reference.reference, MoleculeOptions()).model.n_sites
    conformation = ConformationOptions(distribution="uniform", amplitude_scale=RIBOSOME_RMSD * n_sites**0.5)
    simulation = _simulate(options, reference, count, snr=0.05, conformation=conformation, field=RIBOSOME_FIELD)
    return ImageSet(simulation, reference)


ENTRIES = {
    1: Entry("AK, SNR 0.1", 256, lambda options, count: _make_plain(options, count, snr=0.1)),
    2: Entry("AK, SNR 0.03", 256, lambda options, count: _make_plain(options, count, snr=0.03)),
    3: Entry("AK, SNR 0.01", 256, lambda options, count: _make_plain(options, count, snr=0.01)),
    4: Entry(
        "AK, hard microscope", 256, lambda options, count: _make_plain(options, count, snr=0.1, **HARD_MICROSCOPE)
    ),
    5: Entry("AK, CA beads for atoms", 256, _make_beads),
    6: Entry("AK, path to 1AKE", 256, _make_path),
    7: Entry("80S ribosome", 64, _make_ribosome),
    8: Entry("HEMNMA's images", 16, None),
}
"""By the numbers of the table."""


def make_image_set(number: int, options: Options) -> ImageSet:
    """Return set `number`; its reference, and the molecules on its path, are made where they are not kept yet."""
    entry = ENTRIES[number]
    return entry.make(options, options.images or entry.images)


def _simulate(
    options: Options,
    reference: ReferenceOptions,
    count: int,
    *,
    conformation: ConformationOptions | None = None,
    field: float = FIELD_OF_VIEW,
    **microscope: float,
) -> SimulateStage:
    box = options.box_size or 128
    return SimulateStage(
        reference=reference,
        count=count,
        conformation=conformation or ConformationOptions(),
        image=ImageOptions(box_size=box, pixel_size=field / box, **microscope),
        seed=options.seed,
        device="cpu",
    )


def store_reference(
    work: Path, name: str, *, path: Path, molecule: MoleculeOptions, modes: str = "7-9"
) -> ReferenceOptions:
    """Compute the modes of a structure, unless `work` holds them by this name, and say where they are."""
    stored = work / f"{name}.npz"
    if not stored.exists():
        work.mkdir(parents=True, exist_ok=True)
        reference = read_or_compute_modes(path, molecule)
        write_reference(stored, reference.model, reference.modes)
    return ReferenceOptions(stored, modes=modes)


def _find_common_atoms(first: AtomicModel, last: AtomicModel) -> tuple[AtomicModel, AtomicModel]:
    """Return the atoms that both have, by residue number, residue and name, in the order of the first."""
    keys = [list(zip(each.residue_numbers, each.residue_names, each.atom_names, strict=True)) for each in (first, last)]
    places = {key: row for row, key in enumerate(keys[1])}
    pairs = [(row, places[key]) for row, key in enumerate(keys[0]) if key in places]
    rows, others = zip(*pairs, strict=True)
    return _take(first, list(rows)), _take(last, list(others))


def _take(atoms: AtomicModel, rows: list[int]) -> AtomicModel:
    columns = ("elements", "atom_names", "residue_names", "chains", "residue_numbers")
    values = {name: getattr(atoms, name)[rows] for name in (*columns, "positions", "scattering", "b_factors")}
    return AtomicModel(**values, source=atoms.source)
