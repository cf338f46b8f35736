"""The conformational space of a set of images."""

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Landscape:
    """Coordinates of each image in a reduced, linear space, and its group.

    Attributes
    ----------
    names
        Image names.
    coordinates
        Projections on the principal axes, A.
    groups
        Number of each image's group, from 0; -1 is none.
    mean
        Amplitudes at the origin of the space, A.
    axes
        Unit vectors in amplitude space, so that ``amplitudes = mean + coordinates @ axes``.
    explained
        Share of the variance along each axis, 0-1.
    mode_numbers
        The users' numbers of the columns of `axes`.
    """

    names: tuple[str, ...]
    coordinates: Float[Tensor, "images axes"]
    groups: Int[Tensor, "images"]
    mean: Float[Tensor, "modes"]
    axes: Float[Tensor, "axes modes"]
    explained: Float[Tensor, "axes"]
    mode_numbers: tuple[int, ...]

    def to_amplitudes(self, coordinates: Float[Tensor, "points axes"]) -> Float[Tensor, "points modes"]:
        """Return the mode amplitudes (A) of points of the space."""
        return self.mean + coordinates @ self.axes
