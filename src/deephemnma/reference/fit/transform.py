"""The density of a moving model in Fourier space, with analytic derivatives."""

import math

import finufft
import numpy as np
import torch
from jaxtyping import Complex, Float
from torch import Tensor

from deephemnma.core.model import GaussianModel, Modes
from deephemnma.reference.fit.box import Components, FitBox
from deephemnma.reference.fit.placement import Placement, place_sites

TOLERANCE = 1e-4
WIDTH_SAMPLES = 64


class DensityTransform:
    """Transforms Gaussians at points by FINUFFT (Barnett et al. 2019), on the components of one band.

    Every derivative is a transform of the same points with other weights: a parameter that moves the sites by ``u``
    has the derivative ``-2 pi i k . U`` with U the transforms of u's three coordinates. All weights are real, and two
    share a complex transform.

    Parameters
    ----------
    model, modes
        The reference.
    box, components
        Where it is fitted.
    """

    def __init__(self, model: GaussianModel, modes: Modes, box: FitBox, components: Components) -> None:
        self.model, self.modes, self.box = model, modes, box
        self.n_modes = modes.n_modes
        self._weights = model.weights.double() / model.weights.double().abs().sum()
        self._vectors = modes.vectors.double().permute(0, 2, 1)  # modes, x y z, sites
        self._k = (-2j * math.pi * components.frequencies.to(torch.complex64)).T.contiguous()
        self._highest = int(components.indices.abs().max())
        side = 2 * self._highest + 1
        x, y, z = (components.indices + self._highest).unbind(-1)
        self._here = ((z * side + y) * side + x).numpy()
        self._there = side**3 - 1 - self._here
        self._plans: dict[int, finufft.Plan] = {}
        self._by_site, self._by_component = factorize_width(model.widths, components.frequencies)

    def transform(self, placement: Placement) -> Complex[Tensor, "components"]:
        """Return the model's transform."""
        return self._transform(place_sites(self.model, self.modes, placement), self._weights[None])[0]

    def linearize(
        self, placement: Placement
    ) -> tuple[Complex[Tensor, "components"], Complex[Tensor, "parameters components"]]:
        """Return the transform, and its derivatives by amplitudes, rotation about x y z of the map and shift x y z."""
        sites = place_sites(self.model, self.modes, placement)
        arms = (sites - self.model.center - placement.shift).T
        moves = torch.einsum("xy,mys->mxs", placement.rotation, self._vectors)
        weights = torch.cat((torch.ones_like(arms[:1]), arms, moves.reshape(-1, arms.shape[1]))) * self._weights
        transforms = self._transform(sites, weights)
        value, arms, moves = transforms[0], transforms[1:4], transforms[4:].unflatten(0, (self.n_modes, 3))
        kx, ky, kz = self._k
        turns = torch.stack((ky * -arms[2] + kz * arms[1], kx * arms[2] - kz * arms[0], ky * arms[0] - kx * arms[1]))
        along = (moves * self._k).sum(1)
        return value, torch.cat((along, turns, self._k * value))

    def _transform(
        self, sites: Float[Tensor, "sites 3"], weights: Float[Tensor, "channels sites"]
    ) -> Complex[Tensor, "channels components"]:
        damped = (weights[:, None] * self._by_site).flatten(0, 1)
        n_rows = len(damped)
        damped = torch.nn.functional.pad(damped, (0, 0, 0, n_rows % 2)).float()
        pairs = torch.complex(damped[0::2], damped[1::2]).contiguous()
        angles = ((sites - self.box.center) * (2 * math.pi / self.box.edge)).float().numpy()
        side = 2 * self._highest + 1
        plan = self._find_plan(len(pairs), side)
        plan.setpts(*(np.ascontiguousarray(angles[:, axis]) for axis in (2, 1, 0)))
        grid = plan.execute(pairs.numpy()).reshape(len(pairs), -1)
        here, there = torch.from_numpy(grid[:, self._here]), torch.from_numpy(grid[:, self._there]).conj()
        # Of u + i v: u is half the sum, v half the difference over i.
        bare = torch.stack(((here + there) / 2, (here - there) / 2j), dim=1).flatten(0, 1)[:n_rows]
        return (bare.unflatten(0, (len(weights), -1)) * self._by_component).sum(1)

    def _find_plan(self, n_channels: int, side: int) -> finufft.Plan:
        """Return a plan, made once: a search calls for the same one thousands of times."""
        if n_channels not in self._plans:
            options = {"eps": TOLERANCE, "isign": -1, "dtype": "complex64", "nthreads": 1, "upsampfac": 1.25}
            self._plans[n_channels] = finufft.Plan(1, (side, side, side), n_channels, **options)
        return self._plans[n_channels]


def factorize_width(
    widths: Float[Tensor, "sites"], frequencies: Float[Tensor, "components 3"]
) -> tuple[Float[Tensor, "terms sites"], Float[Tensor, "terms components"]]:
    """Return factors of a site and of a component whose products sum to ``exp(-2 pi^2 s^2 k^2)``."""
    squares, where = frequencies.double().square().sum(-1).mul(1e9).round().unique(return_inverse=True)
    exponents = -2 * math.pi**2 * squares / 1e9
    variances = widths.double().square()
    samples = variances.quantile(torch.linspace(0, 1, WIDTH_SAMPLES, dtype=torch.float64))
    _, strengths, terms = torch.linalg.svd((samples[:, None] * exponents).exp(), full_matrices=False)
    terms = terms[strengths > TOLERANCE * strengths[0]]
    different, which = variances.unique(return_inverse=True)  # few: 148,000 atoms of one width would take 2 GB
    return (terms @ (exponents[:, None] * different).exp())[:, which], terms[:, where].float()
