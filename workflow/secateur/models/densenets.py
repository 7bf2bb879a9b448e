"""DenseNet-BC for small images: Huang et al. 2017; a layer's input is the output of all layers before it in its block.

Structure and names of layers are those of github.com/andreasveit/densenet-pytorch.
"""

import math

import torch
from torch import nn


class Layer(nn.Module):
    """1x1 convolution to four times the growth rate, 3x3 convolution to the growth rate, appended to the input."""

    def __init__(self, inputs: int, growth: int) -> None:
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(inputs), _convolution(inputs, 4 * growth, 1)
        self.bn2, self.conv2 = nn.BatchNorm2d(4 * growth), _convolution(4 * growth, growth, 3)
        self.relu1, self.relu2 = nn.ReLU(), nn.ReLU()

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        narrow = self.conv1(self.relu1(self.bn1(maps)))
        return torch.cat([maps, self.conv2(self.relu2(self.bn2(narrow)))], 1)


class Block(nn.Module):
    """Layers in a row."""

    def __init__(self, inputs: int, growth: int, layers: int) -> None:
        super().__init__()
        self.layer = nn.Sequential(*(Layer(inputs + index * growth, growth) for index in range(layers)))

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        return self.layer(maps)


class Transition(nn.Module):
    """A 1x1 convolution to half the channels, and an average pool that halves the feature maps."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(inputs), _convolution(inputs, inputs // 2, 1)
        self.relu, self.pool = nn.ReLU(), nn.AvgPool2d(2)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        return self.pool(self.conv1(self.relu(self.bn1(maps))))


class DenseNet(nn.Module):
    """A convolution, three blocks with transitions between them, global average pooling, and a linear layer."""

    def __init__(self, classes: int, growth: int, layers: int, channels: int) -> None:
        super().__init__()
        grown, first = layers * growth, 2 * growth
        second = (first + grown) // 2
        third = (second + grown) // 2
        self.conv1 = _convolution(channels, first, 3)
        self.block1, self.trans1 = Block(first, growth, layers), Transition(first + grown)
        self.block2, self.trans2 = Block(second, growth, layers), Transition(second + grown)
        self.block3 = Block(third, growth, layers)
        self.bn1, self.relu = nn.BatchNorm2d(third + grown), nn.ReLU()
        self.pool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(third + grown, classes)
        nn.init.zeros_(self.fc.bias)
        self.trainable_parts = {"classifier": ("fc.",)}

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        maps = self.trans2(self.block2(self.trans1(self.block1(self.conv1(pixels)))))
        maps = self.relu(self.bn1(self.block3(maps)))
        return self.fc(torch.flatten(self.pool(maps), 1))


def dense40_24(classes: int, channels: int = 3) -> DenseNet:
    """DenseNet-BC of 40 layers and growth rate 24: three blocks of six layers; images need at least 8x8 pixels."""
    return DenseNet(classes, growth=24, layers=6, channels=channels)


def _convolution(inputs, outputs, size):
    """A convolution without bias, because BatchNorm follows; its initialisation keeps the variance of gradients."""
    convolution = nn.Conv2d(inputs, outputs, size, padding=size // 2, bias=False)
    # On the meta device there is nothing to draw, and torch would import its compiler for it: 1.7 s.
    if not convolution.weight.is_meta:
        nn.init.normal_(convolution.weight, 0, math.sqrt(2 / (size * size * outputs)))
    return convolution
