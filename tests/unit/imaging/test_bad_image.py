"""Images in which nothing can be found."""

import torch

from deephemnma.imaging.bad_image import find_bad_images


def test_images_that_are_not_finite_or_flat_are_bad(generator):
    images = torch.randn(6, 25, 25, generator=generator)
    images[1, 3, 4] = torch.nan
    images[2] = 0.0
    images[3, 0, 0] = torch.inf
    images[4] = 0.1  # whose mean rounds, so that its standard deviation is not quite zero
    assert find_bad_images(images).tolist() == [False, True, True, True, True, False]
