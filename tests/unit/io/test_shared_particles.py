"""Star files and stacks as programs in the field write them."""

import shutil

import pytest
import torch

from deephemnma.core.error import InputError
from deephemnma.io.metadata.reader import read_particle_tables
from deephemnma.io.metadata.relion_column import extract_optics, extract_pixel_sizes, extract_poses, merge_optics
from deephemnma.io.particles import read_particles

pytestmark = pytest.mark.shared_data

# name, particles, pixel size (A), defocus U (A) and shift x (A) of the first particle; None where the file has none.
METADATA = [
    ("metadata/ap_s_c2d_red.star", 9, 3.54, 33863.558594, 0.967665 * 3.54),
    ("metadata/out_it005_data.star", 9, 3.54, 33863.558594, 0.874952 * 3.54),
    ("metadata/M_particles_sub10.star", 10, 3.9, 25874.9, 0.0),
    ("metadata/sta_testing.star", 219, 1.96, 20061.7, 0.0),
    ("metadata/relion31.star", 5, 2.806, 13108.082418, 0.019324),
    ("metadata/relion31.v2.star", 5, 2.806, 13108.082418, 0.019324),
    ("metadata/relion5.star", 17, None, 11949.061330, -3.12578),
    ("metadata/extract_particles_relion31.star", 262, None, 15287.149414, -0.449210),
    ("metadata/CryoLike_relion_style_particles.star", 106, 0.725, 11798.491211, 0.162908),
    ("metadata/simplecryoem_pyem.star", 24, 3.54, 10863.991211, -11.6962),
    ("metadata/simplecryoem_relion_proj_batch_pfac2.star", 24, 3.54, 10863.991211, -11.6962),
    ("metadata/toy.star", 1000, None, 0.0, None),
    ("metadata/toy_projections_13.star", 13, 1.035, 0.0, None),
    ("metadata/empiar_10076_7.star", 7, 1.31, 15301.1, None),
    ("particles/sample_particles_relion30.star", 17, None, 21186.804688, None),
    ("particles/sample_particles_relion31.star", 17, 1.4, 21186.804688, None),
]


@pytest.mark.parametrize(
    ("name", "count", "pixel_size", "defocus", "shift"), METADATA, ids=[row[0] for row in METADATA]
)
def test_metadata_are_read(shared_data, name, count, pixel_size, defocus, shift):
    merged = merge_optics(read_particle_tables(shared_data / name))
    sizes = extract_pixel_sizes(merged, source=name)
    assert len(merged) == count
    if pixel_size is not None:
        assert sizes == pytest.approx([pixel_size] * count, rel=1e-4)
    optics = extract_optics(merged, source=name)
    assert float(optics.defocus_u[0]) == pytest.approx(defocus)
    assert 0 < optics.amplitude_contrast[0] < 1
    if shift is not None:
        poses = extract_poses(merged, pixel_size=None if sizes is None else float(sizes[0]), source=name)
        assert float(poses.shifts[0, 0]) == pytest.approx(shift, abs=2e-3)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("CryoLike_particle_data.star", "no column rlnImageName"),
        ("cistem2_three_particles.star", "does not say all of its images.*--stack"),
        ("out_it005_model.star", "no column rlnImageName"),
        ("starfile_rln3.1_data_style.star", "several tables of images"),
        ("relion31.6opticsgroups.star", "was not found"),
        ("FinalRefinement-OriginalParticles-PfCRT.star", "was not found"),
    ],
)
def test_what_cannot_be_read_is_told(shared_data, name, message):
    with pytest.raises(InputError, match=message):
        read_particles(shared_data / "metadata" / name)


def test_a_column_that_the_ctf_needs_is_named(shared_data):
    table = read_particle_tables(shared_data / "metadata/FinalRefinement-OriginalParticles-PfCRT.star").particles
    with pytest.raises(InputError, match="lacks the column rlnAmplitudeContrast"):
        extract_optics(table, source="PfCRT")


def test_a_truncated_stack_of_a_user_is_told(shared_data, tmp_path):
    (tmp_path / "a.star").write_text("data_\n\nloop_\n_rlnImageName\n_rlnA\n1@00256_Ribosomes_1.70A.mrcs 1\n")
    with pytest.raises(InputError, match="is truncated: its header promises 11029 images of 128 x 128"):
        read_particles(tmp_path / "a.star", datadir=shared_data / "metadata")


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
