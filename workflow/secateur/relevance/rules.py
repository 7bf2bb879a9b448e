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

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import torch

from secateur import Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from secateur.relevance.linear_maps import Map

    Forward = Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor | None]]
    Backward = Callable[[torch.Tensor | None, torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
    Rule = Callable[[Map, bool, bool], tuple[Forward, Backward]]

EPSILON = 1e-6
# Far below any contribution, and far above what a float can no longer divide by.
TINY = 1e-30


# ---- rules ---------------------------------------------------------------------------------------------------
# A rule is a function (Map, bias counted?, signed input?) -> (forward, backward), with forward(x) -> (z, kept) and
# backward(kept, x, z, R) -> R_in, which may overwrite `kept`.


def two_sided(
    positive: Callable[[torch.Tensor], torch.Tensor],
    negative: Callable[[torch.Tensor], torch.Tensor],
    coefficients: tuple[float, float],
    gated: bool = False,
) -> Rule:
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


def one_sided(
    backward_of: Callable[
        [Map, bool, torch.Tensor], Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor] | None
    ],
) -> Rule:
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


def epsilon(value: float) -> Rule:
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


def z_box(low: float, high: float) -> Rule:
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


def alpha_beta(alpha: float, beta: float) -> Rule:
    """alpha times what the positive contributions pass on, less beta times what the negative ones do."""
    if abs(alpha - beta - 1) > 1e-9 or beta < 0:
        raise Refused(f"alpha - beta must be 1 and beta at least 0, got alpha {alpha} and beta {beta}")
    return two_sided(_above, _below, (alpha, -beta))


def gamma(value: float) -> Rule:
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


def named(text: str) -> Rule:
    """The rule that a text names, such as `alpha2beta1`, `epsilon=0.1` or `gamma=0.25`."""
    for pattern, make in RULES.items():
        match = re.fullmatch(pattern, text)
        if match:
            return make(*(float(number) for number in match.groups() if number is not None))
    raise Refused(f"unknown rule {text!r}; known: {NAMES}")
