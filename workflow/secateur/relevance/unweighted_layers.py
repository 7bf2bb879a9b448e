"""Relevance through everything that is no convolution or linear layer, on the graph that torch.fx traces.

passed        activations, dropout, normalisation with its deviation held constant: unchanged
rearranged    flatten, concatenation, chunks, padding, slices, max pools: where the value came from (the plain gradient;
              of a max pool the winner takes all, the first on ties)
proportional  average pools, means, additions: R_in = x (.) f^T(R / f(x)), zero where f(x) is zero, which conserves
multiplied    a gate is a constant, the signal takes all (Arras et al. 2017); of two signals, each takes half (Achtibat
              et al., AttnLRP, 2024)

A value may hold several tensors (as of `chunk`); its relevance is then a list with a part for each.
"""

import itertools
import typing
from collections.abc import Mapping

import numpy as np
import torch
from torch import fx, nn
from torch.nn import functional as F

from secateur import Refused
from secateur.graph import operation_kinds as kinds
from secateur.relevance.signs import MOVES_VALUES
from secateur.relevance.traced import Forward, Graph, tensors

POOLS = ("proportional", "gradient")
Relevance = torch.Tensor | list[torch.Tensor]
# Identity of AttnLRP for LayerNorm and its like: mean and deviation are constants, and the scale passes what it gets.
NORMALISED = kinds.NORMS | kinds.kind(
    (nn.LayerNorm, F.layer_norm),
    (nn.GroupNorm, F.group_norm),
    (nn.LocalResponseNorm, F.local_response_norm),
    (F.instance_norm,),
    (F.normalize,),
)
# Elementwise, but no activations: nothing says how relevance would pass them.
WITHOUT_RULE = kinds.EXPONENTIALS | kinds.CONSTANTS
PASSED = (kinds.ELEMENTWISE - WITHOUT_RULE) | kinds.PRELU | kinds.MOVED | NORMALISED
AVERAGED = kinds.AVERAGE_POOLS | kinds.POWER_POOLS | kinds.RESIZED | kinds.MEANS


def passed(graph: Graph, node: fx.Node, forward: Forward, R: Relevance) -> Mapping[fx.Node, Relevance]:
    """{input node: its relevance} from the relevance of a node; Refused where it would get lost."""
    sources = _sources(graph, node, forward.values)
    if graph.is_copied_map(node, forward.values):
        return {sources[0]: R}
    parts = {}
    if sources:
        parts = _rule(graph, node)(graph, node, forward, sources, R)
    if not tensors(parts):
        raise Refused(
            f"relevance would get lost at {graph.called(node)}, which passes it to nothing that depends on images"
        )
    return parts


def joined(graph: Graph, node: fx.Node, forward: Forward, R: Relevance, gates: bool) -> Mapping[fx.Node, Relevance]:
    """{input node: not zero where a path joins it to what `R` is not zero at}; `gates` are paths too, or not."""
    sources = _sources(graph, node, forward.values)
    if graph.is_copied_map(node, forward.values) or not sources:
        return dict.fromkeys(sources, R)
    rule = _rules(graph, node)[0]
    if rule is None:
        return {source: _ones_like(forward.values[source]) for source in sources}
    if rule is _passed:
        return {sources[0]: R}
    if rule not in (_multiplied, _divided):
        return _rearranged(graph, node, forward, sources, R)
    if gates:
        return _narrowed(R, sources, forward.values)
    return _narrowed(R, rule(graph, node, forward, sources, R), forward.values)


def add(arriving: dict[fx.Node, Relevance], parts: Mapping[fx.Node, Relevance]) -> None:
    """Add parts of relevance to those that have arrived at their nodes; of several tensors, tensor by tensor.

    The dict is changed, its tensors are not: sums are new tensors.
    """
    for source, part in parts.items():
        before = arriving.get(source)
        if isinstance(before, list):
            part = list(map(torch.add, before, part))
        elif before is not None:
            # What arrives at one node has one form.
            part = before + typing.cast(torch.Tensor, part)
        arriving[source] = part


def _sources(graph, node, values):
    """The inputs of a node that depend on the images, and hold tensors that relevance can pass to."""
    return [source for source in graph.sources(node) if tensors(values[source])]


def _rule(graph, node):
    """The rule by which relevance passes a node: one of the functions below."""
    if graph.keeps_winners(node):
        return _winner
    if graph.pool == "plain":
        return _rearranged
    rule = _rules(graph, node)[POOLS.index(graph.pool)]
    if rule is None:
        raise Refused(
            f"no relevance rule for {graph.called(node)}; the rules gradient and gradient_x_input take any layer, "
            "and criteria of weights and scores need no relevance"
        )
    return rule


def _rules(graph, node):
    """The rules of a node for each of POOLS; None for one that has none."""
    # It is off in eval mode, where its gradient is the identity.
    if kinds.is_stochastic_depth(node):
        return _passed, _passed
    for kind, *rules in RULES:
        if graph.has(node, kind):
            return rules
    return None, None


# ---- rules ---------------------------------------------------------------------------------------------------
# A rule is a function (Graph, node, Forward, sources that depend on the images, R) -> {source: its relevance}.


def _passed(graph, node, forward, sources, R):
    return {sources[0]: R}


def _rearranged(graph, node, forward, sources, R):
    """The plain gradient."""
    return dict(zip(sources, _pulled(graph, node, forward.values, sources, R), strict=True))


def _winner(graph, node, forward, sources, R):
    """To the winner of each window: added up, where windows overlap."""
    x, winners = forward.values[sources[0]], forward.winners[node]
    flat = torch.zeros_like(x, memory_format=torch.contiguous_format).flatten(2)
    return {sources[0]: flat.scatter_add_(2, winners.flatten(2), R.flatten(2)).view(x.shape)}


