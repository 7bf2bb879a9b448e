"""Which channel is which: the channels of every layer, followed through the traced graph to all that read them.

Every output channel of a layer is given a number, and numbers travel with the tensors. What is joined elementwise
(additions, gates, depthwise convolutions, a layer that is called twice) is tied: it can only go together. Zeros that
pad channels have numbers of their own, so that a shortcut's padding goes with the channels it is added to.

made        convolutions and linear layers: new numbers; grouped ones tie what must go together
kept        activations, BatchNorm, pools, means over space: the numbers stay
joined      additions, products and the like: what meets is tied
rearranged  flatten, view, permute, slices, splits, concatenation: the operation itself, done on the numbers
protected   all else, by name: what reaches it cannot be removed
"""

import copy
import dataclasses
import functools
import math
import operator

import numpy as np
import torch
from torch import fx, nn
from torch.nn import functional as F

from secateur import cost, graph, modes

# The number of all that can never go: images, and results of what cannot be followed.
FIXED = 0
# Constants with more elements than this (embeddings, masks) are fixed.
LARGEST_CONSTANT = 1 << 16
# Squares that a model is tried on when no image is at hand.
SIZES = (32, 224, 28, 16, 8, 64, 96, 128, 299, *range(1, 65))

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.InstanceNorm2d)
ELEMENTWISE = (
    *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.RReLU, nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU, nn.Mish, nn.Softplus),
    *(nn.Hardswish, nn.Hardtanh, nn.Hardsigmoid, nn.Sigmoid, nn.LogSigmoid, nn.Tanh, nn.Softsign, nn.Threshold),
    *(nn.Hardshrink, nn.Softshrink, nn.Tanhshrink, nn.Identity),
    *(nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.AlphaDropout, nn.FeatureAlphaDropout),
)
ELEMENTWISE_CALLS = {
    *(F.relu, torch.relu, F.relu_, torch.relu_, F.relu6, F.leaky_relu, F.elu, F.selu, F.celu, F.gelu, F.silu, F.mish),
    *(F.softplus, F.hardswish, F.hardtanh, F.hardsigmoid, F.sigmoid, torch.sigmoid, F.logsigmoid, F.tanh, torch.tanh),
    *(F.dropout, F.dropout2d, F.alpha_dropout, torch.clamp, torch.abs, torch.neg, operator.neg, torch.square),
    *(torch.sqrt, torch.rsqrt, torch.exp, torch.zeros_like, torch.ones_like),
    *("relu", "relu_", "sigmoid", "sigmoid_", "tanh", "clamp", "clamp_", "clip", "abs", "neg", "square", "sqrt"),
    *("rsqrt", "exp", "hardtanh"),
}
# What moves or copies values; of a device, the shapes tell nothing.
MOVED_CALLS = {
    *(torch.clone, "contiguous", "clone", "detach", "float", "double", "half", "bfloat16", "to", "type", "cpu"),
    "requires_grad_",
}
SOFTMAX = (nn.Softmax, nn.LogSoftmax)
SOFTMAX_CALLS = {F.softmax, F.log_softmax, torch.softmax, torch.log_softmax, "softmax", "log_softmax"}
SPATIAL = (
    *(nn.MaxPool2d, nn.AvgPool2d, nn.LPPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d, nn.Upsample),
    *(nn.ZeroPad2d, nn.ConstantPad2d, nn.ReflectionPad2d, nn.ReplicationPad2d, nn.CircularPad2d),
)
SPATIAL_CALLS = {
    *(F.max_pool2d, torch.max_pool2d, F.avg_pool2d, F.adaptive_avg_pool2d, F.adaptive_max_pool2d, F.interpolate),
    F.lp_pool2d,
}
REDUCED_CALLS = {torch.mean, torch.sum, torch.amax, torch.amin, "mean", "sum", "amax", "amin"}
ADDED = {operator.add, operator.iadd, torch.add, operator.sub, operator.isub, torch.sub, "add", "add_", "sub", "sub_"}
MULTIPLIED = {operator.mul, operator.imul, torch.mul, torch.multiply, "mul", "mul_", "multiply"}
DIVIDED = {operator.truediv, operator.itruediv, torch.div, torch.true_divide, "div", "div_"}
JOINED = ADDED | MULTIPLIED | DIVIDED | {torch.maximum, torch.minimum, "maximum", "minimum"}
REARRANGED = (nn.Flatten, nn.Unflatten)
REARRANGED_CALLS = {
    *(torch.flatten, torch.reshape, torch.permute, torch.transpose, torch.squeeze, torch.unsqueeze, torch.stack),
    *(torch.chunk, torch.split, torch.swapaxes, torch.movedim),
    *("flatten", "view", "reshape", "permute", "transpose", "squeeze", "unsqueeze", "chunk", "split", "unflatten"),
    *("expand", "expand_as", "repeat", "swapaxes", "movedim", "view_as", "reshape_as"),
}
SHUFFLED = (nn.ChannelShuffle,)
CONCATENATED = {torch.cat, torch.concat, torch.concatenate}
ZEROS = {"new_zeros"}
# What subclasses of torch's layers call with their own weights.
CONVOLVED, TRANSFORMED, NORMALISED = {F.conv2d}, {F.linear}, {F.batch_norm}
# What these compute fits, however many channels there are.
ALWAYS_FIT = {
    *(torch.flatten, torch.permute, torch.transpose, torch.unsqueeze, torch.swapaxes, torch.movedim, torch.stack),
    *("flatten", "permute", "transpose", "unsqueeze", "swapaxes", "movedim"),
}


