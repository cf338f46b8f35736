"""4AKE to 1AKE: the figures that were known before there was this program, and what they mean."""

from pathlib import Path

import pytest
import torch

from deephemnma.io.structure import read_structure
from deephemnma.modes.blocks import make_residue_blocks
from deephemnma.modes.choice import propose_modes
from deephemnma.modes.correspondence import match_sites
from deephemnma.modes.fluctuation import compute_b_factor_agreement
from deephemnma.modes.motion import Motion, explain_motion, make_motion
from deephemnma.modes.normal_modes import compute_modes
from deephemnma.reference.site import select_sites

pytestmark = pytest.mark.shared_data


def find_motion(shared_data: Path, *, only: str | None = None) -> Motion:
    start, end = (
        select_sites(read_structure(shared_data / "structures" / f"{name}_chainA.pdb"), "heavy")
        for name in ("4ake", "1ake")
    )
    pairs = match_sites(start, end)
    kept = torch.from_numpy((start.atom_names == only) if only else start.atom_names != "")[pairs.first]
    first, second = pairs.first[kept], pairs.second[kept]
    return make_motion(start.positions[first], end.positions[second], sites=first, source="1AKE")


def test_elnemos_mode_7_overlaps_0_835_of_the_alpha_carbons(shared_data: Path) -> None:
    """Heavy atoms, 8 A, blocks of a residue: mode 7 has 0.835 of the CA; 14 modes have 0.973 of it.

    0.982 is what the squared cosines add up to, but cut down to the CA the modes are no longer orthogonal, so that this
    counts some of the motion twice.
    """
    atoms = select_sites(read_structure(shared_data / "structures" / "4ake_chainA.pdb"), "heavy")
    modes = compute_modes(atoms.positions, cutoff=8.0, blocks=make_residue_blocks(atoms, block_residues=1), n_modes=20)
    motion = find_motion(shared_data, only="CA")
    explanation = explain_motion(modes, motion)
    assert len(motion.sites) == 214
    assert motion.rmsd == pytest.approx(7.13, abs=0.005)
    assert explanation.overlaps[6].abs() == pytest.approx(0.835, abs=5e-4)
    assert explanation.overlaps.square().sum().sqrt() == pytest.approx(0.982, abs=1e-3)
    assert explanation.cumulative[-1] == pytest.approx(0.973, abs=1e-3)


def test_free_sites_have_it_too(shared_data: Path) -> None:
    atoms = select_sites(read_structure(shared_data / "structures" / "4ake_chainA.pdb"), "heavy")
    modes = compute_modes(atoms.positions)
    motion = find_motion(shared_data)
    explanation = explain_motion(modes, motion)
    assert len(motion.sites) == 1656
    assert explanation.overlaps[6].abs() == pytest.approx(0.81, abs=0.01)
    assert explanation.cumulative[-1] == pytest.approx(0.96, abs=0.01)
    assert propose_modes(modes, motion=motion).numbers == (7, 8, 11)
    moved = motion.start + torch.einsum("m,msx->sx", explanation.amplitudes, modes.vectors)
    left = (moved - motion.start - motion.displacements).norm() / motion.displacements.norm()
    assert left == pytest.approx(float((1 - explanation.cumulative[-1] ** 2) ** 0.5), abs=1e-6)


def test_b_factors_follow_the_modes(shared_data: Path) -> None:
    atoms = select_sites(read_structure(shared_data / "structures" / "4ake_chainA.pdb"), "ca")
    agreement = compute_b_factor_agreement(compute_modes(atoms.positions, cutoff=15.0), atoms.b_factors)
    assert agreement.together[-1] > 0.7
