import numpy as np
import pytest
import torch

from deephemnma.core.error import InputError
from deephemnma.core.structure import AtomicModel
from deephemnma.reference.site import make_site_names, select_sites


@pytest.mark.parametrize(
    ("sites", "count"),
    [("all", 14), ("heavy", 13), ("ca", 2), ("ca-p", 3)],
)
def test_waters_never_count_and_hydrogens_only_if_asked_for(atoms: AtomicModel, sites: str, count: int) -> None:
    chosen = select_sites(atoms, sites)
    assert len(chosen.elements) == len(chosen.positions) == len(chosen.scattering) == count
    assert "HOH" not in chosen.residue_names
    assert ("H" in chosen.elements) == (sites == "all")


def test_beads_are_alpha_carbons_and_phosphates_of_chains(atoms: AtomicModel) -> None:
    """Not calcium, not the phosphate ion, not the nucleotide without a phosphate."""
    assert make_site_names(select_sites(atoms, "ca-p")) == ("A/ALA 1/CA", "A/GLY 2/CA", "B/G 2/P")


def test_a_bead_carries_its_residue(atoms: AtomicModel) -> None:
    chosen = select_sites(atoms, "ca-p")
    expected = torch.tensor([2.2 + 2.5 + 0.5 + 2.5, 2.2 + 2.5 + 2.5, 5.5 + 2.5], dtype=torch.float64)
    assert torch.allclose(chosen.scattering, expected)
    phosphate_spread = (2.5 * (4 + 4 + 1) / 3 / 8.0) ** 0.5
    assert chosen.spreads is not None
    assert chosen.spreads[2] == pytest.approx(phosphate_spread)


def test_atoms_keep_order_and_stand_for_themselves(atoms: AtomicModel) -> None:
    chosen = select_sites(atoms, "heavy")
    assert chosen.spreads is None
    kept = (atoms.elements != "H") & (atoms.residue_names != "HOH")
    np.testing.assert_array_equal(chosen.atom_names, atoms.atom_names[kept])
    assert torch.equal(chosen.positions, atoms.positions[torch.from_numpy(kept)])


def test_a_trace_of_beads_stays_itself(atoms: AtomicModel) -> None:
    once = select_sites(atoms, "ca-p")
    assert make_site_names(select_sites(once, "ca-p")) == make_site_names(once)


def test_two_residues_of_one_number_share_the_weight(atoms: AtomicModel) -> None:
    """An insertion code is lost in the noun; no scattering may be counted twice."""
    numbers = np.where(atoms.residue_names == "GLY", 1, atoms.residue_numbers)
    names = np.where(atoms.residue_names == "GLY", "ALA", atoms.residue_names)
    merged = AtomicModel(**{**vars(atoms), "residue_numbers": numbers, "residue_names": names})
    chosen = select_sites(merged, "ca")
    assert len(chosen.elements) == 2
    assert chosen.scattering.sum() == pytest.approx(7.7 + 7.2)


def test_unknown_and_empty_selections_are_told(atoms: AtomicModel) -> None:
    with pytest.raises(InputError, match='not "backbone"'):
        select_sites(atoms, "backbone")
    water = select_sites(atoms, "all")
    ions = AtomicModel(
        **{
            **vars(water),
            **{name: value[-1:] for name, value in vars(water).items() if isinstance(value, np.ndarray | torch.Tensor)},
        }
    )
    with pytest.raises(InputError, match=r'made_up.pdb has 1 atoms.*"ca"'):
        select_sites(ions, "ca")