@dataclasses.dataclass(frozen=True)
class Value:
    """A tensor of the graph by the numbers of its channels.

    `codes` is 2 x number, plus 1 where a channel that is silenced is not zero all the same (behind a sigmoid, say);
    its size is 1 along dimensions in which all positions agree. `shape` is the tensor's own.
    """

    codes: np.ndarray
    shape: tuple

    @property
    def numbers(self):
        return self.codes >> 1

    @property
    def varying(self):
        return [d for d, size in enumerate(self.codes.shape) if size > 1]

    @functools.cached_property
    def axis(self):
        """The dimension along which channels go: the longest in which they differ; None if they do not."""
        return max(self.varying, key=lambda d: (self.codes.shape[d], d), default=None)

    def full(self):
        return torch.from_numpy(self.codes).expand(self.shape)


@dataclasses.dataclass(frozen=True)
class Grouped:
    """How a grouped convolution loses channels: whole groups, or the i-th channel of all groups alike."""

    groups: int
    whole: bool


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Flow:
    """A followed model. Arrays hold bundle numbers: channels with the same one can only go together.

    `outputs` and `inputs` are {layer: (channels,)} of convolutions and linear layers in the order of computation,
    `norms` of what has parameters for each channel, `constants` of tensors that the forward reads by itself.
    `unsilenced` is {layer: (columns,)}: which inputs are not zero though their channel is silenced. `reasons` is
    {bundle: why it cannot go}, `added` the bundles that an addition joins, `positions` {layer: how often its weights
    are applied to one image}. `sizes` says of how many channels of convolutions each bundle consists, or, for those
    without (`hidden`), of how many features of linear layers.
    """

    model: nn.Module
    graph: fx.GraphModule
    convolutions: tuple
    outputs: dict
    inputs: dict
    norms: dict
    constants: dict
    unsilenced: dict
    grouped: dict
    reasons: dict
    added: np.ndarray
    positions: dict
    sizes: np.ndarray
    hidden: np.ndarray
    values: dict
    plain: dict
    fitted: tuple

    @functools.cached_property
    def protected(self):
        found = np.zeros(len(self.sizes), bool)
        found[list(self.reasons)] = True
        return found

    @functools.cached_property
    def listed(self):
        """The layers that a list of channels can name: convolutions, and linear layers with features of their own."""
        return tuple(
            layer for layer, bundles in self.outputs.items() if layer in self.convolutions or self.hidden[bundles].any()
        )

    @functools.cached_property
    def counter(self):
        """The `cost.Counter` of the model."""
        return cost.Counter(self)


def followed(model, example=None):
    """The Flow of a model that torch.fx can trace; `example` is a batch (N, C, H, W), of which the shape counts.

    Without it, the model is followed at the first square size of image that it takes. Nothing is computed with
    weights where torch's meta device will do. Raises ValueError for a model that cannot be traced or run.
    """
    with modes.evaluating(model):
        traced = graph.traced(model)
    return _Walk(model, traced, _shapes(traced, example)).flow()


# ---- shapes --------------------------------------------------------------------------------------------------


class _Shapes(fx.Interpreter):
    """Notes the shape of every tensor, and every other value itself."""

    def __init__(self, model, graph):
        super().__init__(model, graph=graph)
        self.found = {}

    def run_node(self, node):
        result = super().run_node(node)
        self.found[node] = fx.node.map_aggregate(result, _noted)
        return result


