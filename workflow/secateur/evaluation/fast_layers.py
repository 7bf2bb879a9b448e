"""Faster CPU kernels for inference: the same function of every layer, computed another way.

On feature maps of 2x2 and less, a 3x3 convolution is a linear layer: the taps on padding, 20 of 36, are left out. On
4x4 maps with many channels the filters do not fit the cache, and in bfloat16 one large product of patches takes half
the time. In float32, Winograd's algorithm takes fewer products; where few channels meet large maps, torch's own
convolution stays. A 2x2 max pool is two maxima of whole rows, and a ReLU in front of it is moved behind it, where a
quarter of the values are left.
"""

import dataclasses
import itertools
from collections import Counter

import torch
from torch import fx, nn
from torch.nn import functional as F

from secateur.evaluation import winograd
from secateur.graph import modes

# Measured: with a geometric mean of input and output channels above this, on maps beyond 4x4, Winograd's is faster.
WINOGRAD = 64
# Measured, likewise: products of patches are faster above this, in bfloat16 on maps up to 4x4.
PATCHES = 350


@dataclasses.dataclass(frozen=True)
class Replaceable:
    """The layers of a network that faster kernels may replace; also valid after it has lost channels."""

    sizes: dict[str, tuple[int, int]]  # {convolution: (height, width) of its output}
    pools: dict[str, str | None]  # {2x2 max pool: the ReLU directly before it, or None}
    in_place: dict[str, str]  # {ReLU that may overwrite its input: the layer before it}


def replaceable(model: nn.Module, example: torch.Tensor) -> Replaceable:
    """The Replaceable of a model that torch.fx can trace; the first image of `example`, (N, C, H, W), is run."""
    with modes.evaluating(model):
        graph = fx.symbolic_trace(model).graph
    modules = dict(model.named_modules())
    layers = {node: modules[node.target] for node in graph.nodes if node.op == "call_module"}
    calls = Counter(node.target for node in layers)
    pools, in_place = {}, {}
    for node, layer in layers.items():
        if isinstance(layer, nn.MaxPool2d) and _halves(layer):
            pools[node.target] = _before(node, layers, calls, nn.ReLU)
        if isinstance(layer, nn.ReLU):
            before = _before(node, layers, calls, (nn.Conv2d, nn.Linear))
            if before:
                in_place[node.target] = before
    return Replaceable(_sizes(model, example), pools, in_place)


def _before(node, layers, calls, kinds):
    """The layer of these kinds whose output only this node reads, both called once; None if there is none."""
    if calls[node.target] > 1:
        return None
    (source,) = node.all_input_nodes
    while isinstance(layers.get(source), nn.Identity) and len(source.users) == 1:
        (source,) = source.all_input_nodes
    if isinstance(layers.get(source), kinds) and len(source.users) == 1 and calls[source.target] == 1:
        return source.target
    return None


def _halves(pool):
    """True if a max pool is of 2x2 with stride 2, and nothing else."""
    values = (pool.kernel_size, pool.stride, pool.padding, pool.dilation)
    for value, wanted in zip(values, (2, 2, 0, 1), strict=True):
        if value not in (wanted, (wanted, wanted)):
            return False
    return not pool.ceil_mode and not pool.return_indices


def _sizes(model, example):
    """{convolution: (height, width) of its output}, of the last call."""
    sizes, hooks = {}, []

    def note(name):
        return lambda module, inputs, output: sizes.update({name: tuple(output.shape[2:])})

    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d):
            hooks.append(module.register_forward_hook(note(name)))
    try:
        with torch.no_grad(), modes.evaluating(model):
            model(example[:1])
    finally:
        for hook in hooks:
            hook.remove()
    return sizes


def inserted(model: nn.Module, replaceable: Replaceable, dtype: torch.dtype) -> nn.Module:
    """The model itself with faster kernels; it may have fewer channels than the one that `replaceable` is of."""
    for name, size in replaceable.sizes.items():
        _replace_convolution(model, name, size, dtype)
    for name, relu in replaceable.pools.items():
        if isinstance(_layer(model, name), nn.MaxPool2d):
            _replace_pool(model, name, relu)
    # Measured: bfloat16 gains nothing from it.
    if dtype == torch.float32:
        _overwrite_inputs(model, replaceable.in_place)
    return model


def _replace_pool(model, name, relu):
    """Replace a max pool and, if it is still there, the ReLU directly before it; `relu` is its name or None."""
    if relu is not None and isinstance(_layer(model, relu), nn.ReLU):
        model.set_submodule(name, Pool(relu=True))
        model.set_submodule(relu, nn.Identity())
    else:
        model.set_submodule(name, Pool(relu=False))


