"""The networks of the zoo: built by name, started from weights, frozen in part.

Layer names and state_dict keys are torchvision's (`features.N`, `classifier.N`), but nothing here imports
torchvision before its weights are asked for: that import costs a second in every job.
"""

import inspect
import logging

import torch
from torch import nn

from secateur.names import nearest

# Channels of the convolutions; "M" is a max pool that halves the map. Simonyan and Zisserman, 2015, table 1, column D.
VGG16 = (64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M")
IMAGENET = {"vgg16": "VGG16_Weights.IMAGENET1K_V1", "vgg16_bn": "VGG16_BN_Weights.IMAGENET1K_V1"}
# What torchvision's own classifier holds, beside the features.
PLAIN_CLASSIFIER = {f"classifier.{index}.{kind}" for index in (0, 3, 6) for kind in ("weight", "bias")}


class VGG(nn.Module):
    """Convolutions, an average pool of fixed output size, linear layers: torchvision's VGG with any of the three.

    `head` holds the name prefixes of what was put on top of torchvision's layers; it is what `trainable: head` trains.
    """

    def __init__(self, features, avgpool, classifier, head=()):
        super().__init__()
        self.features, self.avgpool, self.classifier, self.head = features, avgpool, classifier, head

    def forward(self, pixels):
        return self.classifier(torch.flatten(self.avgpool(self.features(pixels)), 1))


def build(name, classes, **arguments):
    """A model of the zoo for so many classes, with random weights.

    Raises ValueError for an unknown name or argument.
    """
    builder = _one_of(ARCHITECTURES, name, "model")
    known = list(inspect.signature(builder).parameters)[1:]
    unknown = sorted(set(arguments) - set(known))
    if unknown:
        raise ValueError(
            f"{name} knows no argument {', '.join(unknown)}{nearest(unknown[0], known)}; known: {', '.join(known)}"
        )
    if not isinstance(classes, int) or classes < 1:
        raise ValueError(f"classes must be how many there are, a whole number from 1, got {classes!r}")
    return builder(classes, **arguments)


def vgg_small(classes, widths=(24, 24, 48, 48, 192, 192), hidden=64, channels=3):
    """Six 3x3 convolutions with BatchNorm, a pool after every second, and two linear layers on the pooled maps.

    The pool to 1x1 lets it take images of any size from 8 pixels on. BatchNorm makes the convolutions' bias idle,
    so they have none.
    """
    if len(widths) != 6 or min(widths) < 1:
        raise ValueError(f"vgg_small has six convolutions; widths must be six numbers from 1, got {list(widths)}")
    plan = (*widths[0:2], "M", *widths[2:4], "M", *widths[4:6], "M")
    classifier = nn.Sequential(nn.Linear(widths[-1], hidden), nn.ReLU(), nn.Linear(hidden, classes))
    return VGG(_features(plan, channels, norm=True, bias=False), nn.AdaptiveAvgPool2d((1, 1)), classifier)


def vgg16(classes, head="appended", channels=3):
    """VGG16, by default with the thesis's layers appended to torchvision's classifier (its table A.1)."""
    return _one_of(HEADS, head, "head")(_features(VGG16, channels, norm=False, bias=True), classes)


def vgg16_bn(classes, head="compact", channels=3):
    """VGG16 with BatchNorm, by default with two linear layers on the 512 pooled maps."""
    return _one_of(HEADS, head, "head")(_features(VGG16, channels, norm=True, bias=True), classes)


ARCHITECTURES = {"vgg_small": vgg_small, "vgg16": vgg16, "vgg16_bn": vgg16_bn}


def _features(plan, channels, norm, bias):
    """Convolutions as torchvision numbers and starts them; ReLU is not in place, so that hooks see what was there."""
    layers = []
    for step in plan:
        if step == "M":
            layers.append(nn.MaxPool2d(2, 2))
            continue
        convolution = nn.Conv2d(channels, step, 3, padding=1, bias=bias)
        # On the meta device there is nothing to draw, and torch would import its compiler for it: 1.7 s.
        if not convolution.weight.is_meta:
            nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
        if bias:
            nn.init.zeros_(convolution.bias)
        layers += [convolution, *([nn.BatchNorm2d(step)] if norm else []), nn.ReLU()]
        channels = step
    return nn.Sequential(*layers)


def _appended(features, classes):
    """torchvision's classifier, and after its 1000 outputs the thesis's layers, dropout behind the logits included."""
    own = [nn.Linear(512 * 7 * 7, 4096), nn.ReLU(), nn.Dropout(0.5)]
    own += [nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout(0.5), nn.Linear(4096, 1000)]
    for layer in own[::3]:
        nn.init.normal_(layer.weight, 0, 0.01)
        nn.init.zeros_(layer.bias)
    appended = [nn.ReLU(), nn.Linear(1000, 500), nn.ReLU(), nn.Linear(500, classes), nn.Dropout(0.25)]
    names = tuple(f"classifier.{index}." for index in range(len(own), len(own) + len(appended)))
    return VGG(features, nn.AdaptiveAvgPool2d((7, 7)), nn.Sequential(*own, *appended), names)


def _compact(features, classes):
    """Two linear layers on the 512 maps; images of 32 pixels reach the pool as 1x1, and it changes nothing."""
    layers = [nn.Linear(512, 512), nn.ReLU(), nn.Dropout(0.3), nn.Linear(512, classes)]
    return VGG(features, nn.AdaptiveAvgPool2d((1, 1)), nn.Sequential(*layers), ("classifier.",))


HEADS = {"appended": _appended, "compact": _compact}


def initialised(name, classes, weights, **arguments):
    """A model that starts from `weights`: None (random), "imagenet" (torchvision's), or a file with a state_dict.

    A file holds either this very model or torchvision's plain one; of the latter, all that the two share is
    loaded, and what stands on top starts at random. The log says which.
    """
    # checkpoints builds models, so it cannot be imported before this module is whole.
    from secateur import checkpoints

    model = build(name, classes, **arguments)
    if weights is None:
        return model
    state = _imagenet(name) if weights == "imagenet" else checkpoints.state_dict_of(weights)
    source = f"torchvision's ImageNet weights of {name}" if weights == "imagenet" else weights
    shared = _shared_with_plain(model, state)
    if shared is None:
        logging.info("all weights are from %s", source)
        return checkpoints.adopt(model, weights, state)
    own = model.state_dict()
    random = dict.fromkeys(key.rpartition(".")[0] for key in own if key not in shared)
    logging.info("weights are from %s; %s start at random", source, ", ".join(random) or "no layers")
    return checkpoints.adopt(model, weights, {**own, **shared})


def _shared_with_plain(model, state):
    """The part of a plain torchvision state_dict that belongs into an adapted model, or None if it is no plain one."""
    features = {key for key in model.state_dict() if key.startswith("features.")}
    if set(state) != features | PLAIN_CLASSIFIER or not getattr(model, "head", ()):
        return None
    return {key: value for key, value in state.items() if key in model.state_dict() and not key.startswith(model.head)}


def _imagenet(name):
    """torchvision's state_dict, from torch hub's cache or downloaded and checked against its hash."""
    if name not in IMAGENET:
        raise ValueError(f"there are no ImageNet weights of {name}; there are of {', '.join(IMAGENET)}")
    import torchvision

    weights = torchvision.models.get_weight(IMAGENET[name])
    try:
        return weights.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except (OSError, RuntimeError) as error:
        raise OSError(
            f"the ImageNet weights of {name} are not to be had ({error}): put the file {weights.url} "
            f"into {torch.hub.get_dir()}/checkpoints, or set model.weights to a local file with a state_dict"
        ) from error


def trainable(model, which):
    """Let gradients reach the appended `head`, the whole `classifier`, or `all`; freeze the rest."""
    prefixes = {"head": getattr(model, "head", ()), "classifier": ("classifier.",), "all": ("",)}
    prefix = _one_of(prefixes, which, "trainable")
    parameters = dict(model.named_parameters())
    if not any(name.startswith(prefix) for name in parameters):
        raise ValueError(f"trainable is {which}, but this network has no appended head; use classifier or all")
    for name, parameter in parameters.items():
        parameter.requires_grad_(name.startswith(prefix))


def frozen(model):
    """Names of the layers that stay as they are in training.

    A layer without parameters goes with the layer before it: dropout in a frozen classifier stays off.
    """
    names, trains = set(), True
    for name, module in model.named_modules():
        if any(module.children()):
            continue
        parameters = list(module.parameters())
        trains = any(parameter.requires_grad for parameter in parameters) if parameters else trains
        if not trains:
            names.add(name)
    return names


def train_mode(model):
    """Put a model into training mode, but its frozen layers into eval mode: their BatchNorm keeps its statistics."""
    model.train()
    for name in frozen(model):
        model.get_submodule(name).eval()


def _one_of(known, name, what):
    if name not in known:
        raise ValueError(f"unknown {what} {name!r}{nearest(str(name), known)}; known: {', '.join(known)}")
    return known[name]
