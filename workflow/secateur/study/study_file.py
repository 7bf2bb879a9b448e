"""A study's file as it is written: read as YAML, and refused for a key that stands twice, which YAML lets pass."""

import re
from pathlib import Path
from typing import Any

import yaml

from secateur import Refused
from secateur.study.schema_errors import below, escaped


def read(path: Path | str) -> dict[str, Any]:
    """The settings in a file, as plain data.

    Raises Refused in one line for a file that is missing, is no YAML, or holds no study or a key twice.
    """
    if Path(path).is_dir():
        raise Refused("this is a folder; name the file of a study in it, such as config/config.yaml")
    if not Path(path).is_file():
        raise Refused("there is no such file; name the file of a study, such as config/config.yaml")
    config = plain(path)
    if not isinstance(config, dict):
        raise Refused("this is no study; a study is keys and values, see config/README.md")
    refuse_twice(path)
    return config


def other_study(settings: Path, name: str) -> str | None:
    """The name of another study whose settings a results folder holds in this file; None where it holds none."""
    if not settings.is_file():
        return None
    # The one key at the beginning of a line; the file has hundreds, which would take time to parse.
    found = re.search(r"^study: .+$", settings.read_text(encoding="utf-8"), flags=re.M)
    other = yaml.safe_load(found[0])["study"] if found else name
    return None if other == name else other


def plain(path: Path | str) -> Any:
    """The content of a YAML file, as plain data; Refused in one line for a file that cannot be read."""
    try:
        return yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    # A date of month 13, an integer of 5,000 digits, !!bool foo: the loader lets any error of a conversion through.
    except (yaml.YAMLError, ValueError, AttributeError, KeyError, RecursionError) as error:
        raise Refused(f"this is no YAML: {' '.join(str(error).split())}") from error


def refuse_twice(path: Path | str) -> None:
    """Refused if a key stands twice in one section of a file: YAML and JSON would take the last.

    A file that is no YAML passes; its reader refuses it.
    """
    try:
        _refuse_twice(Path(path).read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        return


def _refuse_twice(text):
    root = yaml.compose(text, yaml.SafeLoader)
    if root is None:
        return
    for key, lines in _twice(root, "", set()):
        raise Refused(f"the key {escaped(key)} stands twice, in {_named_lines(*lines)}; keep one of them")


def _named_lines(first, second):
    return f"line {first}" if first == second else f"lines {first} and {second}"


def _twice(node, path, seen):
    """(path of the key, (line of the first, line of the second)) of every key below a node that stands twice."""
    # A node with an anchor stands in several places, and may hold itself.
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for inner in node.value:
            yield from _twice(inner, path, seen)
    if isinstance(node, yaml.MappingNode):
        lines = {}
        for key, value in node.value:
            name = below(path, key.value)
            line = key.start_mark.line + 1
            if isinstance(key, yaml.ScalarNode) and (key.tag, key.value) in lines:
                yield name, (lines[key.tag, key.value], line)
            lines[key.tag, str(key.value)] = line
            yield from _twice(value, name, seen)
