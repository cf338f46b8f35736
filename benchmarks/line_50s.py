"""The line on 1,296 simulated images of two classes of the 50S subunit: poses, and what separates the classes.

Images and maps came with tomoDRGN: tilt series of 72 particles a class, 32 pixels of 13.1 A, SNR 0.1.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import starfile
import torch
from evidence import compute_auc, compute_gains
from line import IMAGE_NAME, Line, check, compute_reference, estimate, find_unnoticed, make_row, preflight, refine
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from torch import Tensor

import deephemnma as dh
from deephemnma.core.estimates import Estimates, Status, make_estimates
from deephemnma.core.rotation import compute_geodesic_angle
from deephemnma.io.particles import ParticleStack
from deephemnma.pipeline.formation import NOISE_FILE, read_noise
from deephemnma.pipeline.landscape import LANDSCAPE_FILE
from deephemnma.settings.stage.preflight import PreflightStage

SET = "50S, simulated"
CLASSES = ("D", "E")
VOXEL = 13.1
RESOLUTION = 40.0
"""A; finer waves hold nothing in these images: the likelihood of the true poses is the same with them."""
SEARCH = dh.EstimateSettings(resolution=RESOLUTION, shift_range=75.0, effort="normal", amplitude_range=12.0)
FROM_TRUTH = dh.RefineSettings(fall_back=False, candidates=8, rotation_spread_deg=3.0, shift_spread=3.0)
FAILED_DEG = 30.0
FLEXIBLE = "7-9"


@dataclass
class Images50S:
    """The prepared images of both classes, what is known of each, and what the stages found.

    Attributes
    ----------
    folder
        That `prepare` wrote; the star file holds the true poses.
    source
        The images.
    is_e
        Whether an image is of class E.
    particles
        Of which tilt series each image is.
    stored_deviation
        Standard deviation of the grey values as stored.
    references
        By class.
    found
        Estimates by name.
    gains
        Log likelihood of each image above that of an empty one, by the same names.
    """

    folder: Path
    source: ParticleStack
    is_e: np.ndarray
    particles: np.ndarray
    stored_deviation: np.ndarray
    references: Mapping[str, Path]
    found: dict[str, Estimates] = field(default_factory=dict)
    gains: dict[str, Tensor] = field(default_factory=dict)

    def add(self, name: str, estimates: Estimates, *, reference: str) -> None:
        """Keep estimates and compute how likely they are."""
        noise = read_noise(self.folder / NOISE_FILE)
        path = self.references[reference]
        self.found[name] = estimates
        self.gains[name] = compute_gains(self.source, estimates, path, noise=noise, resolution=RESOLUTION)

    def compute_ratio(self, name: str) -> np.ndarray:
        """Return the log likelihood ratio of class E and class D, each with its own fit."""
        return (self.gains[f"{name} E"] - self.gains[f"{name} D"]).numpy()

    def compute_angles(self, name: str) -> np.ndarray:
        """Return how far (degrees) the orientations are from the true ones."""
        angles = compute_geodesic_angle(self.found[name].poses.rotations, self.source.poses.rotations)
        return torch.rad2deg(angles).numpy()


def run(line: Line) -> tuple[list[dict[str, object]], dict[str, object], Images50S]:
    """Run the stages; return rows, notes and what was found."""
    line = line.go_into("50s")
    images, notes = prepare(line)
    options = dh.ReferenceOptions(images.references["D"], modes="")
    notes |= preflight(line, PreflightStage(images.folder, options, search=SEARCH, workers=line.workers), SET)
    truth = make_estimates(
        names=images.source.names,
        poses=images.source.poses,
        amplitudes=torch.zeros(len(images.source), 0, dtype=torch.float64),
        mode_numbers=(),
        status=Status.GIVEN,
    )
    for name in CLASSES:
        reference, star = images.references[name], images.folder / "particles.star"
        images.add(f"true {name}", truth, reference=name)
        options = {"search": SEARCH, "refinement": FROM_TRUTH}
        near = refine(line, images.folder, star, reference, name=f"near_{name}", **options)
        images.add(f"near {name}", near, reference=name)
        rigid = estimate(line, images.folder, reference, name=f"rigid_{name}", search=SEARCH)
        images.add(f"rigid {name}", rigid, reference=name)
    in_d = images.references["D"]
    bent = estimate(line, images.folder, in_d, name="flexible_D", search=SEARCH, modes=FLEXIBLE)
    images.add("flexible D", bent, reference="D")
    return [*compare_poses(images), *compare_classes(images, line)], notes, images


def prepare(line: Line) -> tuple[Images50S, dict[str, object]]:
    """Put both classes into one file, check it, prepare it with the grey values turned, compute the references."""
    source = line.data / "particles" / "tomodrgn_50S"
    tables = []
    for name in CLASSES:
        table = starfile.read(source / f"10076_class{name}_32_sim.star")
        tables.append(table.iloc[line.choose_rows(len(table))].assign(is_e=name == "E"))
    table = pd.concat(tables, ignore_index=True)
    table[IMAGE_NAME] = table[IMAGE_NAME].str.replace("data/", "")
    star = line.folder / "both.star"
    if not star.exists():  # the date that is written into it would make all stages run again
        starfile.write(table.drop(columns="is_e"), star)
    notes = {f"{SET}, check": check(star, datadir=source)}
    stored = dh.read_particles(star, datadir=source)
    folder = dh.run_prepare(
        dh.PrepareStage(star, datadir=source, invert_contrast=True, float16=True, workers=line.workers),
        output=line.folder / "prepared",
    )
    molecule = dh.MoleculeOptions(pseudoatoms=dh.PseudoatomOptions(voxel_size=VOXEL))
    references = {
        name: compute_reference(source / f"10076_class{name}_32.mrc", line.folder / f"modes_{name}", molecule)
        for name in CLASSES
    }
    deviation = stored[torch.arange(len(stored))].std((1, 2)).numpy()
    prepared = dh.read_particles(folder / "particles.star")
    known = table["is_e"].to_numpy(), table["rlnGroupName"].to_numpy(str)
    return Images50S(folder, prepared, *known, deviation, references), notes


def compare_poses(images: Images50S) -> list[dict[str, object]]:
    """Return how well orientations are found, and whether a better search could find them."""
    rows = []
    for name in CLASSES:
        own = images.is_e if name == "E" else ~images.is_e
        angles, near = images.compute_angles(f"rigid {name}"), images.compute_angles(f"near {name}")
        for title, key, errors in (
            ("rigid, own map", "rigid", angles),
            ("the same, started at the truth", "near", near),
        ):
            failed = own & (errors > FAILED_DEG)
            kept = images.found[f"{key} {name}"].select(torch.from_numpy(np.flatnonzero(own)))
            others = {
                "images": int(own.sum()),
                "failed": float(failed.sum() / own.sum()),
                "failed, not noticed": find_unnoticed(kept, (errors > FAILED_DEG)[own].tolist()),
            }
            method = f"{title}, class {name}"
            rows.append(make_row(SET, method, "median angle (deg)", float(np.median(errors[own])), **others))
        ahead = (images.gains[f"rigid {name}"] - images.gains[f"near {name}"]).numpy()[own]
        method = f"rigid, own map, class {name}"
        rows.append(make_row(SET, method, "share less likely than the truth", float((ahead < -0.5).mean())))
        rows.append(make_row(SET, method, "share likelier than the truth", float((ahead > 0.5).mean())))
    return rows


def compare_classes(images: Images50S, line: Line) -> list[dict[str, object]]:
    """Return what separates the classes, as areas under ROC curves."""
    signs = {
        "likelihood ratio at the true poses": images.compute_ratio("true"),
        "likelihood ratio, started at the truth": images.compute_ratio("near"),
        "likelihood ratio of two rigid searches": images.compute_ratio("rigid"),
    }
    bent = images.found["flexible D"]
    contrast = images.found["rigid D"].contrasts
    signs |= {
        "score, rigid in D": images.found["rigid D"].score.numpy(),
        "contrast, rigid in D": contrast.values.numpy(),
        "gain of modes 7-9 over rigid, in D": (images.gains["flexible D"] - images.gains["rigid D"]).numpy(),
        "standard deviation as stored (a trap)": images.stored_deviation,
    }
    signs["amplitudes 7-9 in D, discriminant"] = discriminate(images, bent.amplitudes.numpy())
    rows = [_make_auc_row(method, images, values) for method, values in signs.items()]
    for name in ("rigid", "true"):
        mean = pd.Series(images.compute_ratio(name)).groupby(images.particles).mean()
        is_e = pd.Series(images.is_e).groupby(images.particles).first().to_numpy()
        auc = compute_auc(is_e, mean.to_numpy(), clusters=np.arange(len(mean)))
        known = {"rigid": "of two rigid searches", "true": "at the true poses"}[name]
        method = f"likelihood ratio {known}, mean over a tilt series"
        rows.append(make_row(SET, method, "AUC of the classes", auc, images=len(mean)))
    return [*rows, *_lay_out(images, line)]


def discriminate(images: Images50S, features: np.ndarray) -> np.ndarray:
    """Return a linear discriminant of each image, fitted to other particles of known class."""
    folds = StratifiedGroupKFold(n_splits=5, shuffle=True, random_state=0)
    known = {"groups": images.particles, "cv": folds, "method": "decision_function"}
    return cross_val_predict(LinearDiscriminantAnalysis(), features, images.is_e, **known)


def _make_auc_row(method: str, images: Images50S, values: np.ndarray) -> dict[str, object]:
    auc = compute_auc(images.is_e, values, clusters=images.particles)
    return make_row(SET, method, "AUC of the classes", auc, images=len(values))


def _lay_out(images: Images50S, line: Line) -> list[dict[str, object]]:
    """Lay out the landscape as a user would; return whether its first axis and its two groups tell the classes."""
    settings = dh.LandscapeSettings(n_axes=1, groups=dh.GroupSettings(n_groups=2, seed=0))
    stage = dh.LandscapeStage((line.folder / "flexible_D",), settings)
    landscape = dh.read_landscape(dh.run_landscape(stage, output=line.folder / "landscape") / LANDSCAPE_FILE)
    place = {name: row for row, name in enumerate(images.source.names)}
    rows = np.array([place[name] for name in landscape.names])
    is_e, particles = images.is_e[rows], images.particles[rows]
    auc = compute_auc(is_e, landscape.coordinates[:, 0].numpy(), clusters=particles)
    agree = (landscape.groups.numpy() == 1) == is_e
    known = {"images": len(rows), "failed": 1 - len(rows) / len(images.is_e)}
    agreement = float(max(agree.mean(), 1 - agree.mean()))
    return [
        make_row(SET, "landscape, first axis", "AUC of the classes", auc, **known),
        make_row(SET, "landscape, two groups", "share in the group of its class", agreement, **known),
    ]
