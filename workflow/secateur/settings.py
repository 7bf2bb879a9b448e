"""Check a study's settings against the schema and fill in the defaults.

Snakemake's own validation prints the whole schema; a study needs one line that says which key is wrong and
what would be right.
"""

import copy
import difflib
import json
from pathlib import Path

import jsonschema
import yaml

from secateur.levels import fraction

SCHEMA = Path(__file__).resolve().parent.parent / "schemas" / "config.schema.yaml"
SPLITS = ("train", "rank", "validation", "test")
HINTS = {
    "levels": "a level is the share of channels removed, a fraction from 0 to 1: write 0.3 for 30 %",
    "criteria.deltas": 'a delta is text with a fraction from 0 to 1: write "0.3", in quotes',
}
DEFAULT_COLOR = {"digits": "gray"}


def schema():
    """The schema of a study, as plain data."""
    return yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))


def checked(config):
    """The whole study: the given settings, checked, with every default filled in.

    Raises ValueError with one line for the first thing that is wrong.
    """
    rules = schema()
    config = copy.deepcopy(dict(config))
    errors = sorted(
        jsonschema.Draft202012Validator(rules).iter_errors(config), key=lambda e: (len(e.path), str(e.path))
    )
    if errors:
        raise ValueError(_line(errors[0]))
    _fill(config, rules)
    _settle(config)
    return _ordered(config)


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


def _settle(config):
    """What one key asks of another, which a schema cannot say."""
    _settle_data(config["data"])
    split = config["split"]
    split["rank"] = split["rank"] or {"train": 0.1, "test": 0.2}[split["rank_from"]]
    _check_model(config["model"], config["data"], config["training"])
    for name in config["readings"]:
        if name in ("weight", "weight_folded", "random", "combined", "mixed"):
            raise ValueError(f"readings.{name}: the name is taken by another criterion; choose another")
    config["levels"] = sorted({0, *config["levels"]}, key=fraction)
    deltas = config["criteria"]["deltas"]
    if len({fraction(delta) for delta in deltas}) < len(deltas):
        raise ValueError(f"criteria.deltas names one delta twice: {', '.join(deltas)}")


def _settle_data(data):
    data["name"] = data["name"] or data["source"]
    data["color"] = data["color"] or DEFAULT_COLOR.get(data["source"], "rgb")
    channels = {"gray": 1, "rgb": 3}[data["color"]]
    for key in ("mean", "std"):
        if len(data[key]) not in (1, channels):
            raise ValueError(f"data.{key} has {len(data[key])} numbers, but the images have {channels} channel(s)")
        data[key] = [float(number) for number in data[key] * (channels if len(data[key]) == 1 else 1)]
    if data["source"] == "image_folder" and not data["folder"]:
        raise ValueError(
            "data.source is image_folder, but data.folder names no folder; give the one that holds train/ and test/"
        )


def _check_model(model, data, training):
    name, small = model["name"], model["name"] == "vgg_small"
    if training["epochs"] == 0 and model["weights"] is None:
        raise ValueError(
            "training.epochs is 0, but model.weights is empty: nothing would be learned; name a weights file or train"
        )
    if small and (model["weights"] == "imagenet" or model["trainable"] == "head"):
        raise ValueError(
            "model.name is vgg_small, which has neither ImageNet weights nor an appended head; "
            "use weights: null and trainable: all"
        )
    if small and data["size"] < 8:
        raise ValueError(
            f"model.name is vgg_small, which needs data.size of at least 8, got {data['size']}"
        )
    if not small and data["color"] != "rgb":
        raise ValueError(f"model.name is {name}, which takes three channels; set data.color to rgb")
    if not small and data["size"] < 32:
        raise ValueError(
            f"model.name is {name}, which halves images five times; data.size must be at least 32, got {data['size']}"
        )


def _line(error):
    """One line for one error of the schema: where, what was given, what is allowed, and the nearest valid one."""
    where = ".".join(str(part) for part in error.path if not isinstance(part, int))
    given = json.dumps(error.instance, default=str)
    name = f"{where}: " if where else ""
    if error.validator == "additionalProperties":
        known = list(error.schema.get("properties", {}))
        unknown = sorted(set(error.instance) - set(known))[0]
        path = f"{where}.{unknown}" if where else unknown
        return f"unknown key {path}{_nearest(unknown, known) or '.'} Known here: {', '.join(known)}"
    if error.validator == "required":
        missing = sorted(set(error.validator_value) - set(error.instance))[0]
        return f"{name}the key {missing} is missing; see config/README.md"
    if error.validator == "enum":
        allowed = [json.dumps(value) if value is None else str(value) for value in error.validator_value]
        return f"{where} is {given}, but must be one of {', '.join(allowed)}{_nearest(str(error.instance), allowed)}"
    if where in HINTS:
        return f"{where}: got {given}, but {HINTS[where]}"
    if error.validator == "type":
        allowed = (
            error.validator_value if isinstance(error.validator_value, str) else " or ".join(error.validator_value)
        )
        return f"{name}got {given}, but it must be of type {allowed}"
    return f"{name}{error.message}"


def _nearest(word, known):
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else ""
