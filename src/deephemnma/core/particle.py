"""Images and what is known of each: pose, optics."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Poses:
    """Orientation and in-plane shift of each image.

    Attributes
    ----------
    rotations
        Take reference coordinates to the view frame (see :mod:`deephemnma.core.rotation`); float64.
    shifts
        x y, A, float64: the move that brings the particle back to the centre, pixel ``box // 2``
        (RELION's rlnOriginX/YAngst). The particle itself lies at minus the shift.
    """

    rotations: Float[Tensor, "images 3 3"]
    shifts: Float[Tensor, "images 2"]

    def __len__(self) -> int:
        return self.rotations.shape[0]

    def select(self, rows: Int[Tensor, "rows"]) -> "Poses":
        """Return the poses of `rows`."""
        return Poses(self.rotations[rows], self.shifts[rows])


@dataclass(frozen=True)
class Optics:
    """Contrast transfer parameters of each image, as RELION defines them.

    Attributes
    ----------
    voltage_kv, cs_mm, amplitude_contrast
        Acceleration voltage, spherical aberration, amplitude contrast (0-1).
    defocus_u, defocus_v
        A, underfocus positive.
    defocus_angle, phase_shift
        Radians; the angle is from x to the direction of `defocus_u`.
    phase_flipped
        True where the stored images were multiplied by the sign of the CTF, so that they obey its absolute value.
    group
        Number of each image's optics group, from 0: the row of RELION's data_optics. None: all are of one group.
    """

    voltage_kv: Float[Tensor, "images"]
    cs_mm: Float[Tensor, "images"]
    amplitude_contrast: Float[Tensor, "images"]
    defocus_u: Float[Tensor, "images"]
    defocus_v: Float[Tensor, "images"]
    defocus_angle: Float[Tensor, "images"]
    phase_shift: Float[Tensor, "images"]
    phase_flipped: bool = False
    group: Int[Tensor, "images"] | None = None

    def __len__(self) -> int:
        return self.voltage_kv.shape[0]

    def select(self, rows: Int[Tensor, "rows"]) -> "Optics":
        """Return the optics of `rows`."""
        return self._map(lambda values: values[rows])

    def to(self, device: torch.device | str, dtype: torch.dtype = torch.float32) -> "Optics":
        """Return a copy on `device`."""
        return self._map(lambda values: values.to(device, dtype if values.is_floating_point() else values.dtype))

    def _map(self, change) -> "Optics":
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return replace(self, **{name: change(value) for name, value in values.items() if isinstance(value, Tensor)})


class ImageSource(ABC):
    """Images by number, be it a stack on disk or a synthesiser."""

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """Name of each image, unique (``000001@stack.mrcs``)."""

    @property
    @abstractmethod
    def box_size(self) -> int:
        """Side of the square images, pixels."""

    @property
    @abstractmethod
    def pixel_size(self) -> float:
        """A."""

    @property
    @abstractmethod
    def optics(self) -> Optics | None:
        """CTF parameters of all images, or None for images without a CTF."""

    @abstractmethod
    def __getitem__(self, ids: Int[Tensor, "images"]) -> Float[Tensor, "images box box"]:
        """Return images `ids` as float32, white particles on a dark ground, axes y x."""

    def __len__(self) -> int:
        return len(self.names)

    def iterate_blocks(self, size: int) -> Iterator[Int[Tensor, "images"]]:
        """Yield the ids of all images, in order, in blocks of `size`."""
        yield from torch.arange(len(self)).split(size)
