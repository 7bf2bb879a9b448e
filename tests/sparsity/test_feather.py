"""Sparse trainings: exact zeros, settings at which the additions vanish, and the same weights after a killed job."""

import dataclasses
from fractions import Fraction

import pytest
import torch
from torch.nn import functional as F

from secateur import Refused
from secateur.sparsity import feather
from secateur.sparsity.weights import prunable, shaped, zeros_at
from secateur.training import loop, optimisation
from support.halves import OPTIONS, TRAIN, VALIDATION, Killed, network, same

PLAIN = {
    "power": 3, "scale": "const", "scale_high": 1.0, "scale_low": 0.5, "kappa": 20, "start": 0, "ramp": 0.5,
    "deadline": 0.8, "slowest": 1, "fastest": 1, "family": "hyperbolic", "reference": 0.03, "drop": 0,
    "drop_rule": "magnitude",
}  # fmt: skip
SHORT = OPTIONS | {"epochs": 3, "clip": 3.0, "nesterov": False, "schedule": "cosine", "label_smoothing": 0.0}
STEPS = 12
EXTREME = Fraction("0.98")


def trained(sparsity=EXTREME, seed=7, partial=None, watched=None, options=SHORT, steps=STEPS, **changes):
    """The network, its history and its Feather; `watched` takes the Feather and gives fields of the hook to replace."""
    model = network()
    sparse = feather.Feather(model, sparsity, PLAIN | changes, steps, options["epochs"], seed)
    hook = sparse.hook()
    if watched:
        hook = dataclasses.replace(hook, **watched(sparse, hook))
    history = loop.train(model, TRAIN, VALIDATION, options, seed, partial, "here", hook)
    return model, history, sparse


def zeros(model):
    return sum(int((tensor == 0).sum()) for tensor in prunable(model).values())


def count(model):
    return sum(tensor.numel() for tensor in prunable(model).values())


@pytest.mark.parametrize("sparsity", ["0.5", "0.9", "0.98"])
def test_a_training_ends_with_exactly_as_many_zeros_in_the_state_that_is_kept(sparsity):
    model, history, _ = trained(Fraction(sparsity))
    expected = zeros_at(Fraction(sparsity), count(model))
    assert zeros(model) == expected
    assert history[-1]["sparsity"] == expected / count(model)
    rows = [row["sparsity"] for row in history]
    assert rows == sorted(rows) and rows[0] < rows[-1]
    assert {*feather.COLUMNS} <= history[0].keys()


def test_only_an_epoch_at_the_final_sparsity_is_kept():
    model, history, sparse = trained()
    assert not sparse.hook().may_keep(history[0]) and sparse.hook().may_keep(history[-1])
    kept = list(filter(sparse.hook().may_keep, history))
    best = optimisation.best_of(kept, "validation_loss")
    measured = F.cross_entropy(model(VALIDATION.normalised(slice(None))), torch.as_tensor(VALIDATION.labels))
    assert measured.item() == pytest.approx(best["validation_loss"], rel=1e-5)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_no_sparsity_trains_bitwise_as_no_hook(precision):
    options = SHORT | {"precision": precision}
    model, history, _ = trained(Fraction(0), options=options)
    other = network()
    rows = loop.train(other, TRAIN, VALIDATION, options, 7)
    assert same(model, other)
    assert [{name: row[name] for name in loop.COLUMNS} for row in history] == rows


NEUTRAL = {
    "a scale that does not move": {"scale": "power", "scale_high": 0.5},
    "one speed": {"slowest": 1, "fastest": 1, "family": "exponential", "reference": 0.001, "deadline": 0.9},
    "nothing dropped": {"drop": 0, "drop_rule": "age"},
}


@pytest.mark.parametrize("change", NEUTRAL)
def test_every_addition_is_feather_at_one_setting(change):
    assert same(trained(**NEUTRAL[change])[0], trained()[0])


# At a rate at which weights come back within a few steps.
SLOWER = {"options": SHORT | {"learning_rate": 0.5}, "slowest": 0.25, "reference": 0.001}
CHANGED = {
    "no gradient of closed weights": {"scale_high": 0, "scale_low": 0},
    "a scale that follows the sparsity": {"scale": "power"},
    "weights dropped": {"drop": 0.5},
    "weights dropped by age": {"drop": 0.5, "drop_rule": "age"},
    "weights dropped at random": {"drop": 0.5, "drop_rule": "random"},
}


@pytest.mark.parametrize("change", CHANGED)
def test_every_addition_changes_the_training(change):
    model, _, _ = trained(**CHANGED[change])
    assert not same(model, trained()[0]) and zeros(model) == zeros_at(EXTREME, count(model))


def test_a_ramp_slows_down_where_weights_come_back():
    model, history, sparse = trained(**SLOWER)
    plain, rows, _ = trained(options=SLOWER["options"])
    assert history[-1]["regrowth"] > 0 and zeros(model) == zeros(plain) and not same(model, plain)
    assert history[0]["sparsity"] <= rows[0]["sparsity"] and history[1]["sparsity"] < rows[1]["sparsity"]


