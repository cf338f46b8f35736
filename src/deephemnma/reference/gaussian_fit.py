"""Weights and widths with which Gaussians on given sites come closest to a density, as seen at a resolution.

The distance is ``|model - density|^2`` with both low-passed by a Gaussian. Its parts are scalar products of Gaussians
that are near each other: no grid is needed.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.optimize import minimize
from scipy.sparse import csr_array

from deephemnma.core.error import InputError
from deephemnma.core.model import GaussianModel
from deephemnma.core.structure import AtomicModel
from deephemnma.reference.atomic_density import AtomicDensity, make_atomic_density, make_model_density
from deephemnma.reference.overlap import compute_gaussian, evaluate_products, find_pairs, tabulate_products
from deephemnma.reference.projection_correlation import compute_projection_correlation
from deephemnma.reference.site import select_sites

LOW_PASS = 0.225  # resolutions: a Gaussian of this standard deviation leaves 1/e at the resolution
STIFFNESS = 0.01  # of the spring to where a parameter began, in squared norms of the Gaussian itself
NARROWEST, WIDEST = 0.3, 1.6  # of a width, by which the fit may change it
HEAVIEST = 4.0  # of a weight
STEPS = 200
GAIN = 1e-6  # relative; a step that gains less is the last
FITTING, POSING = 0.7, 0.5  # shares of the time, of all and of the fit
Advance = Callable[[float], None]


@dataclass(frozen=True)
class Likeness:
    """How alike projections of a model and of all atoms are, in the mean over all views.

    Attributes
    ----------
    resolution
        Band limit, A.
    before, after
        Correlation with the widths and weights that follow from the residues, and with those fitted.
    """

    resolution: float
    before: float
    after: float


def fit_to_atoms(
    model: GaussianModel,
    atoms: AtomicModel,
    *,
    resolution: float,
    b_factors: bool = False,
    advance: Advance = lambda share: None,
) -> tuple[GaussianModel, Likeness]:
    """Fit weights and widths of a model to the atoms it stands for, so that projections look alike.

    Parameters
    ----------
    model
        On sites of `atoms`; these stay where they are.
    atoms
        All atoms of the file; waters do not count.
    resolution
        Detail that matters, A, above 0.
    b_factors
        Whether the atoms are smeared by their B-factors.
    advance
        Called with the share of the work done since the last call.

    Returns
    -------
    fitted
        Its weights add up to the scattering of all atoms.
    likeness
        What was reached.
    """
    density = make_atomic_density(select_sites(atoms, "all"), b_factors=b_factors)
    fitted = fit_gaussians(model, density, resolution=resolution, advance=lambda share: advance(FITTING * share))
    before, after = (
        compute_projection_correlation(make_model_density(each), density, resolution=resolution)
        for each in (model, fitted)
    )
    advance(1 - FITTING)
    # atoms at low resolution are as good as perfect, and the fit weighs the band by a Gaussian instead of cutting it
    return (
        (fitted, Likeness(resolution, before, after))
        if after > before
        else (model, Likeness(resolution, before, before))
    )


def fit_gaussians(
    model: GaussianModel, density: AtomicDensity, *, resolution: float, advance: Advance = lambda share: None
) -> GaussianModel:
    """Return the model with the weights and widths of the least distance to `density` through a Gaussian low-pass.

    Weak springs hold them where they began: parameters that the density hardly determines stay. Weights are not
    negative, and scaled so that they add up to those of the density.
    """
    if not resolution > 0:
        raise InputError(f"The resolution (--bead-resolution) must be a positive length in A, not {resolution:g}.")
    blur = 2 * (LOW_PASS * resolution) ** 2
    problem = _pose(model, density, blur=blur, advance=lambda share: advance(POSING * share))
    n = model.n_sites
    bounds = np.repeat(((0.0, HEAVIEST), 2 * np.log((NARROWEST, WIDEST))), n, axis=0)
    start = np.repeat((1.0, 0.0), n)
    options = {"maxiter": STEPS, "ftol": GAIN, "maxfun": 2 * STEPS}
    found = minimize(
        problem.compute,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        options=options,
        callback=lambda _: advance((1 - POSING) / STEPS),
    )
    advance((1 - POSING) * (1 - found.nit / STEPS))
    gains, logs = np.split(found.x, 2)
    weights = gains * problem.weights
    weights *= float(density.weights.sum()) / weights.sum()
    widths = np.sqrt(np.exp(logs) * problem.variances)
    dtype = model.weights.dtype
    return replace(model, weights=torch.from_numpy(weights).to(dtype), widths=torch.from_numpy(widths).to(dtype))


@dataclass(frozen=True)
class _Problem:
    """The distance as a function of relative weights and logarithms of relative variances.

    Attributes
    ----------
    weights, variances
        Where the fit begins.
    blur
        Variance of both low-passes together, A^2.
    pairs
        Rows, columns and square distances of sites that touch.
    products
        Of each site with the density: a series, see :func:`~deephemnma.reference.overlap.tabulate_products`.
    ends
        Least and greatest variance of the series, A^2.
    """

    weights: Float[np.ndarray, "sites"]
    variances: Float[np.ndarray, "sites"]
    blur: float
    pairs: tuple[Int[np.ndarray, "pairs"], Int[np.ndarray, "pairs"], Float[np.ndarray, "pairs"]]
    products: Float[np.ndarray, "coefficients sites"]
    ends: tuple[float, float]

    def compute(self, parameters: Float[np.ndarray, "both"]) -> tuple[float, Float[np.ndarray, "both"]]:
        """Return the distance, less that of an empty model, with the springs, and its derivatives."""
        gains, logs = np.split(parameters, 2)
        weights, variances = gains * self.weights, np.exp(logs) * self.variances
        value, by_weight, by_variance = self._measure(weights, variances)
        own = self.weights**2 * compute_gaussian(0.0, 2 * self.variances + self.blur)
        value += STIFFNESS * float(own @ ((gains - 1) ** 2 + logs**2))
        by_gain = by_weight * self.weights + 2 * STIFFNESS * own * (gains - 1)
        by_log = by_variance * variances + 2 * STIFFNESS * own * logs
        scale = own.mean()
        return value / scale, np.concatenate((by_gain, by_log)) / scale

    def match_contrast(self) -> "_Problem":
        """Return the problem with all weights scaled to suit the density: what improves on that correlates better."""
        along, across, _, _ = self._multiply(self.weights, self.variances)
        return replace(self, weights=self.weights * float(self.weights @ across / (self.weights @ along)))

    def _measure(
        self, weights: Float[np.ndarray, "sites"], variances: Float[np.ndarray, "sites"]
    ) -> tuple[float, Float[np.ndarray, "sites"], Float[np.ndarray, "sites"]]:
        along, across, along_slope, across_slope = self._multiply(weights, variances)
        value = float(weights @ (along - 2 * across))
        return value, 2 * (along - across), 2 * weights * (along_slope - across_slope)

    def _multiply(
        self, weights: Float[np.ndarray, "sites"], variances: Float[np.ndarray, "sites"]
    ) -> tuple[Float[np.ndarray, "sites"], ...]:
        """Return the products of each unit Gaussian with model and density, and the derivatives by its variance."""
        first, second, square = self.pairs
        total = (variances[first] + variances[second] + self.blur).astype(np.float32)
        near = compute_gaussian(square, total)
        slope = near * (0.5 * square / total - 1.5) / total
        alone = compute_gaussian(0.0, 2 * variances + self.blur)
        alone_slope = -1.5 * alone / (2 * variances + self.blur)
        across, across_slope = evaluate_products(self.products, variances + self.blur, ends=self.ends)
        return (
            alone * weights + self._sum_pairs(near, weights),
            across,
            alone_slope * weights + self._sum_pairs(slope, weights),
            across_slope,
        )

    def _sum_pairs(
        self, values: Float[np.ndarray, "pairs"], weights: Float[np.ndarray, "sites"]
    ) -> Float[np.ndarray, "sites"]:
        first, second, _ = self.pairs
        n = len(weights)
        matrix = csr_array((values, second, np.searchsorted(first, np.arange(n + 1))), shape=(n, n))
        return matrix @ weights + matrix.T @ weights


def _pose(
    model: GaussianModel, density: AtomicDensity, *, blur: float, advance: Advance = lambda share: None
) -> _Problem:
    positions = (model.positions.double() + model.center.double()).numpy()
    weights, variances = model.weights.double().numpy(), model.widths.double().square().numpy()
    widest, least = WIDEST**2 * variances, NARROWEST**2 * float(variances.min()) + blur
    return _Problem(
        weights=weights,
        variances=variances,
        blur=blur,
        pairs=find_pairs(positions, widest, blur=blur),
        products=tabulate_products(positions, widest + blur, density, least=least, advance=advance),
        ends=(least, float(widest.max()) + blur),
    ).match_contrast()
