"""What a study needs, looked at before any job: the network, its images, the folders that it writes to."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from secateur import Refused
from secateur.artifacts import files
from secateur.criteria import from_images, from_weights
from secateur.images import arrays, downloads, sources, store, writing
from secateur.images.splits import Rows
from secateur.models import description, first_weights, freezing
from secateur.study import classes, own_ranking
from secateur.study.vocabulary import IMAGE_SCORES

if TYPE_CHECKING:
    import pandas

# CIFAR is the same everywhere: (classes, training images, test images), as many of each class.
KNOWN = {"cifar10": (10, 50000, 10000), "cifar100": (100, 50000, 10000)}


# ---- what is looked at ---------------------------------------------------------------------------------------


def images_of(data: Mapping[str, Any]) -> tuple[arrays.Source, str]:
    """(a Source with the labels of all images, where they are); of CIFAR the numbers are known before it is there."""
    if data["source"] not in KNOWN:
        where = data["folder"] or "inside scikit-learn"
        return sources.opened(data), f"at hand: {where}"
    number, *counts = KNOWN[data["source"]]
    parts = [arrays.Part(np.arange(count) % number, None) for count in counts]
    place = _at_hand(data)
    where = f"at hand: {place}" if place else "fetched later, by rule fetch_images"
    return arrays.Source(classes.KNOWN[data["source"]], *parts), where


def refuse_unseen(config: Mapping[str, Any], source: arrays.Source, divided: Mapping[str, Rows]) -> None:
    """Refused for a reading of classes of which its split has no image."""
    for name, reading in config["readings"].items():
        rows = divided[reading["split"]]
        labels = getattr(source, rows.part).labels[rows.index]
        shown = store.Images(None, labels, source.classes, (), (), config["data"]["name"], reading["split"], "")
        try:
            store.chosen(shown, reading["classes"])
        except Refused as error:
            raise Refused(f"readings.{name}.classes: {error}; name other classes, or another split") from error


def _at_hand(data):
    """Where a form of the images lies on this machine, or None; they are verified when they are fetched."""
    name = data["source"]
    folders = [Path("data") / name]
    for place in (os.environ.get("SECATEUR_DATA"), data["mirror"]):
        folders += [Path(place), Path(place) / name] if place and "://" not in place else []
    forms = [form["name"] for form in downloads.catalogue()[name]["forms"].values()]
    return next((folder / form for folder in folders for form in forms if (folder / form).exists()), None)


def refuse_unwritable(results: Path | str) -> Path:
    """The folder in which the results come to lie, as far as it exists; Refused if nothing can be written there."""
    whole = Path(results).absolute()
    folder = next(path for path in (whole, *whole.parents) if path.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise Refused(f"results is {results}, but {folder} is no folder that can be written to; name another")
    return folder


def network(config: Mapping[str, Any], classes: int) -> tuple[nn.Module, description.NetworkDescription]:
    """(the network that the study starts from, its NetworkDescription); one batch of images has gone through it."""
    model, data = config["model"], config["data"]
    channels = writing.channels(data)
    shape = (channels, data["size"], data["size"])
    described = description.NetworkDescription(
        **description.architecture(model, channels), shape=shape, classes=tuple(range(classes))
    )
    # torchvision's own weights are a download, which is no part of a check.
    weights = None if model["weights"] in (None, "imagenet") else files.found(model["weights"])
    torch.manual_seed(config["seed"])
    made = first_weights.initialised(described, weights)
    description.refuse_misfit(made, described)
    freezing.trainable(made, model["trainable"])
    return made.eval(), described


def refuse_unscorable(
    config: Mapping[str, Any], model: nn.Module, example: torch.Tensor, table: pandas.DataFrame
) -> None:
    """Refused for a score that a layer of the network cannot have; each is taken of one batch, as its job will."""
    layers, labels = list(dict.fromkeys(table["layer"])), torch.zeros(len(example), dtype=torch.long)
    for kind in dict.fromkeys(score["score"] for score in config["criteria"]["scores"]):
        try:
            if kind in IMAGE_SCORES:
                from_images.of_images(model, kind, [(example, labels)], layers)
            # Norms and distances of filters are there for any layer, and distances take their time.
            elif kind == "bn_scale":
                from_weights.of_weights(model, kind, layers)
        except Refused as error:
            raise Refused(f"criteria.scores: {error}") from error


def own_files(config: Mapping[str, Any], table: pandas.DataFrame) -> list[str]:
    """A line for each file of scores or order of the user's own; Refused for one that does not fit the units."""
    lines = []
    for name, path in config["criteria"]["files"].items():
        for one in dict.fromkeys(path.replace("{seed}", str(seed)) for seed in config["training"]["seeds"]):
            place = files.found(one)
            own_ranking.refuse_foreign(own_ranking.read(place), table, place)
            kind = "an order" if own_ranking.is_order(place) else "scores"
            lines.append(f"  {name}: {kind} of all {len(table)} channels, {place}")
    return ["Own files", *lines] if lines else []
