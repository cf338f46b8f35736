from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deephemnma.io.structure import read_structure
from deephemnma.modes.bond import find_bonds, find_links
from deephemnma.modes.deformation import displace_blocks, make_rigid_blocks
from deephemnma.modes.elastic_network import compute_distances
from deephemnma.modes.normal_modes import compute_modes
from deephemnma.reference.site import select_sites


@pytest.fixture(scope="module")
def molecule(adenylate_kinase_path):
    """Adenylate kinase and its modes 7-9."""
    atoms = read_structure(adenylate_kinase_path)
    return atoms, compute_modes(atoms.positions, n_modes=9).select([7, 8, 9])


@pytest.fixture(scope="module")
def beads(adenylate_kinase_path):
    """Its CA, and their modes 7-9."""
    atoms = select_sites(read_structure(adenylate_kinase_path), "ca")
    return atoms, compute_modes(atoms.positions, n_modes=9).select([7, 8, 9])


def measure_changes(atoms, positions, pairs):
    rest = compute_distances(atoms.positions.numpy(), pairs)
    return np.abs([compute_distances(frame.numpy(), pairs) - rest for frame in positions])


def test_bonds_are_those_of_chemistry(molecule):
    atoms, _ = molecule
    bonds = find_bonds(atoms)
    # A tree of 214 residues would have 1,655; the rings of its prolines, aromatics and histidines close the others.
    rings = {"PRO": 1, "PHE": 1, "TYR": 1, "HIS": 1, "TRP": 2}
    named = dict(zip(atoms.residue_numbers.tolist(), atoms.residue_names.tolist(), strict=True))
    assert len(bonds) == len(atoms.elements) - 1 + sum(rings.get(name, 0) for name in named.values())
    lengths = compute_distances(atoms.positions.numpy(), bonds)
    assert 1.1 < lengths.min() < lengths.max() < 1.95


def test_beads_are_linked_along_their_chain_only(beads):
    atoms, _ = beads
    assert find_links(atoms).tolist() == [[first, first + 1] for first in range(213)]
    assert len(find_bonds(atoms)) == 0


def test_no_link_crosses_a_gap_and_insertion_codes_cut_none(beads):
    atoms, _ = beads
    rows = np.delete(np.arange(214), [50, 120, 121])
    assert [int(rows[second]) for _, second in find_links(atoms.take(rows))] == [
        row for row in rows.tolist() if row not in (0, 51, 122)
    ]
    numbers, codes = atoms.residue_numbers.copy(), np.full(214, "")
    numbers[30:], codes[30] = numbers[30:] - 1, "A"
    assert len(find_links(replace(atoms, residue_numbers=numbers, insertion_codes=codes))) == 213


def test_neighbouring_ions_are_no_chain(beads):
    atoms, _ = beads
    ions = np.full(214, "MG")
    assert len(find_links(replace(atoms, elements=ions, atom_names=ions, residue_names=ions))) == 0


@pytest.mark.parametrize("n_residues", [1, 5])
def test_blocks_are_rigid_and_bonds_keep_their_lengths(molecule, n_residues):
    atoms, modes = molecule
    rigid = make_rigid_blocks(atoms, positions=atoms.positions, n_residues=n_residues)
    frames = displace_blocks(rigid, 200 * modes.vectors)
    within = [(a, b) for a in range(0, 1500, 7) for b in range(a + 1, a + 60) if rigid.blocks[a] == rigid.blocks[b]]
    assert measure_changes(atoms, frames, np.array(within)).max() < 1e-9
    bonds = find_bonds(atoms)
    assert measure_changes(atoms, frames, bonds).max() < 1e-6
    # The linear displacement stretches them.
    linear = modes.displace(atoms.positions, 200 * torch.eye(3, dtype=torch.float64))
    assert (measure_changes(atoms, linear, bonds).max(axis=1) > [0.3, 0.6, 1.0]).all()


