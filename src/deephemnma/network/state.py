"""Where a training stands, saved whole."""

import csv
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from deephemnma.core.error import InputError
from deephemnma.io.atomic import write_beside
from deephemnma.network.checkpoint import load_tensors

COLUMNS = (
    "step", "images", "learning_rate", "loss", "loss_rotation", "loss_shift", "loss_amplitude", "validation_loss",
    "validation_median_angle_deg", "validation_mean_angle_deg", "validation_share_within_reach",
    "validation_share_within_reach_any", "validation_amplitude", "validation_shift",
)  # fmt: skip
"""Of ``losses.csv``; the validation columns are empty where there was none."""


@dataclass
class TrainState:
    """All that changes during a training.

    Attributes
    ----------
    network, optimizer
        Being trained.
    step
        The next step, from 0.
    rows
        Of the log.
    pending
        Sum of each loss since the last row of the log, under "steps" their number.
    """

    network: nn.Module
    optimizer: torch.optim.Optimizer
    step: int = 0
    rows: list[dict[str, float | int]] = field(default_factory=list)
    pending: dict[str, float | int] = field(default_factory=dict)

    def add_losses(self, losses: dict[str, float]) -> None:
        """Count the losses of one step."""
        for name, value in {**losses, "steps": 1}.items():
            self.pending[name] = self.pending.get(name, 0) + value

    def close_row(self, **values: float | int) -> None:
        """Append a row of the log: the mean losses since the last one, and `values`.

        Raises
        ------
        InputError
            If the losses are no numbers any more.
        """
        n_steps = self.pending.pop("steps")
        losses = {f"loss_{name}": total / n_steps for name, total in self.pending.items()}
        if not math.isfinite(sum(losses.values())):
            raise InputError(f"The training went astray before step {self.step}: lower --learning-rate.")
        self.rows.append({"step": self.step, **losses, "loss": sum(losses.values()), **values})
        self.pending = {}


def write_state(path: Path, state: TrainState, identity: dict[str, Any]) -> None:
    """Write `state`, under the `identity` of the training it belongs to, beside `path` and rename it."""
    stored = {
        "identity": identity,
        "network": state.network.state_dict(),
        "optimizer": state.optimizer.state_dict(),
        "step": state.step,
        "rows": state.rows,
        "pending": state.pending,
    }
    with write_beside(path) as temporary:
        torch.save(stored, temporary)


def resume_state(path: Path, state: TrainState, identity: dict[str, Any]) -> None:
    """Bring `state` to what is stored at `path`, if anything is.

    Raises
    ------
    InputError
        If it belongs to another training.
    """
    if not path.exists():
        return
    stored = load_tensors(path, wanted="an unfinished training")
    if stored.get("identity") != identity:
        raise InputError(
            f"{path} belongs to an unfinished training with other settings, seed or modes: remove it to start again, "
            "or choose another --output."
        )
    state.network.load_state_dict(stored["network"])
    state.optimizer.load_state_dict(stored["optimizer"])
    state.step, state.rows, state.pending = stored["step"], stored["rows"], stored["pending"]


def write_losses(path: Path, rows: list[dict[str, float | int]]) -> None:
    """Write the log as CSV beside `path` and rename it."""
    with write_beside(path) as temporary, temporary.open("w", newline="", encoding="utf8") as stream:
        writer = csv.DictWriter(stream, COLUMNS)
        writer.writeheader()
        writer.writerows({name: _format(value) for name, value in row.items()} for row in rows)


def _format(value: float | int) -> str:
    return str(value) if isinstance(value, int) else f"{value:.6g}"
