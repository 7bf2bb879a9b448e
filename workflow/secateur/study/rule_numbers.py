"""The numbers in a rule's name, such as the 0.1 of `epsilon=0.1`: which of them a rule can have."""

import math
import re

# {rule: (whether its numbers are possible, what they have to be)}; the numbers are finite.
POSSIBLE = {
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
    """What is wrong with the numbers in a rule's name, as "..., but epsilon must be above 0", or None.

    A name that is no rule has no numbers that could be wrong.
    """
    name, texts = parsed(rule)
    if name not in POSSIBLE or not texts:
        return None
    fits, wanted = POSSIBLE[name]
    for text in texts:
        if not NUMBER.fullmatch(text) or not math.isfinite(float(text)):
            return f"but {text!r} is no number that a rule can have, as 0.1 or 1e-3 are; {wanted}"
    try:
        return None if fits(*map(float, texts)) else f"but {wanted}"
    except TypeError:
        return f"but {wanted}"


def parsed(rule: str) -> tuple[str, list[str]]:
    """(the rule, the texts of its numbers): ("epsilon", ["0.1"]), ("alpha, beta", ["2", "1"]), ("zplus", [])."""
    pair = re.fullmatch(r"alpha(.+)beta(.+)", rule)
    if pair:
        return "alpha, beta", list(pair.groups())
    name, given, numbers = rule.partition("=")
    return name, numbers.split(",") if given else []
