"""Every step of small sparse trainings, computed once more in numpy from the weights before it."""

import dataclasses
import math
from fractions import Fraction

import numpy as np
import pytest
import torch

from secateur.sparsity import feather
from secateur.sparsity.weights import prunable
from secateur.training import loop
from support.halves import OPTIONS, TRAIN, VALIDATION, network
from support.sparse import FEATHER

EPOCHS, BY_EPOCH = 6, 4
STEPS = EPOCHS * BY_EPOCH
# At a rate at which weights come back within a few steps.
TRAINING = OPTIONS | {"epochs": EPOCHS, "clip": 3.0, "nesterov": False, "schedule": "cosine", "learning_rate": 0.3}
ADAPTIVE = {"deadline": 0.8, "slowest": 0.25, "fastest": 1, "family": "exponential", "reference": 0.003}
VARIANTS = {
    "feather": {},
    "late": {"start": 1, "power": 2, "ramp": 0.7},
    "power": {"scale": "power", "kappa": 20},
    "logdensity": {"scale": "logdensity", "scale_high": 0.9, "scale_low": 0.1},
    "step": {"scale": "step"},
    "cosine": {"scale": "cosine", "scale_low": 0.0},
    "adaptive": ADAPTIVE,
    "adaptive, faster": ADAPTIVE | {"fastest": 1.5, "family": "linear"},
    "dropped": {"drop": 0.75, "drop_rule": "magnitude"},
    "dropped by age": {"drop": 0.9, "drop_rule": "age", **ADAPTIVE, "family": "hyperbolic"},
    "dropped at random": {"drop": 0.3, "drop_rule": "random"},
    "all dropped": {"drop": 1, "drop_rule": "magnitude"},
}
SCALES = {
    "const": lambda s, final, kappa: np.where(final > 0.95, 1, 0),
    "power": lambda s, final, kappa: np.power(s, kappa),
    "logdensity": lambda s, final, kappa: np.clip(np.log10(1 / (1 - s)) / 2, 0, 1),
    "step": lambda s, final, kappa: np.where(s > 0.95, 1, 0),
    "cosine": lambda s, final, kappa: (1 - np.cos(np.pi * s)) / 2,
}
FAMILIES = {
    "hyperbolic": lambda x: 1 / (1 + x),
    "exponential": lambda x: np.exp(-x),
    "linear": lambda x: np.clip(1 - x, 0, 1),
    None: lambda x: 1,
}


class Recomputed:
    """The masks, the threshold, the progress and the scale of one step after the other."""

    def __init__(self, count, sparsity, options):
        self.count, self.sparsity, self.options = count, Fraction(sparsity), options
        self.dropped, self.age = np.zeros(count, bool), np.zeros(count, int)
        self.compared, self.u, self.regrowth = np.ones(count, bool), 0.0, 0.0

    def close(self, weights):
        """Close `zeros` weights by a sort: dropped ones, then the smallest, of equal ones the first."""
        magnitudes = np.where(self.dropped, -1, np.abs(weights))
        order = np.argsort(magnitudes, kind="stable")
        self.closed = np.zeros(self.count, bool)
        self.closed[order[: self.zeros]] = True
        self.threshold = max(0, magnitudes[order[self.zeros - 1]]) if self.zeros else 0
        if self.zeros and self.zeros == self.dropped.sum():
            self.threshold = np.nextafter(magnitudes[order[self.zeros]], np.float32(0))
        self.age = np.where(self.closed, self.age + 1, 0)
        self._drop(magnitudes)

    def _drop(self, magnitudes):
        more = math.floor(Fraction(str(self.options["drop"])) * self.zeros) - self.dropped.sum()
        rule = self.options["drop_rule"]
        if more > 0 and rule != "random":
            first = magnitudes if rule == "magnitude" else -self.age
            candidates = np.flatnonzero(self.closed & ~self.dropped)
            chosen = candidates[np.argsort(first[candidates], kind="stable")[:more]]
            self.dropped = self.dropped.copy()
            self.dropped[chosen] = True

    def step(self, number, weights):
        options, begin, end = self.options, self.options["start"] * BY_EPOCH, math.floor(self.options["ramp"] * STEPS)
        slow, fast = options["slowest"] or 1, options["fastest"] or 1
        if number > begin:
            steady = FAMILIES[options["family"]](self.regrowth / (options["reference"] or 1))
            deadline = math.floor((options["deadline"] or options["ramp"]) * STEPS + 1e-9)
            late = 1 - fast * (deadline - number) / (end - begin)
            self.u = min(1, max(self.u + (slow + (fast - slow) * steady) / (end - begin), late))
        level = float(self.sparsity) * (1 - (1 - self.u) ** 3)
        # What floats make of an integer is that integer.
        self.zeros = math.floor((self.count - 1) * level + 1e-9) + 1 if level else 0
        self.close(weights)
        achieved = self.zeros / self.count
        h = SCALES[options["scale"]](achieved, float(self.sparsity), options["kappa"])
        self.scale = options["scale_high"] - (options["scale_high"] - options["scale_low"]) * h
        opened = ~self.closed
        # A tenth of an epoch is less than a step.
        self.regrowth = 0.7 * self.regrowth + 0.3 * (opened & ~self.compared).sum() / self.compared.sum()
        self.compared = opened


