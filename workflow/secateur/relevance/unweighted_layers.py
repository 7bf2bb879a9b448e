"""How relevance passes everything that is no convolution or linear layer, on the graph that torch.fx traces.

passed        activations, dropout, normalisation with its deviation held constant: unchanged
rearranged    flatten, concatenation, chunks, padding, slices, max pools: where the value came from (the plain gradient;
              of a max pool the winner takes all, the first on ties)
proportional  average pools, means, additions: R_in = x (.) f^T(R / f(x)), zero where f(x) is zero, which conserves
multiplied    a gate is a constant, the signal takes all (Arras et al. 2017); of two signals, each takes half (Achtibat
              et al., AttnLRP, 2024)

A value may hold several tensors (what `chunk` gives); its relevance is then a list with a part for each.
"""

import operator
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.modules.utils import _pair

from secateur import Refused
from secateur.graph import operation_kinds as kinds
from secateur.graph import readers, tracing

POOLS = ("proportional", "gradient")
# Identity of AttnLRP for LayerNorm and its like: mean and deviation are constants, and the scale passes what it gets.
NORMALISED = (*kinds.NORMS, nn.LayerNorm, nn.GroupNorm, nn.LocalResponseNorm)
NORMALISED_CALLS = {F.batch_norm, F.layer_norm, F.group_norm, F.instance_norm, F.local_response_norm, F.normalize}
# What units follow elementwise, but what is no activation: nothing says how relevance would pass it.
NO_ACTIVATIONS = {torch.exp, "exp", torch.rsqrt, "rsqrt", torch.zeros_like, torch.ones_like}
PASSED = (*kinds.ELEMENTWISE, nn.PReLU, *NORMALISED)
PASSED_CALLS = {
    *(kinds.ELEMENTWISE_CALLS - NO_ACTIVATIONS | kinds.MOVED_CALLS | NORMALISED_CALLS),
    *(F.prelu, F.rrelu, F.threshold, F.softsign, F.hardshrink, F.softshrink, F.tanhshrink, F.dropout1d),
    *(F.feature_alpha_dropout, torch.selu, torch.celu),
}
PADDED = (nn.ZeroPad2d, nn.ConstantPad2d, nn.ReflectionPad2d, nn.ReplicationPad2d, nn.CircularPad2d)
REARRANGED = (
    *(nn.Flatten, nn.Unflatten, nn.MaxPool2d, nn.AdaptiveMaxPool2d, *PADDED),
    *(nn.PixelShuffle, nn.PixelUnshuffle, nn.ChannelShuffle),
)
REARRANGED_CALLS = {
    *kinds.REARRANGED_CALLS,
    *kinds.CONCATENATED,
    *(torch.unbind, torch.tensor_split, torch.narrow, torch.flip, torch.roll, F.pad, F.channel_shuffle, torch.amax),
    *(F.max_pool2d, torch.max_pool2d, F.adaptive_max_pool2d, F.pixel_shuffle, F.pixel_unshuffle, torch.amin),
    *("unbind", "tensor_split", "narrow", "flip", "roll", "amax", "amin", "maximum", "minimum", operator.getitem),
    *(torch.maximum, torch.minimum),
}
AVERAGED = (nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.LPPool2d, nn.Upsample, nn.UpsamplingBilinear2d)
AVERAGED_CALLS = {
    *(F.avg_pool2d, F.adaptive_avg_pool2d, F.lp_pool2d, F.interpolate, torch.mean, torch.sum, "mean", "sum"),
}
GATES = (nn.Sigmoid, nn.Hardsigmoid, nn.Softmax, nn.Softmax2d)
GATE_CALLS = {F.sigmoid, torch.sigmoid, "sigmoid", "sigmoid_", F.hardsigmoid, F.softmax, torch.softmax, "softmax"}
# In place, a function would overwrite the value that another node has to see.
APART = {
    operator.iadd: operator.add,
    operator.isub: operator.sub,
    operator.imul: operator.mul,
    operator.itruediv: operator.truediv,
    F.relu_: F.relu,
    torch.relu_: torch.relu,
    F.leaky_relu_: F.leaky_relu,
    F.elu_: F.elu,
    **{f"{name}_": name for name in ("relu", "add", "sub", "mul", "div", "sigmoid", "clamp", "abs", "neg", "tanh")},
}
# Sizes and shapes are numbers, and zeros have nothing in them: no relevance passes them.
SIZES = ("shape", "ndim", "device", "dtype")
COUNTED = ("size", "dim", "numel", "new_zeros")
EMPTY = (torch.zeros_like, torch.ones_like)
NEVER_NEGATIVE = (nn.ReLU, nn.ReLU6, nn.Softplus, *GATES)
NEVER_NEGATIVE_CALLS = {F.relu, torch.relu, F.relu6, F.softplus, "relu", "relu_", *GATE_CALLS}
KEEPS_SIGN = (nn.Dropout, nn.Dropout2d, nn.Identity, nn.AvgPool2d, nn.AdaptiveAvgPool2d, *REARRANGED)
KEEPS_SIGN_CALLS = {
    *(REARRANGED_CALLS | AVERAGED_CALLS | kinds.MULTIPLIED) - {F.interpolate, F.lp_pool2d},
    *(operator.add, operator.iadd, torch.add, "add", "add_", F.dropout, F.dropout2d),
}


