"""The classes of a study's images, before any image is read: what settings may name, and what cannot be studied."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from secateur import Refused
from secateur.study.vocabulary import nearest

CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
CIFAR100 = (
    *("apple", "aquarium_fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle", "bottle", "bowl", "boy"),
    *("bridge", "bus", "butterfly", "camel", "can", "castle", "caterpillar", "cattle", "chair", "chimpanzee", "clock"),
    *("cloud", "cockroach", "couch", "crab", "crocodile", "cup", "dinosaur", "dolphin", "elephant", "flatfish"),
    *("forest", "fox", "girl", "hamster", "house", "kangaroo", "keyboard", "lamp", "lawn_mower", "leopard", "lion"),
    *("lizard", "lobster", "man", "maple_tree", "motorcycle", "mountain", "mouse", "mushroom", "oak_tree", "orange"),
    *("orchid", "otter", "palm_tree", "pear", "pickup_truck", "pine_tree", "plain", "plate", "poppy", "porcupine"),
    *("possum", "rabbit", "raccoon", "ray", "road", "rocket", "rose", "sea", "seal", "shark", "shrew", "skunk"),
    *("skyscraper", "snail", "snake", "spider", "squirrel", "streetcar", "sunflower", "sweet_pepper", "table", "tank"),
    *("telephone", "television", "tiger", "tractor", "train", "trout", "tulip", "turtle", "wardrobe", "whale"),
    *("willow_tree", "wolf", "woman", "worm"),
)
# By source; those of an image folder are its own.
KNOWN = {"digits": tuple("0123456789"), "cifar10": CIFAR10, "cifar100": CIFAR100}


def of(data: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of the classes of the settings `data`, in the order of their numbers.

    Raises Refused for a folder of images that no study can be made of: without a class to tell from another, or
    with a link that leads in a circle.
    """
    if data["source"] in KNOWN:
        return KNOWN[data["source"]]
    train, test = (Path(data["folder"]) / part for part in ("train", "test"))
    for part in (train, test):
        _refuse_circle(part)
    found = tuple(sorted(entry.name for entry in _folders(train)))
    refuse_single(found, f"data.folder is {data['folder']}, but {train}")
    return found


def refuse_single(classes: Sequence[str], place: str) -> None:
    """Refused for images of fewer than two classes: there is nothing to tell apart, and every answer is right."""
    if len(classes) < 2:
        only = f"only the class {classes[0]}" if classes else "no folder of a class"
        raise Refused(f"{place} has {only}; a network tells classes apart, so give two or more")


def refuse_unknown(wanted: Iterable[str | int], known: Sequence[str], key: str, others: Iterable[str] = ()) -> None:
    """Refused for a class, by name or number from 0, that is none of the known; the key takes `others` too."""
    for one in wanted:
        if one in range(len(known)) if isinstance(one, int) else one in known:
            continue
        numbers, names = f"0 to {len(known) - 1}", ", ".join([*others, *known[:10]])
        near = "" if isinstance(one, int) else nearest(one, [*others, *known])
        more = "" if len(known) <= 10 else ", ..."
        allowed = f"numbers go from {numbers}" if isinstance(one, int) else f"known: {names}{more}"
        raise Refused(f"{key} names {one}, which is no class of the images{near or f'; {allowed}'}")


def _folders(folder):
    with os.scandir(folder) as entries:
        return [entry for entry in entries if not entry.name.startswith(".") and entry.is_dir()]


def _refuse_circle(folder, above=()):
    """Refused for a link below a folder that leads to itself, or back to a folder above it."""
    above = (*(above or map(_identity, folder.resolve().parents)), _identity(folder))
    with os.scandir(folder) as entries:
        entries = sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name)
    for entry in entries:
        try:
            inner = Path(entry.path) if entry.is_dir() else None
        except OSError as error:
            raise Refused(f"data.folder: {entry.path} cannot be followed ({error.strerror}); remove it") from error
        if inner and _identity(inner) in above:
            raise Refused(f"data.folder: {inner} is a folder above itself, by a link that leads back; remove the link")
        if inner:
            _refuse_circle(inner, above)


def _identity(folder):
    """What a folder is, whatever path leads to it."""
    state = folder.stat()
    return state.st_dev, state.st_ino
