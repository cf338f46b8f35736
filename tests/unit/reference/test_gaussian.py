import pytest
import torch

from deephemnma.core.error import InputError
from deephemnma.core.structure import AtomicModel
from deephemnma.reference.gaussian import ATOM_WIDTH, make_gaussian_model
from deephemnma.reference.site import select_sites


def test_model_is_about_its_mean_and_keeps_the_frame(atoms: AtomicModel) -> None:
    sites = select_sites(atoms, "heavy")
    model = make_gaussian_model(sites)
    assert model.positions.mean(dim=0).abs().max() < 1e-12
    assert torch.allclose(model.positions + model.center, sites.positions)
    assert torch.equal(model.weights, sites.scattering)
    assert (model.widths == ATOM_WIDTH).all()


def test_beads_are_as_wide_as_their_residue(atoms: AtomicModel) -> None:
    """The second moment of a bead about its site is that of the residue's atoms."""
    model = make_gaussian_model(select_sites(atoms, "ca-p"))
    residue = atoms.positions[4:7]
    weights = atoms.scattering[4:7]
    moment = (weights * ((residue - residue[1]).square().mean(dim=-1) + ATOM_WIDTH**2)).sum() / weights.sum()
    assert model.widths[1] == pytest.approx(moment.sqrt())
    assert (model.widths > ATOM_WIDTH).all()


def test_width_can_be_set(atoms: AtomicModel) -> None:
    assert (make_gaussian_model(select_sites(atoms, "ca"), width=2.0).widths == 2.0).all()


def test_default_width_is_pengs() -> None:
    """sum(a b) / (8 pi^2 sum(a)) of carbon, Peng et al. 1996, Acta Cryst. A52:257, table 1."""
    a = torch.tensor([0.0893, 0.2563, 0.7570, 1.0487, 0.3575])
    b = torch.tensor([0.2465, 1.7100, 6.4094, 18.6113, 50.2523])
    carbon = ((a * b).sum() / (8 * torch.pi**2 * a.sum())).sqrt()
    assert float(carbon) == pytest.approx(ATOM_WIDTH, abs=0.03)


@pytest.mark.parametrize("width", [0.0, -1.0, float("nan")])
def test_width_is_positive(atoms: AtomicModel, width: float) -> None:
    with pytest.raises(InputError, match="--width"):
        make_gaussian_model(atoms, width=width)
