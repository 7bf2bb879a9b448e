"""3x3 convolutions with fewer products: Winograd's minimal filtering, for evaluation in float32 on a CPU.

F(4x4, 3x3) takes 36 products where the direct way takes 144 (Lavin and Gray, 2016, equations 12 to 20). The rest is
moving numbers: an image's tiles are laid out, transformed by one small matrix, multiplied by the transformed filters
tile position by tile position, and transformed back. Results differ from the direct ones by rounding alone: about 1e-5
of a layer's largest value.
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

# The side of the result's tile, and the transforms of an image's tile, of a filter, and of the result.
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
# Measured: tiles of more bytes than this leave the cache between one step and the next.
CHUNK = 5_000_000


class Convolution(nn.Module):
    """A 3x3 convolution of stride 1 that keeps the size of its maps, by F(4x4, 3x3); forward only."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        weight = conv.weight.detach()
        image, kernel, result = (
            torch.as_tensor(np.kron(matrix, matrix), dtype=weight.dtype) for matrix in (IMAGE, KERNEL, RESULT)
        )
        outputs, inputs = weight.shape[:2]
        flat = weight.permute(2, 3, 1, 0).reshape(9, inputs * outputs)
        self.register_buffer("image", image)
        self.register_buffer("result", result)
        self.register_buffer("weight", (kernel @ flat).view(-1, inputs, outputs))
        self.register_buffer("bias", None if conv.bias is None else conv.bias.detach())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Maps (N, C, H, W), best laid out channels last, to (N, C', H, W), laid out so."""
        _, channels, height, width = x.shape
        tiles = -(-height // SIDE) * -(-width // SIDE)
        bytes_of_one = REACH**2 * tiles * max(channels, self.weight.shape[2]) * x.element_size()
        parts = x.permute(0, 2, 3, 1).split(max(1, CHUNK // bytes_of_one))
        return torch.cat([self._part(part) for part in parts]).permute(0, 3, 1, 2)

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
        return y if self.bias is None else y + self.bias
