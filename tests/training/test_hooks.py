"""A hook adds to the one loop of training: its order, its groups, what is kept and resumed, and nothing by itself."""

import contextlib
import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from secateur import Refused
from secateur.models import freezing, tensor_files
from secateur.study import seeds
from secateur.training import hooks, loop, optimisation
from support.halves import OPTIONS, TRAIN, VALIDATION, Killed, network, same

BATCHES = math.ceil(len(TRAIN) / OPTIONS["batch_size"])
SCHEDULE = {key: OPTIONS[key] for key in ("schedule", "milestones", "warm_up", "momentum", "nesterov")}
ADAM = SCHEDULE | {"optimizer": "adam", "learning_rate": 0.02, "weight_decay": 0.1}
# One batch holds all images, and the weights move by the gradient times the rate.
ONE_STEP = {
    **{"epochs": 1, "batch_size": len(TRAIN), "schedule": "constant", "flip": False, "rotation": 0},
    **{"optimizer": "sgd", "momentum": 0.0, "weight_decay": 0.0, "label_smoothing": 0.0, "learning_rate": 0.1},
}


def run(model, hook=hooks.NEUTRAL, partial=None, stamp="here", **changes):
    return loop.train(model, TRAIN, VALIDATION, OPTIONS | changes, 7, partial, stamp, hook)


def plainly_trained(model, epochs):
    """A model trained by the loop that everyone writes, with the draws of this project's seeds."""
    weights = [layer.weight for layer in model.modules() if isinstance(layer, (nn.Conv2d, nn.Linear))]
    rest = [parameter for parameter in model.parameters() if parameter.dim() == 1]
    groups = [{"params": weights, "weight_decay": 5e-4}, {"params": rest}]
    optimizer = torch.optim.SGD(groups, lr=0.05, momentum=0.9, nesterov=True)
    for epoch in range(1, epochs + 1):
        model.train()
        torch.manual_seed(seeds.derived(7, "dropout", epoch))
        order = torch.randperm(len(TRAIN), generator=seeds.torch_generator(7, "order", epoch))
        generator = seeds.torch_generator(7, "augmentation", epoch)
        for rows in order.tensor_split(BATCHES):
            pixels, labels = loop.batch(TRAIN, rows.numpy(), OPTIONS, generator, torch.device("cpu"))
            optimizer.zero_grad()
            F.cross_entropy(model(pixels), labels, label_smoothing=0.1).backward()
            optimizer.step()
    return model


def test_without_a_hook_and_with_a_neutral_one_training_is_the_plain_loop_bit_for_bit():
    constant = {"epochs": 3, "schedule": "constant", "select": "last"}
    plain, none, neutral = plainly_trained(network(), 3), network(), network()
    assert run(none, **constant) == run(neutral, hooks.Hook(), **constant)
    assert same(none, plain) and same(neutral, plain)


# ---- the order of a step -------------------------------------------------------------------------------------


class Masked:
    """A method that masks half of a layer's weights in place while the network computes, and shrinks their gradients.

    Its mask is drawn at every step, and logits are multiplied by a parameter of its own.
    """

    def __init__(self, model):
        self.weight = model.features[0].weight
        self.mask = torch.ones_like(self.weight)
        self.scale = nn.Parameter(torch.ones(2))
        self.events, self.drawn = [], 0

    def hook(self, **others):
        group = hooks.Group("scale", [self.scale], ADAM)
        own = [self.before_step, self.shown, self.loss, self.after_backward, self.columns, self.state, self.restore]
        return hooks.Hook(**{"groups": [group]} | {method.__name__: method for method in own} | others)

    def before_step(self, step, steps):
        self.events.append(f"step {step} of {steps}")
        self.mask = (torch.rand_like(self.weight) < 0.5).float()
        self.drawn += int(self.mask.sum())

    @contextlib.contextmanager
    def shown(self):
        self.events.append("shown")
        dense = self.weight.detach().clone()
        with torch.no_grad():
            self.weight.mul_(self.mask)
        try:
            yield
        finally:
            with torch.no_grad():
                self.weight.copy_(dense)
            self.events.append("hidden")

    def loss(self, logits, labels, pixels):
        assert pixels.shape[1:] == (1, 8, 8) and pixels.dtype == logits.dtype == torch.float32
        self.events.append("loss")
        return F.cross_entropy(logits * self.scale, labels)

    def after_backward(self):
        self.events.append("after backward")
        self.weight.grad.mul_(0.5 + 0.5 * self.mask)

    def columns(self):
        self.events.append("columns")
        return {"drawn": self.drawn}

    def state(self):
        self.events.append("state")
        return {"mask": self.mask, "drawn": self.drawn}

    def restore(self, state):
        self.mask, self.drawn = state["mask"], state["drawn"]


