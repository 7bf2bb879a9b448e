"""VGGs: chains of 3x3 convolutions, with torchvision's names of layers.

Nothing here imports torchvision: that import takes a second in every job.
"""

from collections.abc import Sequence

import torch
from torch import nn

from secateur import Refused
from secateur.study.vocabulary import one_of

# Channels of the convolutions; "M" is a max pool that halves the feature maps. Simonyan and Zisserman, 2015, table 1,
# column D.
VGG16 = (64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M")
# Half the widths and no last pool: images of 16x16 pixels have feature maps of 1x1 before the classifier.
VGG16_HALF = (32, 32, "M", 64, 64, "M", 128, 128, 128, "M", 256, 256, 256, "M", 256, 256, 256)


class VGG(nn.Module):
    """Convolutions, an average pool of fixed output size, and linear layers: torchvision's VGG with any of the three.

    `trainable_parts` holds the name prefixes of the parts that the setting `trainable` may name: the `classifier`, and
    the `head`, the layers appended to torchvision's.
    """

    def __init__(
        self, features: nn.Module, avgpool: nn.Module, classifier: nn.Module, head: tuple[str, ...] = ()
    ) -> None:
        super().__init__()
        self.features, self.avgpool = features, avgpool
        self.classifier = classifier
        self.trainable_parts = {"head": head, "classifier": ("classifier.",)}

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.classifier(torch.flatten(self.avgpool(self.features(pixels)), 1))


def small(
    classes: int,
    widths: Sequence[int] = (24, 24, 48, 48, 192, 192),
    hidden: int = 64,
    channels: int = 3,
    norm: bool = True,
) -> VGG:
    """Six 3x3 convolutions with BatchNorm, a pool after every second, and two linear layers on the pooled maps.

    The pool to 1x1 lets it take images of any size from 8x8 pixels. The convolutions have no bias, because BatchNorm
    follows; without it (`norm`) they have one. Raises Refused for other than six widths.
    """
    if len(widths) != 6 or min(widths) < 1:
        raise Refused(f"vgg_small has six convolutions; widths must be six numbers from 1, got {list(widths)}")
    plan = (*widths[0:2], "M", *widths[2:4], "M", *widths[4:6], "M")
    classifier = nn.Sequential(nn.Linear(widths[-1], hidden), nn.ReLU(), nn.Linear(hidden, classes))
    return VGG(_features(plan, channels, norm=norm, bias=not norm), nn.AdaptiveAvgPool2d((1, 1)), classifier)


def vgg16(classes: int, head: str = "appended", channels: int = 3) -> VGG:
    """VGG16, by default with the thesis's layers appended to torchvision's classifier (its table A.1)."""
    return one_of(HEADS, head, "head")(_features(VGG16, channels, norm=False, bias=True), classes)


def vgg16_bn(classes: int, head: str = "compact", channels: int = 3) -> VGG:
    """VGG16 with BatchNorm, by default with two linear layers on the 512 pooled maps."""
    return one_of(HEADS, head, "head")(_features(VGG16, channels, norm=True, bias=True), classes)


def vgg16_bn_half(classes: int, channels: int = 3) -> VGG:
    """VGG16 with BatchNorm at half the widths and without the last pool, with two linear layers, for small images."""
    return _compact(_features(VGG16_HALF, channels, norm=True, bias=True), classes, 256)


def _features(plan, channels, norm, bias):
    """Convolutions as torchvision orders and initialises them; ReLU is not in place, so that hooks see its input."""
    layers = []
    for step in plan:
        if step == "M":
            layers.append(nn.MaxPool2d(2, 2))
            continue
        convolution = nn.Conv2d(channels, step, 3, padding=1, bias=bias)
        # On the meta device there is nothing to draw, and torch would import its compiler for it: 1.7 s.
        if not convolution.weight.is_meta:
            nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
        if convolution.bias is not None:
            nn.init.zeros_(convolution.bias)
        layers.append(convolution)
        if norm:
            layers.append(nn.BatchNorm2d(step))
        layers.append(nn.ReLU())
        channels = step
    return nn.Sequential(*layers)


def _appended(features, classes):
    """torchvision's classifier, and the thesis's layers on its 1000 outputs, with dropout on the logits."""
    own = [nn.Linear(512 * 7 * 7, 4096), nn.ReLU(), nn.Dropout(0.5)]
    own += [nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout(0.5), nn.Linear(4096, 1000)]
    for layer in own[::3]:
        nn.init.normal_(layer.weight, 0, 0.01)
        nn.init.zeros_(layer.bias)
    appended = [nn.ReLU(), nn.Linear(1000, 500), nn.ReLU(), nn.Linear(500, classes), nn.Dropout(0.25)]
    names = tuple(f"classifier.{index}." for index in range(len(own), len(own) + len(appended)))
    return VGG(features, nn.AdaptiveAvgPool2d((7, 7)), nn.Sequential(*own, *appended), names)


def _compact(features, classes, maps=512):
    """Two linear layers on the pooled maps; the pool leaves maps of 1x1 as they are."""
    layers = [nn.Linear(maps, maps), nn.ReLU(), nn.Dropout(0.3), nn.Linear(maps, classes)]
    return VGG(features, nn.AdaptiveAvgPool2d((1, 1)), nn.Sequential(*layers), ("classifier.",))


HEADS = {"appended": _appended, "compact": _compact}
