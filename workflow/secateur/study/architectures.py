"""What a study may say of each network: settings are checked by these facts, before torch is imported."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from secateur import Refused
from secateur.study.vocabulary import nearest

COLORS = ("rgb", "gray")
VGG16_WIDTHS = (64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512)


@dataclasses.dataclass(frozen=True)
class Architecture:
    """What is known of a network without building it.

    `arguments` are its choices with their defaults, those of the function that builds it. `widths` gives, for such
    choices, how many units there are of each layer, or of several layers whose channels are tied; None where that
    takes a look at the network. `smallest` is the side of the smallest images in pixels, and `trainable` what of
    the network can be trained alone.
    """

    arguments: dict[str, Any] = dataclasses.field(default_factory=dict)
    widths: Callable[[Mapping[str, Any]], tuple[int, ...]] | None = None
    smallest: int = 1
    colors: tuple[str, ...] = COLORS
    trainable: tuple[str, ...] = ("classifier", "all")
    imagenet: bool = False


def of(model: Mapping[str, Any]) -> Architecture:
    """The Architecture of a study's `model`; Refused with the nearest name for one that nobody knows."""
    if model["factory"]:
        return Architecture(trainable=("all",))
    name = model["name"]
    if name in ZOO:
        return ZOO[name]
    if name in TORCHVISION:
        return Architecture(
            smallest=SMALLEST.get(name, 32), colors=("rgb",), trainable=("head", "classifier", "all"), imagenet=True
        )
    raise Refused(
        f"model.name is {name}, which names no network{nearest(name, [*ZOO, *TORCHVISION])}. Known: {', '.join(ZOO)}, "
        "and torchvision's convolutional classifiers, as resnet18; for a network of your own, model.factory"
    )


def _residual(blocks, widths):
    """Units of a ResNet: inner channels one by one, and the stream that all blocks of a stage add to.

    Option A pads: a channel of a narrow stage goes on as one of the wider, so that the three streams are one.
    """

    def units(arguments):
        inner = [width for width in widths for _ in range(blocks)]
        return (*inner, *(widths[-1:] if arguments.get("shortcut") == "A" else widths))

    return units


def _resnet(blocks):
    return Architecture({"shortcut": "A"}, _residual(blocks, (16, 32, 64)), smallest=8)


def _dense_widths(arguments):
    """Concatenation ties nothing: the first convolution, three blocks of six layers, the transitions between."""
    block = (96, 24) * 6
    return (48, *block, 96, *block, 120, *block)


VGG16 = {
    "widths": lambda arguments: VGG16_WIDTHS,
    "smallest": 32,
    "colors": ("rgb",),
    "trainable": ("head", "classifier", "all"),
    "imagenet": True,
}
ZOO = {
    "vgg_small": Architecture(
        {"widths": [24, 24, 48, 48, 192, 192], "hidden": 64}, lambda arguments: tuple(arguments["widths"]), smallest=8
    ),
    "vgg16": Architecture({"head": "appended"}, **VGG16),
    "vgg16_bn": Architecture({"head": "compact"}, **VGG16),
    "vgg16_bn_half": Architecture({}, lambda arguments: tuple(width // 2 for width in VGG16_WIDTHS), smallest=16),
    "resnet20": _resnet(3),
    "resnet32": _resnet(5),
    "resnet44": _resnet(7),
    "resnet56": _resnet(9),
    "resnet110": _resnet(18),
    "resnet20_wide": Architecture({}, _residual(3, (32, 64, 128)), smallest=8),
    # A depthwise convolution goes with the pointwise one before it.
    "mobilenet_v1": Architecture(
        {}, lambda arguments: (32, 64, 128, 128, 256, 256, *[512] * 6, 1024, 1024), smallest=16
    ),
    "densenet40_24": Architecture({}, _dense_widths, smallest=8),
}
# torchvision's classifiers that consist of convolutions; vgg16 and vgg16_bn are above, with heads of their own.
TORCHVISION = (
    *("alexnet", "vgg11", "vgg11_bn", "vgg13", "vgg13_bn", "vgg19", "vgg19_bn"),
    *("resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "wide_resnet50_2", "wide_resnet101_2"),
    *("resnext50_32x4d", "resnext101_32x8d", "resnext101_64x4d"),
    *("densenet121", "densenet161", "densenet169", "densenet201", "googlenet", "inception_v3"),
    *("squeezenet1_0", "squeezenet1_1", "mnasnet0_5", "mnasnet0_75", "mnasnet1_0", "mnasnet1_3"),
    *("mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large"),
    *("shufflenet_v2_x0_5", "shufflenet_v2_x1_0", "shufflenet_v2_x1_5", "shufflenet_v2_x2_0"),
    *(f"efficientnet_b{size}" for size in range(8)),
    *("efficientnet_v2_s", "efficientnet_v2_m", "efficientnet_v2_l"),
    *(f"regnet_{kind}_{size}" for kind in "xy" for size in ("400mf", "800mf", "1_6gf", "3_2gf", "8gf", "16gf", "32gf")),
    *("convnext_tiny", "convnext_small", "convnext_base", "convnext_large"),
)
# All others take 32 pixels.
SMALLEST = {"alexnet": 63, "inception_v3": 75}
# Networks without any BatchNorm; which others have none behind some layer, only a look at the network tells.
WITHOUT_BATCHNORM = (
    *("vgg16", "vgg11", "vgg13", "vgg19", "alexnet", "squeezenet1_0", "squeezenet1_1"),
    *("convnext_tiny", "convnext_small", "convnext_base", "convnext_large"),
)
