"""A study's file as it is written: what YAML reads without a word, and should not."""

from pathlib import Path
from typing import Any

import yaml

from secateur import Refused
from secateur.study.schema_errors import shown


def read(path: Path | str) -> dict[str, Any]:
    """The settings in a file, as plain data; Refused in one line for what is no study."""
    if not Path(path).is_file():
        raise Refused("there is no such file; name the file of a study, as in: secateur check config/config.yaml")
    config = plain(path)
    if not isinstance(config, dict):
        raise Refused("this is no study; a study is keys and values, see config/README.md")
    refuse_twice(path)
    return config


def plain(path: Path | str) -> Any:
    """The content of a YAML file, as plain data; Refused in one line for what cannot be read."""
    try:
        return yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    # A date of month 13, an integer of 5,000 digits, !!bool foo: YAML passes on whatever the conversion raises.
    except (yaml.YAMLError, ValueError, AttributeError, KeyError, RecursionError) as error:
        raise Refused(f"this is no YAML: {' '.join(str(error).split())}") from error


def refuse_twice(path: Path | str) -> None:
    """Refused if a key stands twice in one place of a file, of which YAML and JSON would take the last.

    What is no YAML is left to whoever reads the file.
    """
    try:
        _refuse_twice(Path(path).read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        return


def _refuse_twice(text):
    root = yaml.compose(text, yaml.SafeLoader)
    for key, first, second in _twice(root, "", set()) if root else ():
        where = f"line {first}" if first == second else f"lines {first} and {second}"
        raise Refused(f"the key {shown(key)} stands twice, in {where}; keep one of them")


def _twice(node, path, seen):
    """(key, line of the first, line of the second) of every key below a node of YAML that stands twice."""
    # What an anchor names is one node in several places, and may hold itself.
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for inner in node.value:
            yield from _twice(inner, path, seen)
    if isinstance(node, yaml.MappingNode):
        lines = {}
        for key, value in node.value:
            name = f"{path}.{key.value}" if path else str(key.value)
            line = key.start_mark.line + 1
            if isinstance(key, yaml.ScalarNode) and (key.tag, key.value) in lines:
                yield name, lines[key.tag, key.value], line
            lines[key.tag, str(key.value)] = line
            yield from _twice(value, name, seen)
