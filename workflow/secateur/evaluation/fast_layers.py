"""Faster CPU kernels for inference: the same function of every layer, computed another way.

On maps of 2x2 and less a 3x3 convolution is a linear layer: of the taps that the direct way multiplies, those that fall
on padding are left out, 20 of 36. On 4x4 maps with many channels the filters do not fit the cache, and in bfloat16 one
large product of laid-out patches takes half the time. In float32 Winograd's way takes fewer products; where few
channels meet large maps, the direct kernel stays. A 2x2 pool is two maxima of whole rows, and a ReLU in front of it
waits until three quarters of its values are gone.
"""

import dataclasses
from collections import Counter

import torch
from torch import fx, nn
from torch.nn import functional as F

from secateur.evaluation import winograd
from secateur.graph import modes

# Measured, by the geometric mean of the channels in and out: Winograd's way is faster with more, on maps beyond 4x4.
WINOGRAD = 64
# Measured, likewise: laid-out patches are faster with more, in bfloat16 on maps up to 4x4.
PATCHES = 350


@dataclasses.dataclass(frozen=True)
class Facts:
    """What stays true of a network when it loses channels.

    `sizes` is {convolution: (height, width) of what it puts out}, `pools` {2x2 pool: the ReLU right in front of it, or
    None}, `alone` {ReLU: the layer whose result nobody else reads, so that it can be written over}.
    """

    sizes: dict[str, tuple[int, int]]
    pools: dict[str, str | None]
    alone: dict[str, str]


def facts(model: nn.Module, example: torch.Tensor) -> Facts:
    """The Facts of a model that torch.fx can trace; `example` is a batch (N, C, H, W), of which one image is run."""
    with modes.evaluating(model):
        graph = fx.symbolic_trace(model).graph
    modules = dict(model.named_modules())
    calls = Counter(node.target for node in graph.nodes if node.op == "call_module")
    layers = {node: modules[node.target] for node in graph.nodes if node.op == "call_module"}
    pools, alone = {}, {}
    for node, layer in layers.items():
        if isinstance(layer, nn.MaxPool2d) and _halves(layer):
            pools[node.target] = _before(node, layers, calls, nn.ReLU)
        if isinstance(layer, nn.ReLU) and (maker := _before(node, layers, calls, (nn.Conv2d, nn.Linear))):
            alone[node.target] = maker
    return Facts(_sizes(model, example), pools, alone)


def _before(node, layers, calls, kinds):
    """The name of the layer of these kinds whose result the node alone reads; each of them is called just once."""
    if calls[node.target] > 1:
        return None
    (found,) = node.all_input_nodes
    while isinstance(layers.get(found), nn.Identity) and len(found.users) == 1:
        (found,) = found.all_input_nodes
    fits = isinstance(layers.get(found), kinds) and len(found.users) == 1 and calls[found.target] == 1
    return found.target if fits else None


def _halves(pool):
    pairs = ((pool.kernel_size, 2), (pool.stride, 2), (pool.padding, 0), (pool.dilation, 1))
    return all(value in (wanted, (wanted, wanted)) for value, wanted in pairs) and not (
        pool.ceil_mode or pool.return_indices
    )


def _sizes(model, example):
    found, hooks = {}, []
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d):
            keep = lambda _, inputs, output, name=name: found.update({name: tuple(output.shape[2:])})  # noqa: E731
            hooks.append(module.register_forward_hook(keep))
    try:
        with torch.no_grad(), modes.evaluating(model):
            model(example[:1])
    finally:
        for hook in hooks:
            hook.remove()
    return found


def inserted(model: nn.Module, facts: Facts, dtype: torch.dtype) -> nn.Module:
    """The model itself, its layers replaced where that is faster; it may have fewer channels than `facts` are of."""
    for name, size in facts.sizes.items():
        module = _layer(model, name)
        faster = way(module, *size, dtype)
        if faster:
            model.set_submodule(name, faster(module, *size) if faster is Dense else faster(module))
    for name, relu in facts.pools.items():
        if isinstance(_layer(model, name), nn.MaxPool2d):
            swapped = isinstance(_layer(model, relu), nn.ReLU)
            model.set_submodule(name, Pool(swapped))
            if swapped:
                model.set_submodule(relu, nn.Identity())
    # Measured: bfloat16 gains nothing from it.
    for relu, maker in facts.alone.items() if dtype == torch.float32 else ():
        weight = getattr(_layer(model, maker), "weight", None)
        if isinstance(_layer(model, relu), nn.ReLU) and weight is not None and weight.numel():
            model.set_submodule(relu, nn.ReLU(inplace=True))
    return model


