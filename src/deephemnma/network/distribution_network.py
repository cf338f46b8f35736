"""The default network: a probability over all rotations, and shift and amplitudes for each in-plane angle."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from deephemnma.core.rotation import rotation_about_z
from deephemnma.network.backbone import Backbone
from deephemnma.network.label import Labels, Standardizer
from deephemnma.network.pose_network import Hypotheses, PoseNetwork
from deephemnma.network.rotation_grid import RotationGrid

REGRESSION_WEIGHT = 5.0
"""Of the error of shifts and amplitudes (standardised) beside the cross-entropy of the rotation."""
HIDDEN = 256


class DistributionNetwork(PoseNetwork):
    """One backbone, a softmax over a grid of rotations, and regression at every angle of the backbone.

    A projection can look much alike from two sides, so one rotation under a distance loss settles between them.
    A distribution keeps both (compare Murphy et al. 2021, implicit-PDF). Shift and amplitudes are regressed given the
    in-plane angle, with the shift in the turned frame; in training the label's angle says which counts.

    Parameters
    ----------
    backbone
        Gives the features.
    n_modes
        Number of amplitudes.
    loss
        "l1" or "l2", of the standardised shifts and amplitudes.
    """

    def __init__(self, backbone: Backbone, *, n_modes: int, loss: str) -> None:
        super().__init__()
        self.loss, self.n_angles = loss, backbone.n_angles
        self.backbone, self.grid = backbone, RotationGrid()
        self.standardizer = Standardizer(n_modes)
        self.rotation_head = nn.Conv1d(backbone.n_features, self.grid.n_cells // self.n_angles, 1)
        self.regression_head = nn.Sequential(
            nn.Conv1d(backbone.n_features, HIDDEN, 1), nn.ReLU(), nn.Conv1d(HIDDEN, 2 + n_modes, 1)
        )
        psi = 2 * torch.pi * torch.arange(self.n_angles) / self.n_angles
        self.register_buffer("turns", rotation_about_z(psi)[:, :2, :2].contiguous(), persistent=False)

    def forward(
        self, images: Float[Tensor, "images 1 box box"]
    ) -> tuple[Float[Tensor, "images cells"], Float[Tensor, "images targets angles"]]:
        """Return logits over the grid, and standardised targets at each angle."""
        features = self.backbone(images)
        logits = self.rotation_head(features).transpose(1, 2).flatten(1)
        targets = self.regression_head(features)
        shifts = torch.einsum("ayx,ixa->iya", self.turns, targets[:, :2])
        return logits, torch.cat((shifts, targets[:, 2:]), dim=1)

    def compute_losses(self, output: tuple[Tensor, Tensor], labels: Labels) -> dict[str, Float[Tensor, ""]]:
        """Return the cross-entropy of the rotation and the error of shift and amplitudes at the true angle."""
        logits, targets = output
        truth = self.grid.compute_targets(labels.rotations)
        weights = self.grid.compute_angle_weights(truth, self.n_angles)
        errors = targets - self.standardizer.standardize(labels).unsqueeze(-1)
        errors = errors.abs() if self.loss == "l1" else errors.square()
        # Sums of shares of the mean: a rigid reference has no amplitudes to take a mean of.
        errors = REGRESSION_WEIGHT * (errors * weights.unsqueeze(1)).sum(-1) / errors.shape[1]
        return {
            "rotation": -(truth * F.log_softmax(logits, dim=1)).sum(dim=1).mean(),
            "shift": errors[:, :2].sum(dim=1).mean(),
            "amplitude": errors[:, 2:].sum(dim=1).mean(),
        }

    def decode(self, output: tuple[Tensor, Tensor], *, n_hypotheses: int) -> Hypotheses:
        """See :meth:`PoseNetwork.decode`."""
        logits, targets = output
        rotations, shares = self.grid.find_hypotheses(logits.softmax(dim=1), n_hypotheses)
        weights = self.grid.compute_angle_weights(shares, self.n_angles)
        total = weights.sum(dim=-1, keepdim=True)
        weights = torch.where(total > 0, weights / total, 1 / self.n_angles)
        shifts, amplitudes = self.standardizer.restore(torch.einsum("ita,iha->iht", targets, weights))
        return Hypotheses(rotations, shifts, amplitudes, total[..., 0])
