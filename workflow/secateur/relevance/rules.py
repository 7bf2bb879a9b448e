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
import typing
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
# A rule is a function (Map, bias counted?, input of either sign?) -> (forward, backward), with
# forward(x) -> (z, kept) and backward(kept, x, z, R) -> R_in, which may overwrite `kept`.


def two_sided(
    positive: Callable[[torch.Tensor], torch.Tensor],
    negative: Callable[[torch.Tensor], torch.Tensor],
    coefficients: tuple[float, float],
    gated: bool = False,
) -> Rule:
    """A rule with other coefficients for positive contributions than for negative ones.

    `positive` and `negative` give P and N of weights or biases; `gated` lets the sign of z choose the side.
    """

    def of_layer(linear, bias, signed):
        P, N = linear.folded(positive(linear.weight)), linear.folded(negative(linear.weight))
        sides, groups = [_expanded(P, N, signed), _expanded(N, P, signed)], linear.groups
        offsets = _offsets(linear, positive, negative, bias)
        product = _products(linear, sides, offsets, gated, signed)
        pull, count = _pull(linear, sides, coefficients)

        def forward(x):
            x = linear.padded(x)
            if signed:
                x = _signs(x, groups)
            denominators, z = _with_value(product(x), gated)
            # With biases counted, the sum of both sides holds the bias already.
            if linear.bias is not None and (gated or not bias):
                z += linear.along(linear.bias)
            return z, denominators[:, :, :count]

        def backward(denominators, x, z, R):
            R = R.view(len(R), groups, 1, -1, *R.shape[2:])
            S = _quotients(R, denominators, z, gated)
            wide = linear.padded(x)
            pulled = pull(S, wide.shape[2:])
            if not signed:
                return linear.unpadded(pulled.mul_(wide), x)
            of_signs = (pulled * _signs(wide, groups)).view(len(x), groups, 2, -1, *wide.shape[2:])
            return linear.unpadded(of_signs.sum(2).flatten(1, 2), x)

        return forward, backward

    return of_layer


def _products(linear, sides, offsets, gated, signed):
    """A function of the input: the products with the weights of both sides, and of W itself between them if `gated`."""
    if not gated:
        return linear.forward_all(sides, offsets)
    whole = _alike(linear.folded(linear.weight), signed)
    first, second = offsets
    return linear.forward_all([sides[0], whole, sides[1]], [first, torch.zeros_like(first), second])


def _with_value(products, gated):
    """(denominators of both sides, z): their sum where they are the parts of W; otherwise z is a product of its own."""
    if gated:
        return products[:, :, 0::2], products[:, :, 1].clone().flatten(1, 2)
    return products, (products[:, :, 0] + products[:, :, 1]).flatten(1, 2)


def _pull(linear, sides, coefficients):
    """(a function that pulls quotients back through the sides, count of sides): one where the other counts nothing."""
    weighted = [coefficient * side for coefficient, side in zip(coefficients, sides, strict=True)]
    count = len(sides) if coefficients[1] else 1
    return linear.transpose_all(weighted[:count]), count


def _quotients(R, denominators, z, gated):
    """S = R / Z of both sides, in place of the denominators: new memory would cost three times the division."""
    # Winograd and FFT, which a GPU may choose, would smear a huge ratio over its neighbours; and where gamma's own
    # relevance is huge, the ratio overflows, and nothing times infinity is no number.
    if not gated and not denominators.is_cuda:
        return torch.div(R, denominators, out=denominators)
    empty = denominators.abs() <= 10 * TINY
    if gated:
        above = (z > 0).view(R.shape)
        empty |= torch.cat([~above, above], 2)
    return torch.div(R, denominators, out=denominators).masked_fill_(empty, 0.0)


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
    """Offsets of the denominators of either side, (outputs,): the bias as it counts there, and next to nothing.

    A denominator is zero where every contribution is; next to nothing in its place then passes on nothing, because
    it multiplies those very contributions, and no division has to be mended. Added by the product itself, it is free.
    """
    counted = linear.weight.new_zeros(len(linear.weight))
    if bias and linear.bias is not None:
        return [positive(linear.bias) + TINY, negative(linear.bias) - TINY]
    return [counted + TINY, counted - TINY]


def _over(R, Z):
    """R / Z, and zero where Z is zero."""
    return (R / Z).nan_to_num_(0.0, 0.0, 0.0)


def one_sided(
    backward_of: Callable[
        [Map, bool, torch.Tensor], Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
    ],
) -> Rule:
    """A rule that needs z alone; `backward_of(linear, bias, weight)` gives backward(x, z, R) -> R_in.

    `weight` is that of the layer with the columns of copied inputs added up, `bias` whether biases count.
    """

    def of_layer(linear, bias, signed):
        weight = linear.folded(linear.weight)
        inner, product = backward_of(linear, bias, weight), linear.forward(weight)

        def forward(x):
            z = product(linear.padded(x))
            if linear.bias is not None:
                z = z + linear.along(linear.bias)
            return z, None

        def backward(kept, x, z, R):
            return linear.unpadded(inner(linear.padded(x), z, R), x)

        return forward, backward

    return of_layer


def forward_only() -> Rule:
    """The rule of a layer at whose output relevance ends: no weights are laid out to pull it back."""
    return one_sided(lambda linear, bias, weight: _ended)


def _ended(x, z, R):
    raise AssertionError("relevance ends at the output of this layer")


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
        products = list(map(linear.forward, (weight, above, below)))
        pulls = list(map(linear.transpose, (weight, above, below)))

        def backward(x, z, R):
            lows, highs = torch.full_like(x, low), torch.full_like(x, high)
            S = _over(R, sum((products[0](x), -products[1](lows), -products[2](highs))))
            of_x, of_lows, of_highs = (pull(S, x.shape[2:]) for pull in pulls)
            # To a checker a sum may be the 0 that it begins with.
            return typing.cast("torch.Tensor", sum((x * of_x, -lows * of_lows, -highs * of_highs)))

        return backward

    return one_sided(backward_of)


def _above(W):
    return W.clamp(min=0)


def _below(W):
    return W.clamp(max=0)


def alpha_beta(alpha: float, beta: float) -> Rule:
    """Positive contributions count alpha times, negative ones -beta times (Bach et al. 2015, eq. 60).

    Raises Refused unless alpha - beta is 1 and beta at least 0.
    """
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
    """The rule that a text names, such as `alpha2beta1`, `epsilon=0.1` or `gamma=0.25`; Refused if none does."""
    for pattern, make in RULES.items():
        match = re.fullmatch(pattern, text)
        if match:
            return make(*map(float, filter(None, match.groups())))
    raise Refused(f"unknown rule {text!r}; known: {NAMES}")
