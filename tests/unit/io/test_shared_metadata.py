"""Every file of the shared data that is or stands beside particles: it is read, or refused in the right sentence."""

import pytest

from deephemnma.core.error import InputError
from deephemnma.io.metadata.reader import read_particle_tables
from deephemnma.io.metadata.relion_column import extract_optics, extract_pixel_sizes, extract_poses, merge_optics
from deephemnma.io.particles import open_particle_sets, read_particles
from deephemnma.io.stack.mrc import read_mrc_layout

pytestmark = pytest.mark.shared_data

FOLDERS = ("metadata", "particles", "hemnma")
OLD, NEW = "RELION 3.0 or older", "RELION 3.1 or newer"
ABSENT = "was not found"
PIXEL, NO_PIXEL = 1.0, "gives no pixel size"
# Particles, program, pixel size (A), defocus U (A) and shift x (A, or pixels where the pixel size is not known) of the
# first particle, None where the file has none; and the box, or why its images cannot be read.
READ = {
    "metadata/CryoLike_relion_style_particles.star": (106, NEW, 0.725, 11798.491211, 0.162908, ABSENT),
    "metadata/FinalRefinement-OriginalParticles-PfCRT.star": (5, OLD, 1.035, "rlnAmplitudeContrast", -0.1456, ABSENT),
    "metadata/M_particles_sub10.star": (10, OLD, 3.9, 25874.9, 0.0, ABSENT),
    "metadata/ap_s_c2d.star": (8915, OLD, 3.54, 33863.558594, 0.967665 * 3.54, ABSENT),
    "metadata/ap_s_c2d_red.star": (9, OLD, 3.54, 33863.558594, 0.967665 * 3.54, ABSENT),
    "metadata/cryosparc_J2_particles_exported.cs": (22, "cryoSPARC", 1.345, 16412.178, None, ABSENT),
    "metadata/cryosparc_P12_J24_001_particles.cs": (2019, "cryoSPARC", 2.95, 45591.37, 33.4364, ABSENT),
    "metadata/empiar_10076_7.cs": (7, "cryoSPARC", 1.31, 15301.1, None, ABSENT),
    "metadata/empiar_10076_7.star": (7, OLD, 1.31, 15301.1, None, ABSENT),
    "metadata/extract_particles_relion31.star": (262, NEW, 1.40625, 15287.149414, -0.449210, ABSENT),
    "metadata/out_it005_data.star": (9, OLD, 3.54, 33863.558594, 0.874952 * 3.54, ABSENT),
    "metadata/relion31.6opticsgroups.star": (139, NEW, 1.25, 10352.805929, 13.2846, ABSENT),
    "metadata/relion31.star": (5, NEW, 2.806, 13108.082418, 0.019324, ABSENT),
    "metadata/relion31.v2.star": (5, NEW, 2.806, 13108.082418, 0.019324, ABSENT),
    "metadata/relion5.star": (17, NEW, 0.89, 11949.061330, -3.12578, ABSENT),
    "metadata/simplecryoem_pyem.star": (24, NEW, 3.54, 10863.991211, -11.6962, ABSENT),
    "metadata/simplecryoem_relion_proj_batch_pfac2.star": (24, NEW, 3.54, 10863.991211, -11.6962, ABSENT),
    "metadata/sta_testing.star": (219, OLD, 1.96, 20061.7, 0.0, ABSENT),
    "metadata/sta_testing_bin8.star": (219, OLD, 1.96, 20061.7, 0.0, ABSENT),
    "metadata/starfile_one_loop.star": (16, OLD, 5.0, None, 0.0, ABSENT),
    "metadata/toy.star": (1000, OLD, None, 0.0, None, ABSENT),
    "metadata/toy_projections.star": (1000, OLD, None, 0.0, None, ABSENT),
    "metadata/toy_projections_13.star": (13, NEW, 1.035, 0.0, None, ABSENT),
    "metadata/toy_projections_dir.star": (1000, OLD, None, 0.0, None, ABSENT),
    "metadata/xmipp_input_particles.xmd": (500, "Xmipp", None, 21671.934067, -1.1904, ABSENT),
    "particles/empiar_10076_7.cs": (7, "cryoSPARC", 1.31, 15301.1, None, 320),
    "particles/empiar_10076_7.star": (7, OLD, 1.31, 15301.1, None, 320),
    "particles/relion_projections/rln_proj_64.star": (5, OLD, None, None, 0.0, NO_PIXEL),
    "particles/relion_projections/rln_proj_64_centered.star": (4, NEW, 1.0, None, 0.0, 64),
    "particles/relion_projections/rln_proj_64_shifted.star": (4, NEW, 1.0, None, 6.0, 64),
    "particles/relion_projections/rln_proj_65.star": (5, OLD, None, None, 0.0, NO_PIXEL),
    "particles/relion_projections/rln_proj_65_centered.star": (4, NEW, 1.0, None, 0.0, 65),
    "particles/relion_projections/rln_proj_65_shifted.star": (4, NEW, 1.0, None, 6.0, 65),
    "particles/sample_particles_relion30.star": (17, OLD, 1.338, 21186.804688, 0.2671, ABSENT),
    "particles/sample_particles_relion31.star": (17, NEW, 1.4, 21186.804688, 0.1996, ABSENT),
    "particles/tomodrgn_50S/10076_classD_32_sim.star": (576, OLD, None, 13099.809, -2.6722, 32),
    "particles/tomodrgn_50S/10076_classE_32_sim.star": (720, OLD, None, 17124.562, -1.1691, 32),
    "hemnma/ak8/hemnma_result.xmd": (8, "Xmipp", None, None, -0.6363, 128),
    "hemnma/ak8/hemnma_result_projection_matching.xmd": (8, "Xmipp", None, None, -0.6467, 128),
    "hemnma/ak8_hard/hemnma_result.xmd": (8, "Xmipp", None, None, -0.3519, 128),
    "hemnma/hemnma_nma_alignment_output.xmd": (1, "Xmipp", None, None, -0.6526, NO_PIXEL),
    "hemnma/nmaTodo.xmd": (1, "Xmipp", None, None, None, NO_PIXEL),
    "hemnma/phantom_projections.xmd": (200, "Xmipp", None, None, 0.0, ABSENT),
    "hemnma/projectionsBacteriorhodopsin.xmd": (181, "Xmipp", None, None, 0.0, ABSENT),
}
STACK, MODEL = "is an image stack or a map by its name", "is an atomic model by its name"
NO_STAR, NO_IMAGES = "is not a star file: no line of it begins a table", "but no column rlnImageName"
REFUSED = {
    "metadata/00256_Ribosomes_1.70A.mrcs": STACK,
    "metadata/CryoLike_particle_data.star": f"holds data_images, {NO_IMAGES}",
    "metadata/HEMNMA_volumes.xmd": r"has shifts along z \(_shiftZ\): it is about volumes",
    "metadata/cistem2_three_particles.star": "does not say all of its images.*--stack",
    "metadata/cryosparctools_4k_dataset.cs": "holds no particles: give a .cs file with at least one row",
    "metadata/frealignx_particles_example.par": "does not say all of its images.*--voltage-kv, --cs-mm, --ampl",
    "metadata/out_it005_model.star": f"data_model_general, .*{NO_IMAGES}",
    "metadata/out_it005_optimiser.star": f"data_optimiser_general, {NO_IMAGES}",
    "metadata/simplecryoem_pointmass.mrc": STACK,
    "metadata/simplecryoem_relion_proj_batch_pfac2.mrcs": STACK,
    "metadata/starfile_postprocess.star": f"data_general, data_fsc, data_guinier, {NO_IMAGES}",
    "metadata/starfile_rln3.1_data_style.star": r"several tables of images \(block_2, block_3\)",
    "metadata/starfile_run_it025_optimiser_3D.star": f"data_optimiser_general, {NO_IMAGES}",
    "metadata/starfile_run_it025_sampling_3D.star": f"data_sampling_general, .*{NO_IMAGES}",
    "particles/aspire_sample_17x200.mrcs": STACK,
    "particles/empiar_10076_7.mrc": STACK,
    "particles/fei_extended_picked_bin4_64px_3.415A.mrcs": STACK,
    "particles/fei_extended_picked_xy_unbinned.txt": NO_STAR,
    "particles/relion_projections/clean70SRibosome_vol_65p.mrc": STACK,
    "particles/relion_projections/rln_proj_64.mrcs": STACK,
    "particles/relion_projections/rln_proj_64_centered.mrcs": STACK,
    "particles/relion_projections/rln_proj_64_shifted.mrcs": STACK,
    "particles/relion_projections/rln_proj_65.mrcs": STACK,
    "particles/relion_projections/rln_proj_65_centered.mrcs": STACK,
    "particles/relion_projections/rln_proj_65_shifted.mrcs": STACK,
    "particles/tomodrgn_50S/10076_classD_32.mrc": STACK,
    "particles/tomodrgn_50S/10076_classD_32_clean.mrcs": STACK,
    "particles/tomodrgn_50S/10076_classD_32_sim.mrcs": STACK,
    "particles/tomodrgn_50S/10076_classE_32.mrc": STACK,
    "particles/tomodrgn_50S/10076_classE_32_clean.mrcs": STACK,
    "particles/tomodrgn_50S/10076_classE_32_sim.mrcs": STACK,
    "hemnma/2tbv_prj00001.xmp": "binary data",
    "hemnma/ak8/README.md": NO_STAR,
    "hemnma/ak8/ak8.mrcs": STACK,
    "hemnma/ak8/atoms.pdb": MODEL,
    "hemnma/ak8/modes_7_8_9.npy": "cannot be read as a star file: it is an array of numpy",
    "hemnma/ak8/truth.json": NO_STAR,
    "hemnma/ak8_hard/ak8_hard.mrcs": STACK,
    "hemnma/ak8_hard/truth.json": NO_STAR,
    "hemnma/angular_continuous_assign_out.xmd": NO_STAR,
    "hemnma/ctf_show_ctf.mrc": STACK,
    "hemnma/hemnma_nma_alignment_full_stdout.txt": NO_STAR,
    "hemnma/hemnma_stdout.txt": NO_STAR,
    "hemnma/input.ctfparam": NO_IMAGES,
    "hemnma/ml2d_final_images.xmd": r"are to be mirrored \(_flip 1\)",
    "hemnma/modelist.xmd": NO_IMAGES,
    "hemnma/pseudoBacteriorhodopsin.pdb": MODEL,
    "hemnma/volume_to_pseudoatoms_pseudo.pdb": MODEL,
}