def without_inplace(model: nn.Module) -> nn.Module:
    """The same model with activations that leave their input alone; changes the model that is given."""
    for module in model.modules():
        if getattr(module, "inplace", False):
            module.inplace = False
    return model


class Graph:
    """The nodes of a traced model in order, what each computes, and how relevance passes it.

    `pool` is one of POOLS, or "plain": then every node passes its plain gradient. `bias` counts what an addition adds
    that does not depend on the images, as a bias is counted.
    """

    def __init__(self, model: nn.Module, pool: str, bias: bool = False) -> None:
        self.nodes = list(tracing.traced(model).graph.nodes)
        self.modules = dict(model.named_modules())
        self.model, self.pool, self.bias = model, pool, bias
        self.signs, self.gates, self.winners, self.copied = {}, {}, {}, {}
        self.sizes = self._sizes()
        self.seen = self._depending()
        self.logits = self._logits()

    def module(self, node: torch.fx.Node) -> nn.Module | None:
        return self.modules[node.target] if node.op == "call_module" else None

    def reads_images(self, node: torch.fx.Node) -> bool:
        return all(source.op == "placeholder" for source in node.all_input_nodes)

    def _sizes(self):
        """The nodes that compute sizes, by reads of shapes and arithmetic on them, or zeros of such a size."""
        found = set()
        for node in self.nodes:
            inputs = node.all_input_nodes
            if _is_size(node) or (inputs and all(one in found for one in inputs)):
                found.add(node)
        return found

    def _depending(self):
        """The nodes whose values depend on the images by more than their size."""
        found = set()
        for node in self.nodes:
            depends = any(source in found for source in node.all_input_nodes)
            if node is self.nodes[0] or (depends and node not in self.sizes):
                found.add(node)
        return found

    def _logits(self):
        """The node that gives the logits: the output, or what a softmax at the end reads."""
        node = self.nodes[-1].args[0]
        if not isinstance(node, torch.fx.Node):
            raise Refused(
                f"the model gives {type(node).__name__} and not one tensor of logits (N, classes): wrap it in a module "
                "that gives the logits alone"
            )
        while self._is(node, kinds.SOFTMAX, kinds.SOFTMAX_CALLS) and self._softmax_dim(node) in (None, 1, -1):
            node = node.all_input_nodes[0]
        return node

    def _softmax_dim(self, node):
        module = self.module(node)
        return module.dim if module is not None else node.args[1] if len(node.args) > 1 else node.kwargs.get("dim")

    def _is(self, node, modules, calls):
        """Whether a node calls one of these modules, functions or methods."""
        module = self.module(node)
        if module is not None:
            return isinstance(module, modules)
        return node.op in ("call_function", "call_method") and node.target in calls

    def before(self, node: torch.fx.Node) -> set[torch.fx.Node]:
        """All nodes whose values a node depends on, itself among them."""
        found, left = set(), [node]
        while left:
            one = left.pop()
            if one not in found:
                found.add(one)
                left += one.all_input_nodes
        return found

    def crossed(self) -> list[torch.fx.Node]:
        """The dominators of the output: nodes that every path from the images crosses, in order."""
        before = {}
        for node in self.nodes:
            sources = [source for source in node.all_input_nodes if source in before and source in self.seen]
            if sources or node.op == "placeholder":
                first, *others = [before[source] for source in sources] or [[]]
                shared = set(first).intersection(*others)
                before[node] = [*(one for one in first if one in shared), node]
        return before.get(self.logits, [])

    # ---- forward

    def value(self, node: torch.fx.Node, values: dict[torch.fx.Node, Any]) -> Any:
        """What a node computes from the values of the nodes before it."""
        if node.op == "output":
            return values[self.logits]
        if node.op == "get_attr":
            return operator.attrgetter(node.target)(self.model)
        if isinstance(self.module(node), nn.AdaptiveAvgPool2d):
            self.copied.pop(self._linear_behind(node), None)
        if self._is_copied_map(node, values):
            # A 1x1 map that a pool copies is read once: the linear layer behind adds up the columns of its copies.
            height, width = _pair(self.module(node).output_size)
            self.copied[self._linear_behind(node)] = (height or 1) * (width or 1)
            return values[node.all_input_nodes[0]]
        if type(self.module(node)) is nn.MaxPool2d and not self.module(node).return_indices:
            value, self.winners[node] = _max_pool(self.module(node), values[node.all_input_nodes[0]])
            return value
        return self.computed(node, values)

    def computed(self, node: torch.fx.Node, values: dict[torch.fx.Node, Any]) -> Any:
        """The node's function on the values of its input nodes."""
        args = torch.fx.node.map_arg(node.args, values.__getitem__)
        kwargs = {key: part for key, part in node.kwargs.items() if key != "inplace"}
        kwargs = torch.fx.node.map_arg(kwargs, values.__getitem__)
        target = APART.get(node.target, node.target)
        if node.op == "call_module":
            return self.modules[node.target](*args, **kwargs)
        if node.op == "call_method":
            return getattr(args[0], target)(*args[1:], **kwargs)
        return target(*args, **kwargs)

    # ---- backward

    def passed(
        self, node: torch.fx.Node, values: dict[torch.fx.Node, Any], R: torch.Tensor | list[torch.Tensor]
    ) -> dict[torch.fx.Node, torch.Tensor | list[torch.Tensor]]:
        """{input node: its relevance} from the relevance of a node; Refused where it would get lost."""
        sources = self._sources(node, values)
        if self._is_copied_map(node, values):
            return {sources[0]: R}
        found = self._rule(node)(self, node, values, sources, R) if sources else {}
        if not tensors(list(found.values())):
            raise Refused(
                f"relevance would get lost at {self.called(node)}, which passes it to nothing that depends on images"
            )
        return found

    def joined(
        self, node: torch.fx.Node, values: dict[torch.fx.Node, Any], R: torch.Tensor | list[torch.Tensor], gates: bool
    ) -> dict[torch.fx.Node, torch.Tensor | list[torch.Tensor]]:
        """{input node: not zero where a path joins it to what `R` is not zero at}; `gates` are paths too, or not."""
        sources = self._sources(node, values)
        if self._is_copied_map(node, values) or not sources:
            return dict.fromkeys(sources, R)
        rule, _ = self._rules(node)
        if rule is _multiplied or rule is _divided:
            signals = sources if gates else [*rule(self, node, values, sources, R)]
            return {source: R.sum_to_size(values[source].shape) for source in signals}
        if rule is _passed:
            return {sources[0]: R}
        if rule is None:
            everywhere = {source: [torch.ones_like(x) for x in tensors(values[source])] for source in sources}
            return {source: _parts(values[source], ones) for source, ones in everywhere.items()}
        return _rearranged(self, node, values, sources, R)

    def called(self, node: torch.fx.Node) -> str:
        """A node in words: its name with the type of the layer, or the function."""
        module = self.module(node)
        what = type(module).__name__ if module is not None else getattr(node.target, "__name__", node.target)
        return f"the layer {node.name} ({what})"

    def _is_copied_map(self, node, values):
        """An adaptive average pool that only copies a 1x1 map, with nothing behind it but a flatten into Linear."""
        if not isinstance(self.module(node), nn.AdaptiveAvgPool2d) or self.pool == "plain":
            return False
        return values[node.all_input_nodes[0]].shape[-2:] == (1, 1) and self._linear_behind(node) is not None

    def _linear_behind(self, node):
        """The linear layer that alone reads a node, with nothing but a flatten between; None if there is none."""
        while len(node.users) == 1:
            (node,) = node.users
            module = self.module(node)
            if isinstance(module, nn.Linear):
                return node
            if not (isinstance(module, (nn.Dropout, nn.Identity)) or readers.is_flatten(node, module)):
                return None
        return None

    def copies(self, node: torch.fx.Node) -> int:
        """How many equal inputs of a linear layer stand for one value that it is given."""
        return self.copied.get(node, 1)

    def _rule(self, node):
        """How relevance passes a node: one of the functions below."""
        module = self.module(node)
        if type(module) is nn.MaxPool2d and not module.return_indices:
            return _winner
        if self.pool == "plain":
            return _rearranged
        rule = self._rules(node)[POOLS.index(self.pool)]
        if rule is None:
            raise Refused(
                f"no relevance rule for {self.called(node)}; the rules gradient and gradient_x_input take any layer, "
                "and criteria of weights and scores need no relevance"
            )
        return rule

    def _rules(self, node):
        """The rules of a node for each of POOLS; None for one that has none."""
        # It is off in eval mode, where its gradient is the identity.
        if getattr(node.target, "__name__", "") == "stochastic_depth":
            return _passed, _passed
        return next((rules for modules, calls, *rules in RULES if self._is(node, modules, calls)), (None, None))

    def _sources(self, node, values):
        """The inputs of a node that depend on the images, and hold tensors that relevance can go to."""
        return [source for source in node.all_input_nodes if source in self.seen and tensors(values[source])]

    def is_gate(self, node: torch.fx.Node) -> bool:
        """Whether a node only opens and closes others: a sigmoid or a softmax, or what is made of such alone."""
        if node not in self.gates:
            self.gates[node] = self._is(node, GATES, GATE_CALLS) or self._is_made_of_gates(node)
        return self.gates[node]

    def _is_made_of_gates(self, node):
        sources = [source for source in node.all_input_nodes if source in self.seen]
        weighted = isinstance(self.module(node), (nn.Conv2d, nn.Linear))
        return bool(sources) and not weighted and all(map(self.is_gate, sources))

    def never_negative(self, node: torch.fx.Node) -> bool:
        """Whether a node's value cannot be negative, whatever the image; decided from the graph alone."""
        if node not in self.signs:
            self.signs[node] = self._never_negative(node)
        return self.signs[node]

    def _never_negative(self, node):
        if self._is(node, NEVER_NEGATIVE, NEVER_NEGATIVE_CALLS):
            return not self._has_own_slope(node)
        if not self._is(node, KEEPS_SIGN, KEEPS_SIGN_CALLS) or _has_negative(node, self.module(node)):
            return False
        return bool(node.all_input_nodes) and all(map(self.never_negative, node.all_input_nodes))

    def _has_own_slope(self, node):
        """Whether a softplus has another beta than 1, which may be negative."""
        module = self.module(node)
        if isinstance(module, nn.Softplus):
            return module.beta <= 0
        return node.target is F.softplus and (len(node.args) > 1 or "beta" in node.kwargs)


