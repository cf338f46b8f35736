"""What every projector must do: one contract, two projectors, one of them with three ways to transform points."""

import math

import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from torch import Tensor

from deephemnma.core.fourier import inverse_fourier_transform
from deephemnma.core.model import GaussianModel, Modes
from deephemnma.core.rotation import make_random_rotations, rotation_from_vector
from deephemnma.imaging.band import Band, make_band
from deephemnma.imaging.finufft_transform import FinufftTransform
from deephemnma.imaging.gaussian_projector import GaussianProjector
from deephemnma.imaging.projector import Projector
from deephemnma.imaging.separable_transform import SeparableTransform
from deephemnma.imaging.slice_projector import SliceProjector
from deephemnma.imaging.splat_transform import SplatTransform
from deephemnma.reconstruction.model_map import make_model_map

SITES, MODES, PIXEL = 40, 3, 2.0
# Relative errors allowed: FINUFFT at 1e-4, splats of half width 4, trilinear interpolation in a transform padded twice.
VALUE_ERROR = {"finufft": 1e-3, "splat": 1e-3, "separable": 1e-5, "slice": 0.03}
SLOPE_ERROR = {"finufft": 5e-3, "splat": 5e-3, "separable": 1e-4, "slice": 0.05}
KINDS = tuple(VALUE_ERROR)
TRANSFORMS = {
    "finufft": lambda band, widths, *, tolerance: FinufftTransform(band, widths, tolerance=tolerance),
    "splat": lambda band, widths, *, tolerance: SplatTransform(band, widths, tolerance=tolerance),
    "separable": lambda band, widths, *, tolerance: SeparableTransform(band, widths),
}

