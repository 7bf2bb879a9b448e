"""Training is a function of seed, options and images: interrupted or not, it ends in the same weights."""

import logging
import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from secateur.evaluation import measuring
from secateur.models import freezing, tensor_files
from secateur.study import seeds
from secateur.training import loop, optimisation
from support.halves import OPTIONS, TRAIN, VALIDATION, Images, Killed, network, same


def run(model, partial=None, stamp="here", seed=7, images=TRAIN, **changes):
    return loop.train(model, images, VALIDATION, OPTIONS | changes, seed, partial, stamp)


def weights(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def test_training_learns_and_says_how_far_it_came():
    model = network(dropout=False)
    history = run(model, epochs=12, label_smoothing=0.0)
    assert [row["epoch"] for row in history] == list(range(1, 13))
    assert all(tuple(row) == loop.COLUMNS for row in history)
    assert history[-1]["validation_accuracy"] >= 0.95 and history[-1]["train_loss"] < history[0]["train_loss"]
    assert not model.training


def test_training_in_bfloat16_learns_too_and_keeps_weights_in_float32():
    model = network(dropout=False)
    history = run(model, epochs=12, label_smoothing=0.0, precision="bfloat16")
    assert history[-1]["validation_accuracy"] >= 0.95
    assert {tensor.dtype for tensor in model.parameters()} == {torch.float32}
    assert history != run(network(dropout=False), epochs=12, label_smoothing=0.0)


def test_equal_seeds_give_equal_weights_and_another_seed_others():
    first, second, other = network(), network(), network()
    assert run(first) == run(second) and same(first, second)
    run(other, seed=8)
    assert not same(first, other)


def test_training_leaves_the_global_generator_alone():
    before = torch.random.get_rng_state()
    model = network()
    torch.random.set_rng_state(before)
    run(model, epochs=1)
    assert torch.equal(torch.random.get_rng_state(), before)


def killed_in(epoch, monkeypatch, partial, model, **changes):
    """Train, and die in the middle of an epoch."""
    step, steps = loop._step, []

    def dying(*arguments):
        steps.append(1)
        if len(steps) == (epoch - 1) * math.ceil(53 / 16) + 2:
            raise Killed
        return step(*arguments)

    monkeypatch.setattr(loop, "_step", dying)
    with pytest.raises(Killed):
        run(model, partial, **changes)
    monkeypatch.undo()


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("epoch", [1, 2, 4])
def test_a_killed_and_resumed_run_ends_as_one_that_was_not(tmp_path, monkeypatch, caplog, optimizer, epoch):
    caplog.set_level(logging.INFO)
    whole, partial = network(), tmp_path / "trained.pt.partial"
    history = run(whole, optimizer=optimizer)
    killed_in(epoch, monkeypatch, partial, network(), optimizer=optimizer)
    resumed = network()
    assert run(resumed, partial, optimizer=optimizer) == history
    assert same(resumed, whole)
    assert (f"training resumes after epoch {epoch - 1}, from {partial}" in caplog.text) == (epoch > 1)


def test_a_finished_run_is_not_trained_again(tmp_path, monkeypatch):
    first, second, partial = network(), network(), tmp_path / "p"
    history = run(first, partial)
    monkeypatch.setattr(loop, "_step", lambda *_: pytest.fail("trained again"))
    assert run(second, partial) == history and same(first, second)


CHANGES = {
    "stamp": {"stamp": "elsewhere"},
    "options": {"learning_rate": 0.04},
    "seed": {"seed": 8},
    "images": {"images": Images(53, 2)},
}


@pytest.mark.parametrize("what", [*CHANGES, "weights", "damaged", "foreign"])
def test_another_runs_partial_is_not_resumed(tmp_path, monkeypatch, caplog, what):
    caplog.set_level(logging.INFO)
    partial, model, expected = tmp_path / "p", network(), network()
    killed_in(3, monkeypatch, partial, network())
    if what == "weights":
        for changed in (model, expected):
            changed.classifier[0].bias.data += 1
    if what == "damaged":
        partial.write_bytes(partial.read_bytes()[:5000])
    if what == "foreign":
        tensor_files.write(partial, {"state_dict": {}})
    history = run(model, partial, **CHANGES.get(what, {}))
    assert "training starts from the first epoch" in caplog.text
    assert history == run(expected, **CHANGES.get(what, {})) and same(model, expected)


def test_every_image_is_seen_once_an_epoch_in_batches_of_nearly_equal_size(monkeypatch):
    seen, batch = [], loop.batch
    monkeypatch.setattr(loop, "batch", lambda images, rows, *rest: seen.append(rows) or batch(images, rows, *rest))
    run(network(), epochs=2)
    assert [len(rows) for rows in seen] == [14, 13, 13, 13] * 2
    first, second = np.concatenate(seen[:4]), np.concatenate(seen[4:])
    assert sorted(first) == sorted(second) == list(range(53))
    assert list(first) != list(second)


def squared(logits, labels):
    """The squared error of one image after the other, with a tenth of the target spread over two classes."""
    errors = []
    for row, label in zip(logits, labels, strict=True):
        errors.append((row[label] - 0.95) ** 2 + (row[1 - label] - 0.05) ** 2)
    return torch.stack(errors).mean()


LOSSES = {
    "cross_entropy": lambda logits, labels: F.cross_entropy(logits, labels, label_smoothing=0.1),
    "squared_error": squared,
}


def plain_epoch(model, pixels, labels, loss_of):
    """The loop that everyone writes, for one batch: gives its loss."""
    model.train()
    weights = [layer.weight for layer in model.modules() if isinstance(layer, (nn.Conv2d, nn.Linear))]
    rest = [parameter for parameter in model.parameters() if parameter.dim() == 1]
    groups = [{"params": weights, "weight_decay": 5e-4}, {"params": rest}]
    optimizer = torch.optim.SGD(groups, lr=0.05, momentum=0.9, nesterov=True)
    loss = loss_of(model(pixels), labels)
    loss.backward()
    optimizer.step()
    return loss.item()


@pytest.mark.parametrize("loss", ["cross_entropy", "squared_error"])
def test_an_epoch_without_augmentation_equals_the_plain_loop(loss):
    ours, plain = network(dropout=False), network(dropout=False)
    history = run(ours, epochs=1, batch_size=53, flip=False, rotation=0, schedule="constant", loss=loss)
    order = torch.randperm(53, generator=seeds.torch_generator(7, "order", 1)).numpy()
    loss = plain_epoch(plain, TRAIN.normalised(order), torch.from_numpy(TRAIN.labels[order]), LOSSES[loss])
    assert history[0]["train_loss"] == pytest.approx(loss, rel=1e-6)
    for name, tensor in plain.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], tensor, rtol=1e-5, atol=1e-6)


