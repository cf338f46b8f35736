"""What can be seen from where: physical facts of toy molecules, and the bound of the alignment."""

import pytest
import torch
from torch import Tensor

from deephemnma.alignment.bound import compute_bound
from deephemnma.alignment.observability import (
    POSE_RIVALS,
    Observability,
    compute_observability,
    make_view_grid,
)
from deephemnma.alignment.visibility import summarize_visibility
from deephemnma.core.fourier import make_frequencies
from deephemnma.core.model import GaussianModel, Modes
from deephemnma.core.particle import Optics, Poses
from deephemnma.core.rotation import euler_to_rotation, make_random_rotations, rotation_from_vector
from deephemnma.imaging.ctf import compute_ctf
from deephemnma.imaging.noise import NoiseModel, make_white_noise
from deephemnma.imaging.synthesis import ImageFormation, project_images

BOX, PIXEL = 48, 1.8
N_TOY = 12


def make_optics(*defoci_um: float) -> Optics:
    defocus = 1e4 * torch.tensor(defoci_um, dtype=torch.float64)
    ones = torch.ones_like(defocus)
    return Optics(200 * ones, 2 * ones, 0.1 * ones, defocus, defocus, 0 * ones, 0 * ones)


def make_formation(variance: float = 1.0, contrast: float = 1.0, b_factor: float = 0.0) -> ImageFormation:
    white = make_white_noise(variance, box_size=BOX, pixel_size=PIXEL)
    noise = NoiseModel(white.power, BOX, PIXEL, structural=white.power / 2)
    return ImageFormation(contrast, noise, b_factor=b_factor)


def look_along(*directions: tuple[float, float, float]) -> Tensor:
    """Return orientations whose view axis is each direction of the reference frame."""
    x, y, z = torch.nn.functional.normalize(torch.tensor(directions, dtype=torch.float64), dim=1).unbind(1)
    return euler_to_rotation(torch.stack((torch.atan2(y, x), z.arccos(), torch.zeros_like(x)), dim=1))


def make_toy(vectors: Tensor) -> tuple[GaussianModel, Modes]:
    """Return sites scattered in space that move along `vectors`."""
    generator = torch.Generator().manual_seed(5)
    positions = 8 * torch.randn(N_TOY, 3, generator=generator, dtype=torch.float64)
    weights = 1 + torch.rand(N_TOY, generator=generator, dtype=torch.float64)
    model = GaussianModel(positions, weights, torch.full((N_TOY,), 2.0).double(), torch.zeros(3).double())
    vectors = vectors / vectors.flatten(1).norm(dim=1)[:, None, None]
    numbers = tuple(range(7, 7 + len(vectors)))
    return model, Modes(vectors, torch.ones(len(vectors)).double(), numbers)


def draw_motions(count: int) -> Tensor:
    return torch.randn(count, N_TOY, 3, generator=torch.Generator().manual_seed(8), dtype=torch.float64)


def look(model: GaussianModel, modes: Modes, rotations: Tensor, **options) -> Observability:
    options = {"optics": make_optics(0.7), "formation": make_formation()} | options
    return compute_observability(model, modes, rotations, **options)


def test_it_is_the_bound_of_the_alignment(molecule):
    """The same pose, amplitudes and defocus: the same standard deviations as `compute_bound` has."""
    rotations = make_random_rotations(3, generator=torch.Generator().manual_seed(1))
    amplitudes = 2 * molecule.scales.amplitude * torch.tensor([[0.0, 0.0, 0.0], [1.0, -0.5, 0.3]])
    formation = make_formation(0.3, contrast=2.0, b_factor=60.0)
    optics = make_optics(0.6, 1.7)
    found = look(molecule.model, molecule.modes, rotations, optics=optics, formation=formation, amplitudes=amplitudes)
    for place in ((0, 0, 0), (0, 2, 1), (1, 1, 0), (1, 2, 1)):
        conformation, view, defocus = (torch.tensor([number]) for number in place)
        poses = Poses(rotations[view], torch.tensor([[1.5, -2.0]]).double())
        covariance = compute_bound(
            molecule.model, molecule.modes, poses, amplitudes[conformation].double(),
            optics=optics.select(defocus), formation=formation,
        )  # fmt: skip
        bound = covariance[0].diagonal()[:3].sqrt()
        torch.testing.assert_close(found.marginal[place], bound, rtol=5e-3, atol=0)


