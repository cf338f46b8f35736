"""`convert`: every form into every form, and what was found and selected back to where the particles came from."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from deephemnma.core.error import InputError
from deephemnma.core.estimates import Estimates, Status
from deephemnma.core.landscape import Landscape
from deephemnma.core.particle import Poses
from deephemnma.core.rotation import compute_geodesic_angle, make_random_rotations
from deephemnma.io.landscape import write_landscape
from deephemnma.io.metadata.reader import read_particle_tables
from deephemnma.io.metadata.relion import make_particle_table, write_particle_star
from deephemnma.io.metadata.xmipp_table import read_xmipp_table
from deephemnma.io.particles import ParticleStack, read_particles
from deephemnma.io.stack.writer import StackWriter
from deephemnma.io.table import read_estimates, write_estimates
from deephemnma.pipeline.convert import run_convert
from deephemnma.pipeline.particles import write_results
from deephemnma.settings.build import make_settings
from deephemnma.settings.stage.convert import ConvertStage

COUNT, BOX, PIXEL = 7, 8, 1.5


def convert(particles: Path, output: Path, **options) -> Path:
    options = {"particles": str(particles)} | options
    return run_convert(make_settings(ConvertStage, options, resolve_path=Path, where="test"), output=output)


@pytest.fixture
def estimates(generator) -> Estimates:
    status = [Status.CONVERGED] * COUNT
    status[2], status[4] = Status.REJECTED, Status.AMBIGUOUS
    shifts = torch.randn(COUNT, 2, generator=generator, dtype=torch.float64)
    rotations = make_random_rotations(COUNT, generator=generator)
    return Estimates(
        names=tuple(f"{number:06d}@stack.mrcs" for number in range(1, COUNT + 1)),
        poses=Poses(rotations, shifts),
        amplitudes=50 * torch.randn(COUNT, 2, generator=generator, dtype=torch.float64),
        covariance=torch.eye(7, dtype=torch.float64).expand(COUNT, 7, 7),
        score=torch.randn(COUNT, generator=generator, dtype=torch.float64),
        status=tuple(status),
        mode_numbers=(7, 9),
    )


@pytest.fixture
def star(tmp_path, estimates, generator) -> Path:
    images = torch.randn(COUNT, BOX, BOX, generator=generator)
    with StackWriter(tmp_path / "stack.mrcs", box_size=BOX, pixel_size=PIXEL, count=COUNT) as writer:
        writer.write(images)
    table, optics = make_particle_table(estimates.names, pixel_size=PIXEL, box_size=BOX, poses=estimates.poses)
    table = table.assign(rlnMicrographName="0012", rlnPi="3.14159265358979323846", rlnMark=range(COUNT))
    write_particle_star(tmp_path / "p.star", table=table, optics_table=optics, version="50001")
    return tmp_path / "p.star"


@pytest.fixture
def found(tmp_path, star, estimates) -> Path:
    """The table of a stage that estimated these particles, rows in another order."""
    folder = tmp_path / "found"
    folder.mkdir()
    write_results(folder, estimates.select(torch.tensor([6, 0, 5, 1, 4, 2, 3])), read_particles(star))
    return folder / "estimates.parquet"


def open_all(folder: Path, datadir: Path) -> dict[str, ParticleStack]:
    return {name: read_particles(folder / f"particles.{name}", datadir=datadir) for name in ("star", "cs", "xmd")}


def test_every_form_says_the_same(tmp_path, star, found, estimates):
    folder = convert(star, tmp_path / "out", estimates=str(found), format="star,cs,xmd")
    for name, source in open_all(folder, tmp_path).items():
        kept = [0, 1, 3, 5, 6] if name == "xmd" else range(COUNT)  # Xmipp's "enabled" says which are usable
        assert source.names == tuple(estimates.names[row] for row in kept)
        angle = compute_geodesic_angle(source.poses.rotations, estimates.poses.rotations[list(kept)])
        assert float(angle.max()) < 1e-5
        torch.testing.assert_close(source.poses.shifts, estimates.poses.shifts[list(kept)], atol=1e-5, rtol=0)
    hemnma = read_estimates(folder / "particles.xmd", mode_numbers=(7, 9), pixel_size=PIXEL)
    torch.testing.assert_close(hemnma.amplitudes[0], estimates.amplitudes[0], atol=1e-5, rtol=0)
    table = read_particle_tables(folder / "particles.star").particles
    assert table["rlnPi"].tolist() == ["3.14159265358979323846"] * COUNT
    assert table["rlnMark"].tolist() == [str(row) for row in range(COUNT)]
    assert (folder / "particles.star").read_text().startswith("# version 50001\n")


@pytest.mark.parametrize("name", ["star", "cs", "xmd"])
def test_there_and_back_is_the_same(tmp_path, star, name):
    """What is converted into its own form is the same, byte by byte."""
    first = convert(star, tmp_path / "a", format=name, datadir=str(tmp_path))
    second = convert(first / f"particles.{name}", tmp_path / "b", format=name, datadir=str(tmp_path))
    assert (first / f"particles.{name}").read_bytes() == (second / f"particles.{name}").read_bytes()


@pytest.mark.parametrize(
    ("options", "rows"),
    [
        ({}, range(COUNT)),
        ({"status": "usable"}, [0, 1, 3, 5, 6]),
        ({"status": "ambiguous, rejected"}, [2, 4]),
        ({"groups": [2]}, [1, 3, 5]),
        ({"groups": [1, 2], "status": "converged"}, [0, 1, 3, 5, 6]),
    ],
)
def test_what_is_selected_goes_back(tmp_path, star, found, estimates, options, rows):
    if "groups" in options:
        options["landscape"] = str(write_space(tmp_path, estimates))
    folder = convert(star, tmp_path / "out", estimates=str(found), **options)
    table = read_particle_tables(folder / "particles.star").particles
    assert table["rlnMark"].astype(int).tolist() == list(rows)
    assert table["deephemnmaStatus"].tolist() == [str(estimates.status[row]) for row in rows]


def write_space(folder: Path, estimates: Estimates) -> Path:
    groups = torch.tensor([0, 1, 0, 1, 0, 1, 0])
    space = Landscape(
        names=estimates.names,
        coordinates=estimates.amplitudes,
        groups=groups,
        mean=torch.zeros(2, dtype=torch.float64),
        axes=torch.eye(2, dtype=torch.float64),
        explained=torch.tensor([0.5, 0.5], dtype=torch.float64),
        mode_numbers=(7, 9),
    )
    write_landscape(folder / "landscape.parquet", space)
    return folder / "landscape.parquet"


def test_groups_alone_select(tmp_path, star, estimates):
    space = str(write_space(tmp_path, estimates))
    folder = convert(star, tmp_path / "out", landscape=space, groups=[2])
    table = read_particle_tables(folder / "particles.star").particles
    assert table["rlnMark"].tolist() == ["1", "3", "5"]
    assert "deephemnmaStatus" not in table.columns
    with pytest.raises(InputError, match="names group 3, but the landscape has 2"):
        convert(star, tmp_path / "other", landscape=space, groups=[3])


def test_what_was_found_of_recentred_copies_goes_back_to_the_originals(tmp_path, star, estimates):
    """`prepare` renames images and may move what they show; the original's shift is the sum of both."""
    moves = 1.5 * torch.arange(2 * COUNT).reshape(COUNT, 2)
    names = [f"{number:06d}@prepared/particles.mrcs" for number in range(1, COUNT + 1)]
    order = torch.tensor([3, 0, 1, 2, 6, 5, 4])  # another order, and the numbers of the images with it
    folder = tmp_path / "refined"
    folder.mkdir()
    table, optics = make_particle_table(names, pixel_size=3.0, box_size=4)
    table = table.assign(
        rlnImageOriginalName=[estimates.names[row] for row in order],
        deephemnmaRecenterXAngst=moves[:, 0],
        deephemnmaRecenterYAngst=moves[:, 1],
    )
    write_particle_star(folder / "estimates.star", table=table, optics_table=optics)
    write_estimates(folder / "estimates.parquet", Estimates(**{**vars(estimates), "names": tuple(names)}))
    out = convert(star, tmp_path / "out", estimates=str(folder / "estimates.parquet"))
    again = read_estimates(out / "particles.star")
    assert again.names == estimates.names
    wanted = torch.empty(COUNT, 2, dtype=torch.float64)
    wanted[order] = estimates.poses.shifts + moves
    torch.testing.assert_close(again.poses.shifts, wanted, atol=1e-8, rtol=0)