def _is_size(node):
    """Whether a node reads a size or a shape, or makes zeros or ones of one."""
    if node.op == "call_method":
        return node.target in COUNTED
    return node.target in EMPTY or (node.target is getattr and node.args[1] in SIZES)


def _has_negative(node, module):
    """Whether a number among a node's arguments could make its value negative, as x + (-1) or a padding by -1."""
    if isinstance(module, nn.AvgPool2d):
        return module.divisor_override is not None
    if module is not None:
        return isinstance(module, nn.ConstantPad2d) and module.value < 0
    if node.target is F.avg_pool2d:
        return len(node.args) > 6 or node.kwargs.get("divisor_override") is not None
    if node.target is F.pad:
        filled = node.args[3] if len(node.args) > 3 else node.kwargs.get("value")
        return (filled or 0) < 0
    if node.target not in kinds.ADDED | kinds.MULTIPLIED:
        return False
    numbers = [one for one in (*node.args, *node.kwargs.values()) if not isinstance(one, torch.fx.Node)]
    return any(number < 0 for number in numbers)


def tensors(value: Any) -> list[torch.Tensor]:
    """The tensors of floats within a value, in order."""
    if isinstance(value, torch.Tensor):
        return [value] if value.is_floating_point() else []
    if isinstance(value, dict):
        value = list(value.values())
    return [one for part in value for one in tensors(part)] if isinstance(value, (tuple, list)) else []