@dataclasses.dataclass(frozen=True)
class _Shape:
    """The shape of a tensor; a plain tuple would pass for a value of the graph."""

    sizes: tuple

    def __iter__(self):
        return iter(self.sizes)


def _noted(value):
    return _Shape(tuple(value.shape)) if isinstance(value, torch.Tensor) else value


def _shapes(traced, example):
    if example is None:
        return _shapes_of_some_size(traced)
    # Two images tell the dimension of images from one that is left out by squeeze.
    shape = (2, *example.shape[1:])
    example = example.to(next(traced.parameters(), example).dtype)
    try:
        return _run(on_meta(traced), traced.graph, torch.empty(shape, device="meta", dtype=example.dtype))
    except Exception:  # noqa: BLE001 - whatever meta tensors cannot do, images may
        try:
            return _run(traced, traced.graph, example[:1].expand(shape))
        except Exception as error:
            raise ValueError(f"the model cannot take images of shape {tuple(example.shape[1:])}: {error}") from error


def _shapes_of_some_size(traced):
    meta = on_meta(traced)
    first = next((m for m in traced.modules() if isinstance(m, nn.Conv2d)), None)
    for size in SIZES if first is not None else ():
        try:
            images = torch.empty(2, first.in_channels, size, size, device="meta", dtype=first.weight.dtype)
            return _run(meta, traced.graph, images)
        except Exception:  # noqa: BLE001, S112 - this size does not fit
            continue
    raise ValueError(
        "the model takes no square images of 1 to 64, 96, 128, 224 or 299 pixels: follow its channels with an example, "
        "flow.followed(model, example), and pass what that gives"
    )


def _run(model, graph, images):
    shapes = _Shapes(model, graph)
    with torch.no_grad(), modes.evaluating(model):
        shapes.run(images)
    return shapes.found


