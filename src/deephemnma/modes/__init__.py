"""Elastic networks and their normal modes."""

from deephemnma.modes.analysis import (
    compute_collectivity,
    compute_cumulative_overlap,
    compute_overlap,
    compute_scores,
    make_mode_table,
)
from deephemnma.modes.blocks import make_residue_blocks
from deephemnma.modes.elastic_network import compute_relative_cutoff, suggest_cutoff
from deephemnma.modes.force_field import ForceField
from deephemnma.modes.force_field_choice import make_force_field
from deephemnma.modes.hinsen import Hinsen
from deephemnma.modes.inverse_square import InverseSquare
from deephemnma.modes.normal_modes import compute_modes
from deephemnma.modes.uniform_cutoff import UniformCutoff

__all__ = [
    "ForceField",
    "Hinsen",
    "InverseSquare",
    "UniformCutoff",
    "compute_collectivity",
    "compute_cumulative_overlap",
    "compute_modes",
    "compute_overlap",
    "compute_relative_cutoff",
    "compute_scores",
    "make_force_field",
    "make_mode_table",
    "make_residue_blocks",
    "suggest_cutoff",
]
