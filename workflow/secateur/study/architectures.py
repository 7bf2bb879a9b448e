"""Facts about every network by which settings are checked, before torch is imported."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from secateur import Refused
from secateur.study.vocabulary import nearest

COLORS = ("rgb", "gray")
VGG16_WIDTHS = (64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512)


@dataclasses.dataclass(frozen=True)
class Architecture:
    """The facts about a network that need not build it.

    `arguments` are those of the function that builds it, with their defaults. `widths` gives, for such arguments, the
    count of units of each layer, or of each set of coupled layers; None where only the built network tells. `smallest`
    is the height and width of the smallest images, in pixels. `trainable` are the values that `model.trainable` takes,
    and `imagenet` says whether torchvision has ImageNet weights.
    """

    arguments: dict[str, Any] = dataclasses.field(default_factory=dict)
    widths: Callable[[Mapping[str, Any]], tuple[int, ...]] | None = None
    smallest: int = 1
    colors: tuple[str, ...] = COLORS
    trainable: tuple[str, ...] = ("classifier", "all")
    imagenet: bool = False


def of(model: Mapping[str, Any]) -> Architecture:
    """The Architecture of a study's `model`; Refused with the nearest name for an unknown one."""
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
        f"model.name is {name}, which names no network{nearest(name, [*ZOO, *TORCHVISION]) or '.'} Known: "
        f"{', '.join(ZOO)}, "
        "and torchvision's convolutional classifiers, as resnet18; for a network of your own, model.factory"
    )


def lacks_batchnorm(model: Mapping[str, Any]) -> bool:
    """True for a network that has no BatchNorm, where its name or arguments tell."""
    if model["factory"]:
        return False
    return model["name"] in WITHOUT_BATCHNORM or not model["arguments"].get("norm", True)


def _residual(blocks, widths):
    """Units of a ResNet: those of the layer inside each block, and those of the residual stream of each stage.

    Shortcuts of option A pad: a channel of a narrow stage continues as one of the wider, so that all streams are one.
    """
    inner = [width for width in widths for _ in range(blocks)]

    def units(arguments):
        if arguments.get("shortcut") == "A":
            return (*inner, widths[-1])
        return (*inner, *widths)

    return units


def _resnet(blocks):
    return Architecture({"shortcut": "A"}, _residual(blocks, (16, 32, 64)), smallest=8)


def _dense_widths(arguments):
    """Units of a DenseNet, where concatenation couples nothing: stem, three blocks of six layers, two transitions."""
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
        {"widths": [24, 24, 48, 48, 192, 192], "hidden": 64, "norm": True},
        lambda arguments: tuple(arguments["widths"]),
        smallest=8,
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
    # A depthwise convolution is coupled with the pointwise one before it.
    "mobilenet_v1": Architecture(
        {}, lambda arguments: (32, 64, 128, 128, 256, 256, *[512] * 6, 1024, 1024), smallest=16
    ),
    "densenet40_24": Architecture({}, _dense_widths, smallest=8),
}
# Convolutional classifiers of torchvision; vgg16 and vgg16_bn are above, with heads of their own.
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
# The smallest images, in pixels, where they are larger than 32.
SMALLEST = {"alexnet": 63, "inception_v3": 75}
# Networks without BatchNorm; whether others lack it behind some layers, only the built network tells.
WITHOUT_BATCHNORM = (
    *("vgg16", "vgg11", "vgg13", "vgg19", "alexnet", "squeezenet1_0", "squeezenet1_1"),
    *("convnext_tiny", "convnext_small", "convnext_base", "convnext_large"),
)