def on_meta(model):
    """A copy of a model without its weights, only their shapes."""
    memo = {}
    for tensor in (*model.parameters(), *model.buffers()):
        bare = tensor.detach().to("meta")
        memo[id(tensor)] = nn.Parameter(bare, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else bare
    return copy.deepcopy(model, memo)


# ---- the walk ------------------------------------------------------------------------------------------------


class _Walk:
    """One pass over the nodes of a graph; what it gathers becomes a Flow."""

    def __init__(self, model, traced, shapes):
        self.model, self.traced, self.shapes = model, traced, shapes
        self.names = {id(module): name for name, module in model.named_modules()}
        self.count = FIXED + 1
        self.values, self.ties, self.reasons, self.added = {}, [], [], []
        self.outputs, self.inputs, self.norms, self.constants = {}, {}, {}, {}
        self.convolutions, self.unsilenced, self.grouped, self.positions = [], {}, {}, {}
        self.fitted = []

    def flow(self):
        for node in self.traced.graph.nodes:
            self.values[node] = self._value(node)
        self._tie_shared_weights()
        bundle = _bundles(self.count, self.ties)
        of = lambda parts: {name: bundle[numbers] for name, numbers in parts.items()}  # noqa: E731
        reasons = {}
        for numbers, reason in self.reasons:
            for number in np.unique(bundle[numbers]):
                reasons.setdefault(int(number), reason)
        reasons.setdefault(FIXED, "it is no channel of a layer")
        outputs = of(self.outputs)
        sizes, features = np.zeros(self.count, int), np.zeros(self.count, int)
        for layer, numbers in outputs.items():
            counted = sizes if layer in self.convolutions else features
            counted += np.bincount(numbers, minlength=self.count)
        hidden = (sizes == 0) & (features > 0)
        sizes[hidden] = features[hidden]
        added = np.zeros(self.count, bool)
        for numbers in self.added:
            added[bundle[numbers]] = True
        added[FIXED] = False
        values = {node: _mapped(value, bundle) for node, value in self.values.items()}
        return Flow(
            self.model, self.traced, tuple(self.convolutions), outputs,
            of(self.inputs), of(self.norms), of(self.constants), self.unsilenced, self.grouped,
            reasons, added, self.positions, sizes, hidden, values,
            {node: found for node, found in self.shapes.items() if not _is_tensor(found)}, tuple(self.fitted),
        )  # fmt: skip

    # ---- bookkeeping

    def new(self, count):
        self.count += count
        return np.arange(self.count - count, self.count)

    def tie(self, first, second, why):
        """Numbers that meet go together; what meets something fixed stays."""
        first, second = (part.ravel() for part in np.broadcast_arrays(first, second))
        differ = first != second
        first, second = first[differ], second[differ]
        for one, other in ((first, second), (second, first)):
            held = one[other == FIXED]
            if len(held):
                self.reasons.append((held, why))
        free = (first != FIXED) & (second != FIXED)
        if free.any():
            self.ties.append((first[free], second[free]))

    def protect(self, value, why):
        for one in values_in(value):
            numbers = np.unique(one.numbers)
            self.reasons.append((numbers[numbers != FIXED], why))

    def fixed(self, node):
        """The result of something that cannot be followed."""
        return fx.node.map_aggregate(self.shapes[node], lambda found: _fixed(found) if _is_shape(found) else found)

    def unknown(self, node, args, kwargs):
        self.protect((args, kwargs), f"its channels reach {self.called(node)}, through which they cannot be followed")
        return self.fixed(node)

    def module(self, node):
        return self.traced.get_submodule(node.target) if node.op == "call_module" else None

    def layer(self, node, kind):
        """The layer that a node calls, or whose weights a function is given; None if it is of another kind."""
        if node.op == "call_module":
            return self.module(node)
        read = node.args[1] if len(node.args) > 1 else None
        if not isinstance(read, fx.Node) or read.op != "get_attr":
            return None
        owner = self.model.get_submodule(read.target.rpartition(".")[0])
        own = read.target.rpartition(".")[2] == ("running_mean" if kind is NORMS else "weight")
        return owner if own and isinstance(owner, kind) else None

    def called(self, node):
        """A node in words: the layer or function with its type."""
        module = self.module(node)
        if module is not None:
            return f"{node.target} ({type(module).__name__})"
        return f"{node.name} ({getattr(node.target, '__name__', node.target)})"

    # ---- nodes

    def _value(self, node):
        if node.op == "placeholder":
            return self.fixed(node)
        if node.op == "get_attr":
            return self._constant(node)
        args, kwargs = (fx.node.map_arg(part, self.values.__getitem__) for part in (node.args, node.kwargs))
        if node.op == "output":
            self.protect(args, "its channels are what the model puts out")
            return None
        if not values_in((args, kwargs)):
            return self.fixed(node)
        if node.target is operator.getitem and not isinstance(args[0], Value):
            return args[0][args[1]]
        if not any(_is_shape(one) for one in _flat(self.shapes[node])):
            return self.shapes[node]
        return self._handler(node)(self, node, args, kwargs)

    def _handler(self, node):
        module, target = self.module(node), node.target
        if module is not None:
            return next((found for kinds, found in OF_MODULES if isinstance(module, kinds)), _Walk.unknown)
        if getattr(target, "__name__", "") == "stochastic_depth":
            return _elementwise
        return next((found for targets, found in OF_CALLS if target in targets), _Walk.unknown)

    def _constant(self, node):
        """A tensor that the forward reads by itself: each element has its own number, and can go with a channel."""
        shape = self.shapes[node]
        if not _is_shape(shape):
            return shape
        of_layers = all(user.target in CONVOLVED | TRANSFORMED | NORMALISED for user in node.users)
        if not 1 < math.prod(shape) <= LARGEST_CONSTANT or of_layers or not _has(self.model, node.target):
            return self.fixed(node)
        if node.target not in self.constants:
            self.constants[node.target] = self.new(math.prod(shape)).reshape(shape.sizes)
        return Value(2 * self.constants[node.target] + 1, tuple(shape))

    def _tie_shared_weights(self):
        """Layers that share one weight lose the same channels."""
        first = {}
        for layer in self.outputs:
            other = first.setdefault(id(self.model.get_submodule(layer).weight), layer)
            if other != layer:
                why = f"it shares its weight with {layer}"
                self.tie(self.outputs[other], self.outputs[layer], why)
                self.tie(self.inputs[other], self.inputs[layer], why)


def _has(model, name):
    """Whether a tensor is the model's own; tracing keeps others that a forward makes of numbers alone."""
    for part in name.split("."):
        if not hasattr(model, part):
            return False
        model = getattr(model, part)
    return True


def _bundles(count, ties):
    """The smallest number that each number is tied to, directly or not."""
    labels = np.arange(count)
    if not ties:
        return labels
    first, second = (np.concatenate(part) for part in zip(*ties, strict=True))
    while True:
        one, other = labels[first], labels[second]
        low = np.minimum(one, other)
        new = labels.copy()
        np.minimum.at(new, one, low)
        np.minimum.at(new, other, low)
        while not np.array_equal(jumped := new[new], new):
            new = jumped
        if np.array_equal(new, labels):
            return labels
        labels = new


def _mapped(value, bundle):
    def mapped(one):
        return Value(2 * bundle[one.numbers] + (one.codes & 1), one.shape) if isinstance(one, Value) else one

    return fx.node.map_aggregate(value, mapped)


def _is_shape(found):
    return isinstance(found, _Shape)


def _is_tensor(found):
    return any(_is_shape(one) for one in _flat(found))


def _flat(found):
    if isinstance(found, (tuple, list)) and not _is_shape(found):
        return [part for one in found for part in _flat(one)]
    return [found]


def values_in(found):
    """All Values within arguments, in order."""
    if isinstance(found, Value):
        return [found]
    if isinstance(found, dict):
        found = list(found.values())
    if isinstance(found, (tuple, list)):
        return [value for one in found for value in values_in(one)]
    return []


def _first(args, kwargs):
    return values_in((args, kwargs))[0]


def _fixed(shape):
    return Value(np.full((1,) * len(shape.sizes), 2 * FIXED), shape.sizes)


def _compact(codes, shape):
    """A Value from the codes of all positions: dimensions in which they agree shrink to 1."""
    for d, size in enumerate(codes.shape):
        if size > 1:
            first = codes.take([0], d)
            if (codes == first).all():
                codes = first
    return Value(codes, tuple(shape))


# ---- what keeps the channels ---------------------------------------------------------------------------------


def _elementwise(walk, node, args, kwargs):
    (value, *others) = values_in((args, kwargs))
    if others:
        return walk.unknown(node, args, kwargs)
    return Value(value.codes | (not _keeps_zero(walk, node)), tuple(walk.shapes[node]))


@torch.no_grad()
def _keeps_zero(walk, node):
    """Whether an elementwise function of 0 is 0."""
    zero = torch.zeros(1, 1, 1, 1)
    module = walk.module(node)
    if module is not None:
        return bool((module(zero) == 0).all())
    if node.target in MOVED_CALLS or getattr(node.target, "__name__", "") == "stochastic_depth":
        return True
    of = {one: zero if isinstance(walk.values[one], Value) else walk.values[one] for one in node.all_input_nodes}
    args, kwargs = (fx.node.map_arg(part, of.__getitem__) for part in (node.args, node.kwargs))
    found = computed(node, args, kwargs)
    return bool((found == 0).all())


def computed(node, args, kwargs):
    """A function or method of the graph, on given arguments."""
    if node.op == "call_method":
        return getattr(args[0], node.target)(*args[1:], **kwargs)
    return node.target(*args, **kwargs)


def _prelu(walk, node, args, kwargs):
    value = _first(args, kwargs)
    module = walk.module(node)
    return value if module.num_parameters == 1 else _per_channel(walk, node, value, module, 0)


def _norm(walk, node, args, kwargs):
    """Silenced, BatchNorm's weight and bias are zero, whatever it reads; without them it is not silent."""
    module = walk.layer(node, NORMS)
    if module is None:
        return walk.unknown(node, args, kwargs)
    return _per_channel(walk, node, _first(args, kwargs), module, 0 if module.affine else 1)


def _per_channel(walk, node, value, module, unsilenced):
    if any(d != 1 for d in value.varying):
        return walk.unknown(node, (value,), {})
    name = walk.names[id(module)]
    numbers = np.broadcast_to(value.numbers.ravel(), value.shape[1])
    if name in walk.norms:
        walk.tie(walk.norms[name], numbers, f"{name} is called more than once")
    walk.norms.setdefault(name, numbers)
    codes = value.codes & ~1 if isinstance(module, NORMS) else value.codes
    return Value(codes | unsilenced, tuple(walk.shapes[node]))


def _spatial(walk, node, args, kwargs):
    value, module = _first(args, kwargs), walk.module(node)
    if any(d != 1 for d in value.varying) or not _is_shape(walk.shapes[node]):
        return walk.unknown(node, args, kwargs)
    filled = isinstance(module, nn.ConstantPad2d) and module.value != 0
    return Value(value.codes | filled, tuple(walk.shapes[node]))


def _softmax(walk, node, args, kwargs):
    """Over a dimension in which channels do not go, as that of branches: nothing is mixed, and nothing stays zero."""
    value, module = _first(args, kwargs), walk.module(node)
    dim = module.dim if module is not None else args[1] if len(args) > 1 else kwargs.get("dim")
    if dim is None or value.axis in (None, dim % len(value.shape)):
        return walk.unknown(node, args, kwargs)
    return Value(value.codes | 1, value.shape)


def _reduced(walk, node, args, kwargs):
    """Means and sums over dimensions along which channels do not go; what lies side by side there is tied."""
    value = _first(args, kwargs)
    dims = args[1] if len(args) > 1 else kwargs.get("dim", kwargs.get("axis"))
    if dims is None or not _is_shape(walk.shapes[node]):
        return walk.unknown(node, args, kwargs)
    dims = {d % len(value.shape) for d in (dims if isinstance(dims, (tuple, list)) else [dims])}
    if value.axis in dims:
        return walk.unknown(node, args, kwargs)
    codes = value.codes
    for d in dims & set(value.varying):
        rest = codes.take(range(1, codes.shape[d]), d)
        first = codes.take([0], d)
        walk.tie(first >> 1, rest >> 1, f"it is added to others at {walk.called(node)}")
        codes = first | (codes & 1).max(d, keepdims=True)
    shape = tuple(walk.shapes[node])
    kept = len(shape) == len(value.shape)
    codes = codes if kept else codes.reshape([s for d, s in enumerate(codes.shape) if d not in dims])
    return Value(codes, shape)


# ---- what joins channels -------------------------------------------------------------------------------------


def _joined(walk, node, args, kwargs):
    values = values_in((args, kwargs))
    shape = tuple(walk.shapes[node])
    if len(values) == 1:
        return _with_number(walk, node, values[0], shape, args)
    if len(values) != 2 or (node.target in DIVIDED and values[1].numbers.any()):
        # 0 / 0 is no number: masks could not silence a divisor.
        return walk.unknown(node, args, kwargs)
    one, other = (_aligned(value, len(shape)) for value in values)
    for narrow, wide in ((one, other), (other, one)):
        if any(narrow.shape[d] == 1 and wide.shape[d] > 1 for d in wide.varying):
            return _broadcast(walk, node, narrow, wide, shape)
    why = f"it is joined at {walk.called(node)} with what cannot be removed"
    walk.tie(one.numbers, other.numbers, why)
    if node.target in ADDED:
        walk.added += [one.numbers.ravel(), other.numbers.ravel()]
    unsilenced = one.codes & other.codes & 1 if node.target in MULTIPLIED else (one.codes | other.codes) & 1
    # Tied numbers are one: those of the operand that differs in fewer dimensions stand for both.
    numbers = min(one.numbers, other.numbers, key=np.size)
    return _compact(2 * numbers | unsilenced, shape)


def _aligned(value, rank):
    """With dimensions of size 1 in front, as torch broadcasts."""
    front = (1,) * (rank - len(value.shape))
    return Value(value.codes.reshape(front + value.codes.shape), front + value.shape)


def _with_number(walk, node, value, shape, args):
    """Joined with a number: what is multiplied by it or divided stays zero, what it is added to does not."""
    divisor = node.target in DIVIDED and not isinstance(args[0], Value)
    if divisor:
        return walk.unknown(node, args, {})
    return Value(value.codes | (node.target not in MULTIPLIED | DIVIDED), shape)


def _broadcast(walk, node, narrow, wide, shape):
    """One channel meets many, as a map of attention does: it stays, and they are as many as before."""
    walk.protect(narrow, f"one channel meets all others at {walk.called(node)}")
    return Value(
        np.array(np.broadcast_arrays(wide.codes, narrow.codes)[0]) | (node.target not in MULTIPLIED | DIVIDED), shape
    )


# ---- what rearranges channels --------------------------------------------------------------------------------


def _rearranged(walk, node, args, kwargs):
    """The operation itself, on numbers instead of values."""
    found = rearrange(node, walk.module(node), args, kwargs)
    result = fx.node.map_aggregate(found, lambda one: _compact(one.numpy(), one.shape))
    for value in values_in(result):
        _tie_in_blocks(walk, node, value)
    if node.target not in ALWAYS_FIT and not isinstance(walk.module(node), nn.Flatten):
        walk.fitted.append(node)
    return result


def _full(one):
    return one.full() if isinstance(one, Value) else one


def rearrange(node, module, args, kwargs, target=None):
    """What a node (or another `target` in its place) makes of codes at every position in place of tensors."""
    target = node.target if target is None else target
    args, kwargs = (fx.node.map_aggregate(part, _full) for part in (args, kwargs))
    if module is not None:
        return module(*args, **kwargs)
    if isinstance(target, str):
        # Codes are spread out without memory of their own, which view cannot take.
        name = {"view": "reshape", "view_as": "reshape_as"}.get(target, target)
        return getattr(args[0], name)(*args[1:], **kwargs)
    return target(*args, **kwargs)


def _tie_in_blocks(walk, node, value):
    """Channels that lie in several dimensions (groups of a shuffle) go along one: all at the same place in it."""
    if len(value.varying) > 1:
        rows = np.moveaxis(value.numbers, value.axis, -1).reshape(-1, value.codes.shape[value.axis])
        walk.tie(rows[:1], rows[1:], f"it is laid out beside others at {walk.called(node)}")


def _sliced(walk, node, args, kwargs):
    value, index = args
    if values_in(index):
        return walk.unknown(node, args, kwargs)
    places = list(index) if isinstance(index, tuple) else [index]
    if Ellipsis in places:
        at = places.index(Ellipsis)
        missing = len(value.shape) - sum(place is not None for place in places) + 1
        places[at : at + 1] = [slice(None)] * missing
    if any(place is None for place in places):
        return _rearranged(walk, node, args, kwargs)
    touched = [d for d, place in enumerate(places) if place != slice(None) and d in value.varying]
    if any(not isinstance(places[d], slice) or places[d].step not in (None, 1) for d in touched):
        walk.protect(value, f"single channels are picked by number at {walk.called(node)}")
    if touched:
        return _rearranged(walk, node, args, kwargs)
    # Only space is cut, along which the numbers agree.
    places += [slice(None)] * (len(value.shape) - len(places))
    short = [p if d in value.varying or not isinstance(p, slice) else slice(0, 1) for d, p in enumerate(places)]
    return _compact(np.array(value.full()[tuple(short)].numpy()), walk.shapes[node])


def _concatenated(walk, node, args, kwargs):
    parts = args[0] if args else kwargs["tensors"]
    dim = args[1] if len(args) > 1 else kwargs.get("dim", kwargs.get("axis", 0))
    shape = tuple(walk.shapes[node])
    dim %= len(shape)
    spread = [np.repeat(p.codes, p.shape[dim], dim) if p.codes.shape[dim] == 1 else p.codes for p in parts]
    others = np.broadcast_shapes(*[tuple(1 if d == dim else s for d, s in enumerate(one.shape)) for one in spread])
    spread = [
        np.broadcast_to(one, tuple(one.shape[d] if d == dim else s for d, s in enumerate(others))) for one in spread
    ]
    value = _compact(np.concatenate(spread, dim), shape)
    _tie_in_blocks(walk, node, value)
    return value


def _shuffled(walk, node, args, kwargs):
    """The i-th channels of all groups go together, so that the groups stay equal."""
    value, module = _first(args, kwargs), walk.module(node)
    groups = module.groups if module is not None else args[1] if len(args) > 1 else kwargs["groups"]
    if any(d != 1 for d in value.varying):
        return walk.unknown(node, args, kwargs)
    rows = np.broadcast_to(value.codes.ravel(), value.shape[1]).reshape(groups, -1)
    walk.tie(rows[:1] >> 1, rows[1:] >> 1, f"it is shuffled at {walk.called(node)}")
    return Value(rows.T.reshape(1, -1, *[1] * (len(value.shape) - 2)), value.shape)


def _padded(walk, node, args, kwargs):
    """Zeros beside channels are numbered like channels, so that they can go with those that they are added to."""
    value, pad = _first(args, kwargs), args[1] if len(args) > 1 else kwargs["pad"]
    fill = (args[3] if len(args) > 3 else kwargs.get("value")) or 0
    mode = args[2] if len(args) > 2 else kwargs.get("mode", "constant")
    shape, rank = tuple(walk.shapes[node]), len(value.shape)
    by_dim = {rank - 1 - place // 2: tuple(pad[place : place + 2]) for place in range(0, len(pad), 2)}
    beside = {d: amounts for d, amounts in by_dim.items() if any(amounts) and (d == 1 or d in value.varying)}
    if set(value.varying) - {1} or set(beside) - {1} or any(min(a) < 0 for a in beside.values()):
        return walk.unknown(node, args, kwargs)
    codes = value.codes | (fill != 0 and any(any(a) for d, a in by_dim.items() if d != 1))
    if beside:
        if mode != "constant":
            return walk.unknown(node, args, kwargs)
        before, after = beside[1]
        within = np.broadcast_to(codes.ravel(), value.shape[1])
        edges = [2 * walk.new(count) | (fill != 0) for count in (before, after)]
        codes = np.concatenate([edges[0], within, edges[1]]).reshape(1, -1, *[1] * (rank - 2))
        walk.fitted.append(node)
    return Value(codes, shape)


def _zeros(walk, node, args, kwargs):
    shape = tuple(walk.shapes[node])
    if len(shape) < 2:
        return walk.fixed(node)
    walk.fitted.append(node)
    return Value(2 * walk.new(shape[1]).reshape(1, -1, *[1] * (len(shape) - 2)), shape)


# ---- layers --------------------------------------------------------------------------------------------------


def _convolution(walk, node, args, kwargs):
    conv, value = walk.layer(node, nn.Conv2d), _first(args, kwargs)
    if conv is None or "weight" not in conv._parameters or any(d != 1 for d in value.varying) or len(value.shape) != 4:
        return walk.unknown(node, args, kwargs)
    name = walk.names[id(conv)]
    codes = np.broadcast_to(value.codes.ravel(), conv.in_channels)
    if name not in walk.outputs:
        walk.convolutions.append(name)
    _layer(walk, node, name, conv.out_channels, codes)
    if conv.groups > 1:
        _group(walk, name, conv)
        if node.op == "call_function":
            walk.fitted.append(node)
    shape = tuple(walk.shapes[node])
    walk.positions[name] = walk.positions.get(name, 0) + shape[2] * shape[3]
    return Value(2 * walk.outputs[name].reshape(1, -1, 1, 1), shape)


def _linear(walk, node, args, kwargs):
    linear, value = walk.layer(node, nn.Linear), _first(args, kwargs)
    last = len(value.shape) - 1
    if linear is None or "weight" not in linear._parameters or any(d != last for d in value.varying):
        return walk.unknown(node, args, kwargs)
    name = walk.names[id(linear)]
    _layer(walk, node, name, linear.out_features, np.broadcast_to(value.codes.ravel(), linear.in_features))
    shape = tuple(walk.shapes[node])
    walk.positions[name] = walk.positions.get(name, 0) + math.prod(shape[1:-1])
    return Value(2 * walk.outputs[name].reshape(*[1] * last, -1), shape)


def _layer(walk, node, name, outputs, codes):
    """What a layer reads; called again, it reads and gives the same channels as the first time."""
    if name in walk.outputs:
        walk.tie(walk.inputs[name], codes >> 1, f"{name} is called again on what cannot be removed")
        walk.unsilenced[name] = walk.unsilenced[name] | (codes & 1).astype(bool)
        return
    walk.outputs[name], walk.inputs[name] = walk.new(outputs), codes >> 1
    walk.unsilenced[name] = (codes & 1).astype(bool)


def _group(walk, name, conv):
    """A group of one input (or one output) goes as a whole; larger ones lose their i-th channels alike."""
    groups = conv.groups
    inputs, outputs = (part[name].reshape(groups, -1) for part in (walk.inputs, walk.outputs))
    whole = 1 in (inputs.shape[1], outputs.shape[1])
    walk.grouped[name] = Grouped(groups, whole)
    why = f"the grouped convolution {name} reads it beside what cannot be removed"
    if whole:
        walk.tie(inputs[:, :1], inputs[:, 1:], why)
        walk.tie(inputs[:, :1], outputs, why)
    else:
        walk.tie(inputs[:1], inputs[1:], why)
        walk.tie(outputs[:1], outputs[1:], why)


OF_MODULES = (
    ((nn.Conv2d,), _convolution),
    ((nn.Linear,), _linear),
    (NORMS, _norm),
    ((nn.PReLU,), _prelu),
    (ELEMENTWISE, _elementwise),
    (SOFTMAX, _softmax),
    (SPATIAL, _spatial),
    (REARRANGED, _rearranged),
    (SHUFFLED, _shuffled),
)
OF_CALLS = (
    (CONVOLVED, _convolution),
    (TRANSFORMED, _linear),
    (NORMALISED, _norm),
    (JOINED, _joined),
    (CONCATENATED, _concatenated),
    ({F.channel_shuffle}, _shuffled),
    ({F.pad}, _padded),
    ({operator.getitem}, _sliced),
    (REARRANGED_CALLS, _rearranged),
    (ELEMENTWISE_CALLS | MOVED_CALLS, _elementwise),
    (SOFTMAX_CALLS, _softmax),
    (SPATIAL_CALLS, _spatial),
    (REDUCED_CALLS, _reduced),
    (ZEROS, _zeros),
)
