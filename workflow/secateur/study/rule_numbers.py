"""Parameters in the name of a relevance rule, such as the 0.1 of `epsilon=0.1`: which values a rule allows."""

import math
import re
from collections.abc import Callable

# {rule: (whether its parameters are allowed, the condition in words)}; the parameters are finite.
POSSIBLE: dict[str, tuple[Callable[..., bool], str]] = {
    "alpha, beta": (
        lambda alpha, beta: abs(alpha - beta - 1) < 1e-9 and beta >= 0,
        "alpha - beta must be 1, and beta at least 0, as in alpha2beta1",
    ),
    # Zero would divide by the output itself, which may be zero; beyond the other bounds float32 overflows.
    "epsilon": (
        lambda value: 1e-30 <= value <= 1e6,
        "epsilon must be above 0, as in epsilon=0.1, and from 1e-30 to 1e6",
    ),
    "gamma": (lambda value: 0 <= value <= 1e6, "gamma must be at least 0, as in gamma=0.25, and at most 1e6"),
    "zbox": (lambda low, high: low < high, "the low end must be below the high one, as in zbox=-1,1"),
}
NUMBER = re.compile(r"-?\d+(\.\d+)?(e-?\d+)?")


def complaint(rule: str) -> str | None:
    """The error in the parameters of a rule's name, as "but epsilon must be above 0, ...", or None.

    Names of no rule, and of rules without parameters, give None.
    """
    name, texts = parsed(rule)
    if name not in POSSIBLE or not texts:
        return None
    allows, condition = POSSIBLE[name]
    for text in texts:
        if not NUMBER.fullmatch(text) or not math.isfinite(float(text)):
            return f"but {text!r} is no number that a rule can have, as 0.1 or 1e-3 are; {condition}"
    try:
        allowed = allows(*map(float, texts))
    # Too few parameters, or too many.
    except TypeError:
        allowed = False
    return None if allowed else f"but {condition}"


def parsed(rule: str) -> tuple[str, list[str]]:
    """(rule, texts of its parameters): ("epsilon", ["0.1"]), ("alpha, beta", ["2", "1"]), ("zplus", [])."""
    pair = re.fullmatch(r"alpha(.+)beta(.+)", rule)
    if pair:
        return "alpha, beta", list(pair.groups())
    name, given, parameters = rule.partition("=")
    return name, parameters.split(",") if given else []