def _layer(model, name):
    """A layer by name; None where a branch without channels has lost it."""
    try:
        return model.get_submodule(name) if name else None
    except AttributeError:
        return None


def way(module: nn.Module | None, height: int, width: int, dtype: torch.dtype) -> type[nn.Module] | None:
    """The class that is fastest for a layer on maps of this size; None where torch's own is."""
    if not isinstance(module, nn.Conv2d) or not _fits(module):
        return None
    size, channels = max(height, width), (module.in_channels * module.out_channels) ** 0.5
    if size <= 2:
        return Dense
    if dtype == torch.float32:
        return winograd.Convolution if size <= 4 or channels > WINOGRAD else None
    return Patches if dtype == torch.bfloat16 and size <= 4 and channels > PATCHES else None


def _fits(conv):
    same = conv.kernel_size == (3, 3) and conv.stride == conv.dilation == (1, 1) and conv.groups == 1
    return same and conv.padding in ((1, 1), "same") and conv.padding_mode == "zeros"


class Dense(nn.Module):
    """A 3x3 convolution of stride 1 that keeps the size of its maps, (height, width), as a linear layer; forward only.

    Maps are laid out channels last.
    """

    def __init__(self, conv: nn.Conv2d, height: int, width: int) -> None:
        super().__init__()
        taps = conv.weight.detach().permute(2, 3, 0, 1).contiguous()
        outputs, inputs = taps.shape[2:]
        weight = taps.new_zeros(height, width, outputs, height, width, inputs)
        for y, x, v, u in torch.cartesian_prod(*map(torch.arange, (height, width, height, width))).tolist():
            if abs(v - y) <= 1 and abs(u - x) <= 1:
                weight[y, x, :, v, u] = taps[v - y + 1, u - x + 1]
        self.shape = (height, width, outputs)
        self.register_buffer("weight", weight.view(height * width * outputs, height * width * inputs))
        bias = None if conv.bias is None else conv.bias.detach().repeat(height * width)
        self.register_buffer("bias", bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Maps (N, C, H, W) to (N, C', H, W)."""
        flat = x.permute(0, 2, 3, 1).reshape(len(x), -1)
        return F.linear(flat, self.weight, self.bias).view(len(x), *self.shape).permute(0, 3, 1, 2)


class Patches(nn.Module):
    """A 3x3 convolution of stride 1 that keeps the size of its maps, as one product of all patches; forward only."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.register_buffer("weight", conv.weight.detach().permute(0, 2, 3, 1).flatten(1).contiguous())
        self.register_buffer("bias", None if conv.bias is None else conv.bias.detach())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Maps (N, C, H, W), best laid out channels last, to (N, C', H, W), laid out so."""
        count, channels, height, width = x.shape
        padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1)).contiguous()
        n, h, w, c = padded.stride()
        patches = padded.as_strided((count, height, width, 3, 3, channels), (n, h, w, h, w, c))
        product = F.linear(patches.reshape(-1, 9 * channels), self.weight, self.bias)
        return product.view(count, height, width, -1).permute(0, 3, 1, 2)


class Pool(nn.Module):
    """The largest of every 2x2 values, 0 at least with `relu`; what is over at an odd side is left out."""

    def __init__(self, relu: bool) -> None:
        super().__init__()
        self.relu = relu

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Maps (N, C, H, W), best laid out channels last, to (N, C, H // 2, W // 2), laid out alike."""
        height, width = (side // 2 * 2 for side in x.shape[2:])
        rows = torch.maximum(x[:, :, 0:height:2, :width], x[:, :, 1:height:2, :width])
        found = torch.maximum(rows[..., ::2], rows[..., 1::2])
        return found.relu_() if self.relu else found
