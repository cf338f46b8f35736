"""Options of three-dimensional reconstruction."""

from dataclasses import dataclass

from deephemnma.settings.check import check_at_least, check_positive


@dataclass(frozen=True)
class ReconstructSettings:
    """Maps from images of known pose."""

    symmetry: str = "C1"
    """Point group of the molecule in RELION's setting: C1, C2, ..., D2, ..., T, O, I."""

    padding: int = 2
    """Oversampling of Fourier space, 1 or more; 2 as in RELION, 1 is faster and darkens the corners of the map."""

    weight_floor: float = 0.01
    """Regularisation of the half maps: what is added to the weights, as a share of their mean at that resolution,
    above 0. The full map is regularised by the signal-to-noise ratio that the half maps show."""

    min_images: int = 20
    """Groups with fewer images get no map, 2 or more."""

    block_size: int = 256
    """Images read and inserted at once, 1 or more; a bound on memory."""

    def __post_init__(self) -> None:
        check_at_least("--padding", self.padding, 1)
        check_positive("--weight-floor", self.weight_floor)
        check_at_least("--min-images", self.min_images, 2)
        check_at_least("--block-size", self.block_size, 1)
