"""Force fields by the names that users type."""

from deephemnma.modes.force_field import ForceField
from deephemnma.modes.hinsen import Hinsen
from deephemnma.modes.inverse_square import InverseSquare
from deephemnma.modes.uniform_cutoff import UniformCutoff

FORCE_FIELDS: dict[str, type[ForceField]] = {"uniform": UniformCutoff, "hinsen": Hinsen, "pfanm": InverseSquare}


def make_force_field(name: str) -> ForceField:
    """Return the force field of this name, one of :data:`FORCE_FIELDS`, with its published constants."""
    return FORCE_FIELDS[name]()
