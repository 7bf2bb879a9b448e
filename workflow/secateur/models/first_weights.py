"""First weights of a network: from a seed, from a file, or from ImageNet."""

import logging
from pathlib import Path

from torch import nn

from secateur import Refused
from secateur.models import description, freezing, state_dicts, vggs, zoo
from secateur.models.description import NetworkDescription
from secateur.study import architectures

# What torchvision's own VGG holds in its classifier, beside the features.
PLAIN_CLASSIFIER = {f"classifier.{index}.{kind}" for index in (0, 3, 6) for kind in ("weight", "bias")}
IMAGENET_CLASSES = 1000


def initialised(described: NetworkDescription, weights: Path | str | None) -> nn.Module:
    """The model of a NetworkDescription from `weights`: None (random), "imagenet" (torchvision's), or a file.

    A file holds either this very model or torchvision's plain one; of the latter, all that the two share is
    loaded, and the new head is randomly initialised. The log says which.
    """
    model = description.built(described)
    if weights is None:
        return model
    state = _imagenet(described) if weights == "imagenet" else state_dicts.state_dict_of(weights)
    source = f"torchvision's ImageNet weights of {described.name}" if weights == "imagenet" else weights
    shared = _shared_with_plain(model, state)
    if shared is None:
        logging.info("all weights are from %s", source)
        return state_dicts.adopt(model, weights, state)
    own = model.state_dict()
    random = dict.fromkeys(key.rpartition(".")[0] for key in own if key not in shared and not _is_count(key))
    logging.info("weights are from %s; %s start at random", source, ", ".join(random) or "no layers")
    return state_dicts.adopt(model, weights, {**own, **shared})


def _imagenet(described):
    """torchvision's state_dict of a network, in the names that the network has."""
    name = described.name
    if described.factory or (name in zoo.ARCHITECTURES and not architectures.ZOO[name].imagenet):
        known = ", ".join(other for other in zoo.ARCHITECTURES if architectures.ZOO[other].imagenet)
        raise Refused(f"there are no ImageNet weights of {name}; there are of {known} and torchvision's classifiers")
    from secateur.models import torchvision_models

    return torchvision_models.renamed(torchvision_models.imagenet(name))


def _shared_with_plain(model, state):
    """The part of a plain torchvision state_dict that belongs into an adapted model, or None if it is no plain one."""
    own, head = model.state_dict(), freezing.parts_of(model)["head"]
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
