from dataclasses import replace

import torch

from deephemnma.core.particle import Poses
from deephemnma.imaging.noise import make_white_noise
from deephemnma.imaging.synthesis import ImageFormation, project_images
from deephemnma.network.label_distribution import make_uniform_distribution, smooth_estimates
from deephemnma.network.preparation import choose_preparation, prepare_images
from deephemnma.network.training_images import EstimatedImages, MixedImages, SimulatedImages

CPU = torch.device("cpu")


def test_images_simulated_at_the_small_box_are_cropped_full_ones(problem):
    """Contrast, noise and CTF must be those of the data after cropping, or the network learns another SNR."""
    simulated = _make_simulated(problem, replace(problem.formation, contrast=0.4))
    batch = simulated.draw(0, 200)
    full = 0.4 * _project(problem, batch.labels, problem.source.optics.select(torch.zeros(200, dtype=torch.long)))
    noise = problem.formation.noise.draw(200, generator=torch.Generator().manual_seed(1))
    optics = problem.source.optics.select(torch.zeros(200, dtype=torch.long))
    preparation = _prepare()
    clean = prepare_images(full, optics, preparation).flatten(1)
    noisy = prepare_images(full + noise, optics, preparation).flatten(1)
    found = batch.images.flatten(1)
    wanted = torch.cosine_similarity(noisy, clean).mean()
    assert abs(torch.cosine_similarity(found, clean).mean() - wanted) < 0.01
    assert wanted < 0.96


def test_noise_free_simulated_images_equal_cropped_full_ones(problem):
    silent = ImageFormation(contrast=1.0, noise=make_white_noise(1e-12, box_size=32, pixel_size=2.0))
    batch = _make_simulated(problem, silent).draw(3, 8)
    optics = problem.source.optics.select(torch.zeros(8, dtype=torch.long))
    wanted = prepare_images(_project(problem, batch.labels, optics), optics, _prepare())
    assert torch.cosine_similarity(batch.images.flatten(1), wanted.flatten(1)).min() > 0.999


def test_a_step_always_gives_the_same_batch_and_steps_differ(problem):
    simulated, estimated = _make_simulated(problem, problem.formation), _make_estimated(problem)
    for images in (simulated, estimated, MixedImages(simulated, estimated, n_first=2)):
        first, again, other = images.draw(1, 4), images.draw(1, 4), images.draw(2, 4)
        assert torch.equal(first.images, again.images)
        assert torch.equal(first.labels.rotations, again.labels.rotations)
        assert not torch.allclose(first.images, other.images)


def test_contrast_varies_as_measured(problem):
    spread = replace(problem.formation, contrast_spread=0.3)
    drawn = _make_simulated(problem, spread)._draw_contrasts(4000, torch.Generator().manual_seed(0))
    scale = (16 / 32) ** 2
    assert abs(drawn.mean() / scale - 1) < 0.02
    assert abs(drawn.std() / scale - 0.3) < 0.02
    assert drawn.min() > 0


def test_each_pass_shows_every_image_once(problem):
    estimated = _make_estimated(problem)
    shown = torch.cat([estimated._choose(step, 8) for step in range(10)])
    for one_pass in shown.split(40):
        assert torch.equal(one_pass.sort().values, torch.arange(40))
    assert not torch.equal(shown[:40], shown[40:])


def test_prepared_images_are_normalised_whatever_their_scale(problem):
    images = problem.source[torch.arange(5)]
    first = prepare_images(images, None, _prepare())
    second = prepare_images(1000 * images + 7, None, _prepare())
    assert first.shape == (5, 16, 16)
    torch.testing.assert_close(first, second, rtol=0, atol=1e-3)
    torch.testing.assert_close(first.mean(dim=(1, 2)), torch.zeros(5), rtol=0, atol=1e-5)
    torch.testing.assert_close(first.std(dim=(1, 2)), torch.ones(5), rtol=0, atol=1e-4)


def test_phase_flipped_images_are_not_flipped_again(problem):
    images = problem.source[torch.arange(3)]
    optics = problem.source.optics.select(torch.arange(3))
    flip = replace(_prepare(), ctf_correction="flip")
    by_us = prepare_images(images, optics, flip)
    before = prepare_images(prepare_images(images, optics, _prepare(flip="flip", box=32)), None, flip)
    torch.testing.assert_close(by_us, before, rtol=0, atol=1e-2)
    unflipped = prepare_images(images, replace(optics, phase_flipped=True), flip)
    torch.testing.assert_close(unflipped, prepare_images(images, None, flip))


def test_bad_images_are_found_and_prepared_without_nan(problem):
    images = problem.source[torch.arange(4)].clone()
    images[1, 3, 3], images[2] = torch.nan, 5.0
    images[3, 0, 0] = torch.inf
    assert prepare_images(images, None, _prepare()).isfinite().all()


def test_the_network_box_follows_the_pixel_and_never_exceeds_the_image():
    assert choose_preparation(64, 1.3, network_box=0, ctf_correction="flip").box_size == 32
    assert choose_preparation(128, 0.65, network_box=0, ctf_correction="flip").box_size == 32
    assert choose_preparation(64, 1.3, network_box=128, ctf_correction="flip").box_size == 64
    odd = choose_preparation(65, 3.5, network_box=0, ctf_correction="flip")
    assert odd.box_size == 64
    assert abs(odd.pixel_size * odd.box_size - 65 * 3.5) < 1e-9


def test_labels_follow_the_estimates_or_fill_the_box(problem, generator):
    near = smooth_estimates(problem.estimates, jitter=0.0).draw(200, generator=generator)
    distance = torch.cdist(near.amplitudes, problem.estimates.amplitudes.float()).amin(dim=1)
    assert distance.max() < 0.05
    blurred = smooth_estimates(problem.estimates, jitter=0.25).draw(2000, generator=generator)
    assert torch.cdist(blurred.amplitudes, problem.estimates.amplitudes.float()).amin(dim=1).max() > 0.5
    even = make_uniform_distribution(2, amplitude_range=50.0, shift_range=4.0).draw(4000, generator=generator)
    assert abs(even.amplitudes.std() - 50 / 3**0.5) < 3
    assert abs(even.shifts.std() - 4 / 3**0.5) < 0.3


def _prepare(flip="multiply", box=16):
    return choose_preparation(32, 2.0, network_box=box, ctf_correction=flip)


def _make_simulated(problem, formation):
    distribution = smooth_estimates(problem.estimates, jitter=0.25)
    return SimulatedImages(
        problem.model,
        problem.modes,
        distribution=distribution,
        optics=problem.source.optics,
        formation=formation,
        preparation=_prepare(),
        seed=0,
        device=CPU,
    )


def _make_estimated(problem):
    rows = torch.arange(40)
    return EstimatedImages(
        problem.source, problem.estimates, rows=rows, ids=rows, preparation=_prepare(), seed=0, device=CPU
    )


def _project(problem, labels, optics):
    poses = Poses(labels.rotations.double(), labels.shifts.double())
    return project_images(
        problem.model, problem.modes, poses, labels.amplitudes, box_size=32, pixel_size=2.0, optics=optics
    )
