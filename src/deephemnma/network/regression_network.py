"""The paper's networks: unit quaternion, shifts and amplitudes by regression (Hamitouche & Jonic 2022)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from deephemnma.core.rotation import rotation_from_quaternion, rotation_to_quaternion
from deephemnma.network.backbone import Backbone
from deephemnma.network.label import Labels, Standardizer
from deephemnma.network.pose_network import Hypotheses, PoseNetwork

HIDDEN = (1000, 512, 128)


class RegressionNetwork(PoseNetwork):
    """Three heads on one backbone, or on one backbone each: then they are three networks that share nothing.

    Quaternions are normalised and on the hemisphere w >= 0, in labels as in answers.

    Parameters
    ----------
    backbones
        One for all heads, or three, for the quaternion, the shifts and the amplitudes.
    n_modes
        Number of amplitudes.
    loss
        "l1" or "l2", of quaternions and of standardised shifts and amplitudes.
    dropout
        Share of hidden units left out in training.
    """

    def __init__(self, backbones: list[Backbone], *, n_modes: int, loss: str, dropout: float) -> None:
        super().__init__()
        self.loss = loss
        self.backbones = nn.ModuleList(backbones)
        self.standardizer = Standardizer(n_modes)
        self.heads = nn.ModuleList(
            _make_head(backbones[row % len(backbones)].n_features, n_out, dropout=dropout)
            for row, n_out in enumerate((4, 2, n_modes))
        )

    def forward(
        self, images: Float[Tensor, "images 1 box box"]
    ) -> tuple[Float[Tensor, "images 4"], Float[Tensor, "images targets"]]:
        """Return unit quaternions (x, y, z, w) and standardised targets."""
        features = [backbone(images).flatten(1) for backbone in self.backbones]
        outputs = [head(features[row % len(features)]) for row, head in enumerate(self.heads)]
        quaternions = F.normalize(outputs[0], dim=1)
        return quaternions, torch.cat(outputs[1:], dim=1)

    def compute_losses(self, output: tuple[Tensor, Tensor], labels: Labels) -> dict[str, Float[Tensor, ""]]:
        """Return the mean error of the quaternion, the shifts and the amplitudes."""
        quaternions, targets = output
        errors = (
            quaternions - rotation_to_quaternion(labels.rotations),
            *(targets - self.standardizer.standardize(labels)).split([2, targets.shape[1] - 2], dim=1),
        )
        measured = [(error.abs() if self.loss == "l1" else error.square()).sum(dim=1).mean() for error in errors]
        # A mean, but for a rigid reference, which has no amplitudes.
        measured = [value / max(1, error.shape[1]) for value, error in zip(measured, errors, strict=True)]
        return dict(zip(("rotation", "shift", "amplitude"), measured, strict=True))

    def decode(self, output: tuple[Tensor, Tensor], *, n_hypotheses: int) -> Hypotheses:
        """See :meth:`PoseNetwork.decode`: one hypothesis an image."""
        quaternions, targets = output
        shifts, amplitudes = self.standardizer.restore(targets.unsqueeze(1))
        rotations = rotation_from_quaternion(quaternions).unsqueeze(1)
        return Hypotheses(rotations, shifts, amplitudes, torch.full_like(shifts[..., 0], torch.nan))


def _make_head(n_features: int, n_out: int, *, dropout: float) -> nn.Sequential:
    layers: list[nn.Module] = []
    for n_in, n_hidden in zip((n_features, *HIDDEN), HIDDEN, strict=False):
        layers += [nn.Linear(n_in, n_hidden), nn.ReLU(), nn.Dropout(dropout)]
    return nn.Sequential(*layers, nn.Linear(HIDDEN[-1], n_out))
