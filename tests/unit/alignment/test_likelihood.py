"""Mask, band limit, B-factor, optics groups and prior: what each does to the likelihood."""

from dataclasses import replace

import pytest
import torch

from deephemnma.alignment.assembly import make_search_aligner
from deephemnma.alignment.bank import make_bank
from deephemnma.alignment.bound import compute_bound
from deephemnma.alignment.candidate import select_likeliest
from deephemnma.alignment.held import HeldProjector
from deephemnma.alignment.levenberg import fit
from deephemnma.alignment.objective import evaluate, invert_curvature, invert_fisher
from deephemnma.alignment.observation import make_observations
from deephemnma.alignment.observed_curvature import observe_curvature
from deephemnma.alignment.pilot import measure_formation
from deephemnma.alignment.prior import compute_shift_by_prior, make_prior
from deephemnma.alignment.residual import concatenate_sums, estimate_b_factor, estimate_residual_noise, sum_shells
from deephemnma.alignment.score_bank import score_bank
from deephemnma.alignment.state import State, concatenate_states
from deephemnma.core.error import InputError
from deephemnma.core.fourier import make_frequencies
from deephemnma.imaging.band import make_band
from deephemnma.imaging.ctf import compute_ctf
from deephemnma.imaging.noise_estimation import estimate_noise
from deephemnma.imaging.synthesis import project_images
from deephemnma.settings.estimate import EstimateSettings
from deephemnma.settings.likelihood import LikelihoodSettings

BOX, PIXEL = 48, 1.8


def _draw_noise(noise, optics, *, seed: int) -> torch.Tensor:
    ctf = compute_ctf(optics, make_frequencies(BOX, PIXEL).double()).float()
    return noise.draw(len(optics), generator=torch.Generator().manual_seed(seed), ctf=ctf, group=optics.group)


@pytest.mark.parametrize("mask_radius", [0.0, 30.0])
@pytest.mark.parametrize("low_resolution", [0.0, 25.0])
def test_whitened_noise_has_unit_variance(molecule, mask_radius, low_resolution):
    """Coloured noise, in part through the CTF, of two groups; masked or not, every shell that counts is white."""
    case = molecule.make_case(64, snr=1.0)
    shells = torch.arange(len(case.formation.noise.power))
    power = 1 + 4 * (-shells / 8.0).exp()
    scale = torch.ones(2, len(power))
    scale[1] = 3 - shells / 20
    noise = replace(case.formation.noise, power=power, structural=power / 2, group_scale=scale)
    optics = replace(case.source.optics, group=torch.arange(64) % 2)
    likelihood = LikelihoodSettings(mask_radius=mask_radius, low_resolution=low_resolution)
    observed = make_observations(
        _draw_noise(noise, optics, seed=1), make_band(BOX, PIXEL), optics=optics, noise=noise, likelihood=likelihood
    )
    counts = observed.band.frequencies.norm(dim=1) >= (1 / low_resolution if low_resolution else 0)
    assert bool((observed.data[:, ~counts] == 0).all())
    assert observed.degrees == 2 * int(counts.sum())
    shell = observed.band.shells[counts]
    power = observed.data.abs().square()[:, counts].mean(0) / 2
    for first in range(4 if low_resolution else 1, 23, 3):
        inside = (shell >= first) & (shell < first + 3)
        share = power[inside].mean()
        # Beyond the mask all images show the same noise.
        draws = 1 if mask_radius else 64
        assert float(share) == pytest.approx(1, abs=4 / (draws * int(inside.sum())) ** 0.5)