def test_what_a_hook_does_comes_in_the_order_that_sparse_training_needs(tmp_path):
    model = network()
    method = Masked(model)
    run(model, method.hook(), tmp_path / "p", epochs=2)
    steps = [[f"step {step} of {2 * BATCHES}", "shown", "loss", "hidden", "after backward"] for step in range(8)]
    epochs = [sum(steps[:BATCHES], []), sum(steps[BATCHES:], [])]
    after = ["columns", "shown", "hidden", "state"]
    assert method.events == [*epochs[0], *after, *epochs[1], *after]


def test_gradients_are_of_the_weights_shown_then_scaled_then_clipped_and_move_the_dense_weights():
    model, reference = network(dropout=False), network(dropout=False)
    method, before = Masked(model), reference.features[0].weight.detach().clone()
    # The mask that the step draws, from the generator of the epoch.
    torch.manual_seed(seeds.derived(7, "dropout", 1))
    mask = (torch.rand_like(before) < 0.5).float()
    with torch.no_grad():
        reference.features[0].weight.mul_(mask)
    reference.train()
    order = torch.randperm(len(TRAIN), generator=seeds.torch_generator(7, "order", 1)).numpy()
    scale = torch.ones(2, requires_grad=True)
    logits = reference(TRAIN.normalised(order)) * scale
    F.cross_entropy(logits, torch.from_numpy(TRAIN.labels[order])).backward()
    reference.features[0].weight.grad *= 0.5 + 0.5 * mask
    gradients = [parameter.grad for parameter in reference.parameters()] + [scale.grad]
    norm = torch.cat([gradient.flatten() for gradient in gradients]).norm()
    group = hooks.Group("scale", [method.scale], ONE_STEP | SCHEDULE | {"schedule": "constant", "momentum": 0.0})
    dense = []
    hook = method.hook(groups=[group], columns=lambda: dense.append(method.weight.detach().clone()) or {})
    run(model, hook, **ONE_STEP, clip=float(norm) / 3)
    moved = before - 0.1 / 3 * reference.features[0].weight.grad
    torch.testing.assert_close(dense[0], moved, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(method.scale.detach(), 1 - 0.1 / 3 * scale.grad, rtol=1e-4, atol=1e-6)
    # The state that is kept is the one that computes.
    torch.testing.assert_close(model.features[0].weight.detach(), moved * mask, rtol=1e-4, atol=1e-6)
    assert (mask == 0).any() and (moved[mask == 0] != 0).all()


# ---- groups --------------------------------------------------------------------------------------------------


def test_a_layer_in_a_group_follows_the_groups_schedule_and_not_the_networks():
    model = network()
    layer = model.classifier[2]
    group = hooks.Group("classes", [layer.weight], ADAM)
    optimizers = optimisation.scheduled(model, OPTIONS, [group])
    assert list(optimizers) == ["network", "classes"]
    trained = {id(parameter) for parameter in optimizers["network"].parameters}
    assert trained == {id(parameter) for parameter in model.parameters()} - {id(layer.weight)}
    optimisation.set_rates(optimizers, 0, 40)
    network_rate = optimisation.rate_at(0, 40, OPTIONS)
    assert {group["lr"] for group in optimizers["network"].optimizer.param_groups} == {network_rate}
    (only,) = optimizers["classes"].optimizer.param_groups
    assert only["lr"] == network_rate * 0.02 / 0.05 and only["weight_decay"] == 0.1
    assert isinstance(optimizers["classes"].optimizer, torch.optim.Adam)


def test_a_frozen_network_stays_while_a_group_is_trained(tmp_path):
    model, untouched = network(), network()
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    method = Masked(model)
    hook = method.hook(after_backward=lambda: None)
    history = run(model, hook, tmp_path / "p")
    assert len(history) == 4 and same(model, untouched)
    assert (method.scale != 1).all()
    assert tensor_files.read(tmp_path / "p")["model"] == {}


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda weight: [hooks.Group("network", [weight], ADAM)], "two groups of a hook are named network, or one"),
        (lambda weight: 2 * [hooks.Group("a", [weight], ADAM)], "two groups of a hook are named a, or one as the"),
        (lambda weight: [hooks.Group(name, [weight], ADAM) for name in "ab"], "the group b has a parameter of another"),
        (
            lambda weight: [hooks.Group("a", [weight.detach()], ADAM)],
            "the group a has a parameter of another group, or",
        ),
    ],
)
def test_groups_that_would_not_train_as_they_say_are_refused(spoil, message):
    model = network()
    with pytest.raises(ValueError, match=message):
        run(model, hooks.Hook(groups=spoil(model.classifier[2].weight)))