def test_frozen_layers_neither_move_nor_learn_statistics_and_are_not_written(tmp_path):
    model, partial = network(), tmp_path / "p"
    freezing.trainable(model, "classifier")
    before = weights(model)
    run(model, partial)
    changed = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed == {"classifier.0.weight", "classifier.0.bias", "classifier.2.weight", "classifier.2.bias"}
    assert set(tensor_files.read(partial)["model"]) == changed


@pytest.mark.parametrize(
    ("select", "best"), [("validation_loss", 3), ("validation_accuracy", 2), ("last", 5)], ids=lambda value: str(value)
)
def test_the_best_epoch_is_kept_and_of_equal_ones_the_earliest(select, best):
    losses, accuracies = [3.0, 2.0, 1.0, 1.0, 2.0], [0.5, 0.9, 0.9, 0.8, 0.9]
    rows = [
        {"epoch": epoch, "validation_loss": loss, "validation_accuracy": accuracy}
        for epoch, (loss, accuracy) in enumerate(zip(losses, accuracies, strict=True), 1)
    ]
    chosen = [row["epoch"] for end, row in enumerate(rows, 1) if optimisation.is_best(rows[:end], select)]
    assert chosen[-1] == best
    assert optimisation.best_of(rows, select)["epoch"] == best


def test_the_model_is_left_with_the_weights_of_the_best_epoch():
    model = network()
    history = run(model, epochs=6, select="validation_loss", learning_rate=0.3)
    measured = measuring.over(model, [(VALIDATION.normalised(slice(None)), torch.from_numpy(VALIDATION.labels))])
    assert measured.loss == pytest.approx(min(row["validation_loss"] for row in history), rel=1e-6)


def test_validation_takes_the_loss_of_the_training_without_smoothing():
    model = network()
    history = run(model, epochs=1, loss="squared_error")
    targets = F.one_hot(torch.from_numpy(VALIDATION.labels), 2)
    with torch.no_grad():
        errors = (model(VALIDATION.normalised(slice(None))) - targets).square().sum(1)
    assert history[0]["validation_loss"] == pytest.approx(float(errors.mean()), rel=1e-5)


def test_momentum_is_nesterovs_only_where_it_is_asked_for():
    updates = []
    for nesterov in (True, False):
        weight = nn.Parameter(torch.ones(1))
        optimizer = optimisation.OPTIMIZERS["sgd"]([weight], OPTIONS | {"nesterov": nesterov})
        weight.grad = torch.ones(1)
        optimizer.step()
        updates.append(1 - weight.item())
    # The first update by a gradient of one: lr (1 + momentum), and lr.
    assert updates == pytest.approx([0.05 * 1.9, 0.05])
    assert run(network(), epochs=1) != run(network(), epochs=1, nesterov=False)


