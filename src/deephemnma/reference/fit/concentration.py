"""Where a model's misfit lies: in the molecule, or all over the box."""

from jaxtyping import Complex
from torch import Tensor

from deephemnma.reference.fit.box import Components
from deephemnma.reference.fit.grid import make_grid
from deephemnma.reference.fit.likelihood import compare


def compute_concentration(components: Components, value: Complex[Tensor, "components"]) -> float:
    """Return how much stronger the whitened misfit is where the molecule is than on average over the box, >= 1.

    Noise of a map fills its box, and all components are independent. What a model gets wrong lies where the molecule
    is, and the components of such a misfit are as much fewer in truth as the molecule is smaller than the box: the log
    likelihood of the model is to be divided by this figure.
    """
    compared = compare(components, value)
    left = (1 - compared.correlation.clamp_min(0).square()) * compared.power
    white = (components.counts / left.clamp_min(1e-12 * float(compared.power.max()))).sqrt().float()[components.shells]
    gain = compared.gains.float()[components.shells]
    misfit = make_grid(components, (components.data - gain * value) * white).square()
    squares = components.frequencies.square().sum(-1)
    # The mean is not among the components: the weights of a model sum to 1.
    density = make_grid(components, value * (-squares / squares.max()).exp(), mean=1.0).clamp_min(0)
    return max(1.0, float((misfit * density).sum() / density.sum() / misfit.mean().clamp_min(1e-30)))
