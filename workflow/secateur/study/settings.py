"""Check a study's settings against the schema and fill in the defaults.

Snakemake's own validation prints the whole schema; a study needs one line that says which key is wrong and
what would be right.
"""

import copy
import functools
import math
import unicodedata
from collections.abc import Mapping
from typing import Any

from secateur import Refused
from secateur.artifacts import plain_yaml, shipped
from secateur.study import consistency, paths, schema_errors, widths
from secateur.study.schema_errors import below


def _is_integer(_, value):
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(_, value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


@functools.cache
def strict() -> Any:
    """The validator: JSON Schema takes 2.0 for an integer, and YAML has numbers that are not finite: .inf and .nan.

    It is imported with the first check: jobs that read the settings of a finished study do without it.
    """
    import jsonschema.validators

    return jsonschema.validators.extend(
        jsonschema.Draft202012Validator,
        type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine_many(
            {"integer": _is_integer, "number": _is_number}
        ),
    )


# Control characters, separators of lines and of paragraphs, and surrogates, which no file can hold.
UNSEEN = ("Cc", "Zl", "Zp", "Cs")


def schema() -> dict[str, Any]:
    """The schema of a study, as plain data; every caller has a copy of its own."""
    return copy.deepcopy(_parsed())


@functools.cache
def _parsed():
    """The schema; parsing it takes a tenth of a second, and a copy a hundredth of that."""
    return plain_yaml.parsed(shipped.file("schemas/config.schema.yaml").read_text(encoding="utf-8"))


def checked(config: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a study's settings, checked, with every default filled in and with sorted keys.

    Raises Refused with one line for the first error.
    """
    config = copy.deepcopy(dict(config))
    _refuse_loops(config)
    _refuse_odd_keys(config)
    _refuse_broken_lines(config)
    rules = _rules_for(config)
    errors = sorted(strict()(rules).iter_errors(config), key=_outermost_first)
    if errors:
        raise Refused(schema_errors.line(errors[0]))
    _fill(config, rules)
    consistency.settle(config)
    paths.check(config)
    return _ordered(_without_comparison(config))


def completed(config: dict[str, Any]) -> dict[str, Any]:
    """Settings that an earlier version checked, in place, with the defaults of keys that have come since."""
    _fill(config, _rules_for(config))
    return _without_comparison(config)


def _without_comparison(config):
    """Settings in place, without a comparison that is not asked for: it is no setting of a study (`Study.compare`)."""
    if config["compare"] is None:
        del config["compare"]
    return config


def _outermost_first(error):
    return len(error.path), str(error.path)


def _inside(value, path):
    """(path, value) of everything that a section or a list holds; items of a list have the path of the list."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield below(path, key), inner
    if isinstance(value, list):
        for inner in value:
            yield path, inner


def _refuse_loops(value, path="", above=frozenset()):
    """Refused for a value that holds itself, as an alias of YAML can make one."""
    if not isinstance(value, (dict, list)):
        return
    if id(value) in above:
        raise Refused(
            f"{schema_errors.escaped(path)} holds itself, by an alias that leads back; write out what it holds"
        )
    for inner_path, inner in _inside(value, path):
        _refuse_loops(inner, inner_path, above | {id(value)})


def _refuse_broken_lines(value, path=""):
    """Refused for a text, or a key, with a character that would break the line of a message or of a table."""
    # A question may have several lines; arguments of a factory are checked by the factory alone.
    if path in ("question", "model.arguments"):
        return
    if isinstance(value, str) and _breaks_line(value):
        raise Refused(
            f"{path} is {value!r}, which holds a line break or another character that cannot be seen; leave it out"
        )
    if isinstance(value, dict):
        for key in filter(_breaks_line, map(str, value)):
            where = path or "the study"
            raise Refused(f"{where} has the key {key!r}, which holds a line break or the like; leave it out")
    for inner_path, inner in _inside(value, path):
        _refuse_broken_lines(inner, inner_path)


def _breaks_line(text):
    return any(unicodedata.category(character) in UNSEEN for character in text)


def _refuse_odd_keys(value, path=""):
    """Refused for a key that YAML does not read as text, such as 1 or `on`; no setting has such a name.

    Only widths may have whole numbers for keys, the counts of units of layers.
    """
    # Arguments of a factory may have any keys.
    if path == "model.arguments":
        return
    for key in value if isinstance(value, dict) else ():
        if not isinstance(key, str) and not (path in widths.PATHS and _is_integer(None, key)):
            where = f"the section {path}" if path else "the study"
            raise Refused(f"{where} has the key {key!r}, which YAML reads as no text; write it in quotes")
    for inner_path, inner in _inside(value, path):
        _refuse_odd_keys(inner, inner_path)


def _rules_for(config):
    """The schema; with a factory, `model.arguments` may hold anything, because only the factory can check them."""
    rules, model = schema(), config.get("model")
    if isinstance(model, dict) and model.get("factory"):
        rules["properties"]["model"]["properties"]["arguments"] = {"type": "object", "default": {}}
    return rules


def _fill(value, rules):
    """Fill in the defaults of a section and of the sections in it, in place."""
    for key, rule in rules.get("properties", {}).items():
        if key not in value and "default" in rule:
            value[key] = copy.deepcopy(rule["default"])
        if isinstance(value.get(key), dict):
            _fill(value[key], rule)
        _fill_items(value.get(key), rule)
    if isinstance(rules.get("additionalProperties"), dict):
        for inner in value.values():
            _fill(inner, rules["additionalProperties"])


def _fill_items(value, rule):
    """Fill in the defaults of the sections in a list."""
    for inner in value if isinstance(value, list) else ():
        if isinstance(inner, dict):
            _fill(inner, rule["items"])


def _ordered(value):
    """Settings with sorted keys: Snakemake compares them as text, and their order in the file has no meaning."""
    if not isinstance(value, dict):
        return value
    return {key: _ordered(value[key]) for key in sorted(value)}
