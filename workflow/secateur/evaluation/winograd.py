"""3x3 convolutions with fewer products: Winograd's minimal filtering, for evaluation in float32 on a CPU.

F(4x4, 3x3) takes 36 products where direct convolution takes 144 (Lavin and Gray, 2016, equations 12 to 20). The tiles
of an image are gathered, transformed by one small matrix, multiplied by the transformed filters at each position of a
tile, and transformed back. Results differ from those of direct convolution by rounding alone: about 1e-5 of a layer's
largest value.
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

# The side of a tile of the result, and the transforms of a tile of the image, of a filter, and of the result.
SIDE = 4
REACH = SIDE + 2
IMAGE = [
    *([4, 0, -5, 0, 1, 0], [0, -4, -4, 1, 1, 0], [0, 4, -4, -1, 1, 0]),
    *([0, -2, -1, 2, 1, 0], [0, 2, -1, -2, 1, 0], [0, 4, 0, -5, 0, 1]),
]
KERNEL = [
    *([1 / 4, 0, 0], [-1 / 6, -1 / 6, -1 / 6], [-1 / 6, 1 / 6, -1 / 6]),
    *([1 / 24, 1 / 12, 1 / 6], [1 / 24, -1 / 12, 1 / 6], [0, 0, 1]),
]
RESULT = [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]]
# Measured: more bytes of tiles than this do not stay in the cache from one step to the next.
CHUNK = 5_000_000


class Convolution(nn.Module):
    """A 3x3 convolution of stride 1 that keeps the size of its feature maps, by F(4x4, 3x3); forward only."""

    image: torch.Tensor
    result: torch.Tensor
    weight: torch.Tensor
    bias: torch.Tensor | None

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        weight = conv.weight.detach()
        outputs, inputs = weight.shape[:2]
        flat = weight.permute(2, 3, 1, 0).reshape(9, inputs * outputs)
        kernel = _of_both_dimensions(KERNEL, weight.dtype)
        self.register_buffer("image", _of_both_dimensions(IMAGE, weight.dtype))
        self.register_buffer("result", _of_both_dimensions(RESULT, weight.dtype))
        self.register_buffer("weight", (kernel @ flat).view(-1, inputs, outputs))
        self.register_buffer("bias", bias_of(conv))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Feature maps (N, C, H, W) to (N, C', H, W); fastest on channels last, which the output is."""
        _, channels, height, width = x.shape
        tiles = -(-height // SIDE) * -(-width // SIDE)
        bytes_of_image = REACH**2 * tiles * max(channels, self.weight.shape[2]) * x.element_size()
        parts = x.permute(0, 2, 3, 1).split(max(1, CHUNK // bytes_of_image))
        return torch.cat(list(map(self._part, parts))).permute(0, 3, 1, 2)

    def _part(self, x):
        """(n, H, W, C) to (n, H, W, C')."""
        (count, height, width, channels), outputs = x.shape, self.weight.shape[2]
        down, across = -(-height // SIDE), -(-width // SIDE)
        x = F.pad(x, (0, 0, 1, 1 + across * SIDE - width, 1, 1 + down * SIDE - height)).contiguous()
        n, h, w, c = x.stride()
        # Position within the tile first, so that each position is one matrix of all tiles.
        tiles = x.as_strided((REACH, REACH, count, down, across, channels), (h, w, n, h * SIDE, w * SIDE, c))
        moved = self.image @ tiles.reshape(REACH**2, -1)
        product = torch.bmm(moved.view(REACH**2, -1, channels), self.weight)
        result = (self.result @ product.view(REACH**2, -1)).view(SIDE, SIDE, count, down, across, outputs)
        y = result.permute(2, 3, 0, 4, 1, 5).reshape(count, down * SIDE, across * SIDE, outputs)
        y = y[:, :height, :width]
        if self.bias is None:
            return y
        return y + self.bias


def _of_both_dimensions(matrix, dtype):
    """The transform of a tile, flattened, from that of one of its dimensions."""
    return torch.as_tensor(np.kron(matrix, matrix), dtype=dtype)


def bias_of(conv: nn.Conv2d) -> torch.Tensor | None:
    """The bias (C,) of a convolution without its gradient, or None."""
    if conv.bias is None:
        return None
    return conv.bias.detach()
