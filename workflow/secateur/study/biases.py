"""Biases in relevance rules: whether a rule counts them by default, and which choice makes relevance explode.

The denominators of epsilon and gamma are sums of both signs. With the bias, the sum is the layer's output; without it,
an active unit can have a sum close to zero, by which relevance is then divided. Alpha-beta divides by sums of one sign,
in which nothing cancels.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from secateur.study.vocabulary import COMPOSITES

# Rules whose denominators need the bias, with or without a parameter in their name.
NEEDING = ("epsilon", "gamma")

# A rule of relevance: a name, a composite, bands of depth as settings have them, or bands {share of the layers: rule}.
Rule = str | Sequence[Mapping[str, Any]] | Mapping[float, str]


def rules_of(rule: Rule) -> tuple[str, ...]:
    """The names of all layers' rules in one: those of a composite, or of all bands."""
    if isinstance(rule, str):
        return COMPOSITES.get(rule, (rule,))
    names = []
    for band in _bands(rule):
        names += rules_of(band)
    return tuple(names)


def _bands(rule):
    """The rules of bands of depth, in either form."""
    if isinstance(rule, Mapping):
        return list(rule.values())
    return [band["rule"] for band in rule]


def bias_of(rule: Rule) -> bool:
    """True if biases are counted by default: in all layers, if the rule of any layer needs them."""
    return any(map(_needs_bias, rules_of(rule)))


def _needs_bias(name):
    return name.partition("=")[0] in NEEDING


def explodes(rule: Rule, bias: bool | None) -> bool:
    """True if relevance by this rule is known to explode: `bias` is False although the rule needs it."""
    return bias is False and bias_of(rule)


def absorbed_by(rule: Rule, bias: bool, pool: str = "proportional") -> str | None:
    """The reason why relevance by a rule is not conserved, in words; None if it is."""
    names = rules_of(rule)
    if {*names} & {"gradient", "gradient_x_input"}:
        return "a gradient has no sum to keep"
    if any(name.startswith("epsilon") for name in names):
        return "epsilon absorbs a part"
    if bias:
        return "biases absorb a part"
    # An average pool would pass the same gradient to all positions, and a ReLU none where its output is zero.
    if pool == "gradient":
        return "plain gradients of pools and activations keep no sum"
    return None


def warning(name: str, reading: Mapping[str, Any]) -> str | None:
    """A sentence on a reading whose relevance is known to explode, or None."""
    if not explodes(reading["rule"], reading["bias"]):
        return None
    needing = dict.fromkeys(filter(_needs_bias, rules_of(reading["rule"])))
    return (
        f"readings.{name}: bias is false, but the rule {' and '.join(needing)} needs the bias in its denominators, "
        "which come close to zero without it, so that relevance explodes; leave bias out, which follows the rule, or "
        "say true"
    )
