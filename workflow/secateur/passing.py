"""How relevance passes everything that is no convolution or linear layer, on the graph that torch.fx traces.

passed        activations, dropout, BatchNorm that could not be folded: unchanged
rearranged    flatten, concatenation, padding, slices, max pools: where the value came from (the plain gradient; of
              a max pool the winner takes all, the first on ties)
proportional  average pools, means, additions: R_in = x (.) f^T(R / f(x)), zero where f(x) is zero, which conserves
"""

import operator

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.modules.utils import _pair

from secateur import graph

POOLS = ("proportional", "gradient")
PASSED = (
    *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU, nn.Mish, nn.Softplus),
    *(
        nn.Hardswish,
        nn.Hardtanh,
        nn.Dropout,
        nn.Dropout2d,
        nn.AlphaDropout,
        nn.Identity,
        nn.BatchNorm1d,
        nn.BatchNorm2d,
    ),
)
REARRANGED = (
    *(nn.Flatten, nn.Unflatten, nn.MaxPool2d, nn.AdaptiveMaxPool2d, nn.ZeroPad2d, nn.ConstantPad2d),
    *(nn.PixelShuffle, nn.PixelUnshuffle, nn.ChannelShuffle),
)
AVERAGED = (nn.AvgPool2d, nn.AdaptiveAvgPool2d)
PASSED_CALLS = {
    F.relu,
    torch.relu,
    F.relu6,
    F.leaky_relu,
    F.gelu,
    F.silu,
    F.elu,
    F.hardswish,
    F.dropout,
    "relu",
    "relu_",
    "contiguous",
}
REARRANGED_CALLS = {
    *(torch.flatten, torch.cat, torch.concat, torch.reshape, torch.permute, torch.transpose, torch.squeeze),
    *(
        torch.unsqueeze,
        torch.stack,
        torch.chunk,
        torch.split,
        F.pad,
        F.max_pool2d,
        F.adaptive_max_pool2d,
        F.channel_shuffle,
    ),
    *("flatten", "view", "reshape", "permute", "transpose", "squeeze", "unsqueeze", "chunk", "split", "unflatten"),
    *("expand", "expand_as"),
}
# Sizes and shapes are numbers, and zeros have nothing in them: no relevance passes them.
NUMBERS = (getattr, "size", "new_zeros", operator.floordiv, operator.mul, operator.neg)
AVERAGED_CALLS = {F.avg_pool2d, F.adaptive_avg_pool2d, torch.mean, torch.sum, "mean", "sum"}
ADDED_CALLS = {operator.add, operator.iadd, torch.add, "add", "add_"}
# In place, a function would overwrite the value that another node has to see.
APART = {operator.iadd: operator.add, "relu_": "relu", "add_": "add"}
NEVER_NEGATIVE = (nn.ReLU, nn.ReLU6, nn.Softplus)
NEVER_NEGATIVE_CALLS = {F.relu, torch.relu, F.relu6, "relu", "relu_"}
KEEPS_SIGN = (nn.Dropout, nn.Dropout2d, nn.Identity, *REARRANGED, *AVERAGED)


def without_inplace(model):
    """The same model with activations that leave their input alone; changes the model that is given."""
    for module in model.modules():
        if getattr(module, "inplace", False):
            module.inplace = False
    return model


