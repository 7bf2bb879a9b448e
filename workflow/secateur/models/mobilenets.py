"""MobileNetV1 for small images: Howard et al. 2017, alternating depthwise and pointwise convolutions.

Structure and names of layers are those of github.com/weiaicunzai/pytorch-cifar100: the stem keeps the size of the
images, four stages halve it, and the pointwise convolutions have a bias.
"""

import torch
from torch import nn

# Output channels of the layers of each stage, whose first layer halves the feature maps.
STAGES = ((128, 128), (256, 256), (512,) * 6, (1024, 1024))


class Stem(nn.Module):
    """A plain convolution with BatchNorm and ReLU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv, self.bn = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU()

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        return self.relu(self.bn(self.conv(maps)))


class Separable(nn.Module):
    """A depthwise separable convolution: 3x3 of each channel on its own, then 1x1 over all of them."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        depthwise = nn.Conv2d(inputs, inputs, 3, stride, padding=1, groups=inputs, bias=False)
        self.depthwise = nn.Sequential(depthwise, nn.BatchNorm2d(inputs), nn.ReLU())
        self.pointwise = nn.Sequential(nn.Conv2d(inputs, outputs, 1), nn.BatchNorm2d(outputs), nn.ReLU())

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        return self.pointwise(self.depthwise(maps))


class MobileNet(nn.Module):
    """A stem, four stages of separable convolutions, global average pooling, and a linear layer."""

    def __init__(self, classes: int, channels: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(Stem(channels, 32), Separable(32, 64, 1))
        self.conv1, self.conv2 = _stage(64, STAGES[0]), _stage(128, STAGES[1])
        self.conv3, self.conv4 = _stage(256, STAGES[2]), _stage(512, STAGES[3])
        self.avg, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(1024, classes)
        self.trainable_parts = {"classifier": ("fc.",)}

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        maps = self.conv4(self.conv3(self.conv2(self.conv1(self.stem(pixels)))))
        return self.fc(torch.flatten(self.avg(maps), 1))


def small(classes: int, channels: int = 3) -> MobileNet:
    """MobileNetV1 of full width; images need at least 16x16 pixels."""
    return MobileNet(classes, channels)


def _stage(inputs, widths):
    layers, stride = [], 2
    for outputs in widths:
        layers.append(Separable(inputs, outputs, stride))
        inputs, stride = outputs, 1
    return nn.Sequential(*layers)
