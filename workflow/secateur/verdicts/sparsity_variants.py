"""Variants of sparse training by what they change of Feather; their settings decide, and never their names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from secateur.study import sparse
from secateur.study.sparse import REFERENCE

Options = Mapping[str, Any]

FEATHER, OTHER = "Feather", "other"
DYNAMIC, ADAPTIVE, BOTH = "dynamic scale", "adaptive schedule", "dynamic scale and adaptive schedule"
NO_GRADIENT, DROPPED = "no gradient of zero weights", "zero weights dropped for good"
# The settings of each addition.
SCALE = {"scale", "kappa", "scale_high", "scale_low"}
SCHEDULE = {"schedule", "deadline", "slowest", "fastest", "family", "reference"}
DROPPING = {"drop", "drop_rule"}


def _follows_sparsity(options):
    return options["scale"] != "const" and options["scale_high"] != options["scale_low"]


def _follows_regrowth(options):
    return options["schedule"] == "adaptive" and options["slowest"] != options["fastest"]


# {kind: (the settings that alone may differ from Feather's, what has to hold of them)}.
KINDS: dict[str, tuple[set[str], Callable[[Options], bool]]] = {
    NO_GRADIENT: (SCALE, lambda options: options["scale_high"] == options["scale_low"] == 0),
    DYNAMIC: (SCALE, _follows_sparsity),
    ADAPTIVE: (SCHEDULE, _follows_regrowth),
    BOTH: (SCALE | SCHEDULE, lambda options: _follows_sparsity(options) and _follows_regrowth(options)),
    DROPPED: (DROPPING, lambda options: options["drop"] > 0),
}


def differing(options: Options, feather: Options) -> dict[str, Any]:
    """The settings in which a variant differs from Feather, beside its levels."""
    own = sparse.options_of(options)
    return {key: value for key, value in own.items() if value != feather[key]}


def kind_of(options: Options, feather: Options) -> str:
    """The kind of a variant; OTHER for one that differs from Feather in other settings, or in none that tell."""
    keys = differing(options, feather).keys()
    if not keys:
        return FEATHER
    for kind, (allowed, holds) in KINDS.items():
        if keys <= allowed and holds(options):
            return kind
    return OTHER


def of_kind(variants: Mapping[str, Options], *kinds: str) -> dict[str, Options]:
    """The variants of some kinds."""
    feather = variants[REFERENCE]
    return {name: options for name, options in variants.items() if kind_of(options, feather) in kinds}
