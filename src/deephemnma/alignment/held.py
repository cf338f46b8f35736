"""A reference some of whose parameters stay where they are."""

import torch
from jaxtyping import Bool, Complex, Float
from torch import Tensor

from deephemnma.imaging.projector import Projector


class HeldProjector(Projector):
    """Projects as another projector does, but with no derivative for the parameters that are held.

    A descent then never moves them, and the error bars of the others are those given the held ones.

    Parameters
    ----------
    projector
        The reference.
    free
        Which of amplitudes, rotation, shift may change.
    """

    def __init__(self, projector: Projector, *, free: Bool[Tensor, "parameters"]) -> None:
        self.band = projector.band
        self.n_modes = projector.n_modes
        self.held = tuple((~free).nonzero()[:, 0].tolist())
        self._projector = projector
        self._rows = torch.tensor(self.held, dtype=torch.long, device=projector.band.rows.device)

    def project(
        self,
        rotations: Float[Tensor, "images 3 3"],
        shifts: Float[Tensor, "images 2"],
        amplitudes: Float[Tensor, "images {self.n_modes}"],
    ) -> Complex[Tensor, "images {self.band.n_components}"]:
        """See :meth:`Projector.project`."""
        return self._projector.project(rotations, shifts, amplitudes)

    def linearize(
        self,
        rotations: Float[Tensor, "images 3 3"],
        shifts: Float[Tensor, "images 2"],
        amplitudes: Float[Tensor, "images {self.n_modes}"],
    ) -> tuple[
        Complex[Tensor, "images {self.band.n_components}"],
        Complex[Tensor, "images parameters {self.band.n_components}"],
    ]:
        """See :meth:`Projector.linearize`."""
        value, derivatives = self._projector.linearize(rotations, shifts, amplitudes)
        return value, derivatives.index_fill(1, self._rows, 0)
