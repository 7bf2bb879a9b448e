"""The propagation rules of convolutions and linear layers: mathematics as data.

For a layer z = W x + b and relevance R of its outputs, every rule here gives R_in of its inputs. Products are what
costs, so a layer's weights are split, stacked and transposed once, and both signs go through one product:

two-sided (Bach et al. 2015, eq. 60; gamma: Montavon et al. 2019, generalised to signed inputs)
    Z+ = P x+ + N x-,   Z- = N x+ + P x-
    R_in = x+ (c+ P^T S+ + c- N^T S-) + x- (c+ N^T S+ + c- P^T S-),    S+ = R / Z+,  S- = R / Z-
    where P and N are the rule's positive and negative weights and c+, c- its coefficients
one-sided (epsilon, gradient, flat, z^B)
    R_in from W^T [R / (z + stabiliser)] and the like

A denominator of zero passes nothing on. Biases are left out of denominators unless asked for.
"""

import functools
import itertools
import re

import torch
from torch import nn
from torch.nn import functional as F

EPSILON = 1e-6
# Far below any contribution, and far above what a float can no longer divide by.
TINY = 1e-30
# Up to 2x2 the dense product has fewer multiply-adds than the convolution: 16 for 36.
DENSE_POSITIONS = 4


class Map:
    """The linear map of one layer, for any weights, and its transpose.

    `copies` is how many equal inputs stand in for one: a map of 1x1 that an average pool copied before a flatten is
    read once, with the columns of its copies added up *after* a rule has split the weights (splitting the sum would
    be another rule). `size` is (height, width) of the layer's input: a convolution of a tiny map is one dense product,
    which leaves out the taps that fall on padding.
    """

    def __init__(self, module, copies=1, size=None):
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

    def folded(self, weight):
        """Weights with the columns of copied inputs added up."""
        return weight if self.copies == 1 else weight.reshape(len(weight), -1, self.copies).sum(2)

    def padded(self, x):
        """The input with the border that a plain convolution cannot make."""
        return x if not self.conv or self.pad is None else self.pad(x)

    def forward(self, weight, bias=None):
        """A function x -> weight * x + bias, for x as `padded` gives it; without the layer's own bias."""
        if not self.conv:
            return lambda x: F.linear(x, weight, bias)
        m = self.module
        if self.size is None:
            return lambda x: F.conv2d(x, weight, bias, m.stride, self.padding, m.dilation, self.groups)
        matrix, out = self._matrix(weight)
        wide = None if bias is None else bias.repeat_interleave(out[0] * out[1])
        return lambda x: F.linear(x.flatten(1), matrix, wide).view(len(x), -1, *out)

    def transpose(self, weight):
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

    def forward_all(self, weights, biases):
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

    def transpose_all(self, weights):
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

    def unpadded(self, R, x):
        """Relevance of the padded input, brought back to the input that the border was copied from."""
        if not self.conv or self.pad is None:
            return R
        with torch.enable_grad():
            leaf = x.detach().requires_grad_()
            return torch.autograd.grad(self.pad(leaf), leaf, R)[0]

    def along(self, values):
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


# ---- rules ---------------------------------------------------------------------------------------------------
# A rule is a function (Map, bias counted?, signed input?) -> (forward, backward), with forward(x) -> (z, kept) and
# backward(kept, x, z, R) -> R_in, which may overwrite `kept`.


def two_sided(positive, negative, coefficients, gated=False):
    """A rule that treats contributions of either sign apart; `gated` lets z's own sign choose the side."""

    def of_layer(linear, bias, signed):
        P, N = linear.folded(positive(linear.weight)), linear.folded(negative(linear.weight))
        g, both = linear.groups, bool(coefficients[1])
        sides = [_expanded(P, N, signed), _expanded(N, P, signed)]
        # z is the sum of both sides where they are the parts of W; otherwise it takes a product of its own.
        # With biases counted, so does their sum hold the bias already.
        parts = not gated
        offsets = _offsets(linear, positive, negative, bias)
        into = list(sides)
        if gated:
            into.insert(1, _alike(linear.folded(linear.weight), signed))
            offsets.insert(1, torch.zeros_like(offsets[0]))
        product = linear.forward_all(into, offsets)
        weighted = [c * side for c, side in zip(coefficients, sides, strict=True)]
        back = linear.transpose_all(weighted if both else weighted[:1])

        def forward(x):
            z = product(_signs(linear.padded(x), g) if signed else linear.padded(x))
            found = (z[:, :, 0] + z[:, :, 1] if parts else z[:, :, 1].clone()).flatten(1, 2)
            if linear.bias is not None and not (parts and bias):
                found += linear.along(linear.bias)
            kept = z if parts else z[:, :, 0::2]
            return found, (kept if both else kept[:, :, :1])

        def backward(kept, x, z, R):
            R = R.view(len(R), g, 1, -1, *R.shape[2:])
            # Winograd and FFT, which a GPU may choose, would smear a huge ratio over its neighbours; and where
            # gamma's own relevance is huge, the ratio overflows, and nothing times infinity is no number.
            empty = kept.abs() <= 10 * TINY if kept.is_cuda or gated else None
            # In place of what was kept: new memory would cost three times the division.
            S = torch.div(R, kept, out=kept)
            if gated:
                above = (z > 0).view(R.shape)
                empty |= torch.cat([~above, above], 2)
            if empty is not None:
                S = S.masked_fill_(empty, 0.0)
            wide = linear.padded(x)
            size = wide.shape[2:]
            passed = back(S, size)
            if signed:
                passed = (passed * _signs(wide, g)).view(len(x), g, 2, -1, *size).sum(2).flatten(1, 2)
            else:
                passed = passed.mul_(wide)
            return linear.unpadded(passed, x)

        return forward, backward

    return of_layer


