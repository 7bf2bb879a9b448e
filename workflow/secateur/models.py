"""Networks: built by name or by the user's own function, started from weights, frozen in part.

Nothing here imports torchvision before one of its networks or weights is asked for: that costs a second in every job.
"""

import functools
import inspect
import logging

import torch
from torch import nn

from secateur import architectures, densenets, factories, graph, mobilenets, modes, resnets, vggs
from secateur.names import nearest, one_of

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
# What torchvision's own VGG holds in its classifier, beside the features.
PLAIN_CLASSIFIER = {f"classifier.{index}.{kind}" for index in (0, 3, 6) for kind in ("weight", "bias")}
IMAGENET_CLASSES = 1000


def build(name, classes, **arguments):
    """A model of the zoo, or any classifier of torchvision by its name, for so many classes, with random weights.

    Raises ValueError for an unknown name or argument.
    """
    builder = ARCHITECTURES.get(name) or _torchvisions(name)
    known = [argument for argument in inspect.signature(builder).parameters if argument != "classes"]
    unknown = sorted(set(arguments) - set(known))
    if unknown:
        raise ValueError(
            f"{name} knows no argument {', '.join(unknown)}{nearest(unknown[0], known)}; known: {', '.join(known)}"
        )
    if not isinstance(classes, int) or classes < 1:
        raise ValueError(f"classes must be how many there are, a whole number from 1, got {classes!r}")
    return builder(classes, **arguments)


def _torchvisions(name):
    from secateur import torchvision_models

    if name not in torchvision_models.names():
        raise torchvision_models.unknown(name, ARCHITECTURES)
    return functools.partial(torchvision_models.build, name)


def described(about, classes):
    """The network that a study's `model` or a checkpoint's `about` describes, with random weights.

    The description is {"name", "arguments"}, or {"factory", "arguments"} of the user's own function; where it has the
    images' `shape`, a forward that asks for sizes is traced for it (`graph.traceable`). Raises
    ValueError for a factory that is not there, fails, or gives something else than a network.
    """
    factory = about.get("factory")
    if not factory:
        return build(about["name"], classes, **about["arguments"])
    model = factories.made(factory, classes, about["arguments"])
    if not isinstance(model, nn.Module):
        raise ValueError(f"model.factory {factory} gave a {type(model).__name__}, no torch.nn.Module")
    return graph.traceable(model, about["shape"]) if "shape" in about else model


def about(model, shown):
    """What it takes to build a study's network again and to show it images as it saw them, for checkpoints.

    `model` is the study's section, `shown` the `images.Images` that it is trained on.
    """
    return {
        **architecture(model, shown.pixels.shape[1]),
        "classes": list(shown.classes),
        "shape": list(shown.pixels.shape[1:]),
        "mean": list(shown.mean),
        "std": list(shown.std),
        "dataset": shown.name,
        "trained_on": shown.identity,
    }


def architecture(model, channels):
    """What `described` needs of a study's section, for images of so many channels; a factory has its own arguments."""
    if model["factory"]:
        return {key: model[key] for key in ("name", "factory", "arguments")}
    return {"name": model["name"], "arguments": {**model["arguments"], "channels": channels}}


def untrained(model, shown):
    """(a study's network with random weights, its `about`) for the images that it is to be trained on."""
    described_by = about(model, shown)
    made = described(described_by, len(shown.classes))
    refuse_misfit(made, described_by)
    return made, described_by


def refuse_misfit(model, about):
    """Try a network on two images of `about`'s shape; ValueError says what does not fit, before anything is trained.

    The network must give (2, classes), and one of the user's own must be traceable by torch.fx as well.
    """
    who = f"model.factory {about['factory']}" if about.get("factory") else about["name"]
    size = "x".join(map(str, about["shape"]))
    try:
        with torch.no_grad(), modes.evaluating(model):
            output = model(torch.zeros(2, *about["shape"]))
    except Exception as error:
        reason = str(error).split("\n")[0]
        raise ValueError(
            f"{who} cannot take images of {size}: {factories.place(error)}{type(error).__name__}: {reason}"
        ) from error
    wanted = (2, len(about["classes"]))
    if not isinstance(output, torch.Tensor) or tuple(output.shape) != wanted:
        given = tuple(output.shape) if isinstance(output, torch.Tensor) else f"a {type(output).__name__}"
        raise ValueError(f"{who} gives {given} for two images of {size}, but there are {wanted[1]} classes: {wanted}")
    if about.get("factory"):
        graph.traced(model)


