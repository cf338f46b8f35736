"""Options of flexible fitting."""

from dataclasses import dataclass

from deephemnma.settings.check import check_at_least, check_positive


@dataclass(frozen=True)
class FitSettings:
    """How a reference is fitted into a map."""

    resolution: float | None = None
    """Finest detail that is compared, A, > 0 and at least 2 voxels; by default 2 voxels, or the 32nd part of the box
    where that is coarser. Levels at which nothing of the map is explained are left out anyway."""
    search: bool = False
    """Search the whole map for the molecule, in all orientations. Without it the reference must stand where the map's
    molecule is, to about a fifth of its diameter and 30 degrees."""
    dockings: int = 24
    """With --search: places and orientations that are fitted, >= 1."""
    stiffness: float = 1.0
    """Weight of the elastic energy, which keeps stiff modes from explaining what the map leaves open, >= 0; its
    temperature is found from the map. 0 leaves it out."""

    def __post_init__(self) -> None:
        if self.resolution is not None:
            check_positive("--resolution", self.resolution)
        check_at_least("--dockings", self.dockings, 1)
        check_at_least("--stiffness", self.stiffness, 0)