def test_snr_is_that_of_the_images(molecule):
    """Variance of clean images over that of noise, both measured on images."""
    rotations, formation = make_view_grid(20), make_formation(0.2, contrast=3.0, b_factor=40.0)
    optics = make_optics(0.9)
    found = look(molecule.model, molecule.modes, rotations, optics=optics, formation=formation)
    clean = formation.contrast * project_images(
        molecule.model, molecule.modes, Poses(rotations, torch.zeros(20, 2).double()), torch.zeros(20, 3),
        box_size=BOX, pixel_size=PIXEL, optics=optics.select(torch.zeros(20, dtype=torch.long)), b_factor=40.0,
    )  # fmt: skip
    ctf = compute_ctf(optics, make_frequencies(BOX, PIXEL)).expand(60, -1, -1).float()
    noise = formation.noise.draw(60, generator=torch.Generator().manual_seed(0), ctf=ctf)
    assert found.snr == pytest.approx(float(clean.var(dim=(1, 2)).mean() / noise.var()), rel=0.02)


def test_error_bars_fall_with_the_root_of_the_snr(molecule):
    """Nine times less noise, measured anew, is what scaling says, and a third of the error bar."""
    rotations = make_view_grid(6)
    noisy = look(molecule.model, molecule.modes, rotations, formation=make_formation(0.9))
    clear = look(molecule.model, molecule.modes, rotations, formation=make_formation(0.1))
    assert clear.snr == pytest.approx(9 * noisy.snr)
    torch.testing.assert_close(clear.marginal, noisy.marginal / 3)
    torch.testing.assert_close(noisy.at_snr(clear.snr).marginal, clear.marginal)
    torch.testing.assert_close(noisy.at_snr(clear.snr).conditional, clear.conditional)


def test_a_motion_along_the_view_axis_is_invisible():
    """All sites of the mode move along z: nothing is seen from z, and it is nobody's fault; from x all is well."""
    vectors = draw_motions(2)
    vectors[0, :, :2] = 0
    found = look(*make_toy(vectors), look_along((0, 0, 1), (1, 0, 0), (0, 0, -1)))
    along, across, behind = found.marginal[0, :, 0]
    assert along[0].isinf()
    assert behind[0].isinf()
    assert bool(found.conditional[0, (0, 2), 0, 0].isinf().all())
    assert bool(across.isfinite().all())
    assert along[1].isfinite()
    assert float(found.mimicry[0, 0, 0, 0].max()) < 1e-3
    only_along = look(*make_toy(vectors), look_along((0, 0, 1)))
    assert summarize_visibility(only_along, target_rmsd=1.0)[0].verdict == "not seen at any SNR"


def test_what_is_seen_turns_with_the_molecule():
    """The turned molecule from the turned direction looks as before, but for the in-plane angle."""
    model, modes = make_toy(draw_motions(3))
    turn = rotation_from_vector(torch.tensor([0.4, -1.1, 0.7]).double())
    turned = GaussianModel(model.positions @ turn.T, model.weights, model.widths, model.center)
    turned_modes = Modes(modes.vectors @ turn.T, modes.eigenvalues, modes.numbers)
    directions = make_view_grid(8)[:, 2]
    turned_directions = directions @ turn.T
    first = look(model, modes, look_along(*directions.tolist()))
    second = look(turned, turned_modes, look_along(*turned_directions.tolist()))
    torch.testing.assert_close(second.marginal, first.marginal, rtol=5e-3, atol=0)
    torch.testing.assert_close(second.conditional, first.conditional, rtol=5e-3, atol=0)
    spread = first.marginal.amax(1) / first.marginal.amin(1)
    assert float(spread.max()) > 1.3  # else any map would do