def _alike(W, signed):
    """Weights that read x+ and x- alike."""
    return torch.cat([W, W], 1) if signed else W


def _expanded(P, N, signed):
    """Weights for the input [x+, x-], or for x itself where it has no negative values."""
    return torch.cat([P, N], 1) if signed else P


def _signs(x, groups):
    """[x+, x-] along the channels of each group."""
    x = x.view(len(x), groups, 1, -1, *x.shape[2:])
    return torch.cat([x.clamp(min=0), x.clamp(max=0)], 2).flatten(1, 3)


def _offsets(linear, positive, negative, bias):
    """What is added to the denominators of either side: the bias as it counts there, and next to nothing.

    A denominator is zero where every contribution is; next to nothing in its place then passes on nothing, because
    it multiplies those very contributions, and no division has to be mended. Added by the product itself, it is free.
    """
    zero = linear.weight.new_zeros(len(linear.weight))
    counted = bias and linear.bias is not None
    sides = (positive(linear.bias), negative(linear.bias)) if counted else (zero, zero)
    return [side + TINY * sign for side, sign in zip(sides, (1, -1), strict=True)]


def _over(R, Z):
    """R / Z, and zero where Z is zero."""
    return (R / Z).nan_to_num_(0.0, 0.0, 0.0)


def one_sided(backward_of):
    """A rule that needs z alone; `backward_of(linear, bias)` gives backward(x, z, R)."""

    def of_layer(linear, bias, signed):
        weight = linear.folded(linear.weight)
        inner, product = backward_of(linear, bias, weight), linear.forward(weight)

        def forward(x):
            z = product(linear.padded(x))
            return (z if linear.bias is None else z + linear.along(linear.bias)), None

        def backward(kept, x, z, R):
            return linear.unpadded(inner(linear.padded(x), z, R), x)

        return forward, backward

    return of_layer


def epsilon(value):
    """R_in = x W^T [R / (z + epsilon sign z)], sign 0 = 1 (Bach et al. 2015, eq. 58)."""

    def backward_of(linear, bias, weight):
        back = linear.transpose(weight)

        def backward(x, z, R):
            if not bias and linear.bias is not None:
                z = z - linear.along(linear.bias)
            sign = torch.where(z < 0, -1.0, 1.0).to(z.dtype)
            return x * back(R / (z + value * sign), x.shape[2:])

        return backward

    return one_sided(backward_of)


def _gradient(linear, bias, weight):
    back = linear.transpose(weight)
    return lambda x, z, R: back(R, x.shape[2:])


def _flat(linear, bias, weight):
    """Every input that reaches an output has an equal share (Lapuschkin et al. 2017)."""
    ones = torch.ones_like(weight)
    back, product = linear.transpose(ones), linear.forward(ones)

    def backward(x, z, R):
        return back(_over(R, product(torch.ones_like(x[:1]))), x.shape[2:])

    return backward


def z_box(low, high):
    """z^B for pixels between low and high (Montavon et al. 2017): R_in = (x W - low W+ - high W-)^T [R / z^B]."""

    def backward_of(linear, bias, weight):
        above = linear.folded(linear.weight.clamp(min=0))
        below = linear.folded(linear.weight.clamp(max=0))
        backs, products = ([make(w) for w in (weight, above, below)] for make in (linear.transpose, linear.forward))

        def backward(x, z, R):
            inputs = x, torch.full_like(x, low), torch.full_like(x, high)
            signs = 1, -1, -1
            Z = sum(s * product(i) for s, i, product in zip(signs, inputs, products, strict=True))
            S = _over(R, Z)
            return sum(s * i * back(S, x.shape[2:]) for s, i, back in zip(signs, inputs, backs, strict=True))

        return backward

    return one_sided(backward_of)


def _above(W):
    return W.clamp(min=0)


def _below(W):
    return W.clamp(max=0)


def alpha_beta(alpha, beta):
    """alpha times what the positive contributions pass on, less beta times what the negative ones do."""
    if abs(alpha - beta - 1) > 1e-9 or beta < 0:
        raise ValueError(f"alpha - beta must be 1 and beta at least 0, got alpha {alpha} and beta {beta}")
    return two_sided(_above, _below, (alpha, -beta))


def gamma(value):
    """Positive contributions count 1 + gamma times (Montavon et al. 2019), for inputs of either sign."""
    return two_sided(lambda W: W + value * W.clamp(min=0), lambda W: W + value * W.clamp(max=0), (1, 1), gated=True)


NUMBER = r"(-?\d+(?:\.\d+)?(?:e-?\d+)?)"
# Text of a rule, and what makes it of the numbers in the text.
RULES = {
    rf"alpha{NUMBER}beta{NUMBER}": alpha_beta,
    r"zplus": lambda: alpha_beta(1, 0),
    rf"epsilon(?:={NUMBER})?": lambda value=EPSILON: epsilon(value),
    rf"gamma(?:={NUMBER})?": lambda value=0.25: gamma(value),
    r"flat": lambda: one_sided(_flat),
    rf"zbox={NUMBER},{NUMBER}": z_box,
    r"gradient": lambda: one_sided(_gradient),
}
NAMES = (
    "alpha2beta1, alpha1beta0 (any alphaAbetaB with A - B = 1), zplus, epsilon=E, gamma=G, flat, "
    "zbox=LOW,HIGH, gradient"
)


def named(text):
    """The rule that a text names, such as `alpha2beta1`, `epsilon=0.1` or `gamma=0.25`."""
    for pattern, make in RULES.items():
        match = re.fullmatch(pattern, text)
        if match:
            return make(*(float(number) for number in match.groups() if number is not None))
    raise ValueError(f"unknown rule {text!r}; known: {NAMES}")
