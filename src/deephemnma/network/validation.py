"""How well a network does on images it has not seen."""

import math
from dataclasses import asdict, dataclass

import roma
import torch
from jaxtyping import Float
from torch import Tensor

from deephemnma.core.rotation import compute_geodesic_angle
from deephemnma.network.label import Labels
from deephemnma.network.pose_network import Hypotheses, PoseNetwork
from deephemnma.network.training_images import Batch

REACH = math.radians(15)
"""From within this angle refinement converges (measured on adenylate kinase at SNR 0.1)."""
BLOCK = 512
N_HYPOTHESES = 4


@dataclass(frozen=True)
class ValidationErrors:
    """Errors over the validation images.

    Attributes
    ----------
    loss
        As in training.
    median_angle_deg, mean_angle_deg
        Geodesic, of the first hypothesis.
    share_within_reach, share_within_reach_any
        Of the images whose first, or any, hypothesis lies within 15 degrees.
    amplitude, shift
        Mean absolute errors, A; 0 for a rigid reference.
    """

    loss: float
    median_angle_deg: float
    mean_angle_deg: float
    share_within_reach: float
    share_within_reach_any: float
    amplitude: float
    shift: float

    def to_row(self) -> dict[str, float]:
        """Return the columns of the log."""
        return {f"validation_{name}": value for name, value in asdict(self).items()}


@torch.no_grad()
def validate(network: PoseNetwork, batch: Batch) -> tuple[ValidationErrors, Float[Tensor, "parameters"]]:
    """Return the errors, and half of the central 68 % of each parameter's (see ``Checkpoint.deviations``)."""
    was_training = network.training
    network.eval()
    loss, parts = 0.0, []
    for rows in torch.arange(len(batch.labels)).split(BLOCK):
        labels = batch.labels.select(rows)
        output = network(batch.images[rows].unsqueeze(1))
        loss += float(sum(network.compute_losses(output, labels).values())) * len(rows) / len(batch.labels)
        parts.append(network.decode(output, n_hypotheses=N_HYPOTHESES))
    network.train(was_training)
    fields = ("rotations", "shifts", "amplitudes", "probabilities")
    found = Hypotheses(**{name: torch.cat([getattr(part, name) for part in parts]) for name in fields})
    truth = batch.labels.rotations.unsqueeze(1).expand_as(found.rotations)
    angles = compute_geodesic_angle(found.rotations, truth)
    errors = ValidationErrors(
        loss=loss,
        median_angle_deg=math.degrees(angles[:, 0].median()),
        mean_angle_deg=math.degrees(angles[:, 0].mean()),
        share_within_reach=float((angles[:, 0] < REACH).float().mean()),
        share_within_reach_any=float((angles < REACH).any(dim=1).float().mean()),
        amplitude=float((found.amplitudes[:, 0] - batch.labels.amplitudes).abs().mean().nan_to_num()),
        shift=float((found.shifts[:, 0] - batch.labels.shifts).abs().mean()),
    )
    return errors, _compute_deviations(found, batch.labels)


def _compute_deviations(found: Hypotheses, labels: Labels) -> Float[Tensor, "parameters"]:
    turn = roma.rotmat_to_rotvec(labels.rotations @ found.rotations[:, 0].mT)
    errors = torch.cat((found.amplitudes[:, 0] - labels.amplitudes, turn, found.shifts[:, 0] - labels.shifts), dim=1)
    return errors.abs().quantile(0.683, dim=0).double().cpu()
