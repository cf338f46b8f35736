"""The extension point: what turns images into features."""

from abc import ABC, abstractmethod

from jaxtyping import Float
from torch import Tensor, nn


class Backbone(nn.Module, ABC):
    """Features of images.

    A backbone that knows in-plane rotation gives one feature vector for each of `n_angles` turns of the image: where
    the image turns with the particle from psi = 0 to ``psi = 2 pi k / n_angles``, the vectors move on by k angles. Any
    other backbone gives one vector, ``n_angles = 1``.

    Attributes
    ----------
    n_features
        Length of a feature vector.
    n_angles
        Number of feature vectors an image.
    """

    n_features: int
    n_angles: int

    @abstractmethod
    def forward(self, images: Float[Tensor, "images 1 box box"]) -> Float[Tensor, "images features angles"]:
        """Return the features of images with mean 0 and standard deviation 1."""
