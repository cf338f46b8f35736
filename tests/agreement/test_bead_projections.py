"""The correlation of bead models with all atoms, from the 3D transforms, against projections made and compared."""

from pathlib import Path

import pytest
import torch

from deephemnma.core.model import GaussianModel, Modes
from deephemnma.core.rotation import make_random_rotations
from deephemnma.imaging.band import make_band
from deephemnma.imaging.gaussian_projector import GaussianProjector
from deephemnma.io.structure import read_structure
from deephemnma.reference.atomic_density import AtomicDensity, make_atomic_density, make_model_density
from deephemnma.reference.gaussian import make_gaussian_model
from deephemnma.reference.gaussian_fit import fit_to_atoms
from deephemnma.reference.site import select_sites

VIEWS, BOX, PIXEL = 60, 160, 1.0


def project(density: AtomicDensity, rotations: torch.Tensor, *, resolution: float) -> torch.Tensor:
    """Return all components of the half plane to the resolution, zero frequency first, as white as white noise."""
    n, terms = density.weights.shape
    model = GaussianModel(
        positions=density.positions.repeat_interleave(terms, dim=0).float(),
        weights=density.weights.reshape(-1).float(),
        widths=density.variances.reshape(-1).sqrt().float(),
        center=torch.zeros(3),
    )
    rigid = Modes(torch.zeros(0, n * terms, 3), torch.zeros(0), ())
    projector = GaussianProjector(model, rigid, make_band(BOX, PIXEL, resolution=resolution))
    images = projector.project(rotations, torch.zeros(len(rotations), 2), torch.zeros(len(rotations), 0))
    mean = torch.full((len(rotations), 1), float(model.weights.sum()) / BOX / 2**0.5, dtype=images.dtype)
    return torch.cat((mean, images), dim=1)


@pytest.mark.parametrize(("sites", "resolution"), [("ca", 5.0), ("residue", 8.0)])
def test_correlation_of_projections(
    adenylate_kinase_path: Path, generator: torch.Generator, sites: str, resolution: float
) -> None:
    atoms = read_structure(adenylate_kinase_path)
    model = make_gaussian_model(select_sites(atoms, sites))
    fitted, likeness = fit_to_atoms(model, atoms, resolution=resolution)
    rotations = make_random_rotations(VIEWS, generator=generator).float()
    density = make_atomic_density(select_sites(atoms, "all"))
    middle = density.positions.mean(dim=0)
    seen = [
        project(AtomicDensity(each.positions - middle, each.weights, each.variances), rotations, resolution=resolution)
        for each in (density, make_model_density(model), make_model_density(fitted))
    ]
    for images, told in ((seen[1], likeness.before), (seen[2], likeness.after)):
        products = (images * seen[0].conj()).real.sum(dim=1)
        correlations = products / (images.norm(dim=1) * seen[0].norm(dim=1))
        spread = float(correlations.std()) / VIEWS**0.5
        assert float(correlations.mean()) == pytest.approx(told, abs=4 * spread)
        assert 1 - float(correlations.mean()) == pytest.approx(1 - told, rel=0.05)
