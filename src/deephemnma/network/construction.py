"""From settings to a network."""

from deephemnma.network.backbone import Backbone
from deephemnma.network.distribution_network import DistributionNetwork
from deephemnma.network.polar import PolarNetwork
from deephemnma.network.pose_network import PoseNetwork
from deephemnma.network.regression_network import RegressionNetwork
from deephemnma.network.resnet import make_compact_resnet, make_resnet34
from deephemnma.settings.train import BackboneName, TrainSettings


def make_backbone(name: BackboneName, *, box_size: int) -> Backbone:
    """Make the backbone called `name` for images of `box_size`."""
    makers = {
        "polar": lambda: PolarNetwork(box_size),
        "compact-resnet": make_compact_resnet,
        "resnet34": make_resnet34,
    }
    return makers[name]()


def make_network(settings: TrainSettings, *, box_size: int, n_modes: int) -> PoseNetwork:
    """Make the untrained network that `settings` ask for (weights from torch's global generator)."""
    if settings.rotation == "distribution":
        backbone = make_backbone(settings.backbone, box_size=box_size)
        return DistributionNetwork(backbone, n_modes=n_modes, loss=settings.loss)
    count = 3 if settings.targets == "separate" else 1
    backbones = [make_backbone(settings.backbone, box_size=box_size) for _ in range(count)]
    return RegressionNetwork(backbones, n_modes=n_modes, loss=settings.loss, dropout=settings.dropout)
