"""Many conformations of the same sites."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Frames:
    """Conformations of the same sites, which need not fit into memory.

    Attributes
    ----------
    n_frames
        How many there are.
    read
        Yields them from the first on, in blocks of (frames, sites, 3), A; may be called as often as wanted.
    name
        Says where frame 0, 1, ... comes from, for tables and messages.
    """

    n_frames: int
    read: Callable[[], Iterator[Float[Tensor, "frames sites 3"]]]
    name: Callable[[int], str]


def hold_frames(positions: Float[Tensor, "frames sites 3"], names: tuple[str, ...]) -> Frames:
    """Return conformations that are in memory."""
    return Frames(len(positions), lambda: iter(positions.split(1024)), names.__getitem__)


def join_frames(parts: tuple[Frames, ...]) -> Frames:
    """Return the conformations of all `parts`, one after another."""

    def name(number: int) -> str:
        for part in parts:
            if number < part.n_frames:
                return part.name(number)
            number -= part.n_frames
        raise IndexError(number)

    return Frames(
        sum(part.n_frames for part in parts), lambda: (block for part in parts for block in part.read()), name
    )