# ---- what is kept --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("select", "best"), [("validation_loss", 3), ("validation_accuracy", 2), ("last", 4)])
def test_only_an_epoch_that_may_be_kept_is(monkeypatch, select, best):
    # The first epoch and the last are better than all that may be kept.
    losses, accuracies = [0.1, 0.6, 0.5, 0.7, 0.0], [1.0, 0.8, 0.7, 0.8, 1.0]

    def validated(run, images, row):
        place = row["epoch"] - 1
        return {"validation_loss": losses[place], "validation_accuracy": accuracies[place]}

    monkeypatch.setattr(loop, "_validated", validated)
    model, alone = network(), network()
    hook = hooks.Hook(may_keep=lambda row: row["epoch"] in (2, 3, 4))
    rows = run(model, hook, epochs=5, select=select)
    assert optimisation.best_of(filter(hook.may_keep, rows), select)["epoch"] == best
    run(alone, hooks.Hook(may_keep=lambda row: row["epoch"] == best), epochs=5)
    assert same(model, alone) and len(rows) == 5


def test_no_epoch_that_may_be_kept_is_an_error():
    with pytest.raises(
        Refused, match=r"^none of the 4 epochs may be kept by the method that is trained; train longer$"
    ):
        run(network(), hooks.Hook(may_keep=lambda row: row["epoch"] > 4))


def test_columns_of_a_hook_come_last_and_are_written():
    model = network()
    history = run(model, Masked(model).hook(), epochs=2)
    assert [tuple(row) for row in history] == 2 * [(*loop.COLUMNS, "drawn")]
    assert 0 < history[0]["drawn"] < history[1]["drawn"]
    assert loop.columns(history) == [*loop.COLUMNS, "drawn"] and loop.columns([]) == list(loop.COLUMNS)
    assert loop.columns([{"step": 1, **history[0]}], ("step", *loop.COLUMNS)) == ["step", *loop.COLUMNS, "drawn"]
    with pytest.raises(ValueError, match="a hook has columns that every history has: train_loss; rename them"):
        run(model, hooks.Hook(columns=lambda: {"train_loss": 0.0}))


# ---- killed and resumed --------------------------------------------------------------------------------------


def in_two_groups(optimizer):
    """(model, method, groups): one group within the model and one outside."""
    model = network()
    method = Masked(model)
    layer = model.classifier[2]
    inside = hooks.Group("inside", [layer.weight, layer.bias], ADAM | {"optimizer": optimizer})
    return model, method, [inside, hooks.Group("outside", [method.scale], ADAM)]


