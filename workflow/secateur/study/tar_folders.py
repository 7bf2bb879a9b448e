"""A folder of images whose parts are tar files: which it is, and the names of its classes."""

import os
from pathlib import Path

from secateur import Refused

CLASSES = "classes.txt"


def is_shard(name: str) -> bool:
    """True for the name of a tar file."""
    return name.endswith(".tar")


def shards(part: Path) -> list[str]:
    """The names of the tar files of train/ or test/, sorted."""
    return sorted(entry.name for entry in os.scandir(part) if is_shard(entry.name) and not entry.name.startswith("."))


def used(folder: Path) -> bool:
    """True if the images of a folder are in tar files; Refused if only one part is, or a part has folders beside."""
    parts = [folder / part for part in ("train", "test")]
    packed = [part for part in parts if shards(part)]
    if len(packed) == 1:
        raise Refused(f"{packed[0]} has tar files, but the other part has none; pack both, or unpack both")
    for part in packed:
        folders = [entry.name for entry in part.iterdir() if entry.is_dir() and not entry.name.startswith(".")]
        if folders:
            raise Refused(f"{part} has tar files and the folder {folders[0]}; leave one kind in it")
    return bool(packed)


def class_names(folder: Path) -> tuple[str, ...]:
    """The names of the classes, from classes.txt; Refused if it is missing, has an empty line, or a name twice."""
    path = folder / CLASSES
    if not path.is_file():
        raise Refused(f"{folder} has tar files, but no {CLASSES}; write one, with the name of a class in each line")
    # Some editors begin a file with a mark of their own.
    names = tuple(map(str.strip, path.read_text(encoding="utf-8-sig").rstrip().splitlines()))
    for name in names:
        if not name:
            raise Refused(f"{path} has an empty line, which would count as a class; take it out")
        if names.count(name) > 1:
            raise Refused(f"{path} has the class {name} twice; name each once")
    return names
