"""The likelihood, its derivatives, and the error bars that follow from them."""

import pytest
import torch

from deephemnma.alignment.bound import compute_bound
from deephemnma.alignment.levenberg import fit
from deephemnma.alignment.objective import evaluate, invert_fisher
from deephemnma.alignment.observation import make_observations
from deephemnma.imaging.band import make_band
from deephemnma.imaging.synthesis import project_images

BOX, PIXEL = 48, 1.8


def test_the_cost_is_the_log_likelihood_of_the_noise(bright):
    """At the truth twice the cost is chi-square: two degrees of freedom a component, less one for the contrast."""
    observed = bright.observe()
    found = evaluate(observed, bright.molecule.make_projector(), bright.truth)
    degrees = 2 * observed.band.n_components - 1
    assert float((2 * found.cost / degrees - 1).abs().max()) < 5 * (2 / degrees) ** 0.5
    torch.testing.assert_close(found.contrast, torch.ones(8), atol=0.1, rtol=0)


def test_the_gradient_is_the_slope_of_the_cost(bright):
    observed, projector = bright.observe(), bright.molecule.make_projector()
    unit = bright.molecule.scales.to_vector(3)
    generator = torch.Generator().manual_seed(0)
    state = bright.truth.move(0.5 * unit * torch.randn(8, 8, generator=generator))
    gradient = evaluate(observed, projector, state).gradient
    for parameter in range(8):
        step = 0.01 * unit * (torch.arange(8) == parameter)
        ends = [evaluate(observed, projector, state.move((sign * step).expand(8, -1))).cost for sign in (1, -1)]
        slope = (ends[0] - ends[1]) / 2
        wanted = gradient[:, parameter] * step[parameter]
        torch.testing.assert_close(slope.float(), wanted, atol=0.02 * float(wanted.abs().max()), rtol=0.02)
    # The contrast is at its best.
    assert (
        float((gradient[:, -1] / evaluate(observed, projector, state).curvature[:, -1, -1].sqrt()).abs().max()) < 0.01
    )


def test_the_curvature_is_that_of_noise_free_data(bright):
    """Where the residual vanishes the Fisher matrix is the Hessian of the cost, taken here from costs alone."""
    molecule, projector = bright.molecule, bright.molecule.make_projector()
    clean = project_images(
        molecule.model, molecule.modes, bright.poses, bright.amplitudes, box_size=BOX, pixel_size=PIXEL,
        optics=bright.source.optics,
    )  # fmt: skip
    observed = make_observations(clean, projector.band, optics=bright.source.optics, noise=bright.formation.noise)
    at_truth = evaluate(observed, projector, bright.truth)
    covariance = invert_fisher(at_truth.curvature)
    # The cost of a step with the contrast fitted rises by half its Mahalanobis length.
    step = 0.05 * molecule.scales.to_vector(3) * torch.randn(8, 8, generator=torch.Generator().manual_seed(1))
    rise = sum(evaluate(observed, projector, bright.truth.move(sign * step)).cost for sign in (1, -1)) / 2
    length = torch.einsum("ip,ipq,iq->i", step.double(), torch.linalg.inv(covariance), step.double())
    torch.testing.assert_close(rise - at_truth.cost, length / 2, rtol=0.03, atol=1e-3)


def test_error_bars_are_the_scatter_of_fits_to_many_draws_of_noise(molecule):
    """The key test: 300 draws of noise on one image, fitted, scatter with the covariance that each fit claims."""
    count = 300
    poses, amplitudes = molecule.draw_truth(1, seed=6)
    case = molecule.make_case(1, snr=1.5, seed=6)
    rows = torch.zeros(count, dtype=torch.long)
    optics = case.source.optics.select(rows)
    clean = project_images(
        molecule.model, molecule.modes, poses, amplitudes, box_size=BOX, pixel_size=PIXEL,
        optics=case.source.optics,
    )  # fmt: skip
    images = clean + case.formation.noise.draw(count, generator=torch.Generator().manual_seed(7))
    projector = molecule.make_projector()
    observed = make_observations(images, projector.band, optics=optics, noise=case.formation.noise)
    unit = molecule.scales.to_vector(3)
    truth = case.truth.select(rows)
    found = fit(observed, projector, truth, step_scale=unit, iterations=15)
    assert bool(found.converged.all())
    turn = found.state.rotations.double() @ truth.rotations.double().mT
    small = torch.stack((turn[:, 2, 1], turn[:, 0, 2], turn[:, 1, 0]), dim=1)  # sin of the angles
    errors = torch.cat((found.state.amplitudes - truth.amplitudes, small, found.state.shifts - truth.shifts), dim=1)
    errors = errors.double()
    bound = compute_bound(
        molecule.model, molecule.modes, poses, amplitudes, optics=case.source.optics, formation=case.formation
    )[0]
    whitened = torch.linalg.solve_triangular(torch.linalg.cholesky(bound), errors.T, upper=False).T
    scatter = whitened.T @ whitened / count
    # Entries of a Wishart matrix: the diagonal scatters by sqrt(2 / n), the rest by sqrt(1 / n).
    assert float((scatter.diagonal() - 1).abs().max()) < 3.5 * (2 / count) ** 0.5
    assert float((scatter - scatter.diagonal().diag()).abs().max()) < 4 * (1 / count) ** 0.5
    assert float(whitened.mean(0).abs().max()) < 3.5 * (1 / count) ** 0.5
    own = invert_fisher(found.evaluation.curvature).diagonal(dim1=1, dim2=2).sqrt().mean(0)
    torch.testing.assert_close(own, bound.diagonal().sqrt(), rtol=0.05, atol=0)


def test_an_unknown_contrast_costs_information(bright):
    curvature = evaluate(bright.observe(), bright.molecule.make_projector(), bright.truth).curvature
    known = torch.linalg.inv(curvature[:, :-1, :-1].double())
    unknown = invert_fisher(curvature)
    assert bool((unknown.diagonal(dim1=1, dim2=2) >= known.diagonal(dim1=1, dim2=2) * (1 - 1e-6)).all())


def test_error_bars_grow_with_the_noise(bright):
    molecule, formation = bright.molecule, bright.formation
    louder = type(formation)(formation.contrast / 2, formation.noise)
    first, second = (
        compute_bound(
            molecule.model, molecule.modes, bright.poses, bright.amplitudes, optics=bright.source.optics, formation=each
        )
        for each in (formation, louder)
    )
    torch.testing.assert_close(second, 4 * first, rtol=1e-2, atol=1e-6)


def test_a_direction_that_is_not_seen_has_no_finite_error_bar():
    blind = torch.eye(9)[None].clone()
    blind[0, 3, 3] = 0
    assert bool(invert_fisher(blind).diagonal(dim1=1, dim2=2).isinf().any())


def test_smaller_bands_see_a_part_of_the_components(bright):
    coarse = make_band(BOX, PIXEL, resolution=10.0)
    whole, part = bright.observe().restrict(coarse), bright.observe(resolution=10.0)
    torch.testing.assert_close(whole.data, part.data)
    torch.testing.assert_close(whole.transfer, part.transfer)


@pytest.mark.parametrize("with_ctf", [True, False])
def test_whitened_noise_has_unit_variance(molecule, with_ctf):
    case = molecule.make_case(4, snr=1e-6, with_ctf=with_ctf)
    assert float(torch.view_as_real(case.observe().data).var()) == pytest.approx(1.0, rel=0.05)