def _replace_convolution(model, name, size, dtype):
    module = _layer(model, name)
    if not isinstance(module, nn.Conv2d):
        return
    height, width = size
    faster = kernel(module, height, width, dtype)
    if faster is Dense:
        model.set_submodule(name, Dense(module, height, width))
    elif faster:
        model.set_submodule(name, faster(module))


def _overwrite_inputs(model, in_place):
    """Let each ReLU overwrite its input, which nothing else reads."""
    for relu, before in in_place.items():
        weight = getattr(_layer(model, before), "weight", None)
        if isinstance(_layer(model, relu), nn.ReLU) and weight is not None and weight.numel():
            model.set_submodule(relu, nn.ReLU(inplace=True))


def _layer(model, name):
    """A layer by name; None where it was in a branch that has no channels any more."""
    if not name:
        return None
    try:
        return model.get_submodule(name)
    except AttributeError:
        return None


def kernel(module: nn.Module | None, height: int, width: int, dtype: torch.dtype) -> type[nn.Module] | None:
    """The class of the fastest kernel for a layer with an output of this height and width; None for torch's own."""
    if not isinstance(module, nn.Conv2d) or not _fits(module):
        return None
    size, channels = max(height, width), (module.in_channels * module.out_channels) ** 0.5
    if size <= 2:
        return Dense
    if dtype == torch.float32 and (size <= 4 or channels > WINOGRAD):
        return winograd.Convolution
    if dtype == torch.bfloat16 and size <= 4 and channels > PATCHES:
        return Patches
    return None


def _fits(conv):
    """True if a convolution is of 3x3 with stride 1, ungrouped, and keeps the size of its feature maps."""
    same = conv.kernel_size == (3, 3) and conv.stride == conv.dilation == (1, 1) and conv.groups == 1
    return same and conv.padding in ((1, 1), "same") and conv.padding_mode == "zeros"


class Dense(nn.Module):
    """A 3x3 convolution of stride 1 that keeps the size of its feature maps, (height, width), as a linear layer.

    Forward only; the feature maps are flattened channels last.
    """

    weight: torch.Tensor
    bias: torch.Tensor | None

    def __init__(self, conv: nn.Conv2d, height: int, width: int) -> None:
        super().__init__()
        taps = conv.weight.detach().permute(2, 3, 0, 1).contiguous()
        outputs, inputs = taps.shape[2:]
        weight = taps.new_zeros(height, width, outputs, height, width, inputs)
        for y, x in itertools.product(range(height), range(width)):
            rows, columns = range(max(y - 1, 0), min(y + 2, height)), range(max(x - 1, 0), min(x + 2, width))
            for v, u in itertools.product(rows, columns):
                weight[y, x, :, v, u] = taps[v - y + 1, u - x + 1]
        self.shape = (height, width, outputs)
        self.register_buffer("weight", weight.view(height * width * outputs, height * width * inputs))
        bias = winograd.bias_of(conv)
        if bias is not None:
            bias = bias.repeat(height * width)
        self.register_buffer("bias", bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Feature maps (N, C, H, W) to (N, C', H, W)."""
        flat = x.permute(0, 2, 3, 1).reshape(len(x), -1)
        return F.linear(flat, self.weight, self.bias).view(len(x), *self.shape).permute(0, 3, 1, 2)


class Patches(nn.Module):
    """A 3x3 convolution of stride 1 that keeps the size of its feature maps, as one product of all patches.

    Forward only.
    """

    weight: torch.Tensor
    bias: torch.Tensor | None

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.register_buffer("weight", conv.weight.detach().permute(0, 2, 3, 1).flatten(1).contiguous())
        self.register_buffer("bias", winograd.bias_of(conv))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Feature maps (N, C, H, W) to (N, C', H, W); fastest on channels last, which the output is."""
        count, channels, height, width = x.shape
        padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1)).contiguous()
        n, h, w, c = padded.stride()
        patches = padded.as_strided((count, height, width, 3, 3, channels), (n, h, w, h, w, c))
        product = F.linear(patches.reshape(-1, 9 * channels), self.weight, self.bias)
        return product.view(count, height, width, -1).permute(0, 3, 1, 2)


class Pool(nn.Module):
    """A 2x2 max pool, followed by a ReLU with `relu`; the last row or column of an odd side is left out."""

    def __init__(self, relu: bool) -> None:
        super().__init__()
        self.relu = relu

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Feature maps (N, C, H, W) to (N, C, H // 2, W // 2), in the same memory format; channels last is fastest."""
        height, width = x.shape[2] // 2 * 2, x.shape[3] // 2 * 2
        rows = torch.maximum(x[:, :, 0:height:2, :width], x[:, :, 1:height:2, :width])
        pooled = torch.maximum(rows[..., ::2], rows[..., 1::2])
        if self.relu:
            return pooled.relu_()
        return pooled