def test_the_motion_is_the_modes_to_first_order(molecule):
    atoms, modes = molecule
    rigid = make_rigid_blocks(atoms, positions=atoms.positions)
    velocity = displace_blocks(rigid, 1e-3 * modes.vectors) - atoms.positions
    lost = (velocity / 1e-3 - modes.vectors).flatten(1).norm(dim=1)
    assert (lost < 0.03).all()  # what strains residues and peptide bonds
    # What strains neither is kept whole: the motion of the blocks, displaced along itself.
    again = displace_blocks(rigid, velocity) - atoms.positions
    assert ((again - velocity).flatten(1).norm(dim=1) < 1e-4 * velocity.flatten(1).norm(dim=1)).all()


def test_the_difference_from_the_linear_displacement_is_of_second_order(molecule):
    atoms, modes = molecule
    rigid = make_rigid_blocks(atoms, positions=atoms.positions)
    kept = (displace_blocks(rigid, 0.1 * modes.vectors) - displace_blocks(rigid, -0.1 * modes.vectors)) / 0.2
    differences = [
        (displace_blocks(rigid, scale * kept) - atoms.positions - scale * kept).flatten(1).norm(dim=1)
        for scale in (10.0, 20.0)
    ]
    assert torch.allclose(differences[1] / differences[0], torch.full((3,), 4.0, dtype=torch.float64), rtol=0.02)


@pytest.mark.parametrize("kind", ["molecule", "beads"])
def test_no_displacement_changes_nothing_and_runs_are_alike(kind, request):
    atoms, modes = request.getfixturevalue(kind)
    rigid = make_rigid_blocks(atoms, positions=atoms.positions)
    still = displace_blocks(rigid, torch.zeros(1, *atoms.positions.shape, dtype=torch.float64))
    assert (still[0] - atoms.positions).abs().max() < 1e-12
    first, second = (displace_blocks(rigid, 50 * modes.vectors) for _ in range(2))
    assert torch.equal(first, second)


def test_beads_turn_with_their_neighbours(beads):
    atoms, modes = beads
    rigid = make_rigid_blocks(atoms, positions=atoms.positions)
    amplitude = 4.9 * modes.n_sites**0.5
    frames = displace_blocks(rigid, amplitude * modes.vectors)
    assert measure_changes(atoms, frames, find_links(atoms)).max() < 1e-6
    # The rest of the trace keeps its shape too: distances over two residues, a third of what they change linearly.
    angles = np.stack((np.arange(212), np.arange(2, 214)), axis=1)
    linear = modes.displace(atoms.positions, amplitude * torch.eye(3, dtype=torch.float64))
    changes, stretched = (measure_changes(atoms, each, angles).mean(axis=1) for each in (frames, linear))
    assert (changes < stretched / 3).all()


def test_a_turn_of_the_whole_turns_it_and_nothing_else(molecule):
    atoms, _ = molecule
    centred = atoms.positions - atoms.positions.mean(dim=0)
    axis = torch.tensor([0.3, -0.5, 0.8], dtype=torch.float64)
    rigid = make_rigid_blocks(atoms, positions=centred)
    turned = displace_blocks(rigid, torch.cross(axis.expand_as(centred), centred, dim=1)[None])[0]
    angle = axis.norm()
    cosine = (turned * centred).sum(dim=1) - (centred @ axis / angle) ** 2
    across = (centred.square().sum(dim=1) - (centred @ axis / angle) ** 2).clamp_min(1e-12)
    pairs = np.random.default_rng(0).integers(0, len(centred), (1000, 2))
    assert np.allclose(*(compute_distances(each.numpy(), pairs) for each in (turned, centred)), rtol=0, atol=1e-9)
    assert torch.allclose(cosine / across, torch.cos(angle).expand_as(across), atol=1e-6)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**31), rmsd=st.floats(0.01, 3.0))
def test_any_displacement_keeps_blocks_rigid(beads, seed, rmsd):
    atoms, _ = beads
    rigid = make_rigid_blocks(atoms, positions=atoms.positions, n_residues=4)
    noise = torch.randn(1, *atoms.positions.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    frames = displace_blocks(rigid, rmsd / 3**0.5 * noise)
    assert frames.isfinite().all()
    pairs = np.array([(a, b) for a in range(214) for b in range(a + 1, 214) if rigid.blocks[a] == rigid.blocks[b]])
    assert measure_changes(atoms, frames, pairs).max() < 1e-9
