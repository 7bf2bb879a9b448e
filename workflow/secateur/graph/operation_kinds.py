"""The operations of a graph by kind: the one table that units, relevance and criteria take their operations from.

A row holds one operation in all the ways it is written: its modules, its functions, and the names of its methods.
"""

import dataclasses
import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional as F


@dataclasses.dataclass(frozen=True)
class Kind:
    """Operations of one kind: classes of modules, functions, and names of methods."""

    modules: tuple[type[nn.Module], ...] = ()
    calls: frozenset[Callable[..., Any] | str] = frozenset()

    def has(self, node: fx.Node, module: nn.Module | None) -> bool:
        """True if a node is such an operation; `module` is the module that it calls, None if it calls none."""
        if node.op == "call_module":
            return isinstance(module, self.modules)
        return node.op in ("call_function", "call_method") and node.target in self.calls

    def __contains__(self, target: object) -> bool:
        """True if a function, or the method of that name, is such an operation."""
        return target in self.calls

    def __or__(self, other: "Kind") -> "Kind":
        return Kind((*self.modules, *other.modules), self.calls | other.calls)

    def __sub__(self, other: "Kind") -> "Kind":
        modules = filter(lambda module: module not in other.modules, self.modules)
        return Kind(tuple(modules), self.calls - other.calls)


def kind(*rows: tuple[Any, ...]) -> Kind:
    """The Kind of these operations, each a row of its modules, functions and names of methods."""
    modules, calls = [], []
    for row in rows:
        for entry in row:
            is_module = isinstance(entry, type) and issubclass(entry, nn.Module)
            (modules if is_module else calls).append(entry)
    return Kind(tuple(modules), frozenset(calls))


def argument(node: fx.Node, place: int, *names: str) -> Any:
    """An argument of a call, given by place or by one of its names; None if it is not given."""
    if len(node.args) > place:
        return node.args[place]
    for name in names:
        if name in node.kwargs:
            return node.kwargs[name]
    return None


def is_stochastic_depth(node: fx.Node) -> bool:
    """True if a node drops whole branches: torchvision and timm each have a function of that name."""
    return node.op == "call_function" and getattr(node.target, "__name__", "") == "stochastic_depth"


# ---- elementwise ---------------------------------------------------------------------------------------------

# Never negative.
RECTIFIERS = kind(
    (nn.ReLU, F.relu, torch.relu, "relu", "relu_"),
    (nn.ReLU6, F.relu6),
    (nn.Softplus, F.softplus),
)
# Between 0 and 1, so that they can open and close what they multiply.
SIGMOIDS = kind(
    (nn.Sigmoid, F.sigmoid, torch.sigmoid, "sigmoid", "sigmoid_"),
    (nn.Hardsigmoid, F.hardsigmoid),
)
OTHER_ACTIVATIONS = kind(
    # Not among those that are never negative: relevance behind them would be rounded otherwise than before.
    (F.relu_, torch.relu_),
    (nn.LeakyReLU, F.leaky_relu, F.leaky_relu_),
    (nn.RReLU, F.rrelu),
    (nn.ELU, F.elu, F.elu_),
    (nn.SELU, F.selu, torch.selu),
    (nn.CELU, F.celu, torch.celu),
    (nn.GELU, F.gelu),
    (nn.SiLU, F.silu),
    (nn.Mish, F.mish),
    (nn.Hardswish, F.hardswish),
    (nn.Hardtanh, F.hardtanh),
    (nn.LogSigmoid, F.logsigmoid),
    (nn.Tanh, F.tanh, torch.tanh, "tanh"),
    (nn.Softsign, F.softsign),
    (nn.Threshold, F.threshold),
    (nn.Hardshrink, F.hardshrink),
    (nn.Softshrink, F.softshrink),
    (nn.Tanhshrink, F.tanhshrink),
)
ACTIVATIONS = RECTIFIERS | SIGMOIDS | OTHER_ACTIVATIONS
# An activation with parameters, one for each channel or one for all.
PRELU = kind((nn.PReLU, F.prelu))
# The identity in eval mode.
DROPOUT = kind(
    (nn.Dropout, F.dropout),
    (nn.Dropout1d, F.dropout1d),
    (nn.Dropout2d, F.dropout2d),
    (nn.AlphaDropout, F.alpha_dropout),
    (nn.FeatureAlphaDropout, F.feature_alpha_dropout),
)
IDENTITY = kind((nn.Identity,))
ARITHMETIC = kind(
    (torch.clamp, torch.clip, "clamp", "clamp_", "clip"),
    (torch.abs, "abs"),
    (torch.neg, operator.neg, "neg"),
    (torch.square, "square"),
    (torch.sqrt, "sqrt"),
)
EXPONENTIALS = kind((torch.exp, "exp"), (torch.rsqrt, "rsqrt"))
CONSTANTS = kind((torch.zeros_like,), (torch.ones_like,))
ELEMENTWISE = ACTIVATIONS | DROPOUT | IDENTITY | ARITHMETIC | EXPONENTIALS | CONSTANTS
# Copies, and other places and types of the same values. A device is not seen in shapes: `cuda` is left out.
MOVED = kind(
    (torch.clone, "clone"),
    ("contiguous",),
    ("detach",),
    ("requires_grad_",),
    ("float", "double", "half", "bfloat16", "to", "type", "cpu"),
)

# ---- over positions ------------------------------------------------------------------------------------------