def added(
    one: torch.Tensor | list[torch.Tensor], other: torch.Tensor | list[torch.Tensor]
) -> torch.Tensor | list[torch.Tensor]:
    """The sum of two parts of a node's relevance; for a value of several tensors, part by part."""
    if isinstance(one, list):
        return [first + second for first, second in zip(one, other, strict=True)]
    return one + other


# ---- rules ---------------------------------------------------------------------------------------------------
# A rule is a function (Graph, node, values, sources that depend on the images, R) -> {source: its relevance}.


def _passed(graph, node, values, sources, R):
    return {sources[0]: R}


def _rearranged(graph, node, values, sources, R):
    """The plain gradient."""
    return dict(zip(sources, _pulled(graph, node, values, sources, R), strict=True))


def _max_pool(module, x):
    """(value, place of each winner): the places are kept, so that relevance need not find them again."""
    shape = module.kernel_size, module.stride, module.padding, module.dilation, module.ceil_mode
    return F.max_pool2d_with_indices(x, *shape)


def _winner(graph, node, values, sources, R):
    """To the winner of each window: added up, where windows overlap."""
    x, places = values[sources[0]], graph.winners[node]
    found = torch.zeros_like(x, memory_format=torch.contiguous_format).flatten(2)
    return {sources[0]: found.scatter_add_(2, places.flatten(2), R.flatten(2)).view(x.shape)}