def row(tensors):
    return torch.cat([tensor.detach().flatten() for tensor in tensors]).numpy().copy()


def watched(sparse, hook, expected, seen):
    """The hook, with every step compared with `expected`."""
    tensors = sparse.weights.tensors

    def before_step(number, steps):
        dense, dropped = row(tensors), expected.dropped
        hook.before_step(number, steps)
        dense[dropped] = 0
        expected.step(number, dense)
        if expected.options["drop_rule"] == "random":
            expected.dropped = sparse.dropped.mask.numpy().copy()
            assert expected.dropped.sum() == math.floor(Fraction("0.3") * expected.zeros)
        elif sparse.dropped:
            assert np.array_equal(sparse.dropped.mask, expected.dropped)
        assert (dropped <= expected.dropped).all() and (expected.dropped <= expected.closed).all()
        assert np.array_equal(sparse.weights.closed, expected.closed)
        assert sparse.weights.threshold == expected.threshold and sparse.scale == pytest.approx(expected.scale)
        assert sparse.ramp.regrowth == pytest.approx(expected.regrowth)
        dense[expected.dropped] = 0
        assert np.array_equal(row(tensors), dense)
        seen.append({"dense": dense, "zeros": expected.zeros, "regrowth": expected.regrowth})

    def shown():
        return Shown(hook.shown(), tensors, expected, seen)

    def after_backward():
        assert np.array_equal(row(tensors), seen[-1]["dense"])
        before = row([tensor.grad for tensor in tensors])
        hook.after_backward()
        after = row([tensor.grad for tensor in tensors])
        assert np.array_equal(after[~expected.closed], before[~expected.closed])
        left = expected.closed & ~expected.dropped
        np.testing.assert_array_equal(after[left], before[left] * np.float32(sparse.scale))
        assert (after[expected.dropped] == 0).all() and (before[expected.closed] != 0).any() >= (expected.zeros > 0)

    def columns():
        # The last step has moved the weights: they are closed anew before they are validated.
        dense = row(tensors)
        dense[expected.dropped] = 0
        expected.close(dense)
        values = hook.columns()
        assert np.array_equal(sparse.weights.closed, expected.closed) and values["threshold"] == expected.threshold
        density = 1 - (expected.closed if sparse.scale == 0 else expected.dropped).mean()
        assert values["gradient_density"] == pytest.approx(density)
        return values

    return dataclasses.replace(
        hook, before_step=before_step, shown=shown, after_backward=after_backward, columns=columns
    )


class Shown:
    """The context of the hook, whose weights are compared with the form of the paper in double precision."""

    def __init__(self, context, tensors, expected, seen):
        self.context, self.tensors, self.expected, self.seen = context, tensors, expected, seen

    def __enter__(self):
        dense = row(self.tensors).astype(float)
        self.context.__enter__()
        shown, expected = row(self.tensors), self.expected
        assert np.array_equal(shown == 0, expected.closed)
        # Compared as powers: a root next to the threshold multiplies the last digit.
        power = expected.options["power"]
        powers = np.abs(dense) ** power
        difference = np.abs(shown) ** power - np.where(expected.closed, 0, powers - float(expected.threshold) ** power)
        assert (np.abs(difference) <= 1e-6 * powers).all() and (np.sign(shown) == np.sign(dense) * (shown != 0)).all()

    def __exit__(self, *error):
        return self.context.__exit__(*error)


@pytest.mark.parametrize("sparsity", ["0.9", "0.98"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_step_is_that_of_the_formulas(variant, sparsity):
    model, seen, options = network(), [], FEATHER | VARIANTS[variant]
    sparse = feather.Feather(model, Fraction(sparsity), options, STEPS, EPOCHS, 7)
    expected = Recomputed(sparse.weights.count, sparsity, options)
    hook = watched(sparse, sparse.hook(), expected, seen)
    loop.train(model, TRAIN, VALIDATION, TRAINING, 7, hook=hook)
    zeros = [step["zeros"] for step in seen]
    assert len(zeros) == STEPS and zeros == sorted(zeros)
    assert (row(prunable(model).values()) == 0).sum() == zeros[-1]
    assert (max(step["regrowth"] for step in seen) > 0.003) == (options["drop"] != 1)