def initialised(about, classes, weights):
    """A model, as `described` takes it, from `weights`: None (random), "imagenet" (torchvision's), or a file.

    A file holds either this very model or torchvision's plain one; of the latter, all that the two share is
    loaded, and what stands on top starts at random. The log says which.
    """
    # checkpoints builds models, so it cannot be imported before this module is whole.
    from secateur import checkpoints

    model = described(about, classes)
    if weights is None:
        return model
    state = _imagenet(about) if weights == "imagenet" else checkpoints.state_dict_of(weights)
    source = f"torchvision's ImageNet weights of {about['name']}" if weights == "imagenet" else weights
    shared = _shared_with_plain(model, state)
    if shared is None:
        logging.info("all weights are from %s", source)
        return checkpoints.adopt(model, weights, state)
    own = model.state_dict()
    random = dict.fromkeys(key.rpartition(".")[0] for key in own if key not in shared and not _is_count(key))
    logging.info("weights are from %s; %s start at random", source, ", ".join(random) or "no layers")
    return checkpoints.adopt(model, weights, {**own, **shared})


def _imagenet(about):
    """torchvision's state_dict of a network, in the names that the network has."""
    name = about.get("name")
    if about.get("factory") or (name in ARCHITECTURES and not architectures.ZOO[name].imagenet):
        known = ", ".join(other for other in ARCHITECTURES if architectures.ZOO[other].imagenet)
        raise ValueError(f"there are no ImageNet weights of {name}; there are of {known} and torchvision's classifiers")
    from secateur import torchvision_models

    return torchvision_models.renamed(torchvision_models.imagenet(name))


def _shared_with_plain(model, state):
    """The part of a plain torchvision state_dict that belongs into an adapted model, or None if it is no plain one."""
    own, head = model.state_dict(), _parts(model)["head"]
    keys = {key for key in own if key.startswith("features.")} | PLAIN_CLASSIFIER if _is_vgg(model) else set(own)
    if not head or not _same_names(state, keys):
        return None
    if not _is_vgg(model):
        top = [key for key in own if key.startswith(head)]
        if any(len(state[key]) != IMAGENET_CLASSES for key in top) or len(own[top[0]]) == IMAGENET_CLASSES:
            return None
    return {key: value for key, value in state.items() if key in own and not key.startswith(head)}


def _same_names(state, keys):
    """Whether two sets of names are one; files of 2017 do not count BatchNorm's batches."""
    return {key for key in state if not _is_count(key)} == {key for key in keys if not _is_count(key)}


def _is_count(key):
    return key.endswith(".num_batches_tracked")


def _is_vgg(model):
    return isinstance(model, vggs.VGG)


def _parts(model):
    """{what `trainable` may name: name prefixes of its layers}; of a network of the user's own, only all is known."""
    own = getattr(model, "trainable_parts", {})
    return {"head": own.get("head", ()), "classifier": own.get("classifier", ()), "all": ("",)}


def trainable(model, which):
    """Let gradients reach the `head` (what is not torchvision's), the whole `classifier`, or `all`; freeze the rest."""
    parts = _parts(model)
    prefix = one_of(parts, which, "trainable")
    if not prefix:
        what = "appended head" if which == "head" else "classifier that is known as such"
        use = " or ".join(name for name in parts if parts[name])
        raise ValueError(f"trainable is {which}, but this network has no {what}; use {use}")
    for name, parameter in model.named_parameters():
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
