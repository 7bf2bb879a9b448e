"""A convolution or linear layer as a linear map: applied, and pulled back."""

import functools
import typing
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

# Up to 2x2 the dense product has fewer multiply-adds than the convolution: 16 for 36.
DENSE_POSITIONS = 4


class Map:
    """The linear map of one layer, for any weights, and its transpose.

    `copies` is the count of equal inputs that stand for one: a map of 1x1 that an average pool copied before a flatten
    is read once, with the columns of its copies added up *after* a rule has split the weights (splitting the sum would
    be another rule). `size` is (height, width) of the layer's input: a convolution of a tiny map is one dense product,
    which leaves out the taps that fall on padding. A linear layer has the geometry of a convolution of 1x1.
    """

    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]

    def __init__(self, module: nn.Conv2d | nn.Linear, copies: int = 1, size: Sequence[int] | None = None) -> None:
        self.copies, self.conv = copies, isinstance(module, nn.Conv2d)
        self.weight = module.weight.detach()
        self.bias = None if module.bias is None else module.bias.detach()
        self.groups, self.kernel_size, self.stride, self.dilation = 1, (1, 1), (1, 1), (1, 1)
        self.pad, self.padding = None, (0, 0)
        if isinstance(module, nn.Conv2d):
            self.groups, self.kernel_size = module.groups, module.kernel_size
            self.stride, self.dilation = module.stride, module.dilation
            self.pad, self.padding = _padding(module)
        self.size = None
        if self.conv and self.pad is None and self.groups == 1 and size is not None:
            height, width = self.kernel_size
            if size[0] * size[1] <= min(DENSE_POSITIONS, height * width - 1):
                self.size = tuple(size)

    def folded(self, weight: torch.Tensor) -> torch.Tensor:
        """Weights with the columns of copied inputs added up."""
        if self.copies == 1:
            return weight
        return weight.reshape(len(weight), -1, self.copies).sum(2)

    def padded(self, x: torch.Tensor) -> torch.Tensor:
        """The input with the border that a plain convolution cannot make."""
        if self.pad is None:
            return x
        return self.pad(x)

    def forward(self, weight: torch.Tensor, bias: torch.Tensor | None = None) -> Callable[[torch.Tensor], torch.Tensor]:
        """A function x -> weight * x + bias, for x as `padded` gives it; without the layer's own bias.

        `weight` has the shape of the layer's own, or more input channels (`rules._expanded`); `bias` is (outputs,).
        """
        if not self.conv:
            return lambda x: F.linear(x, weight, bias)
        if self.size is None:
            return lambda x: F.conv2d(x, weight, bias, self.stride, self.padding, self.dilation, self.groups)
        matrix, (height, width) = self._matrix(weight, self.size)
        if bias is not None:
            bias = bias.repeat_interleave(height * width)
        return lambda x: F.linear(x.flatten(1), matrix, bias).view(len(x), -1, height, width)

    def transpose(self, weight: torch.Tensor) -> Callable[[torch.Tensor, Sequence[int]], torch.Tensor]:
        """A function (S, (height, width) of x) -> weight^T * S, whose weights are laid out once."""
        if not self.conv:
            return lambda S, size: S @ weight
        if self.size is not None:
            matrix, _ = self._matrix(weight, self.size)
            return lambda S, size: (S.flatten(1) @ matrix).view(len(S), -1, *size)
        # On a CPU, transposed depthwise convolutions in bfloat16 are slow: ten times what zeros between take.
        slow = weight.dtype == torch.bfloat16 and weight.shape[1] == 1 < self.groups and not weight.is_cuda
        border = np.subtract(self._reach(), self.padding)
        if (slow or set(self.stride) == {1}) and (border >= 0).all():
            turned, border = _turned(weight, self.groups), tuple(border.tolist())
            return lambda S, size: F.conv2d(self._spread(S, size), turned, None, 1, border, self.dilation, self.groups)

        def transposed(S, size):
            # Rows and columns that the stride does not reach.
            least = (np.array(S.shape[2:]) - 1) * self.stride - 2 * np.array(self.padding) + self._reach() + 1
            extra = np.subtract(size, least).tolist()
            return F.conv_transpose2d(S, weight, None, self.stride, self.padding, extra, self.groups, self.dilation)

        return transposed

    def _reach(self):
        """Rows and columns that a kernel spans beyond its first: (2,)."""
        return np.multiply(self.dilation, np.subtract(self.kernel_size, 1))

    def _spread(self, S, size):
        """The outputs of a stride of 1, with zeros where the stride leaves outputs out."""
        if set(self.stride) == {1}:
            return S
        all_places = np.array(size) + 2 * np.array(self.padding) - self._reach()
        wide = S.new_empty((*S.shape[:2], *all_places.tolist())).to(memory_format=torch.channels_last).zero_()
        wide[:, :, :: self.stride[0], :: self.stride[1]] = S
        return wide

    def forward_all(
        self, weights: list[torch.Tensor], biases: list[torch.Tensor]
    ) -> Callable[[torch.Tensor], torch.Tensor]:
        """A function x -> the products with several weights, (N, groups, weights, outputs of a group, ...)."""
        if self.groups == 1:
            product, count = self.forward(torch.cat(weights), torch.cat(biases)), len(weights)

            def together(x):
                z = product(x)
                return z.view(len(z), 1, count, -1, *z.shape[2:])

            return together
        products = list(map(self.forward, weights, biases))

        # Grouped convolutions with several outputs for an input are slow: one after the other costs a third.
        def apart(x):
            parts = []
            for product in products:
                z = product(x)
                parts.append(z.view(len(z), self.groups, -1, *z.shape[2:]))
            return torch.stack(parts, 2)

        return apart

    def transpose_all(self, weights: list[torch.Tensor]) -> Callable[[torch.Tensor, Sequence[int]], torch.Tensor]:
        """A function (S as of `forward_all`, (height, width) of x) -> the sum of the transposed products."""
        if self.groups == 1:
            back = self.transpose(torch.cat(weights))
            return lambda S, size: back(S.flatten(1, 3), size)
        backs = list(map(self.transpose, weights))

        def added(S, size):
            parts = (back(S[:, :, i].flatten(1, 2), size) for i, back in enumerate(backs))
            # To a checker the sum may be 0, which it is of no weights at all.
            return typing.cast(torch.Tensor, sum(parts))

        return added

    def _matrix(self, weight, size):
        """((outputs x positions, inputs x positions), (height, width) of the output) of a convolution of a tiny map."""
        out = ((np.array(size) + 2 * np.array(self.padding) - self._reach() - 1) // self.stride + 1).tolist()
        matrix = weight.new_zeros(len(weight), *out, weight.shape[1], *size)
        for place in np.ndindex(*out):
            for tap in np.ndindex(*self.kernel_size):
                read = np.multiply(place, self.stride) - self.padding + np.multiply(tap, self.dilation)
                if (read >= 0).all() and (read < size).all():
                    matrix[:, *place, :, *read.tolist()] = weight[:, :, *tap]
        return matrix.flatten(3).flatten(0, 2), tuple(out)

    def unpadded(self, R: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """Relevance of the padded input, added up at the inputs that the border was copied from."""
        if self.pad is None:
            return R
        with torch.enable_grad():
            leaf = x.detach().requires_grad_()
            return torch.autograd.grad(self.pad(leaf), leaf, R)[0]

    def along(self, values: torch.Tensor) -> torch.Tensor:
        """Values (outputs,) in a shape that adds to the layer's output."""
        return values[:, None, None] if self.conv else values


def _padding(module):
    """(a function that pads, or None; the padding left to the convolution)."""
    if module.padding == "valid":
        return None, (0, 0)
    padding = module.padding
    if padding == "same":
        padding = (None, None)
    height, width = map(_both_sides, padding, module.dilation, module.kernel_size)
    # F.pad begins with the last dimension.
    border = [*width, *height]
    if module.padding_mode != "zeros":
        return functools.partial(F.pad, pad=border, mode=module.padding_mode), (0, 0)
    if border[0::2] == border[1::2]:
        return None, (height[0], width[0])
    return functools.partial(F.pad, pad=border), (0, 0)


def _both_sides(padding, dilation, kernel_size):
    """The padding of one dimension before and behind; None pads so that the output is as large as the input."""
    if padding is not None:
        return padding, padding
    total = dilation * (kernel_size - 1)
    return total // 2, total - total // 2


def _turned(weight, groups):
    """Weights of the convolution that is the transpose of a convolution with stride 1."""
    outputs, inputs, height, width = weight.shape
    turned = weight.reshape(groups, outputs // groups, inputs, height, width).transpose(1, 2).flip(3, 4)
    return turned.reshape(groups * inputs, outputs // groups, height, width).contiguous()
