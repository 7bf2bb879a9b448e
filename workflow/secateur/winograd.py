"""3x3 convolutions with fewer products: Winograd's minimal filtering, for evaluation in float32 on a CPU.

F(4x4, 3x3) takes 36 products where the direct way takes 144, F(2x2, 3x3) takes 16 where it takes 36 (Lavin and Gray,
2016, equations 12 to 20). The rest is moving numbers: an image's tiles are laid out, transformed by one small matrix,
multiplied by the transformed filters tile position by tile position, and transformed back. Where the direct kernel is
faster (few channels on large maps), it stays. Results differ from the direct ones by rounding alone: about 1e-5 of a
layer's largest value.
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

# (transform of an image's tile, of a filter, of the result), by the side of the result's tile.
MATRICES = {
    2: (
        [[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]],
        [[1, 0, 0], [1 / 2, 1 / 2, 1 / 2], [1 / 2, -1 / 2, 1 / 2], [0, 0, 1]],
        [[1, 1, 1, 0], [0, 1, -1, -1]],
    ),
    4: (
        [
            *([4, 0, -5, 0, 1, 0], [0, -4, -4, 1, 1, 0], [0, 4, -4, -1, 1, 0]),
            *([0, -2, -1, 2, 1, 0], [0, 2, -1, -2, 1, 0], [0, 4, 0, -5, 0, 1]),
        ],
        [
            *([1 / 4, 0, 0], [-1 / 6, -1 / 6, -1 / 6], [-1 / 6, 1 / 6, -1 / 6]),
            *([1 / 24, 1 / 12, 1 / 6], [1 / 24, -1 / 12, 1 / 6], [0, 0, 1]),
        ],
        [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]],
    ),
}
# Measured: tiles of more bytes than this leave the cache between one step and the next.
CHUNK = 5_000_000
# Measured: with fewer channels (the geometric mean of in and out) the direct kernel is faster on maps larger than 4x4.
CHANNELS = 64


def tile(module, height, width):
    """The side of the result's tile that is fastest for a layer on maps of this size; None where the direct way is."""
    if not isinstance(module, nn.Conv2d) or not _fits(module):
        return None
    if max(height, width) <= 2:
        return 2
    return 4 if max(height, width) <= 4 or module.in_channels * module.out_channels > CHANNELS**2 else None


def _fits(conv):
    same = conv.kernel_size == (3, 3) and conv.stride == conv.dilation == (1, 1) and conv.groups == 1
    return same and conv.padding in ((1, 1), "same") and conv.padding_mode == "zeros"


def inserted(model, sizes):
    """The model itself, its convolutions replaced where that is faster; `sizes` is {layer: (height, width)}."""
    for name, size in sizes.items():
        module = model.get_submodule(name)
        side = tile(module, *size)
        if side:
            model.set_submodule(name, Convolution(module, side))
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


class Convolution(nn.Module):
    """A 3x3 convolution of stride 1 that keeps the size of its maps, by F(side x side, 3x3); forward only."""

    def __init__(self, conv, side):
        super().__init__()
        image, kernel, result = (np.kron(matrix, matrix) for matrix in MATRICES[side])
        weight = conv.weight.detach()
        made = {"image": image, "result": result, "kernel": kernel}
        made = {name: torch.as_tensor(matrix, dtype=weight.dtype) for name, matrix in made.items()}
        outputs, inputs = weight.shape[:2]
        flat = weight.permute(2, 3, 1, 0).reshape(9, inputs * outputs)
        self.side, self.reach = side, side + 2
        self.register_buffer("image", made["image"])
        self.register_buffer("result", made["result"])
        self.register_buffer("weight", (made["kernel"] @ flat).view(-1, inputs, outputs))
        self.register_buffer("bias", None if conv.bias is None else conv.bias.detach())

    def forward(self, x):
        """Maps (N, C, H, W), best laid out channels last, to (N, C', H, W), laid out so."""
        _, channels, height, width = x.shape
        tiles = -(-height // self.side) * -(-width // self.side)
        bytes_of_one = self.reach**2 * tiles * max(channels, self.weight.shape[2]) * x.element_size()
        parts = x.permute(0, 2, 3, 1).split(max(1, CHUNK // bytes_of_one))
        return torch.cat([self._part(part) for part in parts]).permute(0, 3, 1, 2)

    def _part(self, x):
        """(n, H, W, C) to (n, H, W, C')."""
        (count, height, width, channels), outputs = x.shape, self.weight.shape[2]
        side, reach = self.side, self.reach
        down, across = -(-height // side), -(-width // side)
        x = F.pad(x, (0, 0, 1, 1 + across * side - width, 1, 1 + down * side - height)).contiguous()
        n, h, w, c = x.stride()
        # Position within the tile first, so that each position is one matrix of all tiles.
        tiles = x.as_strided((reach, reach, count, down, across, channels), (h, w, n, h * side, w * side, c))
        moved = self.image @ tiles.reshape(reach**2, -1)
        product = torch.bmm(moved.view(reach**2, -1, channels), self.weight)
        result = (self.result @ product.view(reach**2, -1)).view(side, side, count, down, across, outputs)
        y = result.permute(2, 3, 0, 4, 1, 5).reshape(count, down * side, across * side, outputs)
        y = y[:, :height, :width]
        return y if self.bias is None else y + self.bias