def _proportional(graph, node, values, sources, R):
    """R_in = x (.) f^T(R / f(x)), for every input of a function that is linear in them."""
    ratio = (R / _linear_part(graph, node, values, sources)).nan_to_num_(0.0, 0.0, 0.0)
    if node.target in PLAIN_SUMS and all(values[s].shape == R.shape for s in sources) and _is_plain(node):
        return {source: values[source] * ratio for source in sources}
    pulled = _pulled(graph, node, values, sources, ratio)
    return {source: values[source] * part for source, part in zip(sources, pulled, strict=True)}


def _is_plain(node):
    """Whether an addition has no factor, and no operand twice."""
    operands = [one for one in node.args if isinstance(one, torch.fx.Node)]
    return not node.kwargs and len(operands) == len({*operands})


PLAIN_SUMS = {operator.add, operator.iadd, torch.add, "add", "add_"}


def _linear_part(graph, node, values, sources):
    """What a node computes, without what an addition adds that is the same for all images, unless biases count."""
    joins = node.op != "call_module" and node.target in kinds.ADDED
    terms = [one for one in (*node.args[:2], *node.kwargs.values()) if one not in sources]
    if graph.bias or not joins or not any(_counts(one) for one in terms):
        return values[node]
    zeros = {source: torch.zeros_like(values[source]) for source in sources}
    return values[node] - graph.computed(node, values | zeros)