def _proportional(graph, node, forward, sources, R):
    """R_in = x (.) f^T(R / f(x)), for every input of a function that is linear in them."""
    values = forward.values
    ratio = (R / _linear_part(graph, node, values, sources)).nan_to_num_(0.0, 0.0, 0.0)
    if _is_plain_sum(node) and all(values[source].shape == R.shape for source in sources):
        return {source: values[source] * ratio for source in sources}
    pulled = _pulled(graph, node, values, sources, ratio)
    return dict(zip(sources, map(torch.mul, map(values.get, sources), pulled), strict=True))


def _is_plain_sum(node):
    """True if a node is an addition without a factor, and of no operand twice."""
    # A module may have the name of a method.
    if node.op == "call_module" or node.target not in kinds.SUMS or node.kwargs:
        return False
    operands = [operand for operand in node.args if isinstance(operand, fx.Node)]
    return len(operands) == len(set(operands))


def _linear_part(graph, node, values, sources):
    """A node's value without the term of an addition that is the same for all images, unless biases count."""
    if graph.bias or not graph.has(node, kinds.ADDED):
        return values[node]
    operands = (*node.args[:2], *node.kwargs.values())
    if not any(_counts(operand, sources) for operand in operands):
        return values[node]
    zeros = {source: torch.zeros_like(values[source]) for source in sources}
    return values[node] - graph.computed(node, values | zeros)


def _counts(operand, sources):
    """True if an operand is the same for all images, and not zero."""
    if isinstance(operand, fx.Node):
        return operand not in sources
    return isinstance(operand, (int, float)) and operand != 0


def _multiplied(graph, node, forward, sources, R):
    """The signal takes all, two signals half each."""
    signals = _signals(graph, forward.values, sources)
    return _narrowed(R / len(signals), signals, forward.values)


def _narrowed(R, sources, values):
    """{source: relevance}, added up where the source was spread over several positions."""
    return {source: R.sum_to_size(values[source].shape) for source in sources}


def _signals(graph, values, sources):
    """Those of two factors that are no gates: a gate opens and closes, or is one number for many positions."""
    if len(sources) < 2:
        return sources
    signals = [source for source in sources if not graph.signs.is_gate(source)]
    if len(signals) == 1:
        return signals
    first, second = sources
    first_is_narrow = _is_narrow(values[first], values[second])
    second_is_narrow = _is_narrow(values[second], values[first])
    if first_is_narrow == second_is_narrow:
        return sources
    return [second] if first_is_narrow else [first]


def _is_narrow(value, other):
    """True if a value is spread over another along some dimension."""
    rank = max(value.dim(), other.dim())
    sizes, others = _with_rank(rank, value.shape), _with_rank(rank, other.shape)
    return bool(((sizes == 1) & (others > 1)).any())


def _with_rank(rank, shape):
    """A shape with dimensions of size 1 in front, as torch broadcasts: (rank,)."""
    return np.array((1,) * (rank - len(shape)) + tuple(shape))


def _divided(graph, node, forward, sources, R):
    """The divisor is a constant, the signal takes all."""
    signal = kinds.argument(node, 0, "input")
    if signal not in sources:
        raise Refused(
            f"no relevance rule for {graph.called(node)}, which divides a number by what depends on the images; the "
            "rules gradient and gradient_x_input take any layer"
        )
    return _narrowed(R, [signal], forward.values)


# ---- gradients -----------------------------------------------------------------------------------------------


def _pulled(graph, node, values, sources, R):
    """The gradient of a node's value, weighted by R, for each of its inputs; zero where it depends on none of it."""
    weights = R if isinstance(R, list) else [R]
    with torch.enable_grad():
        leaves = {source: _leaves(values[source]) for source in sources}
        inputs = tensors(leaves)
        outputs = tensors(graph.computed(node, values | leaves))
        gradients = iter(_gradients(outputs, weights, inputs))
    pulled = []
    for source in sources:
        count = len(tensors(values[source]))
        pulled.append(_in_parts(values[source], list(itertools.islice(gradients, count))))
    return pulled


def _gradients(outputs, weights, inputs):
    """The gradient of the weighted sum of outputs with respect to each input."""
    depending = [output.requires_grad for output in outputs]
    if not any(depending):
        return list(map(torch.zeros_like, inputs))
    outputs, weights = itertools.compress(outputs, depending), itertools.compress(weights, depending)
    return torch.autograd.grad(tuple(outputs), inputs, tuple(weights), allow_unused=True, materialize_grads=True)


def _leaves(value):
    """A value with the same numbers, in tensors at which gradients end."""
    if not isinstance(value, (tuple, list)):
        return value.detach().requires_grad_() if tensors(value) else value
    parts = list(map(_leaves, value))
    # A pair of torch's with names (values, indices) is made of a sequence, a namedtuple of its parts.
    if hasattr(value, "_fields"):
        return type(value)(*parts)
    return type(value)(parts)


def _ones_like(value):
    return _in_parts(value, list(map(torch.ones_like, tensors(value))))


def _in_parts(value, parts):
    """Relevance as it is kept of a value: one tensor, or a list with a part for each."""
    return parts[0] if isinstance(value, torch.Tensor) else parts


# Operations; their rule; and their rule where pools and activations pass gradients.
RULES = (
    (AVERAGED, _proportional, _rearranged),
    (kinds.ADDED, _proportional, _proportional),
    (kinds.MULTIPLIED, _multiplied, _multiplied),
    (kinds.DIVIDED, _divided, _divided),
    (MOVES_VALUES, _rearranged, _rearranged),
    (PASSED, _passed, _rearranged),
)
