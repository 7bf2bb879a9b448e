"""Networks built by name, with random weights.

torchvision, whose import takes a second, is imported only for its own networks.
"""

import functools
import inspect
from typing import Any

from torch import nn

from secateur import Refused
from secateur.models import densenets, mobilenets, resnets, vggs
from secateur.study.vocabulary import nearest

ARCHITECTURES = {
    "vgg_small": vggs.small,
    "vgg16": vggs.vgg16,
    "vgg16_bn": vggs.vgg16_bn,
    "vgg16_bn_half": vggs.vgg16_bn_half,
    "resnet20": functools.partial(resnets.small, 3),
    "resnet32": functools.partial(resnets.small, 5),
    "resnet44": functools.partial(resnets.small, 7),
    "resnet56": functools.partial(resnets.small, 9),
    "resnet110": functools.partial(resnets.small, 18),
    "resnet20_wide": resnets.wide,
    "mobilenet_v1": mobilenets.small,
    "densenet40_24": densenets.dense40_24,
}


def build(name: str, classes: int, **arguments: Any) -> nn.Module:
    """A model of the zoo, or any classifier of torchvision by its name, for so many classes, with random weights.

    Raises Refused for an unknown name or argument.
    """
    builder = ARCHITECTURES.get(name) or _torchvisions(name)
    known = [argument for argument in inspect.signature(builder).parameters if argument != "classes"]
    unknown = sorted(set(arguments) - set(known))
    if unknown:
        raise Refused(
            f"{name} knows no argument {', '.join(unknown)}{nearest(unknown[0], known)}; known: {', '.join(known)}"
        )
    if not isinstance(classes, int) or classes < 1:
        raise Refused(f"classes must be their count, a whole number from 1, got {classes!r}")
    return builder(classes, **arguments)


def _torchvisions(name):
    from secateur.models import torchvision_models

    if name not in torchvision_models.names():
        raise torchvision_models.unknown(name, ARCHITECTURES)
    return functools.partial(torchvision_models.build, name)
