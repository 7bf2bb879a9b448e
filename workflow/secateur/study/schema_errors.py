"""One line for an error of the schema: the key, the given value, what is allowed, and the nearest valid name."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from secateur.study.vocabulary import BAND_RULES, IMAGE_SCORES, RULES, WEIGHT_SCORES, nearest

if TYPE_CHECKING:
    import jsonschema

RETRAINED_LEVEL = "a level is the share of units removed, a fraction above 0 and below 1: write 0.3 for 30 %"
SPARSITY = "a level is the share of weights that are zero, a fraction above 0 and below 1: write 0.98 for 98 %"
HINTS = {
    "levels": "a level is the share of units removed, a fraction from 0 to below 1: write 0.3 for 30 %",
    "data.classes": "a task has two classes or more: give their names, or their ids from 0",
    "model.factory": 'a factory is a module and a function in it: "package.module:function"',
    "retraining.levels": RETRAINED_LEVEL,
    "retraining.criteria.levels": RETRAINED_LEVEL,
    "export.level": "a level is the share of units removed, a fraction from 0 to below 1: write 0.3 for 30 %",
    "criteria.learned.level": RETRAINED_LEVEL,
    "sparsity.levels": SPARSITY,
    "tickets.sparsity": SPARSITY,
    "sparsity.variants": (
        "it has a section for each variant, one or more, named by small letters, digits and underscores: feather: {}"
    ),
    "criteria.mixing.deltas": 'a delta is text with a fraction from 0 to 1: write "0.3", in quotes',
    "criteria.mixtures.deltas": 'a delta is text with a fraction from 0 to 1: write "0.3", in quotes',
    "criteria.learned.name": "a learned criterion is named by its kind, a point and a word, as gates.mlp",
    "criteria.learned.model": (
        'a pruning-model is mlp, linear, conv or static, or a function of your own, "package.module:function"'
    ),
}
# The keywords of the schema that a hint answers.
HINTED = ("type", "minimum", "exclusiveMinimum", "exclusiveMaximum", "pattern", "minProperties")
# Types of the schema in words.
TYPES = {
    "string": ["text"],
    "integer": ["a whole number"],
    "number": ["a number"],
    "boolean": ["true", "false"],
    "array": ["a list"],
    "object": ["a section of keys and values"],
    "null": ["null"],
}
# Patterns of the schema in words; the others have a hint, or a line of their own.
SMALL = "small letters, digits and underscores alone, and begins with a letter"
PATTERNS = {
    "^[a-z][a-z0-9_]*$": SMALL,
    r"^[a-z][a-z0-9_]*(\.[a-z0-9_]+)*$": f"{SMALL}; points may join several such words",
    r"^[a-z][a-z0-9_]*(\.per_(parameters|macs))?$": f"{SMALL}; .per_parameters or .per_macs may follow it",
    "^[a-z0-9][a-z0-9_.-]*$": (
        "small letters, digits, points, underscores and hyphens alone, and begins with a letter or a digit"
    ),
    "^[A-Za-z0-9][A-Za-z0-9_.-]*$": (
        "letters, digits, points, underscores and hyphens alone, and begins with a letter or a digit"
    ),
}
# Values that studies are given, by what is meant; no such value is near enough to be found by its letters.
MEANT = {"gpu": "cuda"}
# Keys of earlier versions: {path: today's}.
RENAMED = {
    "criteria.mixed": "criteria.mixing.readings",
    "criteria.mixes": "criteria.mixing.statistic",
    "criteria.combined": "criteria.mixing.alternate",
    "criteria.combined_only": "criteria.mixing.alternate_only",
    "criteria.deltas": "criteria.mixing.deltas",
}

# Characters of a value that a line shows.
LONGEST = 200


def escaped(text: str) -> str:
    """A text of the user's in one line, for a message: characters that would break the line are escaped."""
    return "".join(map(_escaped_character, str(text)))


def _escaped_character(character):
    if character.isprintable():
        return character
    return repr(character)[1:-1]