BATCHNORMS = kind((nn.BatchNorm1d, nn.BatchNorm2d, F.batch_norm))
# Each channel by itself; those that mix channels (LayerNorm, GroupNorm) are no kind that channels pass.
NORMS = BATCHNORMS | kind((nn.InstanceNorm2d,))
MAX_POOLS = kind(
    (nn.MaxPool2d, F.max_pool2d, torch.max_pool2d),
    (nn.AdaptiveMaxPool2d, F.adaptive_max_pool2d),
)
AVERAGE_POOLS = kind(
    (nn.AvgPool2d, F.avg_pool2d),
    (nn.AdaptiveAvgPool2d, F.adaptive_avg_pool2d),
)
POWER_POOLS = kind((nn.LPPool2d, F.lp_pool2d))
RESIZED = kind((nn.Upsample, F.interpolate))
PADDED = kind((nn.ZeroPad2d, nn.ConstantPad2d, nn.ReflectionPad2d, nn.ReplicationPad2d, nn.CircularPad2d))
SPATIAL = MAX_POOLS | AVERAGE_POOLS | POWER_POOLS | RESIZED | PADDED
# Those that pad any dimension, channels too.
PADDED_ANYWHERE = kind((F.pad,))
MEANS = kind((torch.mean, "mean"), (torch.sum, "sum"))
EXTREMES = kind((torch.amax, "amax"), (torch.amin, "amin"))
REDUCED = MEANS | EXTREMES
SHARES = kind((nn.Softmax, F.softmax, torch.softmax, "softmax"))
SOFTMAX = SHARES | kind((nn.LogSoftmax, F.log_softmax, torch.log_softmax, "log_softmax"))

# ---- of two values -------------------------------------------------------------------------------------------

SUMS = kind((operator.add, operator.iadd, torch.add, "add", "add_"))
ADDED = SUMS | kind((operator.sub, operator.isub, torch.sub, "sub", "sub_"))
MULTIPLIED = kind((operator.mul, operator.imul, torch.mul, torch.multiply, "mul", "mul_", "multiply"))
DIVIDED = kind((operator.truediv, operator.itruediv, torch.div, torch.true_divide, "div", "div_"))
LARGER_OR_SMALLER = kind((torch.maximum, "maximum"), (torch.minimum, "minimum"))
JOINED = ADDED | MULTIPLIED | DIVIDED | LARGER_OR_SMALLER

# ---- rearranged ----------------------------------------------------------------------------------------------

# The method `flatten` is left out: columns of copies would be added up behind it too, and round otherwise than before.
FLATTENED = kind((nn.Flatten, torch.flatten))
# Positions in another shape, in the same order.
RESHAPED = FLATTENED | kind(
    ("flatten",),
    (nn.Unflatten, "unflatten"),
    (torch.reshape, "reshape", "reshape_as", "view", "view_as"),
    (torch.squeeze, "squeeze"),
    (torch.unsqueeze, "unsqueeze"),
)
REARRANGED = RESHAPED | kind(
    (torch.permute, "permute"),
    (torch.transpose, "transpose"),
    (torch.swapaxes, "swapaxes"),
    (torch.movedim, "movedim"),
    (torch.stack,),
    (torch.chunk, "chunk"),
    (torch.split, "split"),
    ("expand", "expand_as"),
    ("repeat",),
)
SHUFFLED = kind((nn.ChannelShuffle, F.channel_shuffle))
CONCATENATED = kind((torch.cat, torch.concat, torch.concatenate))
INDEXED = kind((operator.getitem,))
ZEROS = kind(("new_zeros",))
# The arguments of these fit, however many channels there are.
ALWAYS_FIT = kind(
    (torch.flatten, "flatten"),
    (torch.permute, "permute"),
    (torch.transpose, "transpose"),
    (torch.unsqueeze, "unsqueeze"),
    (torch.swapaxes, "swapaxes"),
    (torch.movedim, "movedim"),
    (torch.stack,),
)

# ---- layers with weights -------------------------------------------------------------------------------------

# The functions are those that subclasses of torch's layers call with their own weights.
CONVOLVED = kind((nn.Conv2d, F.conv2d))
TRANSFORMED = kind((nn.Linear, F.linear))

# ---- in place ------------------------------------------------------------------------------------------------

METHODS_IN_PLACE = ("relu", "add", "sub", "mul", "div", "sigmoid", "clamp", "abs", "neg", "tanh")
# {operation that overwrites a value which another node may read: the same operation out of place}.
OUT_OF_PLACE = {
    operator.iadd: operator.add,
    operator.isub: operator.sub,
    operator.imul: operator.mul,
    operator.itruediv: operator.truediv,
    F.relu_: F.relu,
    torch.relu_: torch.relu,
    F.leaky_relu_: F.leaky_relu,
    F.elu_: F.elu,
    **{f"{name}_": name for name in METHODS_IN_PLACE},
}

# ---- numbers -------------------------------------------------------------------------------------------------

SIZE_ATTRIBUTES = ("shape", "ndim", "device", "dtype")
SIZES = kind(("size", "dim", "numel", "new_zeros"), (torch.zeros_like, torch.ones_like))


def is_size(node: fx.Node) -> bool:
    """True if a node reads a size or a shape, or makes zeros or ones of one: it has no part in any value."""
    if node.target is getattr:
        return node.args[1] in SIZE_ATTRIBUTES
    return SIZES.has(node, None)
