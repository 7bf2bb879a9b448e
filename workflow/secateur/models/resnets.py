"""Residual networks for small images: He et al. 2016, section 4.2.

Names of layers are those of the checkpoints in circulation (github.com/akamaster/pytorch_resnet_cifar10).
"""

from collections.abc import Callable, Sequence

import torch
from torch import nn
from torch.nn import functional as F

from secateur.study.vocabulary import one_of


class Padded(nn.Module):
    """Option A, a shortcut without parameters: every `stride`-th pixel, padded with channels of zeros.

    The output has `before` channels of zeros, those of the input, and `after` channels of zeros: (N, C, H, W) to
    (N, before + C + after, H / stride, W / stride).
    """

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.before, self.after, self.stride = before, after, stride

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        sparse = maps[:, :, :: self.stride, :: self.stride]
        return F.pad(sparse, (0, 0, 0, 0, self.before, self.after))

    def extra_repr(self) -> str:
        return f"before={self.before}, after={self.after}, stride={self.stride}"


class Block(nn.Module):
    """Two 3x3 convolutions, and a shortcut around them."""

    def __init__(self, inputs: int, outputs: int, stride: int, shortcut: Callable[[int, int, int], nn.Module]) -> None:
        super().__init__()
        self.conv1, self.bn1 = _convolution(inputs, outputs, 3, stride), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = _convolution(outputs, outputs, 3, 1), nn.BatchNorm2d(outputs)
        if stride == 1 and inputs == outputs:
            self.shortcut = nn.Identity()
        else:
            self.shortcut = shortcut(inputs, outputs, stride)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        inner = F.relu(self.bn1(self.conv1(maps)))
        return F.relu(self.bn2(self.conv2(inner)) + self.shortcut(maps))


class ResNet(nn.Module):
    """A convolution, three stages of blocks, global average pooling, and a linear layer.

    Every stage but the first halves the feature maps.
    """

    def __init__(self, classes: int, blocks: int, widths: Sequence[int], shortcut: str, channels: int) -> None:
        super().__init__()
        shortcut = one_of(SHORTCUTS, shortcut, "shortcut")
        self.conv1, self.bn1 = _convolution(channels, widths[0], 3, 1), nn.BatchNorm2d(widths[0])
        self.layer1 = _stage(widths[0], widths[0], blocks, 1, shortcut)
        self.layer2 = _stage(widths[0], widths[1], blocks, 2, shortcut)
        self.layer3 = _stage(widths[1], widths[2], blocks, 2, shortcut)
        self.pool, self.linear = nn.AdaptiveAvgPool2d(1), nn.Linear(widths[2], classes)
        self.trainable_parts = {"classifier": ("linear.",)}

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        maps = F.relu(self.bn1(self.conv1(pixels)))
        maps = self.layer3(self.layer2(self.layer1(maps)))
        return self.linear(torch.flatten(self.pool(maps), 1))


def small(blocks: int, classes: int, shortcut: str = "A", channels: int = 3) -> ResNet:
    """The ResNet of 6 x `blocks` + 2 layers: 3 are ResNet-20, 9 are ResNet-56, 18 are ResNet-110.

    `shortcut` is the option for blocks that change the width: "A", padding, as He et al. used for these networks, or
    "B", a 1x1 convolution with BatchNorm.
    """
    return ResNet(classes, blocks, (16, 32, 64), shortcut, channels)


def wide(classes: int, channels: int = 3) -> ResNet:
    """ResNet-20 of twice the width with shortcuts of 1x1 convolutions, a benchmark of sparse training.

    Wang et al. 2020 (GraSP, github.com/alecwangcq/GraSP) and Feather (github.com/athglentis/feather) call it resnet20.
    """
    model = ResNet(classes, 3, (32, 64, 128), "B", channels)
    nn.init.normal_(model.linear.weight, 0, 0.01)
    nn.init.zeros_(model.linear.bias)
    return model


def _stage(inputs, outputs, blocks, stride, shortcut):
    first = Block(inputs, outputs, stride, shortcut)
    return nn.Sequential(first, *(Block(outputs, outputs, 1, shortcut) for _ in range(blocks - 1)))


def _padded(inputs, outputs, stride):
    before = (outputs - inputs) // 2
    return Padded(before, outputs - inputs - before, stride)


def _projected(inputs, outputs, stride):
    return nn.Sequential(_convolution(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))


SHORTCUTS = {"A": _padded, "B": _projected}


def _convolution(inputs, outputs, size, stride):
    """A convolution without bias, because BatchNorm follows; initialised as by He et al. 2015."""
    convolution = nn.Conv2d(inputs, outputs, size, stride, padding=size // 2, bias=False)
    # On the meta device there is nothing to draw, and torch would import its compiler for it: 1.7 s.
    if not convolution.weight.is_meta:
        nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
    return convolution
