"""Scores every image against every template: two matrix products."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from deephemnma.alignment.bank import Bank, iterate_chunks
from deephemnma.alignment.observation import Observations
from deephemnma.alignment.state import State

TEMPLATES_AT_ONCE = 8192


@dataclass(frozen=True)
class Candidates:
    """The best templates of each image, best first.

    Attributes
    ----------
    states
        Row ``i * kept + j`` is candidate j of image i.
    gains
        Log likelihood above that of an empty image.
    """

    states: State
    gains: Float[Tensor, "images kept"]


def score_bank(observations: Observations, bank: Bank, shifts: Float[Tensor, "shifts 2"], *, kept: int) -> Candidates:
    """Find the `kept` templates of highest likelihood for every image, over all `shifts`, the contrast fitted.

    With data d and whitened transfer T, a template p gains ``(Re <T d, p>)^2 / (2 sum T^2 |p|^2)`` where the inner
    product is positive. A prior on the amplitudes takes its cost off.
    """
    band = observations.band
    device = observations.data.device
    filtered = observations.data * observations.transfer
    # The particle lies at minus the shift: the data are moved back by the shift.
    phases = torch.polar(
        torch.ones(len(shifts), band.n_components, device=device),
        -2 * math.pi * shifts.to(device) @ band.frequencies.T,
    )
    moved = torch.view_as_real(filtered[:, None] * phases).flatten(2).flatten(0, 1)
    best_gain = torch.full((len(observations), kept), -math.inf, device=device)
    best_index = torch.zeros(len(observations), kept, dtype=torch.long, device=device)
    for rows in iterate_chunks(len(bank), TEMPLATES_AT_ONCE):
        templates = torch.view_as_real(bank.templates[rows])
        inner = (moved @ templates.flatten(1).T).unflatten(0, (len(observations), len(shifts)))
        norm = observations.transfer.square() @ templates.square().sum(-1).T
        inner, shift_index = inner.max(dim=1)
        gain = inner.clamp_min(0).square() / (2 * norm.clamp_min(1e-30))
        if observations.prior is not None:
            cost = observations.prior.compute_cost(bank.conformations)
            gain = gain - cost[_number(rows, device) // len(bank.rotations)]
        index = _number(rows, device) * len(shifts) + shift_index
        best_gain, order = torch.cat((best_gain, gain), dim=1).topk(kept, dim=1)
        best_index = torch.cat((best_index, index), dim=1).gather(1, order)
    flat = best_index.flatten()
    states = bank.get_states(flat // len(shifts))
    moved_states = State(states.rotations, shifts.to(device)[flat % len(shifts)], states.amplitudes)
    return Candidates(moved_states, best_gain)


def _number(rows: slice, device: torch.device) -> Int[Tensor, "rows"]:
    return torch.arange(rows.start, rows.stop, device=device)
