"""Star files with their stacks as programs in the field write them."""

import shutil

import pytest
import torch

from deephemnma.io.particles import read_particles

pytestmark = pytest.mark.shared_data


def test_the_experimental_particles_agree_in_both_versions(shared_data, tmp_path):
    shutil.copy(shared_data / "particles/aspire_sample_17x200.mrcs", tmp_path / "sample.mrcs")
    old, new = (
        read_particles(shared_data / f"particles/sample_particles_relion{version}.star", datadir=tmp_path)
        for version in (30, 31)
    )
    assert (old.box_size, len(old), len(new)) == (200, 17, 17)
    rows = torch.arange(17)
    assert torch.equal(old[rows], new[rows])
    assert old[rows].std() > 0
    # Particle 15 was edited in one of them; and the origins have the same digits, once in pixels, once in A.
    same = rows != 14
    torch.testing.assert_close(old.poses.rotations[same], new.poses.rotations[same], atol=1e-6, rtol=0)
    torch.testing.assert_close(old.poses.shifts[same], new.poses.shifts[same] * old.pixel_size)
    torch.testing.assert_close(old.optics.defocus_u, new.optics.defocus_u)


@pytest.mark.parametrize(("name", "count"), [("classD", 576), ("classE", 720)])
def test_a_simulated_set_takes_its_pixel_size_from_the_stack(shared_data, name, count):
    source = read_particles(shared_data / f"particles/tomodrgn_50S/10076_{name}_32_sim.star")
    assert (len(source), source.box_size, source.pixel_size) == (count, 32, 13.1)
    assert float(source.optics.phase_shift[0]) == pytest.approx(torch.pi / 2)
    assert source[torch.arange(count)].isfinite().all()
