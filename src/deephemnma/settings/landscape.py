"""Options of the conformational space and its groups."""

from dataclasses import dataclass, field
from typing import Literal

from deephemnma.settings.check import check_at_least, check_between, check_one_of, check_positive


@dataclass(frozen=True)
class GroupSettings:
    """How images are put into groups; one map is made of each."""

    method: Literal["kmeans", "quantile"] = "kmeans"
    """k-means clusters of the whole space, or equal shares along one axis."""

    n_groups: int = 5
    """Number of groups, 1 or more."""

    axis: int = 1
    """Axis along which quantiles are cut, from 1."""

    margin: float = 0.0
    """Share of the images at either end of the axis that stay without a group (quantiles), 0 to 0.49."""

    expressions: tuple[str, ...] = ()
    """Conditions such as "pc1 > 20 and amplitude_7 < -50", one group each, in place of the method; columns are
    pc1 ..., amplitude_7 ..., score."""

    seed: int = 0
    """Seed of k-means."""

    def __post_init__(self) -> None:
        check_one_of("--method", self.method, ("kmeans", "quantile"))
        check_at_least("--n-groups", self.n_groups, 1)
        check_at_least("--axis", self.axis, 1)
        check_between("--margin", self.margin, 0, 0.49)


@dataclass(frozen=True)
class LandscapeSettings:
    """The conformational space: principal components of the amplitudes."""

    n_axes: int = 2
    """Number of axes, from 1 to the number of modes."""

    outlier_threshold: float = 3.2
    """Images whose amplitudes lie further than this Mahalanobis distance from the mean are left out, above 0."""

    groups: GroupSettings = field(default_factory=GroupSettings)
    """Groups of images."""

    def __post_init__(self) -> None:
        check_at_least("--n-axes", self.n_axes, 1)
        check_positive("--outlier-threshold", self.outlier_threshold)
