"""Our ResNet-34 against the layers and numbers of torchvision's, which cannot be installed beside a CPU build."""

import pytest
import torch

from deephemnma.network.resnet import make_resnet34

TORCHVISION_PARAMETERS = 21_797_672
"""Of ``torchvision.models.resnet34()``, as its documentation says: with three input channels and 1000 classes."""


def test_names_shapes_and_size_are_torchvisions():
    state = make_resnet34().state_dict()
    shapes = {name: tuple(values.shape) for name, values in state.items()}
    assert shapes["conv1.weight"] == (64, 1, 7, 7)
    assert shapes["layer1.0.conv1.weight"] == (64, 64, 3, 3)
    assert shapes["layer2.0.downsample.0.weight"] == (128, 64, 1, 1)
    assert shapes["layer3.5.bn2.running_var"] == (256,)
    assert shapes["layer4.2.conv2.weight"] == (512, 512, 3, 3)
    assert len(state) == 216
    count = sum(values.numel() for values in make_resnet34().parameters())
    assert count == TORCHVISION_PARAMETERS - 2 * 64 * 7 * 7 - (512 * 1000 + 1000)


def test_features_are_those_of_monais_resnet34(generator):
    networks = pytest.importorskip("monai.networks.nets", reason="MONAI, the oracle, is not installed")
    theirs = networks.resnet34(
        spatial_dims=2, n_input_channels=1, num_classes=1, feed_forward=False, bias_downsample=False
    )
    # Their stem has no stride by default; torchvision's has 2.
    theirs.conv1.stride = (2, 2)
    ours = make_resnet34()
    ours.load_state_dict(theirs.state_dict())
    images = torch.randn(2, 1, 64, 64, generator=generator)
    with torch.no_grad():
        torch.testing.assert_close(ours.eval()(images)[..., 0], theirs.eval()(images), rtol=1e-4, atol=1e-4)