def trained(partial, optimizer="sgd"):
    """(history, model, method) of a training with a hook."""
    model, method, groups = in_two_groups(optimizer)
    return run(model, method.hook(groups=groups), partial), model, method


def killed(partial, after, optimizer="sgd"):
    """Train with a hook, and die in the middle of a step, after so many events."""
    model, method, groups = in_two_groups(optimizer)

    def dying():
        method.after_backward()
        if len(method.events) > after:
            raise Killed

    with pytest.raises(Killed):
        run(model, method.hook(groups=groups, after_backward=dying), partial)


@pytest.mark.parametrize(("killed_at", "optimizer"), [(10, "sgd"), (30, "adam"), (90, "sgd")])
def test_killed_and_resumed_with_a_hook_ends_as_not_killed(tmp_path, killed_at, optimizer):
    history, model, method = trained(None, optimizer)
    killed(tmp_path / "p", killed_at, optimizer)
    # The first epoch has 24 events.
    assert (tmp_path / "p").exists() == (killed_at > 24)
    again, resumed, after = trained(tmp_path / "p", optimizer)
    assert again == history and same(resumed, model)
    assert torch.equal(after.scale, method.scale) and torch.equal(after.mask, method.mask)
    if killed_at > 24:
        assert len(after.events) < len(method.events)


def test_a_hook_of_other_parameters_or_schedules_does_not_resume(tmp_path):
    killed(tmp_path / "p", 30)
    whole, other = trained(None, "adam"), trained(tmp_path / "p", "adam")
    assert other[0] == whole[0] and same(other[1], whole[1])


def test_a_hook_whose_parameters_start_elsewhere_does_not_resume(tmp_path):
    killed(tmp_path / "p", 30)
    results = []
    for partial in (tmp_path / "p", None):
        model, method, groups = in_two_groups("sgd")
        method.scale.data += 1
        results.append((run(model, method.hook(groups=groups), partial), method.scale.tolist()))
    assert results[0] == results[1]


def test_training_goes_on_from_the_dense_weights_and_not_from_those_shown(tmp_path):
    model = network()
    method = Masked(model)
    run(model, method.hook(), tmp_path / "p", select="last")
    content = tensor_files.read(tmp_path / "p")
    masked = content["best"]["features.0.weight"] == 0
    assert torch.equal(masked, method.mask == 0) and masked.any()
    assert (content["model"]["features.0.weight"] != 0).all()


def renamed(model, old, new):
    """The same layers with one name changed, so that the weights, in their order, are the same."""
    children = [(new if name == old else name, child) for name, child in model.classifier.named_children()]
    model.classifier._modules.clear()
    for name, child in children:
        model.classifier.add_module(name, child)
    return model


def test_a_state_of_other_keys_is_refused_by_file_and_keys(tmp_path):
    partial = tmp_path / "p"
    run(network(), partial=partial)
    with pytest.raises(Refused) as refused:
        run(renamed(network(), "2", "last"), partial=partial)
    assert str(refused.value) == (
        f"{partial} (delete it to start again) holds no state of this network: it has classifier.2.weight, "
        "classifier.2.bias, which the network lacks, and lacks classifier.last.weight, classifier.last.bias, which the "
        "network trains"
    )


def test_a_state_without_the_layers_that_are_trained_now_is_refused_and_frozen_ones_may_lack(tmp_path):
    partial, model, wider = tmp_path / "p", network(), network()
    freezing.trainable(model, "classifier")
    run(model, partial=partial)
    # The stamp does not say what is trained.
    with pytest.raises(Refused, match=r"it lacks features.0.weight, .* and \d+ more, which the network trains$"):
        run(wider, partial=partial)
    freezing.trainable(wider, "classifier")
    run(wider, partial=partial)
    assert same(wider, model)
