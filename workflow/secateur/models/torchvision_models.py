"""torchvision's classifiers under their own names, made for any number of classes.

Importing this module imports torchvision, which takes a second: import it only where it is needed.
"""

import contextlib
import re
from collections.abc import Collection, Mapping

import torch
import torchvision
from torch import nn

from secateur import Refused
from secateur.study.vocabulary import nearest

# Auxiliary classifiers are for training from scratch only, and the study normalises the images.
WITHOUT_AUXILIARY = {"aux_logits": False, "transform_input": False, "init_weights": True}
OPTIONS = {"googlenet": WITHOUT_AUXILIARY, "inception_v3": WITHOUT_AUXILIARY}
AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")


def names() -> list[str]:
    """The names of torchvision's classifiers."""
    return torchvision.models.list_models(module=torchvision.models)


def build(name: str, classes: int, channels: int = 3) -> nn.Module:
    """A classifier of torchvision for so many classes, with random weights; ReLU is not in place, as in the zoo.

    `trainable_parts` names the last layer as its `head`, and all linear layers on the feature maps as its `classifier`.
    Raises Refused for images of other than three channels.
    """
    if channels != 3:
        raise Refused(f"{name} takes images of three channels, not {channels}; set data.color to rgb")
    with contextlib.ExitStack() as stack:
        if name.startswith("regnet"):
            # RegNets compute their widths with tensors, which the meta device cannot.
            stack.enter_context(torch.device("cpu"))
        model = torchvision.models.get_model(name, weights=None, num_classes=classes, **OPTIONS.get(name, {}))
    for module in model.modules():
        if "inplace" in vars(module):
            module.inplace = False
    for layer, module in model.named_modules():
        if isinstance(module, (nn.Linear, nn.Conv2d)):
            last = layer
    model.trainable_parts = {"head": (f"{last}.",), "classifier": (f"{last.partition('.')[0]}.",)}
    return model


def imagenet(name: str) -> Mapping[str, torch.Tensor]:
    """torchvision's state_dict for 1000 classes, from torch hub's cache or downloaded and checked against its hash.

    Of several versions, the first: the one that the literature compares with. Raises Refused where torchvision has no
    such version, OSError where it cannot be downloaded.
    """
    versions = torchvision.models.get_model_weights(name)
    known = list(versions.__members__)
    if "IMAGENET1K_V1" not in known:
        raise Refused(f"torchvision has no plain ImageNet weights of {name}, only {', '.join(known)}")
    weights = versions["IMAGENET1K_V1"]
    try:
        return weights.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except (OSError, RuntimeError) as error:
        raise OSError(
            f"the ImageNet weights of {name} could not be downloaded ({error}): put the file {weights.url} "
            f"into {torch.hub.get_dir()}/checkpoints, or set model.weights to a local file with a state_dict"
        ) from error


def renamed(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A state_dict of torchvision's files in the names of its classes, without auxiliary classifiers.

    The names in DenseNet's files are older than those of its class.
    """
    return {
        re.sub(r"(denselayer\d+\.(?:norm|conv))\.([12])\.", r"\1\2.", key): tensor
        for key, tensor in state.items()
        if not key.startswith(AUXILIARY)
    }


def unknown(name: str, known: Collection[str]) -> Refused:
    """The Refused for a name that is neither `known` nor torchvision's."""
    return Refused(
        f"unknown model {name!r}{nearest(str(name), [*known, *names()])}; known: {', '.join(known)}, "
        "and torchvision's classifiers"
    )
