"""Groups of images with similar conformations; a group's images give one map."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float, Int
from sklearn.cluster import KMeans
from torch import Tensor

from deephemnma.core.error import InputError
from deephemnma.core.estimates import Estimates
from deephemnma.core.landscape import Landscape
from deephemnma.landscape.expression import evaluate_expression
from deephemnma.settings.landscape import GroupSettings


def make_groups(landscape: Landscape, estimates: Estimates, *, settings: GroupSettings) -> Landscape:
    """Return `landscape` with the groups that `settings` ask for."""
    if settings.expressions:
        return group_by_expression(landscape, estimates, settings.expressions)
    if settings.method == "quantile":
        return group_by_quantile(landscape, axis=settings.axis, n_groups=settings.n_groups, margin=settings.margin)
    return group_by_kmeans(landscape, n_groups=settings.n_groups, seed=settings.seed)


def make_columns(landscape: Landscape, estimates: Estimates) -> dict[str, Float[Tensor, "images"]]:
    """Return the columns of an expression for the images of `landscape`: pc1 ..., amplitude_7 ..., score, group.

    Raises
    ------
    InputError
        If an image of the landscape is not among `estimates`.
    """
    row_of = {name: row for row, name in enumerate(estimates.names)}
    missing = [name for name in landscape.names if name not in row_of]
    if missing:
        raise InputError(f"Image {missing[0]!r} of the landscape is not among the estimates: give the same particles.")
    own = estimates.select(torch.tensor([row_of[name] for name in landscape.names], dtype=torch.long))
    columns = {f"pc{axis}": values for axis, values in enumerate(landscape.coordinates.unbind(1), start=1)}
    columns |= {
        f"amplitude_{number}": values
        for number, values in zip(own.mode_numbers, own.amplitudes.double().unbind(1), strict=True)
    }
    return columns | {"score": own.score.double(), "group": landscape.groups.double()}


def group_by_expression(landscape: Landscape, estimates: Estimates, expressions: str | Sequence[str]) -> Landscape:
    """Return `landscape` with one group an expression.

    An image goes to the first expression that holds for it, or to none.

    Parameters
    ----------
    landscape, estimates
        The space, and the estimates of its images (matched by name).
    expressions
        Conditions over the columns of :func:`make_columns`, such as ``"pc1 > 20 and amplitude_7 < -50"``.

    Raises
    ------
    InputError
        If an expression has a mistake or holds for no image.
    """
    expressions = (expressions,) if isinstance(expressions, str) else tuple(expressions)
    columns = make_columns(landscape, estimates)
    groups = torch.full((len(landscape.names),), -1, dtype=torch.long)
    for number, expression in enumerate(expressions):
        chosen = evaluate_expression(expression, columns) & (groups < 0)
        if not chosen.any():
            raise InputError(f"The expression {expression!r} holds for no image that is not in a group already.")
        groups[chosen] = number
    return replace(landscape, groups=groups)


def group_by_kmeans(landscape: Landscape, *, n_groups: int, seed: int = 0) -> Landscape:
    """Return `landscape` with `n_groups` k-means clusters as groups, numbered along the first axis."""
    _check_enough(landscape, n_groups)
    clusters = KMeans(n_groups, n_init=10, random_state=seed).fit(landscape.coordinates.numpy())
    rank = torch.from_numpy(clusters.cluster_centers_[:, 0]).argsort().argsort()
    return replace(landscape, groups=rank[torch.from_numpy(clusters.labels_).long()])


def group_by_quantile(landscape: Landscape, *, axis: int = 1, n_groups: int, margin: float = 0.0) -> Landscape:
    """Return `landscape` cut along `axis` (from 1) into `n_groups` groups of equal size.

    A share `margin` (0-0.5) of the images at either end stays without a group, as in the paper's Figure 9.
    """
    _check_enough(landscape, n_groups)
    if not 1 <= axis <= landscape.coordinates.shape[1]:
        raise InputError(f"The axis must lie between 1 and {landscape.coordinates.shape[1]}, but {axis} came.")
    order = landscape.coordinates[:, axis - 1].argsort(stable=True)
    left_out = round(margin * len(order))
    groups = torch.full((len(order),), -1, dtype=torch.long)
    for number, rows in enumerate(order[left_out : len(order) - left_out].tensor_split(n_groups)):
        groups[rows] = number
    return replace(landscape, groups=groups)


def compute_centroids(landscape: Landscape) -> Float[Tensor, "groups axes"]:
    """Return the mean coordinates of each group, in the order of the group numbers."""
    if not (landscape.groups >= 0).any():
        raise InputError("The landscape has no groups yet: group its images first.")
    return torch.stack([landscape.coordinates[rows].mean(0) for rows in list_members(landscape)])


def list_members(landscape: Landscape) -> list[Int[Tensor, "rows"]]:
    """Return the rows of each group's images, in the order of the group numbers."""
    numbers = range(int(landscape.groups.max()) + 1 if len(landscape.names) else 0)
    return [(landscape.groups == number).nonzero()[:, 0] for number in numbers]


def _check_enough(landscape: Landscape, n_groups: int) -> None:
    if not 1 <= n_groups <= len(landscape.names):
        raise InputError(
            f"{len(landscape.names)} images make 1 to {len(landscape.names)} groups, but {n_groups} were asked for "
            "(--n-groups)."
        )