def test_a_mask_hides_what_lies_beyond(bright):
    images, noise = bright.source.images, bright.formation.noise
    spoilt = images.clone()
    spoilt[:, :4] += 50 * images.std()
    band, masked = make_band(BOX, PIXEL), LikelihoodSettings(mask_radius=20.0)
    options = {"optics": bright.source.optics, "noise": noise, "likelihood": masked}
    plain, hidden = (make_observations(each, band, **options).data for each in (images, spoilt))
    seen = make_observations(spoilt, band, optics=bright.source.optics, noise=noise).data
    assert float((seen - plain).abs().max()) > 10
    torch.testing.assert_close(hidden, plain, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("true_b", [0.0, 80.0])
def test_the_b_factor_is_recovered_within_its_error(molecule, true_b):
    """At the true poses: the information is that of the bound, 64 images of SNR 0.5 tell it to some 3 A^2."""
    case = molecule.make_case(64, snr=0.5, seed=11)
    faded = project_images(
        molecule.model, molecule.modes, case.poses, case.amplitudes, box_size=BOX, pixel_size=PIXEL,
        optics=case.source.optics, b_factor=true_b,
    )  # fmt: skip
    images = faded + _draw_noise(case.formation.noise, case.source.optics, seed=12)
    projector, noise = molecule.make_projector(), case.formation.noise
    found, fitted = 0.0, case.truth
    for _ in range(2):
        observed = make_observations(images, projector.band, optics=case.source.optics, noise=noise, b_factor=found)
        ended = fit(observed, projector, fitted, step_scale=molecule.scales.to_vector(3), iterations=6)
        sums = sum_shells(
            observed, projector, ended.state, ended.evaluation, good=torch.ones(64, dtype=torch.bool),
            optics=case.source.optics, noise=noise, corners=noise,
        )  # fmt: skip
        found, fitted = estimate_b_factor(sums, present=found, edge=BOX * PIXEL), ended.state
    # Fisher information of B, the contrast of each image fitted.
    squares = (torch.arange(sums.energy.shape[1]) / (BOX * PIXEL)).square()
    energy = sums.energy / sums.energy.sum(1, keepdim=True)
    spread = (energy * squares**2).sum(1) - (energy * squares).sum(1).square()
    deviation = float((sums.energy.sum(1) * spread / 16).sum()) ** -0.5
    assert deviation < 5
    assert found == pytest.approx(true_b, abs=4 * deviation)
    if not true_b:
        assert found == 0


def test_the_error_bar_of_the_contrast_is_its_scatter(molecule):
    """200 draws of noise on one image: the contrast scatters as its error bar says, and with what it is tied to."""
    count = 200
    case, rows = molecule.make_case(1, snr=1.5, seed=6), torch.zeros(200, dtype=torch.long)
    optics = case.source.optics.select(rows)
    images = molecule.project(case) + _draw_noise(case.formation.noise, optics, seed=15)
    projector = molecule.make_projector()
    observed = make_observations(images, projector.band, optics=optics, noise=case.formation.noise)
    truth = case.truth.select(rows)
    found = fit(observed, projector, truth, step_scale=molecule.scales.to_vector(3), iterations=15)
    covariance = invert_curvature(found.evaluation.curvature).mean(0)
    contrast = found.evaluation.contrast.double()
    scatter = float((contrast - 1).square().mean())
    assert scatter == pytest.approx(float(covariance[-1, -1]), rel=3.5 * (2 / count) ** 0.5)
    strongest = int((covariance[-1, :3] / covariance.diagonal()[:3].sqrt()).abs().argmax())
    amplitude = (found.state.amplitudes - truth.amplitudes)[:, strongest].double()
    scale = float((covariance[-1, -1] * covariance[strongest, strongest]).sqrt())
    together = float((amplitude * (contrast - 1)).mean())
    assert together / scale == pytest.approx(float(covariance[-1, strongest]) / scale, abs=3.5 / count**0.5)


def test_a_faded_model_has_wider_error_bars(bright):
    molecule = bright.molecule
    sharp, faded = (
        compute_bound(
            molecule.model, molecule.modes, bright.poses, bright.amplitudes, optics=bright.source.optics,
            formation=replace(bright.formation, b_factor=b_factor),
        ).diagonal(dim1=1, dim2=2)
        for b_factor in (0.0, 100.0)
    )  # fmt: skip
    assert bool((faded > sharp).all())


def test_residuals_tell_the_noise_of_groups(molecule):
    """Two groups, one three times as noisy: corners give the ratio, residuals the level, together the truth."""
    case = molecule.make_case(64, snr=2.0, seed=13)
    optics = replace(case.source.optics, group=torch.arange(64) % 2)
    power = case.formation.noise.power
    noise = replace(case.formation.noise, group_scale=torch.stack((torch.ones_like(power), torch.full_like(power, 3))))
    source = type(case.source)(molecule.project(case) + _draw_noise(noise, optics, seed=14), optics)
    corners = estimate_noise(source, radius=38.0)
    projector = molecule.make_projector()
    observed = make_observations(source.images, projector.band, optics=optics, noise=corners)
    evaluation = evaluate(observed, projector, case.truth)
    sums = sum_shells(
        observed, projector, case.truth, evaluation, good=torch.ones(64, dtype=torch.bool), optics=optics,
        noise=corners, corners=corners,
    )  # fmt: skip
    found = estimate_residual_noise(concatenate_sums([sums]), corners, has_ctf=True, max_index=23)
    ctf = compute_ctf(optics, projector.band.frequencies.double()).float()
    told = found.compute_power(projector.band.shells, ctf, optics.group)
    true = noise.compute_power(projector.band.shells, ctf, optics.group)
    for number in (0, 1):
        share = (told / true)[number::2]
        assert float(share.mean()) == pytest.approx(1, abs=0.05)
        assert float(share.std()) < 0.15


def test_a_prior_of_no_weight_changes_nothing(bright):
    projector = bright.molecule.make_projector()
    wide = make_prior((float("inf"),), scales=bright.molecule.scales, n_modes=3)
    plain = bright.observe()
    first, second = (evaluate(each, projector, bright.truth) for each in (plain, replace(plain, prior=wide)))
    for name in ("cost", "contrast", "gradient", "curvature"):
        assert torch.equal(getattr(first, name), getattr(second, name))


def test_a_tight_prior_pins_the_amplitudes_and_the_error_bars_say_so(bright):
    molecule, projector = bright.molecule, bright.molecule.make_projector()
    tight = make_prior((1e-3, 1e-3, 2e-3), scales=molecule.scales, n_modes=3)
    observed = replace(bright.observe(), prior=tight)
    start = replace(bright.truth, amplitudes=torch.zeros(8, 3))
    found = fit(observed, projector, start, step_scale=molecule.scales.to_vector(3), iterations=20)
    rmsd = found.state.amplitudes / molecule.scales.amplitude
    assert float(rmsd.abs().max()) < 2e-3
    deviations = invert_fisher(found.evaluation.curvature).diagonal(dim1=1, dim2=2).sqrt()[:, :3]
    wanted = torch.tensor([1e-3, 1e-3, 2e-3]) * molecule.scales.amplitude
    torch.testing.assert_close(deviations, wanted.double().expand(8, -1), rtol=1e-3, atol=0)


def test_how_far_a_prior_moved_the_answer_is_known_from_the_answer(bright):
    """One step back from the posterior's optimum arrives at the likelihood's."""
    molecule, projector = bright.molecule, bright.molecule.make_projector()
    deviations = invert_fisher(evaluate(bright.observe(), projector, bright.truth).curvature)
    width = float(deviations.diagonal(dim1=1, dim2=2)[:, :3].sqrt().mean()) / molecule.scales.amplitude
    prior = make_prior((4 * width,), scales=molecule.scales, n_modes=3)
    free, drawn = (
        fit(each, projector, bright.truth, step_scale=molecule.scales.to_vector(3), iterations=30, tolerance=1e-6)
        for each in (bright.observe(), replace(bright.observe(), prior=prior))
    )
    covariance = invert_fisher(drawn.evaluation.curvature)
    told = compute_shift_by_prior(drawn.state.amplitudes, covariance, prior)
    alone = invert_fisher(free.evaluation.curvature).diagonal(dim1=1, dim2=2)[:, :3].sqrt()
    true = (free.state.amplitudes - drawn.state.amplitudes) / alone
    assert float(true.abs().max()) > 1
    torch.testing.assert_close(told, true.double(), atol=0.25, rtol=0.25)
    covariance[:, 3:] = covariance[:, :, 3:] = torch.nan  # a pose that is held has no error bar
    assert torch.equal(compute_shift_by_prior(drawn.state.amplitudes, covariance, prior), told)


def test_a_prior_has_one_width_or_one_a_mode(molecule):
    assert make_prior((), scales=molecule.scales, n_modes=3) is None
    with pytest.raises(InputError, match="--prior-rmsd has 2 values for 3 modes"):
        make_prior((1.0, 2.0), scales=molecule.scales, n_modes=3)


def test_the_observed_curvature_is_the_hessian_of_the_cost(bright):
    """Against second differences of costs alone, along random directions, where the residual is not small."""
    molecule, projector = bright.molecule, bright.molecule.make_projector()
    case = molecule.make_case(8, snr=0.3, seed=21)
    observed = case.observe()
    found = fit(observed, projector, case.truth, step_scale=molecule.scales.to_vector(3), iterations=40, tolerance=1e-5)
    after = observe_curvature(observed, projector, found, scales=molecule.scales)
    expected, told = (invert_fisher(each.evaluation.curvature) for each in (found, after))
    assert float((told / expected - 1).diagonal(dim1=1, dim2=2).abs().max()) > 0.05
    step = (
        0.5
        * torch.linalg.cholesky(expected)
        @ torch.randn(8, 8, 1, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    )
    step = step[:, :, 0] / 8**0.5
    rise = sum(evaluate(observed, projector, found.state.move((sign * step).float())).cost for sign in (1, -1)) / 2
    rise = rise - found.evaluation.cost
    by_fisher, by_observed = (
        torch.einsum("ip,ipq,iq->i", step, torch.linalg.inv(each), step) / 2 for each in (expected, told)
    )
    torch.testing.assert_close(by_observed, rise, rtol=0.05, atol=1e-3)
    assert float((by_fisher / rise - 1).abs().max()) > 0.1


def test_what_is_held_stays_out_of_the_observed_curvature(bright):
    molecule = bright.molecule
    held = HeldProjector(molecule.make_projector(), free=torch.tensor([True] * 3 + [False] * 5))
    found = fit(bright.observe(), held, bright.truth, step_scale=molecule.scales.to_vector(3), iterations=5)
    after = observe_curvature(bright.observe(), held, found, scales=molecule.scales).evaluation.curvature
    assert torch.equal(after[:, 3:8], found.evaluation.curvature[:, 3:8])
    assert not torch.equal(after[:, :3, :3], found.evaluation.curvature[:, :3, :3])


def test_pilots_measure_the_b_factor_with_a_bank_that_is_there(molecule):
    """From no prior knowledge."""
    case = molecule.make_case(32, snr=1.0, seed=31)
    faded = project_images(
        molecule.model, molecule.modes, case.poses, case.amplitudes, box_size=BOX, pixel_size=PIXEL,
        optics=case.source.optics, b_factor=60.0,
    )  # fmt: skip
    images = faded + _draw_noise(case.formation.noise, case.source.optics, seed=32)
    source = type(case.source)(images, case.source.optics)
    settings = EstimateSettings(orientations=400, amplitude_range=2.5, starts=8, batch_size=16)
    aligner = make_search_aligner(molecule.model, molecule.modes, source, settings=settings, formation=case.formation)
    found = measure_formation(molecule.model, molecule.modes, source, settings=settings, aligner=aligner)
    assert found.b_factor == pytest.approx(60, abs=12)
    assert found.contrast == pytest.approx(1, rel=0.05)
    told = replace(settings, likelihood=LikelihoodSettings(fit_b_factor=False))
    assert measure_formation(molecule.model, molecule.modes, source, settings=told, aligner=aligner).b_factor == 0


def test_an_image_of_zeros_keeps_its_curvature(bright):
    """Nothing is seen in it: no step may run off to where the molecule leaves the box."""
    molecule, projector = bright.molecule, bright.molecule.make_projector()
    observed = bright.observe()
    dark = torch.zeros_like(observed.data)
    dark[1] = observed.data[1]
    observed = replace(observed, data=dark)
    found = fit(observed, projector, bright.truth, step_scale=molecule.scales.to_vector(3), iterations=5)
    after = observe_curvature(observed, projector, found, scales=molecule.scales)
    assert bool(after.evaluation.curvature.isfinite().all())
    share = after.evaluation.curvature.diagonal(dim1=1, dim2=2) / found.evaluation.curvature.diagonal(dim1=1, dim2=2)
    assert float((share[1, :8] - 1).abs().max()) > 1e-3
    assert bool((share.nan_to_num(1.0)[:, :8] > 0.2).all())


def test_a_prior_ranks_the_templates_of_a_search(bright):
    """Without one the best of a bank is bent as the image is; a tight one leaves the reference as it stands."""
    molecule, projector = bright.molecule, bright.molecule.make_projector(10.0)
    bent = molecule.scales.amplitude * torch.tensor([[0.0, 0, 0], [3.0, 0, 0]])
    bank = make_bank(projector, n_orientations=200, conformations=bent)
    truth = State(shifts=torch.zeros(8, 2), rotations=bank.rotations[:8], amplitudes=bent[1:].expand(8, -1))
    data = projector.project(truth.rotations, truth.shifts, truth.amplitudes) * bright.observe(10.0).transfer
    observed = replace(bright.observe(10.0), data=data)
    tight = make_prior((0.01,), scales=molecule.scales, n_modes=3)
    for prior, wanted in ((None, bent[1]), (tight, bent[0])):
        found = score_bank(replace(observed, prior=prior), bank, torch.zeros(1, 2), kept=1).states
        assert torch.equal(found.amplitudes, wanted.expand(8, -1))
        ranked = select_likeliest(
            replace(observed, prior=prior), projector, concatenate_states([_bend(truth, each) for each in bent]).select(
                torch.arange(16).reshape(2, 8).T.flatten()
            ), kept=1, scales=molecule.scales,
        )  # fmt: skip
        assert torch.equal(ranked.amplitudes, wanted.expand(8, -1))


def _bend(state: State, amplitudes: torch.Tensor) -> State:
    return replace(state, amplitudes=amplitudes.expand(len(state), -1))
