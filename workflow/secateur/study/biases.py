"""Whether a rule of relevance counts biases: what follows from the rule, and which choice is known to explode.

The denominators of epsilon and gamma are sums of both signs. With the bias, the sum is what the layer puts out; without
it, a unit that is active can have a sum next to zero, which relevance is then divided by. Alpha-beta divides by parts
of one sign, which cannot cancel.
"""

from collections.abc import Mapping, Sequence
from typing import Any

# Named composites: (rule of the first layer, rule of the other convolutions, rule of linear layers).
COMPOSITES = {
    "epsilon_plus_flat": ("flat", "zplus", "epsilon"),
    "epsilon_alpha2_beta1_flat": ("flat", "alpha2beta1", "epsilon"),
    "epsilon_gamma_flat": ("flat", "gamma", "epsilon"),
}
# Rules whose denominators need the bias, with or without a number behind them.
NEEDING = ("epsilon", "gamma")


def rules_of(rule: str | Sequence[Mapping[str, Any]] | Mapping[float, str]) -> tuple[str, ...]:
    """The names of all rules in one: a name, a composite, bands as settings have them, or bands {share: rule}."""
    if isinstance(rule, str):
        return COMPOSITES.get(rule, (rule,))
    bands = rule.values() if isinstance(rule, dict) else (band["rule"] for band in rule)
    return tuple(name for band in bands for name in rules_of(band))


def bias_of(rule: str | Sequence[Mapping[str, Any]] | Mapping[float, str]) -> bool:
    """Whether biases are counted where nobody says: true if any layer has a rule that needs them, and then in all."""
    return any(name.partition("=")[0] in NEEDING for name in rules_of(rule))


def explodes(rule: str | Sequence[Mapping[str, Any]] | Mapping[float, str], bias: bool | None) -> bool:
    """Whether relevance by this rule is known to explode: `bias` is False although the rule needs it."""
    return bias is False and bias_of(rule)


def absorbed_by(
    rule: str | Sequence[Mapping[str, Any]] | Mapping[float, str], bias: bool, pool: str = "proportional"
) -> str | None:
    """Why relevance by a rule is not meant to be conserved, in words; None if it is."""
    names = rules_of(rule)
    if {*names} & {"gradient", "gradient_x_input"}:
        return "a gradient has no sum to keep"
    if any(name.startswith("epsilon") for name in names):
        return "epsilon absorbs a part"
    if bias:
        return "biases absorb a part"
    # An average gives the same to all positions, and what is zero behind a ReLU passes nothing on.
    return "plain gradients of pools and activations keep no sum" if pool == "gradient" else None


def warning(name: str, reading: Mapping[str, Any]) -> str | None:
    """A sentence on a reading whose relevance is known to explode, or None."""
    if not explodes(reading["rule"], reading["bias"]):
        return None
    needing = dict.fromkeys(one for one in rules_of(reading["rule"]) if one.partition("=")[0] in NEEDING)
    return (
        f"readings.{name}: bias is false, but the rule {' and '.join(needing)} needs the bias in its denominators, "
        "which come close to zero without it, so that relevance explodes; leave bias out, which follows the rule, or "
        "say true"
    )