def test_the_other_side_shows_the_same_in_the_mirror():
    model, modes = make_toy(draw_motions(2))
    directions = make_view_grid(5)[:, 2]
    front, back = (look(model, modes, look_along(*(sign * directions).tolist())) for sign in (1, -1))
    torch.testing.assert_close(back.marginal, front.marginal, rtol=5e-3, atol=0)


def test_twice_the_same_mode_is_told_not_crashed():
    """Neither of two equal motions can be known, each is the other's rival, and the third mode is seen as ever."""
    vectors = draw_motions(3)
    vectors[1] = vectors[0]
    model, modes = make_toy(vectors)
    found = look(model, modes, make_view_grid(6))
    assert bool(found.marginal[..., :2].isinf().all())
    assert bool(found.conditional.isfinite().all())
    alone = look(model, modes.select((7, 9)), make_view_grid(6))
    torch.testing.assert_close(found.marginal[..., 2], alone.marginal[..., 1], rtol=1e-3, atol=0)
    first, second, third = summarize_visibility(found, target_rmsd=100.0)
    assert (first.rival, second.rival) == ("mode 8", "mode 7")
    assert first.rival_share > 0.999
    assert first.verdict == "not seen: mistaken for mode 8"
    assert third.seen == 1


def test_a_turn_of_the_whole_is_mistaken_for_a_rotation():
    """A "mode" that is a rotation about y: from z it is a rotation out of the image plane, from y one within it."""
    model, _ = make_toy(draw_motions(1))
    turning = torch.linalg.cross(torch.tensor([0.0, 1.0, 0.0]).double().expand(N_TOY, 3), model.positions)
    _, modes = make_toy(turning[None])
    found = look(model, modes, look_along((0, 0, 1), (0, 1, 0)))
    assert bool(found.marginal.isinf().all())
    rivals = found.mimicry[0, :, 0, 0].argmax(-1)
    assert [found.rivals[number] for number in rivals] == list(POSE_RIVALS[:2])


def test_the_share_of_a_rival_is_what_knowing_it_brings():
    """Without mode 8 the variance of mode 7 is smaller by just the share that is said."""
    model, modes = make_toy(draw_motions(2))
    both, alone = (look(model, modes.select(numbers), make_view_grid(4)) for numbers in ((7, 8), (7,)))
    share = both.mimicry[..., 0, 1]
    left = (alone.marginal[..., 0] / both.marginal[..., 0]).square()
    torch.testing.assert_close(left, 1 - share, rtol=1e-3, atol=1e-4)


def test_views_cover_half_the_sphere_evenly():
    directions = make_view_grid(400)[:, 2]
    assert float(directions[:, 2].min()) > 0
    # Mean of z, x^2 and xz over half the sphere.
    torch.testing.assert_close(directions.mean(0), torch.tensor([0, 0, 0.5]).double(), atol=5e-3, rtol=0)
    torch.testing.assert_close(directions.mT @ directions / 400, torch.eye(3).double() / 3, atol=5e-3, rtol=0)


def test_what_is_needed_to_reach_the_target(molecule):
    """At the SNR that is said to be needed, the median view has the target; so has the average of so many images."""
    found = look(molecule.model, molecule.modes, make_view_grid(12), formation=make_formation(50.0))
    target = summarize_visibility(found, target_rmsd=1.0)[0].median / 1.5
    mode = summarize_visibility(found, target_rmsd=target)[0]
    assert mode.images_needed == 3  # 1.5 squared, rounded up
    assert mode.best <= mode.median <= mode.worst
    assert mode.median_conditional < mode.median
    there = summarize_visibility(found.at_snr(mode.snr_needed), target_rmsd=target)[0]
    assert there.median == pytest.approx(target)
    above = summarize_visibility(found.at_snr(1.001 * mode.snr_needed), target_rmsd=target)[0]
    assert 0.5 <= above.seen < 0.7  # a little above, for at it the last digit decides about the median view itself
    assert "% of the views" in there.verdict
