import math
from dataclasses import replace

import pytest
import torch

from deephemnma.core.error import InputError
from deephemnma.core.estimates import Contrasts, Estimates, Status
from deephemnma.io.metadata.relion import write_particle_star
from deephemnma.io.particles import read_particles
from deephemnma.io.table import make_estimates_table, read_estimates, read_table, write_estimates, write_table


def _assert_same(found: Estimates, wanted: Estimates, *, tolerance: float) -> None:
    assert found.names == wanted.names
    assert found.status == wanted.status
    assert found.mode_numbers == wanted.mode_numbers
    for first, second in (
        (found.poses.rotations, wanted.poses.rotations),
        (found.poses.shifts, wanted.poses.shifts),
        (found.amplitudes, wanted.amplitudes),
        (found.score, wanted.score),
    ):
        torch.testing.assert_close(first, second, atol=tolerance, rtol=0)


def test_estimates_come_back(tmp_path, estimates):
    write_estimates(tmp_path / "estimates.parquet", estimates)
    found = read_estimates(tmp_path / "estimates.parquet")
    _assert_same(found, estimates, tolerance=1e-12)
    torch.testing.assert_close(found.covariance, estimates.covariance, atol=1e-12, rtol=0)


def test_contrasts_come_back_with_their_error_bars(tmp_path, estimates):
    root = torch.randn(6, 9, 9, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    contrasts = Contrasts(1 + torch.arange(6, dtype=torch.float64), (root @ root.mT)[:, -1])
    estimates = replace(estimates, contrasts=contrasts)
    write_estimates(tmp_path / "a.parquet", estimates)
    found = read_estimates(tmp_path / "a.parquet").contrasts
    torch.testing.assert_close(found.values, contrasts.values)
    torch.testing.assert_close(found.covariance, contrasts.covariance, atol=1e-12, rtol=0)
    table = make_estimates_table(estimates)
    assert table["sd_contrast"][2] == pytest.approx(float(contrasts.covariance[2, -1].sqrt()))
    assert table["contrast_covariance"][2][4] == pytest.approx(math.degrees(float(contrasts.covariance[2, 4])))
    chosen = read_estimates(tmp_path / "a.parquet", mode_numbers=(11, 7)).contrasts
    torch.testing.assert_close(chosen.covariance, contrasts.covariance[:, [2, 0, 3, 4, 5, 6, 7, 8]])
    write_estimates(tmp_path / "none.parquet", estimates.select_status(Status.PREDICTED))
    assert read_estimates(tmp_path / "none.parquet").contrasts.covariance.shape == (0, 9)


def test_columns_are_those_that_users_know(estimates):
    parameters = ["amplitude_7", "amplitude_8", "amplitude_11"]
    rotations = ["rotation_x_deg", "rotation_y_deg", "rotation_z_deg"]
    shifts = ["shift_x_angstrom", "shift_y_angstrom"]
    deviations = [f"sd_{name}" for name in parameters + rotations + shifts]
    wanted = ["image", "rot_deg", "tilt_deg", "psi_deg", *shifts, *parameters, *deviations]
    assert make_estimates_table(estimates).columns.tolist() == [*wanted, "score", "status", "covariance"]


def test_angles_and_their_error_bars_are_degrees(estimates):
    table = make_estimates_table(estimates)
    radians = estimates.standard_deviations
    assert table["sd_rotation_y_deg"][2] == pytest.approx(math.degrees(radians[2, 4]))
    assert table["sd_shift_y_angstrom"][2] == pytest.approx(float(radians[2, 7]))
    assert table["sd_amplitude_11"][2] == pytest.approx(float(radians[2, 2]))
    assert table["tilt_deg"].between(0, 180).all()
    assert table["tilt_deg"].max() > 10
    # The covariance is in the units of these columns.
    assert table["covariance"][2][4 * 8 + 4] == pytest.approx(table["sd_rotation_y_deg"][2] ** 2)


def test_equal_estimates_make_equal_files(tmp_path, estimates):
    for name in "ab":
        write_estimates(tmp_path / f"{name}.parquet", estimates)
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_no_images_are_a_table_too(tmp_path, estimates):
    write_estimates(tmp_path / "none.parquet", estimates.select_status(Status.PREDICTED))
    assert len(read_estimates(tmp_path / "none.parquet")) == 0


@pytest.mark.parametrize("status", list(Status))
def test_every_status_is_kept_in_both_kinds_of_file(tmp_path, star_path, estimates, status):
    source, changed = read_particles(star_path), replace(estimates, status=(status,) * len(estimates))
    write_estimates(tmp_path / "a.parquet", changed)
    write_particle_star(tmp_path / "a.star", table=source.table, optics_table=source.optics_table, estimates=changed)
    for name in ("a.parquet", "a.star"):
        assert set(read_estimates(tmp_path / name).status) == {status}


def test_alternatives_may_have_several_rows_an_image(tmp_path, estimates):
    twice = estimates.select(torch.tensor([4, 4, 1]))
    write_estimates(tmp_path / "alternatives.parquet", twice)
    assert read_estimates(tmp_path / "alternatives.parquet").names == twice.names


def test_modes_are_chosen_with_their_covariance(tmp_path, estimates):
    write_estimates(tmp_path / "a.parquet", estimates)
    found = read_estimates(tmp_path / "a.parquet", mode_numbers=(11, 7))
    assert found.mode_numbers == (11, 7)
    torch.testing.assert_close(found.amplitudes, estimates.amplitudes[:, [2, 0]])
    kept = [2, 0, 3, 4, 5, 6, 7]
    torch.testing.assert_close(found.covariance, estimates.covariance[:, kept][:, :, kept])
    with pytest.raises(InputError, match="no amplitude of mode 9"):
        read_estimates(tmp_path / "a.parquet", mode_numbers=(7, 9))


def test_the_star_twin_holds_the_same(tmp_path, star_path, estimates):
    source = read_particles(star_path)
    rows = torch.tensor([5, 0, 3])
    write_particle_star(
        tmp_path / "estimates.star",
        table=source.table,
        optics_table=source.optics_table,
        estimates=estimates.select(rows),
    )
    _assert_same(read_estimates(tmp_path / "estimates.star"), estimates.select(rows), tolerance=1e-6)


def test_poses_of_another_program_have_no_modes_or_still_ones(star_path, poses):
    found = read_estimates(star_path)
    assert found.mode_numbers == ()
    assert set(found.status) == {Status.GIVEN}
    torch.testing.assert_close(found.poses.rotations, poses.rotations, atol=1e-8, rtol=0)
    still = read_estimates(star_path, mode_numbers=(7, 8))
    assert still.amplitudes.tolist() == [[0, 0]] * 6
    assert still.covariance.shape == (6, 7, 7)


def test_a_lost_column_is_named(tmp_path, estimates):
    write_table(tmp_path / "a.parquet", make_estimates_table(estimates).drop(columns="tilt_deg"))
    with pytest.raises(InputError, match="lacks the column 'tilt_deg'"):
        read_estimates(tmp_path / "a.parquet")
    with pytest.raises(InputError, match="no such file"):
        read_table(tmp_path / "b.parquet")


def test_an_unknown_status_is_named_with_its_row(tmp_path, estimates):
    table = make_estimates_table(estimates)
    table.loc[1, "status"] = "good"
    write_table(tmp_path / "edited.parquet", table)
    with pytest.raises(InputError, match=r"row 2: the status is 'good', but must be one of converged, "):
        read_estimates(tmp_path / "edited.parquet")