def _counts(term):
    return isinstance(term, torch.fx.Node) or (isinstance(term, (int, float)) and term != 0)


def _multiplied(graph, node, values, sources, R):
    """The signal takes all, two signals half each."""
    signals = _signals(graph, values, sources)
    part = R / len(signals)
    return {source: part.sum_to_size(values[source].shape) for source in signals}


def _signals(graph, values, sources):
    """Those of two factors that are no gates: a gate opens and closes, or is one number for many positions."""
    if len(sources) < 2:
        return sources
    open_ones = [source for source in sources if not graph.is_gate(source)]
    if len(open_ones) == 1:
        return open_ones
    first, second = (values[source].shape for source in sources)
    narrow = [_is_narrower(first, second), _is_narrower(second, first)]
    if narrow == [True, False]:
        return sources[1:]
    return sources[:1] if narrow == [False, True] else sources


def _is_narrower(shape, other):
    """Whether a shape is spread over another along some dimension."""
    rank = max(len(shape), len(other))
    aligned = [(1,) * (rank - len(one)) + tuple(one) for one in (shape, other)]
    return any(one == 1 and wide > 1 for one, wide in zip(*aligned, strict=True))


def _divided(graph, node, values, sources, R):
    """The divisor is a constant, the signal takes all."""
    signal = node.args[0] if node.args else node.kwargs.get("input")
    if signal not in sources:
        raise Refused(
            f"no relevance rule for {graph.called(node)}, which divides a number by what depends on the images; the "
            "rules gradient and gradient_x_input take any layer"
        )
    return {signal: R.sum_to_size(values[signal].shape)}


def _pulled(graph, node, values, sources, R):
    """The gradient of a node's value, weighted by R, for each of its inputs; zero where it depends on none of it."""
    with torch.enable_grad():
        leaves = {source: _leaves(values[source]) for source in sources}
        outputs = tensors(graph.computed(node, values | leaves))
        weights = R if isinstance(R, list) else [R]
        chosen = [(y, w) for y, w in zip(outputs, weights, strict=True) if y.requires_grad]
        flat = [leaf for source in sources for leaf in tensors(leaves[source])]
        if not chosen:
            return [
                _parts(values[source], [torch.zeros_like(x) for x in tensors(values[source])]) for source in sources
            ]
        outputs, weights = zip(*chosen, strict=True)
        found = iter(torch.autograd.grad(outputs, flat, weights, allow_unused=True, materialize_grads=True))
    return [_parts(values[source], [next(found) for _ in tensors(values[source])]) for source in sources]


def _leaves(value):
    """The same value with tensors that gradients end at."""
    if isinstance(value, (tuple, list)):
        parts = [_leaves(part) for part in value]
        # What torch gives by name (values, indices) is made of a sequence, a namedtuple of its parts.
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    return value.detach().requires_grad_() if tensors(value) else value


def _parts(value, found):
    """Relevance as it is kept of a value: one tensor, or a list with a part for each."""
    return found[0] if isinstance(value, torch.Tensor) else found


# What calls these modules, functions or methods; its rule; and its rule where pools and activations pass gradients.
RULES = (
    (AVERAGED, AVERAGED_CALLS, _proportional, _rearranged),
    ((), kinds.ADDED, _proportional, _proportional),
    ((), kinds.MULTIPLIED, _multiplied, _multiplied),
    ((), kinds.DIVIDED, _divided, _divided),
    (REARRANGED, REARRANGED_CALLS, _rearranged, _rearranged),
    (PASSED, PASSED_CALLS, _passed, _rearranged),
)
