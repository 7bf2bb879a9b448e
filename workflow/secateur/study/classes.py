"""The classes of a study's images, before any image is read: their names, and settings that name none of them."""

import operator
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from secateur import Refused
from secateur.study import tar_folders
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
# By source; an image folder has classes of its own.
KNOWN = {"digits": tuple("0123456789"), "cifar10": CIFAR10, "cifar100": CIFAR100}
# The most classes that a message lists.
MOST_LISTED = 10


def of(data: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of the classes of the settings `data`, those that it chooses alone, in the order of their ids.

    Raises Refused for a choice of classes that are not there, or of fewer than two, and Refused for a folder of images
    that no study can use: with fewer than two classes, or with a link that leads in a circle.
    """
    known = _all(data)
    if not data.get("classes"):
        return known
    refuse_unknown(data["classes"], known, "data.classes")
    names = tuple(known[number] for number in sorted(ids(data["classes"], known)))
    refuse_single(names, "data.classes")
    return names


def ids(wanted: Iterable[str | int], known: Sequence[str]) -> set[int]:
    """The ids of classes, given by name or by id from 0."""
    return {name if isinstance(name, int) else known.index(name) for name in wanted}


def _all(data):
    if data["source"] in KNOWN:
        return KNOWN[data["source"]]
    train, test = (Path(data["folder"]) / part for part in ("train", "test"))
    for part in (train, test):
        _refuse_circle(part)
    if tar_folders.used(Path(data["folder"])):
        names = tar_folders.class_names(Path(data["folder"]))
    else:
        names = tuple(sorted(entry.name for entry in _visible(train) if entry.is_dir()))
    refuse_single(names, f"data.folder is {data['folder']}, but {train}")
    return names


def refuse_single(classes: Sequence[str], place: str) -> None:
    """Refused for images of fewer than two classes, of which every prediction would be right."""
    if len(classes) < 2:
        only = f"only the class {classes[0]}" if classes else "no folder of a class"
        raise Refused(f"{place} has {only}; a network tells classes apart, so give two or more")


def refuse_unknown(wanted: Iterable[str | int], known: Sequence[str], key: str, others: Iterable[str] = ()) -> None:
    """Refused for a class, by name or by id from 0, that is none of the known; the key takes the names `others` too."""
    names = [*others, *known]
    for name in wanted:
        if isinstance(name, int):
            _refuse_unknown_id(name, len(known), key)
        elif name not in known:
            remedy = nearest(name, names) or f"; known: {_listed(names, len(names) - len(known))}"
            raise Refused(f"{key} names {name}, which is no class of the images{remedy}")


def _refuse_unknown_id(number, count, key):
    if number not in range(count):
        raise Refused(f"{key} names {number}, which is no class of the images; numbers go from 0 to {count - 1}")


def _listed(names, others):
    """The first names in one line: all `others` before the classes, and as many classes as a message lists."""
    listed = ", ".join(names[: others + MOST_LISTED])
    return listed if len(names) <= others + MOST_LISTED else f"{listed}, ..."


def _visible(folder):
    """The entries of a folder that are not hidden."""
    with os.scandir(folder) as entries:
        return [entry for entry in entries if not entry.name.startswith(".")]


def _refuse_circle(folder, above=()):
    """Refused for a link below a folder that leads to itself, or back to a folder above it."""
    above = (*(above or map(_identity, folder.resolve().parents)), _identity(folder))
    for entry in sorted(_visible(folder), key=operator.attrgetter("name")):
        try:
            is_folder = entry.is_dir()
        except OSError as error:
            raise Refused(f"data.folder: {entry.path} cannot be followed ({error.strerror}); remove it") from error
        if not is_folder:
            continue
        inner = Path(entry.path)
        if _identity(inner) in above:
            raise Refused(f"data.folder: {inner} is a folder above itself, by a link that leads back; remove the link")
        _refuse_circle(inner, above)


def _identity(folder):
    """The identity of a folder, the same by whatever path it is reached."""
    state = folder.stat()
    return state.st_dev, state.st_ino
