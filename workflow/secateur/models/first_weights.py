"""First weights of a network: from a seed, from a file, or from ImageNet."""

import itertools
import logging
from pathlib import Path

from torch import nn

from secateur import Refused
from secateur.models import description, freezing, state_dicts, vggs, zoo
from secateur.models.description import NetworkDescription
from secateur.study import architectures

# The parameters of the classifier of torchvision's own VGG.
PLAIN_CLASSIFIER = {f"classifier.{index}.{kind}" for index in (0, 3, 6) for kind in ("weight", "bias")}
IMAGENET_CLASSES = 1000


def initialised(described: NetworkDescription, weights: Path | str | None) -> nn.Module:
    """The model of a NetworkDescription with `weights`: None (random), "imagenet" (torchvision's), or those of a file.

    A file holds the weights of this very model or of torchvision's plain one; of the latter, all that the two share
    are loaded, and the new head is randomly initialised. The log says which. Raises Refused for other weights.
    """
    model = description.built(described)
    if weights is None:
        return model
    if weights == "imagenet":
        state, source = _imagenet(described), f"torchvision's ImageNet weights of {described.name}"
    else:
        state, source = state_dicts.state_dict_of(weights), weights
    shared = _shared_with_plain(model, state)
    if shared is None:
        logging.info("all weights are from %s", source)
        return state_dicts.adopt(model, weights, state)
    own = model.state_dict()
    random = ", ".join(_layers_outside(shared, own)) or "no layers"
    logging.info("weights are from %s; %s are randomly initialised", source, random)
    return state_dicts.adopt(model, weights, {**own, **shared})


def _imagenet(described):
    """torchvision's state_dict of a network, in the names that the network has."""
    name = described.name
    if described.factory or (name in zoo.ARCHITECTURES and not _has_imagenet(name)):
        known = ", ".join(filter(_has_imagenet, zoo.ARCHITECTURES))
        raise Refused(f"there are no ImageNet weights of {name}; there are of {known} and torchvision's classifiers")
    from secateur.models import torchvision_models

    return torchvision_models.renamed(torchvision_models.imagenet(name))


def _has_imagenet(name):
    return architectures.ZOO[name].imagenet


def _shared_with_plain(model, state):
    """The part of a plain torchvision state_dict that an adapted model takes over; None for any other state_dict."""
    own, head = model.state_dict(), freezing.parts_of(model)["head"]
    if not head or not _same_names(state, _plain_names(model)):
        return None
    if not _is_vgg(model) and not _only_ours_is_adapted(own, state, head):
        return None
    return {key: value for key, value in state.items() if key in own and not key.startswith(head)}


def _plain_names(model):
    """The names in the state_dict of torchvision's plain model."""
    own = set(model.state_dict())
    if not _is_vgg(model):
        return own
    return {key for key in own if key.startswith("features.")} | PLAIN_CLASSIFIER


def _only_ours_is_adapted(own, state, head):
    """True if a state_dict has a head for ImageNet's classes, and the model's own has one for others."""
    names = [key for key in own if key.startswith(head)]
    return all(len(state[key]) == IMAGENET_CLASSES for key in names) and len(own[names[0]]) != IMAGENET_CLASSES


def _same_names(state, names):
    """True if two sets of names are equal but for the counts of batches, which files of 2017 lack."""
    return set(itertools.filterfalse(_is_count, state)) == set(itertools.filterfalse(_is_count, names))


def _layers_outside(shared, own):
    """The layers of a model, in order, with weights that are not `shared`."""
    layers = []
    for key in own:
        layer = key.rpartition(".")[0]
        if key not in shared and not _is_count(key) and layer not in layers:
            layers.append(layer)
    return layers


def _is_count(key):
    return key.endswith(".num_batches_tracked")


def _is_vgg(model):
    return isinstance(model, vggs.VGG)