class Graph:
    """The nodes of a traced model in order, what each computes, and how relevance passes it.

    `pool` is one of POOLS, or "plain": then every node passes its plain gradient.
    """

    def __init__(self, model, pool):
        self.nodes = list(graph.traced(model).graph.nodes)
        self.modules = dict(model.named_modules())
        self.model, self.pool = model, pool
        self.signs, self.winners, self.copied = {}, {}, {}
        for node in self.nodes:
            if node.op in ("call_module", "call_function", "call_method"):
                self._refuse_unknown(node)

    def module(self, node):
        return self.modules[node.target] if node.op == "call_module" else None

    def reads_images(self, node):
        return all(source.op == "placeholder" for source in node.all_input_nodes)

    def crossed(self):
        """The nodes that every path from the images to the classes crosses, in order."""
        before = {}
        for node in self.nodes:
            sources = [source for source in node.all_input_nodes if source in before and not _only_numbers(source)]
            if sources or node.op == "placeholder":
                first, *others = [before[source] for source in sources] or [[]]
                shared = set(first).intersection(*others)
                before[node] = [*(one for one in first if one in shared), node]
        return before[self.nodes[-1]]

    def value(self, node, values):
        """What a node computes from the values of the nodes before it."""
        if node.op == "output":
            return values[node.args[0]]
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
        return self._computed(node, [values[source] for source in node.all_input_nodes])

    def _computed(self, node, inputs):
        """The node's function on given values of its input nodes."""
        given = dict(zip(node.all_input_nodes, inputs, strict=True))
        args = torch.fx.node.map_arg(node.args, lambda source: given[source])
        kwargs = torch.fx.node.map_arg({k: v for k, v in node.kwargs.items() if k != "inplace"}, lambda s: given[s])
        target = APART.get(node.target, node.target)
        if node.op == "call_module":
            return self.modules[node.target](*args, **kwargs)
        if node.op == "call_method":
            return getattr(args[0], target)(*args[1:], **kwargs)
        return target(*args, **kwargs)

    def passed(self, node, values, R):
        """{input node: its relevance} from the relevance of a node."""
        sources = [source for source in node.all_input_nodes if isinstance(values[source], torch.Tensor)]
        if node.op == "output":
            return {node.args[0]: R}
        if node.op == "get_attr" or not sources or _only_numbers(node):
            return {}
        if self._is_copied_map(node, values):
            return {sources[0]: R}
        return self._kind(node)(self, node, values, sources, R)

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
            if not (isinstance(module, (nn.Dropout, nn.Identity)) or graph.is_flatten(node, module)):
                return None
        return None

    def copies(self, node):
        """How many equal inputs of a linear layer stand for one value that it is given."""
        return self.copied.get(node, 1)

    def _kind(self, node):
        """How relevance passes a node: one of the functions below."""
        module, target = self.module(node), node.target
        if type(module) is nn.MaxPool2d and not module.return_indices:
            return _winner
        if isinstance(module, AVERAGED) or (module is None and target in AVERAGED_CALLS):
            return _proportional if self.pool == "proportional" else _rearranged
        if module is None and target in ADDED_CALLS:
            return _rearranged if self.pool == "plain" else _proportional
        if isinstance(module, REARRANGED) or (
            module is None and (target in REARRANGED_CALLS or target is operator.getitem)
        ):
            return _rearranged
        if isinstance(module, PASSED) or (module is None and target in PASSED_CALLS):
            return _passed if self.pool == "proportional" else _rearranged
        return None

    def _refuse_unknown(self, node):
        module = self.module(node)
        if isinstance(module, (nn.Conv2d, nn.Linear)) or self._kind(node) is not None:
            return
        if node.target in NUMBERS and _only_numbers(node):
            return
        what = type(module).__name__ if module is not None else getattr(node.target, "__name__", node.target)
        raise ValueError(f"no relevance rule for the layer {node.name} ({what})")

    def never_negative(self, node):
        """Whether a node's value cannot be negative, whatever the image; decided from the graph alone."""
        if node not in self.signs:
            self.signs[node] = self._never_negative(node)
        return self.signs[node]

    def _never_negative(self, node):
        module, target = self.module(node), node.target
        if isinstance(module, NEVER_NEGATIVE) or (module is None and target in NEVER_NEGATIVE_CALLS):
            return True
        keeps = isinstance(module, KEEPS_SIGN) or (
            node.op in ("call_function", "call_method")
            and (target in REARRANGED_CALLS | AVERAGED_CALLS | ADDED_CALLS or target in (operator.getitem, F.dropout))
        )
        return keeps and all(self.never_negative(source) for source in node.all_input_nodes)


def _only_numbers(node):
    """Whether a node computes sizes, by reads of shapes and arithmetic on them, or zeros of such a size."""
    if node.target is operator.getitem:
        return _only_numbers(node.all_input_nodes[0])
    if node.target in (getattr, "size", "new_zeros"):
        return True
    return bool(node.all_input_nodes) and all(_only_numbers(source) for source in node.all_input_nodes)


def _passed(graph, node, values, sources, R):
    return {sources[0]: R}


def _rearranged(graph, node, values, sources, R):
    """The plain gradient."""
    if node.target is operator.getitem and not isinstance(values[node.all_input_nodes[0]], torch.Tensor):
        raise ValueError(f"no relevance rule for the layer {node.name}: parts of a split are not followed yet")
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
    ratio = (R / values[node]).nan_to_num_(0.0, 0.0, 0.0)
    if node.target in ADDED_CALLS and all(values[s].shape == R.shape for s in sources):
        return {source: values[source] * ratio for source in sources}
    pulled = _pulled(graph, node, values, sources, ratio)
    return {source: values[source] * part for source, part in zip(sources, pulled, strict=True)}


def _pulled(graph, node, values, sources, R):
    """The gradient of a node's value, weighted by R, for each of its inputs."""
    with torch.enable_grad():
        leaves = {source: values[source].detach().requires_grad_() for source in sources}
        value = graph._computed(node, [leaves.get(source, values[source]) for source in node.all_input_nodes])
        return torch.autograd.grad(value, list(leaves.values()), R, allow_unused=False)