def test_estimates_of_other_particles_are_told(tmp_path, star, estimates):
    path = tmp_path / "other.parquet"
    other = tuple(name.replace("stack", "other") for name in estimates.names)
    write_estimates(path, Estimates(**{**vars(estimates), "names": other}))
    with pytest.raises(InputError, match=r"None of the images of .*other\.parquet .* is among those of"):
        convert(star, tmp_path / "out", estimates=str(path))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "star,mrc"}, "--format must be one of star, cs, xmd, but 'mrc'"),
        ({"groups": [1]}, "give --landscape as well"),
        ({"status": "usable"}, "give --estimates as well"),
        ({"groups": [0], "landscape": "x"}, "counts groups from 1"),
    ],
)
def test_options_that_contradict_are_told(tmp_path, star, options, message):
    with pytest.raises(InputError, match=message):
        convert(star, tmp_path / "out", **options)


def test_images_are_not_needed_where_the_file_says_all(tmp_path, star):
    (tmp_path / "stack.mrcs").unlink()
    folder = convert(star, tmp_path / "out", format="cs")
    assert np.load(folder / "particles.cs")["blob/shape"].tolist() == [[BOX, BOX]] * COUNT


@pytest.mark.shared_data
@pytest.mark.parametrize(
    "name",
    [
        "metadata/cryosparc_P12_J24_001_particles.cs",
        "metadata/cryosparc_J2_particles_exported.cs",
        "particles/empiar_10076_7.cs",
    ],
)
def test_files_of_cryosparc_come_back_byte_by_byte(shared_data, tmp_path, name):
    folder = convert(shared_data / name, tmp_path / "out", format="cs")
    before, after = np.load(shared_data / name), np.load(folder / "particles.cs")
    assert before.dtype == after.dtype
    assert before.tobytes() == after.tobytes()


@pytest.mark.shared_data
@pytest.mark.parametrize("name", ["relion31.6opticsgroups", "relion5", "CryoLike_relion_style_particles"])
def test_tables_of_relion_come_back_digit_by_digit(shared_data, tmp_path, name):
    path = shared_data / f"metadata/{name}.star"
    folder = convert(path, tmp_path / "out")
    before, after = read_particle_tables(path), read_particle_tables(folder / "particles.star")
    assert before.particles.equals(after.particles)
    assert before.optics.equals(after.optics)


@pytest.mark.shared_data
def test_results_of_hemnma_come_back_with_every_column(shared_data, tmp_path):
    shutil.copytree(shared_data / "hemnma/ak8", tmp_path / "ak8")
    path = tmp_path / "ak8/hemnma_result.xmd"
    folder = convert(path, tmp_path / "out", format="xmd")
    before, after = read_xmipp_table(path), read_xmipp_table(folder / "particles.xmd")
    assert before.equals(after)