def test_no_file_is_forgotten(shared_data):
    files = (path for folder in FOLDERS for path in (shared_data / folder).rglob("*") if path.is_file())
    assert {str(path.relative_to(shared_data)) for path in files} == {*READ, *REFUSED}
    assert READ.keys().isdisjoint(REFUSED)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_table_of_particles_is_refused(shared_data, name):
    with pytest.raises(InputError, match=REFUSED[name]) as caught:
        read_particle_tables(shared_data / name)
    assert str(shared_data / name) in str(caught.value)


@pytest.mark.parametrize("name", READ)
def test_what_a_table_says_is_read(shared_data, name):
    count, program, pixel_size, defocus, shift, _ = READ[name]
    tables = read_particle_tables(shared_data / name)
    merged = merge_optics(tables)
    assert (len(merged), tables.program) == (count, program)
    sizes = extract_pixel_sizes(merged, source=name)
    assert (sizes is None) == (pixel_size is None)
    if sizes is not None:
        assert float(sizes[0]) == pytest.approx(pixel_size, rel=1e-4)
    poses = extract_poses(merged, pixel_size=PIXEL if sizes is None else float(sizes[0]), source=name)
    if shift is None:
        assert poses is None
    else:
        assert float(poses.shifts[0, 0]) == pytest.approx(shift, abs=2e-3)
        assert poses.rotations.isfinite().all()
    if isinstance(defocus, str):
        with pytest.raises(InputError, match=f"lacks the column {defocus}"):
            extract_optics(merged, source=name)
        return
    optics = extract_optics(merged, tables.optics, source=name)
    assert (optics is None) == (defocus is None)
    if optics is not None:
        assert float(optics.defocus_u[0]) == pytest.approx(defocus)
        assert 0 < optics.amplitude_contrast[0] < 1
        assert 100 <= optics.voltage_kv[0] <= 300


