"""A convolution or linear layer as a linear map: applied, and pulled back."""

import functools
import itertools
from collections.abc import Callable, Sequence

import torch
from torch import nn
from torch.nn import functional as F

# Up to 2x2 the dense product has fewer multiply-adds than the convolution: 16 for 36.
DENSE_POSITIONS = 4


class Map:
    """The linear map of one layer, for any weights, and its transpose.

    `copies` is how many equal inputs stand in for one: a map of 1x1 that an average pool copied before a flatten is
    read once, with the columns of its copies added up *after* a rule has split the weights (splitting the sum would
    be another rule). `size` is (height, width) of the layer's input: a convolution of a tiny map is one dense product,
    which leaves out the taps that fall on padding.
    """

    def __init__(self, module: nn.Conv2d | nn.Linear, copies: int = 1, size: Sequence[int] | None = None) -> None:
        self.module, self.copies = module, copies
        self.conv = isinstance(module, nn.Conv2d)
        self.weight = module.weight.detach()
        self.bias = None if module.bias is None else module.bias.detach()
        self.groups = module.groups if self.conv else 1
        if self.conv:
            self.pad, self.padding = _padding(module)
        plain = self.conv and self.pad is None and self.groups == 1 and size is not None
        tiny = plain and size[0] * size[1] <= min(DENSE_POSITIONS, module.kernel_size[0] * module.kernel_size[1] - 1)
        self.size = tuple(size) if tiny else None

    def folded(self, weight: torch.Tensor) -> torch.Tensor:
        """Weights with the columns of copied inputs added up."""
        return weight if self.copies == 1 else weight.reshape(len(weight), -1, self.copies).sum(2)

    def padded(self, x: torch.Tensor) -> torch.Tensor:
        """The input with the border that a plain convolution cannot make."""
        return x if not self.conv or self.pad is None else self.pad(x)

    def forward(self, weight: torch.Tensor, bias: torch.Tensor | None = None) -> Callable[[torch.Tensor], torch.Tensor]:
        """A function x -> weight * x + bias, for x as `padded` gives it; without the layer's own bias."""
        if not self.conv:
            return lambda x: F.linear(x, weight, bias)
        m = self.module
        if self.size is None:
            return lambda x: F.conv2d(x, weight, bias, m.stride, self.padding, m.dilation, self.groups)
        matrix, out = self._matrix(weight)
        wide = None if bias is None else bias.repeat_interleave(out[0] * out[1])
        return lambda x: F.linear(x.flatten(1), matrix, wide).view(len(x), -1, *out)

    def transpose(self, weight: torch.Tensor) -> Callable[[torch.Tensor, Sequence[int]], torch.Tensor]:
        """A function (S, size of x) -> weight^T * S; what it needs is laid out once."""
        if not self.conv:
            return lambda S, size: S @ weight
        m = self.module
        if self.size is not None:
            matrix, _ = self._matrix(weight)
            return lambda S, size: (S.flatten(1) @ matrix).view(len(S), -1, *size)
        reach = [d * (k - 1) for d, k in zip(m.dilation, m.kernel_size, strict=True)]
        # On a CPU, transposed depthwise convolutions in bfloat16 are slow: ten times what zeros between take.
        slow = weight.dtype == torch.bfloat16 and weight.shape[1] == 1 < self.groups and not weight.is_cuda
        if (slow or set(m.stride) == {1}) and all(p <= r for p, r in zip(self.padding, reach, strict=True)):
            turned = _turned(weight, self.groups)
            border = tuple(r - p for r, p in zip(reach, self.padding, strict=True))
            return lambda S, size: F.conv2d(
                self._spread(S, size, reach), turned, None, 1, border, m.dilation, self.groups
            )

        def transposed(S, size):
            extra = [
                n - ((s - 1) * stride - 2 * p + r + 1)
                for n, s, stride, p, r in zip(size, S.shape[2:], m.stride, self.padding, reach, strict=True)
            ]
            return F.conv_transpose2d(S, weight, None, m.stride, self.padding, extra, self.groups, m.dilation)

        return transposed

    def _spread(self, S, size, reach):
        """What a stride of 1 would have given, with zeros where the stride leaves outputs out."""
        if set(self.module.stride) == {1}:
            return S
        all_places = [n + 2 * p - r for n, p, r in zip(size, self.padding, reach, strict=True)]
        wide = S.new_empty((*S.shape[:2], *all_places)).to(memory_format=torch.channels_last).zero_()
        wide[:, :, :: self.module.stride[0], :: self.module.stride[1]] = S
        return wide

    def forward_all(
        self, weights: Sequence[torch.Tensor], biases: Sequence[torch.Tensor]
    ) -> Callable[[torch.Tensor], torch.Tensor]:
        """A function x -> the products with several weights, (N, groups, weights, outputs of a group, ...)."""
        if self.groups == 1:
            product, parts = self.forward(torch.cat(weights), torch.cat(biases)), len(weights)

            def together(x):
                z = product(x)
                return z.view(len(z), 1, parts, -1, *z.shape[2:])

            return together
        products = [self.forward(weight, bias) for weight, bias in zip(weights, biases, strict=True)]

        # Grouped convolutions with several outputs for an input are slow: one after the other costs a third.
        def apart(x):
            found = [product(x) for product in products]
            return torch.stack([z.view(len(z), self.groups, -1, *z.shape[2:]) for z in found], 2)

        return apart

    def transpose_all(self, weights: Sequence[torch.Tensor]) -> Callable[[torch.Tensor, Sequence[int]], torch.Tensor]:
        """A function (S as `forward_all` gives it, size of x) -> the sum of the transposed products."""
        if self.groups == 1:
            back = self.transpose(torch.cat(weights))
            return lambda S, size: back(S.flatten(1, 3), size)
        backs = [self.transpose(weight) for weight in weights]
        return lambda S, size: sum(back(S[:, :, i].flatten(1, 2), size) for i, back in enumerate(backs))

    def _matrix(self, weight):
        """((outputs x positions, inputs x positions), (height, width) of the output) of a convolution of a tiny map."""
        m, (height, width) = self.module, self.size
        reach = [d * (k - 1) for d, k in zip(m.dilation, m.kernel_size, strict=True)]
        out = [
            (n + 2 * p - r - 1) // s + 1 for n, p, r, s in zip(self.size, self.padding, reach, m.stride, strict=True)
        ]
        matrix = weight.new_zeros(len(weight), *out, weight.shape[1], height, width)
        for row, column in itertools.product(range(out[0]), range(out[1])):
            for y, x in itertools.product(range(m.kernel_size[0]), range(m.kernel_size[1])):
                top = row * m.stride[0] - self.padding[0] + y * m.dilation[0]
                left = column * m.stride[1] - self.padding[1] + x * m.dilation[1]
                if 0 <= top < height and 0 <= left < width:
                    matrix[:, row, column, :, top, left] = weight[:, :, y, x]
        return matrix.flatten(3).flatten(0, 2), tuple(out)

    def unpadded(self, R: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """Relevance of the padded input, brought back to the input that the border was copied from."""
        if not self.conv or self.pad is None:
            return R
        with torch.enable_grad():
            leaf = x.detach().requires_grad_()
            return torch.autograd.grad(self.pad(leaf), leaf, R)[0]

    def along(self, values: torch.Tensor) -> torch.Tensor:
        """One number for each output, so that it adds to the layer's output."""
        return values[:, None, None] if self.conv else values


def _padding(module):
    """(a function that pads, or None; the padding left to the convolution)."""
    if module.padding == "valid":
        return None, (0, 0)
    if module.padding == "same":
        total = [d * (k - 1) for d, k in zip(module.dilation, module.kernel_size, strict=True)]
        border = [side for t in reversed(total) for side in (t // 2, t - t // 2)]
    else:
        border = [p for p in reversed(module.padding) for _ in range(2)]
    if module.padding_mode == "zeros":
        if border[0::2] == border[1::2]:
            return None, tuple(reversed(border[0::2]))
        return functools.partial(F.pad, pad=border), (0, 0)
    return functools.partial(F.pad, pad=border, mode=module.padding_mode), (0, 0)


def _turned(weight, groups):
    """Weights of the convolution that is the transpose of a convolution with stride 1."""
    outputs, inputs, height, width = weight.shape
    turned = weight.reshape(groups, outputs // groups, inputs, height, width).transpose(1, 2).flip(3, 4)
    return turned.reshape(groups * inputs, outputs // groups, height, width).contiguous()
