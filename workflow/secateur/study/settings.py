"""Check a study's settings against the schema and fill in the defaults.

Snakemake's own validation prints the whole schema; a study needs one line that says which key is wrong and
what would be right.
"""

import copy
import math
import unicodedata
from collections.abc import Mapping
from typing import Any

import jsonschema
import yaml

from secateur import Refused
from secateur.artifacts import shipped
from secateur.study import consistency, paths, schema_errors

# JSON Schema takes 2.0 for an integer, and YAML knows numbers that are none: .inf and .nan.
STRICT = jsonschema.validators.extend(
    jsonschema.Draft202012Validator,
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine_many(
        {
            "integer": lambda checker, value: isinstance(value, int) and not isinstance(value, bool),
            "number": lambda checker, value: _is_number(value),
        }
    ),
)
# Control characters, what separates lines and paragraphs, and halves of characters, which no file can hold.
UNSEEN = ("Cc", "Zl", "Zp", "Cs")


def schema() -> dict[str, Any]:
    """The schema of a study, as plain data."""
    return yaml.safe_load(shipped.file("schemas/config.schema.yaml").read_text(encoding="utf-8"))


def checked(config: Mapping[str, Any]) -> dict[str, Any]:
    """The whole study: the given settings, checked, with every default filled in.

    Raises Refused with one line for the first thing that is wrong.
    """
    config = copy.deepcopy(dict(config))
    _refuse_loops(config)
    _refuse_odd_keys(config)
    _refuse_broken_lines(config)
    rules = _rules_for(config)
    errors = sorted(STRICT(rules).iter_errors(config), key=lambda e: (len(e.path), str(e.path)))
    if errors:
        raise Refused(schema_errors.line(errors[0]))
    _fill(config, rules)
    consistency.settle(config)
    paths.check(config)
    return _ordered(config)


def _is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _refuse_loops(value, path="", above=frozenset()):
    """Refused for a value that holds itself, as an alias of YAML can make one."""
    if not isinstance(value, (dict, list)):
        return
    if id(value) in above:
        raise Refused(f"{schema_errors.shown(path)} holds itself, by an alias that leads back; write out what it holds")
    for key, inner in value.items() if isinstance(value, dict) else ((None, one) for one in value):
        _refuse_loops(inner, path if key is None else _below(path, key), above | {id(value)})


def _below(path, key):
    return f"{path}.{key}" if path else str(key)


def _refuse_broken_lines(value, path=""):
    """Refused for a text, or a key, with a character that would break the line of a message or of a table."""
    # The question may have several lines; what a factory's arguments hold is the factory's affair.
    if path in ("question", "model.arguments"):
        return
    if isinstance(value, str) and _breaks(value):
        raise Refused(
            f"{path} is {value!r}, which holds a line break or another character that cannot be seen; leave it out"
        )
    if isinstance(value, list):
        for inner in value:
            _refuse_broken_lines(inner, path)
    if isinstance(value, dict):
        for key, inner in value.items():
            if _breaks(key):
                where = path or "the study"
                raise Refused(f"{where} has the key {key!r}, which holds a line break or the like; leave it out")
            _refuse_broken_lines(inner, _below(path, key))


def _breaks(text):
    return any(unicodedata.category(one) in UNSEEN for one in text)


def _refuse_odd_keys(value, path=""):
    """Refused for a key that YAML does not read as text, such as 1 or `on`; no setting has such a name."""
    if isinstance(value, list):
        for inner in value:
            _refuse_odd_keys(inner, path)
    if isinstance(value, dict):
        for key, inner in value.items():
            if not isinstance(key, str):
                where = f"the section {path}" if path else "the study"
                raise Refused(f"{where} has the key {key!r}, which YAML reads as no text; write it in quotes")
            # What a factory's arguments hold is the factory's affair.
            if path != "model.arguments":
                _refuse_odd_keys(inner, _below(path, key))


def _rules_for(config):
    """The schema; what a factory's arguments are, only the factory knows."""
    rules, model = schema(), config.get("model")
    if isinstance(model, dict) and model.get("factory"):
        rules["properties"]["model"]["properties"]["arguments"] = {"type": "object", "default": {}}
    return rules


def _fill(value, rules):
    for key, rule in rules.get("properties", {}).items():
        if key not in value and "default" in rule:
            value[key] = copy.deepcopy(rule["default"])
        if isinstance(value.get(key), dict):
            _fill(value[key], rule)
    if isinstance(rules.get("additionalProperties"), dict):
        for inner in value.values():
            _fill(inner, rules["additionalProperties"])


def _ordered(value):
    """The same with sorted keys: Snakemake compares settings as text, and their order in the file says nothing."""
    return {key: _ordered(value[key]) for key in sorted(value)} if isinstance(value, dict) else value