def line(error: jsonschema.ValidationError) -> str:
    """One line for one error of the schema."""
    keyword, where = str(error.validator), ".".join(part for part in error.path if isinstance(part, str))
    # A value that the schema asks for, as its author wrote it: a list or a text, which jsonschema leaves untyped.
    wanted: Any = error.validator_value
    if keyword in BY_KEYWORD:
        return BY_KEYWORD[keyword](where, error.instance, wanted, error.schema)
    given = _shown(error.instance)
    if where.startswith("readings.") and where.endswith(".rule"):
        return _no_rule(where, given, error.instance)
    if where == "criteria.scores" and keyword == "pattern":
        known = (*WEIGHT_SCORES, *IMAGE_SCORES)
        near = nearest(str(error.instance), known)
        return f"{where} names {given}, which is no score{near or '.'} Known: {', '.join(known)}"
    if where.startswith("sparsity.variants.") and where.endswith(".levels") and keyword in HINTED:
        return f"{where}: got {given}, but {SPARSITY}"
    if where in HINTS and keyword in HINTED:
        return f"{where}: got {given}, but {HINTS[where]}"
    if keyword == "type":
        return _mistyped(where, error.instance, wanted)
    if keyword == "pattern" and wanted in PATTERNS:
        return f"{_prefix(where)}got {given}, but a name has {PATTERNS[wanted]}"
    return f"{_prefix(where)}{escaped(error.message)}"


def _prefix(where):
    """The beginning of a line on a key; empty for the study itself."""
    return f"{where}: " if where else ""


def below(path: str, key: object) -> str:
    """The path of a key of the section at `path`, as "training.epochs"; the study itself has the path ""."""
    return f"{path}.{key}" if path else str(key)


def _mistyped(where, given, wanted):
    types = [wanted] if isinstance(wanted, str) else wanted
    value = _shown(given)
    words = [word for name in types for word in TYPES[name]]
    wanted = " or ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
    return f"{_prefix(where)}got {value}, but it must be {wanted}{_remedy(given, types)}"


def _unknown_key(where, given, _, schema):
    known = list(schema.get("properties", {}))
    key = min({*given} - {*known})
    path = below(where, key)
    if path in RENAMED:
        return f"{path} is called {RENAMED[path]} now; write it there"
    return f"unknown key {escaped(path)}{nearest(key, known) or '.'} Known here: {', '.join(known)}"


def _missing_key(where, given, required, _):
    return f"{_prefix(where)}the key {min({*required} - {*given})} is missing; see config/README.md"


def _unlisted(where, given, values, _):
    allowed = list(map(_as_in_yaml, values))
    meant = MEANT.get(str(given).lower())
    near = f"; did you mean {meant}?" if meant in allowed else nearest(str(given), allowed)
    return f"{where} is {_shown(given)}, but must be one of {', '.join(allowed)}{near}"


def _too_few(where, given, least, _):
    if where in HINTS and least > 1:
        return f"{where}: got {_shown(given)}, but {HINTS[where]}"
    return f"{where}: got {_shown(given)}, but it needs at least {'one' if least == 1 else least}"


def _too_short(where, given, *_):
    return f"{where}: got {_shown(given)}, but it needs at least one character"


def _too_many(where, given, most, _):
    return f"{where}: got {_shown(given)}, but it takes {most} at most"


def _as_in_yaml(value):
    if value is None:
        return "null"
    return str(value)


def _repeated(where, given, *_):
    repeated = next((value for place, value in enumerate(given) if value in given[:place]), None)
    return f"{where}: {_shown(given)} names one value twice: {_shown(repeated)}"


def _shown(value):
    """A value as the study's author wrote it; the middle of a long one is left out."""
    text = json.dumps(value, default=str)
    if len(text) <= LONGEST:
        return text
    return f"{text[: LONGEST // 2]} ... {text[-LONGEST // 2 :]}"


# {keyword of the schema: the line of (path of the key, given value, the schema's value, the schema of the key)}.
BY_KEYWORD = {
    "additionalProperties": _unknown_key,
    "required": _missing_key,
    "enum": _unlisted,
    "uniqueItems": _repeated,
    "minItems": _too_few,
    "maxItems": _too_many,
    "minLength": _too_short,
}


def _no_rule(where, given, rule):
    """The line on a text, or another value, that is no relevance rule; a band's path ends with its own `rule`."""
    known = BAND_RULES if where.endswith(".rule.rule") else RULES
    near = nearest(str(rule), known)
    return f"{where} is {given}, which names no rule{near or '.'} Known: {', '.join(known)}"


def _remedy(given: Any, types: list[str]) -> str:
    """The remedy for a text in place of a number, or for a number that is not finite or not an integer."""
    if isinstance(given, float):
        return _remedy_for_number(given, types)
    if isinstance(given, str) and {"number", "integer"} & {*types} and _reads_as_number(given):
        return "; this is text: numbers have no quotes, and powers of ten a decimal point, as in 1.0e-3"
    return ""


def _remedy_for_number(given, types):
    if not math.isfinite(given):
        return "; numbers are finite"
    if "integer" not in types:
        return ""
    if given == int(given):
        return f", without a decimal point: write {int(given)}"
    return ", without a decimal point"


def _reads_as_number(text):
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
