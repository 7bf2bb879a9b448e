"""3x3 convolutions in the way that is fastest on a CPU, for evaluation: which way, and those that are matrix products.

On maps of 2x2 and less a convolution is a linear layer: of the taps that the direct way multiplies, those that fall on
padding are left out, 20 of 36. On 4x4 maps with many channels the filters do not fit the cache, and in bfloat16 one
large product of laid-out patches takes half the time. In float32 Winograd's way takes fewer products; where few
channels meet large maps, the direct kernel stays.
"""

import torch
from torch import nn
from torch.nn import functional as F

from secateur import winograd

# Measured, by the geometric mean of the channels in and out: Winograd's way is faster with more, on maps beyond 4x4.
WINOGRAD = 64
# Measured, likewise: laid-out patches are faster with more, in bfloat16 on maps up to 4x4.
PATCHES = 350


def way(module, height, width, dtype):
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


def inserted(model, sizes, dtype):
    """The model itself, its convolutions replaced where that is faster; `sizes` is {layer: (height, width)}."""
    for name, size in sizes.items():
        module = model.get_submodule(name)
        faster = way(module, *size, dtype)
        if faster:
            model.set_submodule(name, faster(module, *size) if faster is Dense else faster(module))
    return model


def sizes(model, example):
    """{layer: (height, width)} of what every convolution puts out for a batch (N, C, H, W)."""
    found, hooks = {}, []
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d):
            keep = lambda _, inputs, output, name=name: found.update({name: tuple(output.shape[2:])})  # noqa: E731
            hooks.append(module.register_forward_hook(keep))
    try:
        with torch.no_grad():
            model(example[:1])
    finally:
        for hook in hooks:
            hook.remove()
    return found


class Dense(nn.Module):
    """A 3x3 convolution of stride 1 that keeps the size of its maps, (height, width), as a linear layer; forward only.

    Maps are laid out channels last.
    """

    def __init__(self, conv, height, width):
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

    def forward(self, x):
        """Maps (N, C, H, W) to (N, C', H, W)."""
        flat = x.permute(0, 2, 3, 1).reshape(len(x), -1)
        return F.linear(flat, self.weight, self.bias).view(len(x), *self.shape).permute(0, 3, 1, 2)


class Patches(nn.Module):
    """A 3x3 convolution of stride 1 that keeps the size of its maps, as one product of all patches; forward only."""

    def __init__(self, conv):
        super().__init__()
        self.register_buffer("weight", conv.weight.detach().permute(0, 2, 3, 1).flatten(1).contiguous())
        self.register_buffer("bias", None if conv.bias is None else conv.bias.detach())

    def forward(self, x):
        """Maps (N, C, H, W), best laid out channels last, to (N, C', H, W), laid out so."""
        count, channels, height, width = x.shape
        padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1)).contiguous()
        n, h, w, c = padded.stride()
        patches = padded.as_strided((count, height, width, 3, 3, channels), (n, h, w, h, w, c))
        product = F.linear(patches.reshape(-1, 9 * channels), self.weight, self.bias)
        return product.view(count, height, width, -1).permute(0, 3, 1, 2)
