"""Inspection of the prerequisites of a study: its network, its images, the folders that it writes to."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import numpy as np
import torch
from torch import nn

from secateur import Refused, recovery
from secateur.artifacts import files
from secateur.criteria import from_images, from_weights
from secateur.images import arrays, downloads, sources, store, writing
from secateur.images.splits import Rows
from secateur.models import description, first_weights, freezing
from secateur.sparsity import prerequisites
from secateur.study import classes, criteria_names, own_ranking, recovery_checks, sparse
from secateur.study.vocabulary import IMAGE_SCORES

if TYPE_CHECKING:
    import pandas


class Counts(NamedTuple):
    """Counts of classes, training images and test images, with equally many images of each class."""

    classes: int
    train: int
    test: int


# CIFAR can be counted before it is downloaded.
KNOWN = {"cifar10": Counts(10, 50000, 10000), "cifar100": Counts(100, 50000, 10000)}


def images_of(data: Mapping[str, Any]) -> tuple[arrays.Source, str]:
    """(a Source with the labels of all images, their place in words); CIFAR need not be downloaded yet."""
    counts = KNOWN.get(data["source"])
    if counts is None:
        place = data["folder"] or "scikit-learn"
        return sources.opened(data), f"from {place}"
    train, test = _unfetched(counts.train, counts.classes), _unfetched(counts.test, counts.classes)
    source = sources.chosen(arrays.Source(classes.KNOWN[data["source"]], train, test), data)
    place = _on_this_machine(data)
    if place is None:
        return source, "fetched later, by rule fetch_images"
    return source, f"from {place}"


def _unfetched(count, classes):
    return arrays.Part(np.arange(count) % classes, _no_pixels)


def _no_pixels(start: int, stop: int) -> NoReturn:
    raise RuntimeError("these images may not be downloaded yet: only their labels are known")


def _on_this_machine(data):
    """The path of a form of the images on this machine, or None; the checksum is verified by rule fetch_images."""
    entry = downloads.catalogue()[data["source"]]
    for place in (f"data/{data['source']}", os.environ.get("SECATEUR_DATA"), data["mirror"]):
        if place and "://" not in place:
            for _, path in downloads.forms_in(Path(place), entry):
                return path
    return None


def refuse_unseen(config: Mapping[str, Any], source: arrays.Source, divided: Mapping[str, Rows]) -> None:
    """Refuse a reading of classes of which its split has no image."""
    for name, reading in config["readings"].items():
        images = _without_pixels(config["data"]["name"], reading["split"], source, divided)
        try:
            store.chosen(images, reading["classes"])
        except Refused as error:
            raise Refused(f"readings.{name}.classes: {error}; name other classes, or another split") from error


def _without_pixels(name, split, source, divided):
    """The Images of a split, each of no channels."""
    rows = divided[split]
    labels = getattr(source, rows.part).labels[rows.index]
    pixels = np.empty((len(labels), 0, 0, 0), dtype=np.uint8)
    return store.Images(pixels, labels, source.classes, mean=(), std=(), name=name, split=split, identity="")


def refuse_unwritable(results: Path | str) -> Path:
    """The innermost folder on the path of the results that exists; Refused if it cannot be written to."""
    whole = Path(results).absolute()
    folder = next(path for path in (whole, *whole.parents) if path.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise Refused(f"results is {results}, but {folder} is no folder that can be written to; name another")
    return folder


def network(config: Mapping[str, Any], classes: int) -> tuple[nn.Module, description.NetworkDescription]:
    """(the network with its first weights, its NetworkDescription), after a forward pass of one batch.

    torchvision's own weights are a download, which is no part of a check: in their place the weights are random.
    """
    model, data = config["model"], config["data"]
    channels = writing.channels(data)
    described = description.NetworkDescription(
        **description.architecture(model, channels),
        shape=(channels, data["size"], data["size"]),
        classes=tuple(range(classes)),
    )
    weights = None
    if model["weights"] not in (None, "imagenet"):
        weights = files.found(model["weights"])
    torch.manual_seed(config["seed"])
    built = first_weights.initialised(described, weights)
    description.refuse_misfit(built, described)
    freezing.trainable(built, model["trainable"])
    return built.eval(), described


def refuse_unscorable(
    config: Mapping[str, Any], model: nn.Module, example: torch.Tensor, table: pandas.DataFrame
) -> None:
    """Refuse a score that is not defined for a layer of the table; each is computed on one batch, as by its job."""
    layers, labels = list(dict.fromkeys(table["layer"])), torch.zeros(len(example), dtype=torch.long)
    for name, setting in criteria_names.channel_scores(config["criteria"]).items():
        kind = name.removesuffix(criteria_names.INITIAL)
        try:
            if kind in IMAGE_SCORES:
                from_images.of_images(model, kind, [(example, labels)], layers)
            # Norms and distances of filters are defined for any layer, and distances are slow.
            elif kind == "bn_scale":
                from_weights.of_weights(model, kind, layers)
        except Refused as error:
            raise Refused(f"{setting}: {error}") from error


def refuse_unrecoverable(config: Mapping[str, Any], model: nn.Module) -> None:
    """Refuse a recovery that can do nothing for the network."""
    for name in recovery_checks.every(config):
        recovery.RECOVERIES[name].refuse(model)


def refuse_unsparse(config: Mapping[str, Any], model: nn.Module, images: int) -> None:
    """Refuse a sparse training, or tickets, that the network, or the count of training images, does not allow."""
    if config["tickets"]:
        prerequisites.refuse_emptying(model, config["tickets"]["sparsity"])
    variants = sparse.of(config)["variants"]
    if variants:
        prerequisites.refuse_unprunable(model)
        prerequisites.refuse_short(variants, config["training"], images)


def own_files(config: Mapping[str, Any], table: pandas.DataFrame) -> list[str]:
    """A line for each of the user's own files of scores or orders; Refused for one that does not fit the units."""
    lines = []
    for name, pattern in config["criteria"]["files"].items():
        paths = [pattern.replace("{seed}", str(seed)) for seed in config["training"]["seeds"]]
        # Without {seed} in its name, one file is used for all seeds.
        for path in map(files.found, dict.fromkeys(paths)):
            own_ranking.refuse_foreign(own_ranking.read(path), table, path)
            content = "scores"
            if own_ranking.is_order(path):
                content = "an order"
            lines.append(f"  {name}: {content} of all {len(table)} channels, {path}")
    return lines