@pytest.mark.parametrize("name", READ)
def test_the_images_of_a_table_are_found_or_named(shared_data, name):
    count, _, _, _, _, box = READ[name]
    tables = read_particle_tables(shared_data / name)
    if isinstance(box, str):
        with pytest.raises(InputError, match=box):
            open_particle_sets(tables)
        return
    (found,) = open_particle_sets(tables)
    assert (len(found.particles), found.particles.box_size) == (count, box)
    ends = found.rows[[0, -1]]
    assert found.particles[ends].isfinite().all()
    assert found.particles[ends].std() > 0


@pytest.mark.parametrize("path", ["metadata", "particles", "hemnma"])
def test_every_stack_is_whole_but_one(shared_data, path):
    for stack in sorted((shared_data / path).rglob("*.mrcs")):
        if stack.name == "00256_Ribosomes_1.70A.mrcs":
            with pytest.raises(InputError, match="is truncated: its header promises 11029 images of 128 x 128"):
                read_mrc_layout(stack)
        else:
            assert read_mrc_layout(stack).count > 1


def test_a_truncated_stack_of_a_user_is_told(shared_data, tmp_path):
    (tmp_path / "a.star").write_text("data_\n\nloop_\n_rlnImageName\n_rlnA\n1@00256_Ribosomes_1.70A.mrcs 1\n")
    with pytest.raises(InputError, match="is truncated: its header promises 11029 images of 128 x 128"):
        read_particles(tmp_path / "a.star", datadir=shared_data / "metadata")
