"""Names that several stages share, each list in one place, and the valid name that is nearest to a wrong one."""

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from secateur import Refused

SPLITS = ("train", "rank", "validation", "test")
CHANNELS = {"gray": 1, "rgb": 3}
# Every page of a verdict holds these words, so that a file without them is recognised as the user's own.
WRITTEN = "This page is written by the workflow"
# The nouns of what a level is a share of, in tables and figures.
BUDGETS = {"units": "units", "parameters": "parameters", "macs": "multiply-adds"}
# Costs by which a score may be divided, and the ends of the names of such criteria.
COSTS = ("parameters", "macs")
PER = {per: f".per_{per}" for per in COSTS}
# Precisions of the arithmetic, by what is computed; the types behind the names stand beside the computations.
TRAINING_PRECISIONS = ("float32", "bfloat16")
RELEVANCE_PRECISIONS = (*TRAINING_PRECISIONS, "float64")
EVALUATION_PRECISIONS = ("auto", *TRAINING_PRECISIONS)
# Statistics of relevance and of weights; the functions behind the names are in statistics.py.
STATISTICS = ("mean", "mean_abs", "max", "min", "max_abs", "min_abs")
# Scores of channels by what they read; the functions behind the names are in criteria/.
WEIGHT_SCORES = ("l1", "l2", "fpgm", "bn_scale")
IMAGE_SCORES = ("taylor", "taylor_activation", "jacobian", "obd_c", "gradient", "activation", "apoz")
# Ways of learning which channels stay: the first parts of the names of learned criteria.
LEARNED = ("gates", "scorer")
LEARNED_NAMES = tuple(f"{kind}." for kind in LEARNED)
# Beginnings of the names of criteria that end in a draw.
DRAWN = ("random.", "uniform.random.", "shuffled.", *LEARNED_NAMES, *map("uniform.{}".format, LEARNED_NAMES))

# Relevance rules of one layer: {rule: how settings write it}; the functions behind them are in relevance/rules.py.
LAYER_RULES = {
    "alpha, beta": ("alpha2beta1", "alpha1beta0"),
    "zplus": ("zplus",),
    "epsilon": ("epsilon", "epsilon=0.1"),
    "gamma": ("gamma", "gamma=0.25"),
    "gradient": ("gradient",),
    "flat": ("flat",),
    "zbox": ("zbox=-1,1",),
}
# Composites: {name: (rule of the first layer, rule of the other convolutions, rule of linear layers)}.
COMPOSITES = {
    "epsilon_plus_flat": ("flat", "zplus", "epsilon"),
    "epsilon_alpha2_beta1_flat": ("flat", "alpha2beta1", "epsilon"),
    "epsilon_gamma_flat": ("flat", "gamma", "epsilon"),
}
# Rules that a setting may name for all layers, and for a band of them.
RULES = (
    *LAYER_RULES["alpha, beta"],
    *LAYER_RULES["zplus"],
    *LAYER_RULES["epsilon"],
    *LAYER_RULES["gamma"],
    *LAYER_RULES["gradient"],
    "gradient_x_input",
    *COMPOSITES,
)
BAND_RULES = (
    *LAYER_RULES["alpha, beta"],
    *LAYER_RULES["zplus"],
    *LAYER_RULES["epsilon"],
    *LAYER_RULES["gamma"],
    *LAYER_RULES["flat"],
)


def costed(criterion: str) -> tuple[str, str | None]:
    """(a criterion without the cost by which its scores are divided, that cost or None)."""
    for cost, ending in PER.items():
        if criterion.endswith(ending):
            return criterion.removesuffix(ending), cost
    return criterion, None


def nearest(word: str, known: Iterable[str]) -> str:
    """The words "; did you mean X?", or nothing if no known name is near."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else ""


def without_draw(criterion: str) -> str:
    """The name of a control or of a learned criterion without the index of its draw: random.2 is random.

    Deltas are no draws: mixed.relevance.0.5 has none, and shuffled.both.0.5.1 is shuffled.both.0.5.
    """
    name, _, draw = criterion.rpartition(".")
    return name if draw.isdecimal() and criterion.startswith(DRAWN) else criterion


def same_images(split: Mapping[str, Any], first: str, second: str | None) -> bool:
    """True if two splits have images in common: the same one, or rank and validation where `split` shares them."""
    return first == second or (split["rank_from"] == "validation" and {first, second} == {"rank", "validation"})


def draws_alike(first: str, second: str) -> bool:
    """True if the draws of two criteria, named without them, can be paired one by one.

    Those of controls are, by chance alone; those of a learned criterion only with its own, at equal shares too.
    """
    return _learned(first) == _learned(second)


def _learned(criterion):
    """The learned criterion whose draws those of a criterion, named without them, are; empty for those of chance."""
    name = criterion.removeprefix("uniform.")
    return name if name.startswith(LEARNED_NAMES) else ""


def one_of(known: Mapping[str, Any], name: str, what: str) -> Any:
    """The entry of a dict by its name.

    Raises Refused with the nearest name and all others, where `what` says what they name.
    """
    if name not in known:
        raise Refused(f"unknown {what} {name!r}{nearest(str(name), known)}; known: {', '.join(known)}")
    return known[name]


def without_slashes(path: str) -> str:
    """A path without repeated and trailing slashes: Snakemake takes a//b for another path than a/b."""
    # A path with :// is refused later on, and the message has to quote it as it was given.
    if "://" in path:
        return path
    return re.sub("/+", "/", path).rstrip("/") or path