seeds = st.integers(0, 10_000)
relaxed = settings(
    deadline=None,
    max_examples=5,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture(params=KINDS)
def kind(request, monkeypatch) -> str:
    if request.param in TRANSFORMS:
        monkeypatch.setattr("deephemnma.imaging.gaussian_projector.make_point_transform", TRANSFORMS[request.param])
    return request.param


def _make_model(seed: int) -> GaussianModel:
    generator = torch.Generator().manual_seed(seed)
    positions = 14 * (2 * torch.rand(SITES, 3, generator=generator, dtype=torch.float64) - 1) / math.sqrt(3)
    weights = 1 + torch.rand(SITES, generator=generator, dtype=torch.float64)
    widths = torch.full((SITES,), 2.0, dtype=torch.float64)
    return GaussianModel(positions, weights, widths, torch.zeros(3, dtype=torch.float64))


def _make_modes(seed: int, count: int) -> Modes:
    generator = torch.Generator().manual_seed(seed + 1)
    basis = torch.linalg.qr(torch.randn(3 * SITES, count, generator=generator, dtype=torch.float64))[0]
    return Modes(basis.T.reshape(count, SITES, 3), torch.ones(count), tuple(range(7, 7 + count)))


def _make_projector(kind: str, model: GaussianModel, band: Band, *, modes: Modes | None = None) -> Projector:
    if kind == "slice":
        return SliceProjector(make_model_map(model, box_size=band.box_size, voxel_size=band.pixel_size), band)
    return GaussianProjector(model, modes or _make_modes(0, 0), band)


def _draw_state(seed: int, projector: Projector, count: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed + 2)
    rotations = make_random_rotations(count, generator=generator).float()
    shifts = 4 * torch.randn(count, 2, generator=generator)
    return rotations, shifts, 5 * torch.randn(count, projector.n_modes, generator=generator)


def _error(found: Tensor, wanted: Tensor) -> float:
    """Return the greatest relative error (root of the power of the difference over that of what is wanted)."""
    return float(((found - wanted).abs().square().sum(-1) / wanted.abs().square().sum(-1)).sqrt().max())


def _sum_directly(model: GaussianModel, modes: Modes, band: Band, state: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """Return the projection by its definition, a sum over the sites in float64."""
    rotations, shifts, amplitudes = (values.double() for values in state)
    sites = model.positions + torch.einsum("im,msx->isx", amplitudes, modes.vectors)
    view = (sites @ rotations.mT)[..., :2] - shifts[:, None]
    k = torch.stack((band.columns, band.rows), dim=-1).double() / (band.box_size * band.pixel_size)
    damping = (-2 * math.pi**2 * model.widths.square()[:, None] * k.square().sum(-1)).exp()
    waves = torch.exp(-2j * math.pi * (view @ k.T))
    return (model.weights[:, None] * damping * waves).sum(1) / band.box_size


@relaxed
@given(seed=seeds, box_size=st.sampled_from([24, 27]))
def test_a_projection_is_the_sum_over_its_sites(kind, seed, box_size):
    band, model = make_band(box_size, PIXEL), _make_model(seed)
    modes = _make_modes(seed, 0 if kind == "slice" else MODES)
    projector = _make_projector(kind, model, band, modes=modes)
    state = _draw_state(seed, projector)
    assert projector.n_modes == modes.n_modes
    assert _error(projector.project(*state), _sum_directly(model, modes, band, state)) < VALUE_ERROR[kind]


@relaxed
@given(seed=seeds)
def test_to_rotate_then_project_is_to_project_with_the_pose(kind, seed):
    band, model = make_band(24, PIXEL), _make_model(seed)
    projector = _make_projector(kind, model, band)
    rotations, shifts, amplitudes = _draw_state(seed, projector)
    turn = rotations[0].double()
    turned = GaussianModel(model.positions @ turn.T, model.weights, model.widths, model.center)
    first = projector.project(rotations @ rotations[0], shifts, amplitudes)
    second = _make_projector(kind, turned, band).project(rotations, shifts, amplitudes)
    assert _error(first, second) < 2 * VALUE_ERROR[kind]


@relaxed
@given(seed=seeds)
def test_derivatives_are_those_of_the_direct_sum(kind, seed):
    band, model = make_band(24, PIXEL), _make_model(seed)
    modes = _make_modes(seed, 0 if kind == "slice" else MODES)
    projector = _make_projector(kind, model, band, modes=modes)
    rotations, shifts, amplitudes = state = _draw_state(seed, projector)
    value, derivatives = projector.linearize(*state)
    assert _error(value, projector.project(*state)) < 1e-5
    step = 1e-4
    for parameter in range(modes.n_modes + 5):
        ends = []
        for sign in (1, -1):
            change = torch.zeros(modes.n_modes + 5, dtype=torch.float64)
            change[parameter] = sign * step
            moved = (
                rotation_from_vector(change[modes.n_modes : modes.n_modes + 3]) @ rotations.double(),
                shifts.double() + change[-2:],
                amplitudes.double() + change[: modes.n_modes],
            )
            ends.append(_sum_directly(model, modes, band, moved))
        difference = (ends[0] - ends[1]) / (2 * step)
        assert _error(derivatives[:, parameter], difference) < SLOPE_ERROR[kind], parameter


@relaxed
@given(seed=seeds)
def test_derivatives_foretell_the_projectors_own_changes(kind, seed):
    """Over a step as long as refinement makes them: the gain that is promised is there."""
    band = make_band(24, PIXEL)
    modes = _make_modes(seed, 0 if kind == "slice" else MODES)
    projector = _make_projector(kind, _make_model(seed), band, modes=modes)
    rotations, shifts, amplitudes = state = _draw_state(seed, projector)
    _, derivatives = projector.linearize(*state)
    generator = torch.Generator().manual_seed(seed)
    step = torch.tensor([0.6] * modes.n_modes + [0.04] * 3 + [0.4] * 2)
    step = step * torch.randn(len(rotations), len(step), generator=generator)
    ends = [
        projector.project(
            rotation_from_vector(sign * step[:, -5:-2]) @ rotations,
            shifts + sign * step[:, -2:],
            amplitudes + sign * step[:, :-5],
        )
        for sign in (0.5, -0.5)
    ]
    foretold = torch.einsum("ip,ipc->ic", step.to(derivatives.dtype), derivatives)
    assert _error(foretold, ends[0] - ends[1]) < 0.12


@relaxed
@given(seed=seeds, move=st.tuples(st.integers(-5, 5), st.integers(-5, 5)))
def test_the_particle_lies_at_minus_the_shift(kind, seed, move):
    band = make_band(24, PIXEL)
    projector = _make_projector(kind, _make_model(seed), band)
    rotations, _, amplitudes = _draw_state(seed, projector)
    shifts = PIXEL * torch.tensor(move).float().expand(len(rotations), 2)
    centred = inverse_fourier_transform(
        band.embed(projector.project(rotations, 0 * shifts, amplitudes)), box_size=band.box_size
    )
    moved = inverse_fourier_transform(
        band.embed(projector.project(rotations, shifts, amplitudes)), box_size=band.box_size
    )
    rolled = torch.roll(centred, (-move[1], -move[0]), dims=(-2, -1))
    torch.testing.assert_close(moved, rolled, atol=1e-4 * float(centred.abs().max()), rtol=0)


@relaxed
@given(seed=seeds)
def test_grey_values_sum_to_the_weights(kind, seed):
    """The zero frequency is in no band; the first ones lie below the sum of weights by the particle's variance."""
    band, model = make_band(40, 8.0, resolution=150.0), _make_model(seed)
    projector = _make_projector(kind, model, band)
    rotations, shifts, amplitudes = _draw_state(seed, projector)
    total = model.weights.sum()
    center = (model.weights[:, None] * model.positions).sum(0) / total
    seen = ((model.positions - center) @ rotations.double().mT)[..., :2] @ band.frequencies.double().T
    variance = (model.weights[:, None] * seen.square()).sum(1) / total
    variance = variance + 4.0 * band.frequencies.double().square().sum(-1)
    found = projector.project(rotations, shifts, amplitudes).abs() * band.box_size / total
    torch.testing.assert_close(found.double(), 1 - 2 * math.pi**2 * variance, atol=2e-3, rtol=0)


@relaxed
@given(seed=seeds, factor=st.floats(0.1, 10))
def test_a_projection_is_linear_in_the_weights(kind, seed, factor):
    band, model = make_band(24, PIXEL), _make_model(seed)
    generator = torch.Generator().manual_seed(seed)
    other = torch.rand(SITES, generator=generator, dtype=torch.float64)

    def project(weights: Tensor) -> Tensor:
        weighted = GaussianModel(model.positions, weights, model.widths, model.center)
        projector = _make_projector(kind, weighted, band)
        return projector.project(*_draw_state(seed, projector))

    both = project(model.weights + factor * other)
    assert _error(project(model.weights) + factor * project(other), both) < 1e-3
