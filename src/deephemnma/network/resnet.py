"""Residual networks with one input channel (He et al. 2016), under torchvision's layer names."""

from jaxtyping import Float
from torch import Tensor, nn

from deephemnma.network.backbone import Backbone


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions and a shortcut."""

    def __init__(self, n_in: int, n_out: int, *, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(n_out)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(n_out)
        self.downsample: nn.Module | None = None
        if stride != 1 or n_in != n_out:
            self.downsample = nn.Sequential(nn.Conv2d(n_in, n_out, 1, stride, bias=False), nn.BatchNorm2d(n_out))

    def forward(self, x: Float[Tensor, "images n_in y x"]) -> Float[Tensor, "images n_out y2 x2"]:
        """Return the block's output."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(x)) + shortcut)


class ResNet(Backbone):
    """A residual network of basic blocks.

    Parameters
    ----------
    blocks
        Blocks in each of the four layers.
    width
        Channels of the first layer; each further layer has twice those of the one before.
    """

    def __init__(self, blocks: tuple[int, int, int, int], *, width: int) -> None:
        super().__init__()
        self.n_features, self.n_angles = 8 * width, 1
        self.conv1 = nn.Conv2d(1, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = _make_layer(width, width, blocks[0], stride=1)
        self.layer2 = _make_layer(width, 2 * width, blocks[1], stride=2)
        self.layer3 = _make_layer(2 * width, 4 * width, blocks[2], stride=2)
        self.layer4 = _make_layer(4 * width, 8 * width, blocks[3], stride=2)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Float[Tensor, "images 1 box box"]) -> Float[Tensor, "images features 1"]:
        """See :meth:`Backbone.forward`."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return x.mean(dim=(-2, -1)).unsqueeze(-1)


def make_resnet34() -> ResNet:
    """Make the paper's ResNet-34."""
    return ResNet((3, 4, 6, 3), width=64)


def make_compact_resnet() -> ResNet:
    """Make a ResNet of one block a layer and half the channels, for CPUs."""
    return ResNet((1, 1, 1, 1), width=32)


def _make_layer(n_in: int, n_out: int, blocks: int, *, stride: int) -> nn.Sequential:
    first = BasicBlock(n_in, n_out, stride=stride)
    return nn.Sequential(first, *(BasicBlock(n_out, n_out, stride=1) for _ in range(blocks - 1)))
