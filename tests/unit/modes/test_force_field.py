"""Every force field, and what each is."""

import numpy as np
import pytest
import torch

from deephemnma.modes.elastic_network import choose_cutoff, compute_distances, find_pairs
from deephemnma.modes.force_field import ForceField
from deephemnma.modes.force_field_choice import FORCE_FIELDS, make_force_field
from deephemnma.modes.hessian import compute_energy, compute_hessian
from deephemnma.modes.hinsen import Hinsen
from deephemnma.modes.inverse_square import InverseSquare
from deephemnma.modes.normal_modes import compute_modes
from deephemnma.modes.rigid import make_rigid_modes
from deephemnma.settings.network import FORCE_FIELDS as NAMES


@pytest.fixture(params=sorted(FORCE_FIELDS))
def force_field(request: pytest.FixtureRequest) -> ForceField:
    return make_force_field(request.param)


@pytest.fixture
def helix() -> np.ndarray:
    """The CA of 40 residues of an alpha helix that bends back upon itself."""
    turn = np.deg2rad(100.0) * np.arange(20)
    strand = np.stack((2.3 * np.cos(turn), 2.3 * np.sin(turn), 1.5 * np.arange(20)), axis=1)
    return np.concatenate((strand, strand[::-1] + np.array([9.0, 1.0, 0.5])))


def test_the_options_name_every_force_field() -> None:
    assert set(NAMES) == set(FORCE_FIELDS)


class TestEveryForceField:
    """The shared test: what a force field must be."""

    def test_springs_hold_and_never_push(self, force_field: ForceField) -> None:
        stiffness = force_field.compute_stiffness(np.array([1e-3, 0.9, 1.5, 2.9, 3.8, 3.9999, 4.0, 8.0, 20.0, 500.0]))
        assert stiffness.shape == (10,)
        assert np.isfinite(stiffness).all()
        assert (stiffness > 0).all()

    def test_a_pair_is_as_stiff_whatever_the_others_are(self, force_field: ForceField) -> None:
        distances = np.linspace(1.0, 30.0, 50)
        alone = [force_field.compute_stiffness(distances[[pair]])[0] for pair in range(50)]
        assert np.array_equal(alone, force_field.compute_stiffness(distances))

    def test_longer_springs_are_no_stiffer_than_those_of_contacts(self, force_field: ForceField) -> None:
        stiffness = force_field.compute_stiffness(np.linspace(4.0, 60.0, 100))
        assert (np.diff(stiffness) <= 0).all()

    def test_the_hessian_is_the_curvature_of_the_energy(self, force_field: ForceField, helix: np.ndarray) -> None:
        pairs = find_pairs(helix, cutoff=15.0)
        lengths = compute_distances(helix, pairs)
        stiffness = force_field.compute_stiffness(lengths)
        direction = np.random.default_rng(0).standard_normal(helix.shape)
        step = 1e-4
        energies = [
            compute_energy(helix + sign * step * direction, pairs, lengths=lengths, stiffness=stiffness)
            for sign in (-1, 1)
        ]
        flat = direction.ravel()
        expected = flat @ (compute_hessian(helix, pairs, stiffness=stiffness) @ flat)
        assert sum(energies) / step**2 == pytest.approx(expected, rel=1e-5)

    def test_rigid_motion_is_free_and_all_else_is_not(self, force_field: ForceField, helix: np.ndarray) -> None:
        modes = compute_modes(torch.from_numpy(helix), n_modes=120, force_field=force_field)
        assert (modes.eigenvalues[6:] > 1e-9 * modes.eigenvalues.mean()).all()
        rigid = torch.from_numpy(make_rigid_modes(helix))
        assert (modes.vectors[6:].reshape(114, 120) @ rigid).abs().max() < 1e-8

    def test_the_default_cutoff_holds_the_sites_together(self, force_field: ForceField, helix: np.ndarray) -> None:
        assert force_field.reach >= 1
        by_default = compute_modes(torch.from_numpy(helix), n_modes=9, force_field=force_field)
        cutoff = force_field.reach * choose_cutoff(helix)
        named = compute_modes(torch.from_numpy(helix), n_modes=9, force_field=force_field, cutoff=cutoff)
        assert torch.equal(by_default.eigenvalues, named.eigenvalues)


def test_hinsens_backbone_is_stiffer_than_its_contacts() -> None:
    backbone, contact, far = Hinsen().compute_stiffness(np.array([3.8, 6.0, 12.0]))
    assert backbone == pytest.approx(878.0)
    assert backbone / contact > 30
    assert contact / far == pytest.approx(2.0**6)


def test_inverse_square_weakens_fourfold_at_twice_the_distance() -> None:
    near, far = InverseSquare().compute_stiffness(np.array([5.0, 10.0]))
    assert near / far == pytest.approx(4.0)
