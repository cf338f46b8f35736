"""Options of prediction."""

from dataclasses import dataclass

from deephemnma.settings.check import check_at_least


@dataclass(frozen=True)
class PredictSettings:
    """How a trained network is applied."""

    batch_size: int = 512
    """Images at once; the answer does not depend on it (within 1e-4 of a standard deviation)."""
    n_hypotheses: int = 4
    """Rotations given for each image, the likeliest first; refinement may start from all. A network without a
    distribution over rotations gives one."""

    def __post_init__(self) -> None:
        check_at_least("--batch-size", self.batch_size, 1)
        check_at_least("--n-hypotheses", self.n_hypotheses, 1)