def by_hand(steps):
    """Feather by the paper, with autograd and without the project's trainer, and the weights after so many steps."""
    model = network()
    model.train()
    optimizer = torch.optim.SGD(optimisation.parameters(model, SHORT["weight_decay"]), 0.05, momentum=0.9)
    weights = prunable(model)
    images, labels = TRAIN.normalised(slice(0, 16)), torch.as_tensor(TRAIN.labels[:16])
    for step in range(steps):
        share = 1 - (1 - min(Fraction(1), Fraction(step, STEPS // 2))) ** 3
        row = torch.cat([weight.detach().abs().flatten() for weight in weights.values()])
        zeros = zeros_at(EXTREME * share, len(row))
        threshold = row.sort().values[zeros - 1].item() if zeros else -1.0
        given = {}
        for name, weight in weights.items():
            opened = weight.detach().abs() > threshold
            value = shaped(weight.detach(), threshold) * opened if zeros else weight.detach()
            given[name] = _through(weight, value, torch.where(opened, 1.0, 0.5))
        torch.manual_seed(step)
        logits = torch.func.functional_call(model, given, (images,))
        optimizer.zero_grad()
        F.cross_entropy(logits, labels).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 3.0)
        optimizer.step()
    return model


def _through(weight, value, scale):
    """The value, with the gradient of the weight times a scale."""
    return value + scale * (weight - weight.detach())


def by_hook(steps):
    model = network()
    model.train()
    optimizer = torch.optim.SGD(optimisation.parameters(model, SHORT["weight_decay"]), 0.05, momentum=0.9)
    hook = feather.Feather(model, EXTREME, PLAIN, STEPS, 3).hook()
    images, labels = TRAIN.normalised(slice(0, 16)), torch.as_tensor(TRAIN.labels[:16])
    for step in range(steps):
        hook.before_step(step, STEPS)
        with hook.shown():
            torch.manual_seed(step)
            optimizer.zero_grad()
            F.cross_entropy(model(images), labels).backward()
        hook.after_backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 3.0)
        optimizer.step()
    return model


def test_ten_steps_are_those_of_the_paper_by_autograd():
    mine, reference = by_hook(10), by_hand(10)
    for (name, tensor), other in zip(mine.state_dict().items(), reference.state_dict().values(), strict=True):
        torch.testing.assert_close(tensor, other, rtol=1e-5, atol=1e-6, msg=name)


@pytest.mark.parametrize("rule", ["magnitude", "age", "random"])
def test_dropped_weights_never_come_back_and_are_the_share_that_was_asked_for(rule):
    seen = []

    def watched(sparse, hook):
        def after_backward():
            hook.after_backward()
            dropped, weights = sparse.dropped.mask.clone(), sparse.weights
            assert (dropped <= weights.closed).all()
            assert int(dropped.sum()) == int(Fraction("0.75") * weights.zeros)
            row = torch.cat([tensor.detach().flatten() for tensor in weights.tensors])
            gradients = torch.cat([tensor.grad.flatten() for tensor in weights.tensors])
            assert (row[dropped] == 0).all() and (gradients[dropped] == 0).all()
            seen.append(dropped)

        return {"after_backward": after_backward}

    _, history, _ = trained(drop="0.75", drop_rule=rule, watched=watched)
    assert len(seen) == STEPS
    assert all((before <= after).all() for before, after in zip(seen, seen[1:], strict=False))
    assert history[-1]["gradient_density"] == pytest.approx(1 - 0.75 * 0.98, abs=1e-3)


def test_with_everything_dropped_no_weight_comes_back():
    seen = []

    def watched(sparse, hook):
        def before_step(step, steps):
            hook.before_step(step, steps)
            seen.append(sparse.weights.closed.clone())

        return {"before_step": before_step}

    model, history, sparse = trained(drop=1, watched=watched)
    assert all((before <= after).all() for before, after in zip(seen, seen[1:], strict=False))
    # Open weights are shown in the same form whether or not a step closes more of them, and in validation.
    assert min(row["threshold"] for row in history) > 0
    assert sparse.ramp.regrowth == 0 and zeros(model) == zeros_at(EXTREME, count(model))


@pytest.mark.parametrize("change", [{}, {**SLOWER, "drop": 0.5, "drop_rule": "age"}])
def test_a_killed_training_ends_in_the_same_weights(change, tmp_path):
    def killed(_, hook):
        def before_step(step, steps):
            if step == 9:
                raise Killed
            hook.before_step(step, steps)

        return {"before_step": before_step}

    whole, history, _ = trained(**change)
    with pytest.raises(Killed):
        trained(partial=tmp_path / "partial", watched=killed, **change)
    assert (tmp_path / "partial").exists()
    resumed, again, _ = trained(partial=tmp_path / "partial", **change)
    assert same(resumed, whole) and again == history


def test_a_ramp_of_another_length_is_an_error():
    with pytest.raises(ValueError, match="a ramp over 11 steps is in a training of 12"):
        trained(steps=11)


@pytest.mark.parametrize(
    ("sparsity", "change", "message"),
    [
        ("98", {}, "the sparsity is 98, but it is a share of zeros"),
        ("1", {}, "the sparsity is 1, but"),
        ("-0.5", {}, "the sparsity is -0.5, but"),
        ("0.5", {"drop": 1.5}, "the share of dropped weights is 1.5: give 0 to 1"),
        ("0.5", {"drop": -0.5}, "the share of dropped weights is -0.5: give 0 to 1"),
    ],
)
def test_shares_that_cannot_be_are_refused(sparsity, change, message):
    with pytest.raises(Refused, match=message):
        feather.Feather(network(), Fraction(sparsity), PLAIN | change, STEPS, 3)


def test_a_frozen_weight_is_refused():
    """The state that is kept has the trained weights alone: its zeros would be lost, or stay in the network."""
    model = network()
    model.features[0].weight.requires_grad_(False)
    with pytest.raises(Refused, match="^features.0.weight is frozen, but a sparse training trains all weights"):
        feather.Feather(model, EXTREME, PLAIN, STEPS, 3)