def test_a_clipped_gradient_keeps_its_direction_and_has_the_norm():
    steps = {}
    for clip in (None, 0.01, 1e6):
        model = network(dropout=False)
        before = weights(model)
        run(model, epochs=1, batch_size=53, schedule="constant", momentum=0.0, weight_decay=0.0, clip=clip)
        moved = [(before[name] - parameter.detach()).flatten() for name, parameter in model.named_parameters()]
        steps[clip] = torch.cat(moved) / 0.05
    assert torch.equal(steps[1e6], steps[None]) and steps[None].norm() > 0.1
    assert steps[0.01].norm() == pytest.approx(0.01, rel=1e-2)
    assert F.cosine_similarity(steps[0.01], steps[None], dim=0) > 0.999


def test_a_crop_is_drawn_last_so_that_without_one_nothing_changes():
    rows, cropped = np.arange(20), OPTIONS | {"crop": 2}
    generators = [torch.Generator().manual_seed(3) for _ in range(2)]
    plain, ours = (
        loop.batch(TRAIN, rows, options, generator, torch.device("cpu"))[0]
        for options, generator in zip((OPTIONS, cropped), generators, strict=True)
    )
    # Black pixels have the value -1.
    padded = F.pad(plain, (2,) * 4, value=-1.0)
    crops = padded.unfold(2, 8, 1).unfold(3, 8, 1)
    fits = (crops == ours[:, :, None, None]).flatten(4).all(4).flatten(1)
    assert fits.any(1).all() and not torch.equal(plain, ours)
    # One draw for each image and direction, after all others.
    torch.randint(0, 5, (2, 20, 1), generator=generators[0])
    assert torch.equal(generators[0].get_state(), generators[1].get_state())


def test_no_epochs_change_nothing():
    model = network()
    before = weights(model)
    assert run(model, epochs=0) == []
    assert optimisation.best_of([], "validation_loss") == {"epoch": 0}
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_a_loss_that_is_no_number_stops_with_what_to_try():
    with pytest.raises(ValueError) as refused:
        run(network(), learning_rate=1e30)
    assert str(refused.value).startswith("the loss became nan in epoch 1 at learning rate ")
    assert str(refused.value).endswith("; set training.learning_rate lower, or training.batch_size higher")


def rates(schedule, steps):
    return [optimisation.rate_at(step, steps, OPTIONS | {"schedule": schedule}) for step in range(steps)]


@pytest.mark.parametrize("schedule", ["one_cycle", "cosine", "step"])
@pytest.mark.parametrize("steps", [10, 101])
def test_schedules_are_torchs(schedule, steps):
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], 0.05)
    scheduler = {
        "one_cycle": lambda: torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.05, total_steps=steps + 1),
        "cosine": lambda: torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps),
        # Half and three quarters of the steps, rounded up.
        "step": lambda: torch.optim.lr_scheduler.MultiStepLR(optimizer, {10: [5, 8], 101: [51, 76]}[steps]),
    }[schedule]()
    expected = []
    for _ in range(steps):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert rates(schedule, steps) == pytest.approx(expected, rel=1e-9)


def test_milestones_are_exact_shares():
    # As floats, 0.55 * 100 is above 55, and 0.29 * 100 below 29.
    options = OPTIONS | {"schedule": "step", "milestones": [0.29, 0.55]}
    rates = [optimisation.rate_at(step, 100, options) for step in (28, 29, 54, 55)]
    assert rates == pytest.approx([0.05, 0.005, 0.005, 0.0005])


def test_while_warming_up_the_rate_is_a_tenth_of_the_schedules():
    # ResNet-110 of He et al.: 0.01 for an epoch, then 0.1, and a tenth of it after each milestone.
    options = OPTIONS | {"epochs": 20, "learning_rate": 0.1, "schedule": "step", "warm_up": 1}
    rates = [optimisation.rate_at(step, 20 * 7, options) for step in range(20 * 7)]
    assert rates == pytest.approx(7 * [0.01] + 63 * [0.1] + 35 * [0.01] + 35 * [0.001])
    assert optimisation.rate_at(0, 40, OPTIONS | {"warm_up": 0.1}) == optimisation.rate_at(0, 40, OPTIONS) / 10
    assert optimisation.rate_at(1, 40, OPTIONS | {"warm_up": 0.1}) == optimisation.rate_at(1, 40, OPTIONS)


@pytest.mark.parametrize("schedule", ["one_cycle", "cosine", "constant", "step"])
@pytest.mark.parametrize("steps", [1, 2, 3])
def test_the_shortest_training_still_moves_the_weights(schedule, steps):
    assert max(rates(schedule, steps)) > 0.01 and min(rates(schedule, steps)) > 0
