"""One line for what is wrong with a setting: where, what was given, what is allowed, and the nearest valid one."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

from secateur.study.vocabulary import IMAGE_SCORES, WEIGHT_SCORES, nearest

if TYPE_CHECKING:
    import jsonschema

HINTS = {
    "levels": "a level is the share of channels removed, a fraction from 0 to below 1: write 0.3 for 30 %",
    "model.factory": 'a factory is a module and a function in it: "package.module:function"',
    "retraining.levels": "a level is the share of channels removed, a fraction above 0 and below 1: write 0.3 for 30 %",
    "export.level": "a level is the share of channels removed, a fraction from 0 to below 1: write 0.3 for 30 %",
    "criteria.mixing.deltas": 'a delta is text with a fraction from 0 to 1: write "0.3", in quotes',
    "criteria.mixtures.deltas": 'a delta is text with a fraction from 0 to 1: write "0.3", in quotes',
}
# Keys of earlier versions: {path: today's}.
RENAMED = {
    "criteria.mixed": "criteria.mixing.readings",
    "criteria.mixes": "criteria.mixing.statistic",
    "criteria.combined": "criteria.mixing.alternate",
    "criteria.combined_only": "criteria.mixing.alternate_only",
    "criteria.deltas": "criteria.mixing.deltas",
}
RULES = (
    *("alpha2beta1", "alpha1beta0", "zplus", "epsilon", "epsilon=0.1", "gamma", "gamma=0.25", "gradient"),
    *("gradient_x_input", "epsilon_plus_flat", "epsilon_alpha2_beta1_flat", "epsilon_gamma_flat"),
)


def shown(text: str) -> str:
    """A text of the user's in one line, for a message: what would break the line is escaped."""
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in str(text))


def line(error: jsonschema.ValidationError) -> str:
    """One line for one error of the schema."""
    where = ".".join(str(part) for part in error.path if not isinstance(part, int))
    given = json.dumps(error.instance, default=str)
    name = f"{where}: " if where else ""
    if error.validator == "additionalProperties":
        known = list(error.schema.get("properties", {}))
        unknown = sorted(set(error.instance) - set(known))[0]
        path = f"{where}.{unknown}" if where else unknown
        if path in RENAMED:
            return f"{path} is called {RENAMED[path]} now; write it there"
        return f"unknown key {shown(path)}{nearest(unknown, known) or '.'} Known here: {', '.join(known)}"
    if error.validator == "required":
        missing = sorted(set(error.validator_value) - set(error.instance))[0]
        return f"{name}the key {missing} is missing; see config/README.md"
    if error.validator == "enum":
        allowed = [json.dumps(value) if value is None else str(value) for value in error.validator_value]
        return f"{where} is {given}, but must be one of {', '.join(allowed)}{nearest(str(error.instance), allowed)}"
    if error.validator == "uniqueItems":
        return f"{where}: {given} names one value twice"
    if where.startswith("readings.") and where.endswith(".rule"):
        return (
            f"{where} is {given}, which names no rule{nearest(str(error.instance), RULES)}. Known: {', '.join(RULES)}"
        )
    if where == "criteria.scores" and error.validator == "pattern":
        known = (*WEIGHT_SCORES, *IMAGE_SCORES)
        near = nearest(str(error.instance), known)
        return f"{where} names {given}, which is no score{near or '.'} Known: {', '.join(known)}"
    if where in HINTS and error.validator in ("type", "minimum", "exclusiveMinimum", "exclusiveMaximum", "pattern"):
        return f"{where}: got {given}, but {HINTS[where]}"
    if error.validator == "type":
        allowed = [error.validator_value] if isinstance(error.validator_value, str) else error.validator_value
        return f"{name}got {given}, but it must be of type {' or '.join(allowed)}{_remedy(error.instance, allowed)}"
    return f"{name}{shown(error.message)}"


def _remedy(given, allowed):
    """What to write in place of a number that is none, or no whole one."""
    number = isinstance(given, float)
    if number and not math.isfinite(given):
        return "; numbers are finite"
    if number and "integer" in allowed:
        whole = f": write {int(given)}" if given == int(given) else ""
        return f", without a decimal point{whole}"
    if isinstance(given, str) and {"number", "integer"} & {*allowed} and _reads_as_number(given):
        return "; this is text: numbers have no quotes, and powers of ten a decimal point, as in 1.0e-3"
    return ""


def _reads_as_number(text):
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
