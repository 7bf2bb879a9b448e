"""The rule of every layer, from the name of a rule, a composite, or bands of depth."""

from collections.abc import Mapping, Sequence

from torch import nn

from secateur import Refused
from secateur.relevance import rules
from secateur.study import biases, rule_numbers

GRADIENTS = ("gradient", "gradient_x_input")


def assigned(rule: str | dict[float, str], layers: Sequence[str], modules: Mapping[str, nn.Module]) -> dict[str, str]:
    """{layer: name of its rule}, for `layers` in network order; Refused for a name that no rule has."""
    if isinstance(rule, dict):
        names = _by_depth(rule, layers)
    elif rule in biases.COMPOSITES:
        names = _of_composite(rule, layers, modules)
    else:
        names = dict.fromkeys(layers, rule)
    for name in names.values():
        _refuse_unknown(name)
    return names


def _by_depth(rule, layers):
    bands = sorted((float(share), name) for share, name in rule.items())
    if not bands or bands[-1][0] < 1:
        raise Refused(f"bands of depth must reach 1, the last layer; got {rule}")
    names = {}
    for place, layer in enumerate(layers):
        depth = (place + 1) / len(layers)
        names[layer] = next(name for share, name in bands if depth <= share + 1e-9)
    return names


def _of_composite(rule, layers, modules):
    first, of_convolutions, of_linear = biases.COMPOSITES[rule]
    names = dict.fromkeys(layers, of_linear)
    for layer in layers:
        if isinstance(modules[layer], nn.Conv2d):
            names[layer] = of_convolutions
    names[layers[0]] = first
    return names


def _refuse_unknown(name):
    try:
        rules.named(name)
    except Refused as error:
        raise Refused(f"{error}, gradient_x_input, or a composite: {', '.join(biases.COMPOSITES)}") from None
    if complaint := rule_numbers.complaint(name):
        raise Refused(f"the rule is {name}, {complaint}")
