"""What a reference of beads does to estimates: images of all atoms, fitted from the truth with beads, without noise."""

import numpy as np
import torch
from torch import Tensor

from deephemnma.alignment.levenberg import fit
from deephemnma.alignment.observation import make_observations
from deephemnma.alignment.state import State
from deephemnma.core.fourier import inverse_fourier_transform
from deephemnma.core.model import GaussianModel, Modes
from deephemnma.core.residue import number_residues
from deephemnma.core.rotation import make_random_rotations
from deephemnma.core.structure import AtomicModel
from deephemnma.imaging.band import make_band
from deephemnma.imaging.gaussian_projector import GaussianProjector
from deephemnma.imaging.noise import make_white_noise
from deephemnma.modes import compute_modes
from deephemnma.reference.atomic_density import AtomicDensity, make_atomic_density
from deephemnma.reference.gaussian import make_gaussian_model
from deephemnma.reference.gaussian_fit import fit_to_atoms
from deephemnma.reference.site import select_sites

BOX, PIXEL, AMPLITUDE, SHIFT = 64, 2.0, 150.0, 2.0
CLEAN = 1000.0  # SNR


def measure_estimates(atoms: AtomicModel, *, resolution: float, images: int, seed: int) -> list[dict[str, object]]:
    """Return mean errors of amplitudes and orientations for references of `atoms` (heavy atoms, no waters)."""
    density, generator = make_atomic_density(atoms), torch.Generator().manual_seed(seed)
    origin = density.positions.mean(dim=0)
    heavy = _move(make_gaussian_model(select_sites(atoms, "heavy")), origin)
    modes = compute_modes(heavy.positions, n_modes=9, cutoff=8.0).select((7, 8, 9))
    truth = State(
        make_random_rotations(images, generator=generator).float(),
        SHIFT * torch.randn(images, 2, generator=generator),
        AMPLITUDE * (2 * torch.rand(images, modes.n_modes, generator=generator) - 1),
    )
    band = make_band(BOX, PIXEL, resolution=resolution)
    clean = GaussianProjector(*_expand(density, modes, origin), band)
    pictures = clean.project(truth.rotations, truth.shifts, truth.amplitudes)
    pictures = inverse_fourier_transform(band.embed(pictures), box_size=BOX)
    noise = make_white_noise(float(pictures.var()) / CLEAN, box_size=BOX, pixel_size=PIXEL)
    observed = make_observations(pictures + noise.draw(images, generator=generator), band, optics=None, noise=noise)
    rows = []
    for name, model, moved in _list_references(atoms, heavy, modes, resolution=resolution):
        projector = GaussianProjector(_move(model, origin), moved, band)
        step = 0.3 * resolution * torch.ones(modes.n_modes + 5)
        found = fit(observed, projector, truth, step_scale=step, iterations=30, tolerance=1e-5).state
        row = {"resolution (A)": resolution, "reference": name, "sites": model.n_sites}
        rows.append(row | _compare(found, truth))
    return rows


def _list_references(
    atoms: AtomicModel, heavy: GaussianModel, modes: Modes, *, resolution: float
) -> list[tuple[str, GaussianModel, Modes]]:
    """Return models with the modes of the atoms: a bead at a CA moves as this, one at a centre as its residue."""
    alpha = torch.from_numpy(np.flatnonzero(atoms.atom_names == "CA"))
    residues, weights = torch.from_numpy(number_residues(atoms)), atoms.scattering.to(modes.vectors.dtype)
    total = torch.zeros(int(residues.max()) + 1, dtype=weights.dtype).index_add_(0, residues, weights)
    mean = torch.zeros(modes.n_modes, len(total), 3, dtype=weights.dtype)
    mean = mean.index_add_(1, residues, modes.vectors * weights[:, None]) / total[:, None]
    references = [("heavy", heavy, modes)]
    for sites, vectors in (("ca", modes.vectors[:, alpha]), ("residue", mean)):
        model, moved = make_gaussian_model(select_sites(atoms, sites)), Modes(vectors, modes.eigenvalues, modes.numbers)
        references.append((sites, model, moved))
        references.append((f"{sites}, fitted", fit_to_atoms(model, atoms, resolution=resolution)[0], moved))
    return references


def _expand(density: AtomicDensity, modes: Modes, origin: Tensor) -> tuple[GaussianModel, Modes]:
    """Return all terms of all atoms as sites of their own, and the modes of these."""
    terms = density.weights.shape[1]
    positions = (density.positions - origin).repeat_interleave(terms, dim=0)
    widths = density.variances.reshape(-1).sqrt()
    vectors = modes.vectors.repeat_interleave(terms, dim=1)
    model = GaussianModel(positions, density.weights.reshape(-1), widths, origin)
    return model, Modes(vectors, modes.eigenvalues, modes.numbers)


def _move(model: GaussianModel, origin: Tensor) -> GaussianModel:
    """Return the model about another origin: that of the images."""
    return GaussianModel(model.positions + model.center - origin, model.weights, model.widths, origin)


def _compare(found: State, truth: State) -> dict[str, object]:
    trace = (found.rotations @ truth.rotations.mT).diagonal(dim1=-2, dim2=-1).sum(-1)
    return {
        "|q error|": float((found.amplitudes - truth.amplitudes).abs().mean()),
        "angle (deg)": float(((trace - 1) / 2).clamp(-1, 1).acos().rad2deg().mean()),
        "shift (A)": float((found.shifts - truth.shifts).norm(dim=1).mean()),
    }
