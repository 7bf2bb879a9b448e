"""Gates close exactly the units that removal takes, pass the loss's gradient to all of them, and leave no trace."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from secateur import Refused
from secateur.models import zoo
from secateur.pruning import masking, removal
from secateur.selection import OutputAnalyser, gates, kept_schedule, pruning_models
from secateur.selection.output_analyser import layers_of
from secateur.units import activity, finding
from support import networks

FACTORIES = pruning_models.MODELS


def image(count=6, size=16, channels=3):
    return torch.randn(count, channels, size, size, generator=torch.Generator().manual_seed(3))


def stirred(model):
    return networks.stirred(model).float()


def halved(units):
    """Half of every layer's units, at least one."""
    return {layer: max(1, len(ids) // 2) for layer, ids in layers_of(units).items()}


def random_start(units):
    generator = np.random.default_rng(4)
    return {layer: generator.normal(size=len(ids)) for layer, ids in layers_of(units).items()}


def wrapped(model, kind="mlp", residual="units", linear="protected", size=16, **changes):
    """An OutputAnalyser of a model that keeps half of every layer, its logits random."""
    torch.manual_seed(1)
    units = finding.find(model, image(1, size), residual, linear)
    choices = {"widths": halved(units), "start": random_start(units)} | changes
    return OutputAnalyser(model, units, choices["widths"], FACTORIES[kind], choices["start"], changes.get("dead"))


def difference(answers, others):
    """The largest difference, as a share of the range."""
    with torch.no_grad():
        return float((answers - others).abs().max() / (answers.max() - answers.min()))


CASES = {
    "concatenation": (networks.Branching, "static", {}),
    "squeeze and excitation": (networks.Excited, "linear", {"linear": "units"}),
    "nonzero at zero": (networks.Sigmoids, "mlp", {}),
    "depthwise and grouped": (networks.Grouped, "conv", {}),
    "a layer called twice": (networks.Twice, "mlp", {}),
    "padded shortcut": (networks.Padded, "mlp", {}),
    "views and slices": (networks.Written, "mlp", {}),
    "shuffled halves": (networks.Shuffled, "static", {}),
    "residual": (lambda: zoo.build("resnet20", 5), "mlp", {"residual": "inner"}),
    "added channels": (lambda: zoo.build("resnet20", 5), "linear", {"linear": "units"}),
}


@pytest.mark.parametrize(("make", "kind", "settings"), CASES.values(), ids=CASES)
def test_a_wrapped_network_answers_as_the_smaller_one(make, kind, settings):
    model = stirred(make())
    before, pixels = model(image()), image()
    analyser = wrapped(model, kind, **settings)
    _trained_a_little(analyser, pixels)
    analyser.eval()
    answers, channels = analyser(pixels), analyser.channels()
    removed = {layer: len(indices) for layer, indices in channels.items() if layer in analyser.widths}
    for layer, kept in analyser.widths.items():
        assert removed.get(layer, 0) >= len(analyser.by_layer[layer]) - kept
    original = analyser.unwrapped()
    assert original is model and not any(isinstance(part, gates.PruningConv2D) for part in model.modules())
    assert difference(answers, removal.removed(model, channels, pixels)(pixels)) <= 1e-5
    # What would make this vacuous: gates that close nothing.
    assert difference(answers, model(pixels)) > 1e-3 and difference(before, model(pixels)) > 1e-6


def _trained_a_little(analyser, pixels, steps=3):
    optimizer = torch.optim.SGD(analyser.parameters(), 0.01)
    for step in range(steps):
        analyser.train()
        analyser.at(step, steps)
        optimizer.zero_grad()
        F.cross_entropy(analyser(pixels), torch.tensor([0, 1, 2, 3, 4, 0])).backward()
        optimizer.step()
    analyser.at(1, 1)


def test_a_gate_before_batchnorm_is_no_removal():
    """The negative control of the test above: BatchNorm makes its bias of a closed gate's zeros."""
    model = stirred(zoo.build("resnet20", 5))
    analyser = wrapped(model, residual="inner")
    channels = analyser.channels()
    analyser.unwrapped().eval()
    handles = []
    for layer, indices in channels.items():

        def closed(module, inputs, outputs, indices=indices):
            return outputs.index_fill(1, torch.tensor(indices), 0.0)

        handles.append(model.get_submodule(layer).register_forward_hook(closed))
    wrong = model(image())
    for handle in handles:
        handle.remove()
    with masking.masked(model, channels):
        assert difference(model(image()), wrong) > 1e-2


def test_every_gate_has_the_gradient_of_its_mask_closed_ones_too():
    model = stirred(zoo.build("resnet20", 5))
    analyser = wrapped(model, "static", residual="inner")
    analyser.train()
    labels = torch.arange(6) % 5
    F.cross_entropy(analyser(image()), labels).backward()
    by_logit = {layer: gated.pruning_model.logits.grad.clone() for layer, gated in analyser.gated.items()}
    # The oracle multiplies the activations themselves.
    masks = {}
    for layer, closed in zip(analyser.gated, analyser.closed(), strict=True):
        masks[layer] = (~closed).float().requires_grad_()
    oracle = copy.deepcopy(analyser.unwrapped()).train()
    for layer, mask in masks.items():
        block = oracle.get_submodule(layer.rpartition(".")[0])
        block.conv2.register_forward_pre_hook(lambda _, inputs, mask=mask: inputs[0] * mask.view(1, -1, 1, 1))
    F.cross_entropy(oracle(image()), labels).backward()
    for layer, mask in masks.items():
        scale = mask.grad.abs().max()
        assert torch.allclose(by_logit[layer], mask.grad, atol=1e-4 * float(scale), rtol=1e-3)
        # A closed gate behind a ReLU has a gradient because it is read at the next layer.
        assert (by_logit[layer] != 0).all()


def test_a_dead_unit_has_no_gradient_and_is_removed_first():
    model = stirred(zoo.build("resnet20", 5))
    with torch.no_grad():
        model.layer1[1].bn1.weight[3], model.layer1[1].bn1.bias[3] = 0, -1
    units = finding.find(model, image(1), "inner")
    dead = activity.zero(model, units, [image()])
    layer = "layer1.1.conv1"
    marked = [unit for unit in np.flatnonzero(dead) if units.units[unit].channels[0][0] == layer]
    assert [units.units[unit].channels[0][1] for unit in marked] == [3]
    highest = {layer: np.eye(16)[3] * 50}
    analyser = wrapped(model, "static", residual="inner", widths={layer: 15}, start=highest, dead=dead)
    assert analyser.channels() == {layer: [3]}
    analyser.train()
    analyser(image()).sum().backward()
    gradient = analyser.gated[layer].pruning_model.logits.grad
    assert gradient[3] == 0 and (gradient != 0).sum() == 15
    alive = OutputAnalyser(analyser.unwrapped(), units, {layer: 15}, FACTORIES["static"], highest)
    assert alive.channels() != {layer: [3]}


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=20), st.data())
def test_a_gate_keeps_exactly_so_many_and_the_first_of_equal_logits_leave(values, data):
    kept = data.draw(st.integers(1, len(values)))
    logits = torch.tensor(values, dtype=torch.float32, requires_grad=True)
    gate = gates.topk_gate(logits, kept)
    assert gate.sum() == kept and set(gate.tolist()) <= {0.0, 1.0}
    leaving = sorted(range(len(values)), key=lambda place: (values[place], place))[: len(values) - kept]
    assert torch.nonzero(gate == 0).flatten().tolist() == sorted(leaving)
    weights = torch.arange(1.0, len(values) + 1)
    (gate * weights).sum().backward()
    assert torch.equal(logits.grad, weights)


@given(st.integers(1, 64), st.data(), st.integers(1, 50))
def test_the_count_of_open_gates_falls_to_its_end_by_the_middle(width, data, steps):
    kept = data.draw(st.integers(1, width))
    counts = [kept_schedule.kept_at(width, kept, kept_schedule.share_at(step, steps)) for step in range(steps)]
    assert counts == sorted(counts, reverse=True) and counts[-1] == kept
    assert counts[0] == (width if steps > 1 else kept)
    assert all(count == kept for step, count in enumerate(counts) if 2 * step >= steps)
    third = kept_schedule.kept_at(64, 0, kept_schedule.share_at(25, 100))
    assert third == 8  # 64 (1 - 1/2)^3


def test_no_pruning_model_is_called_in_eval_mode():
    analyser = wrapped(stirred(networks.Branching()))
    analyser.eval()
    before = analyser(image())
    with torch.no_grad():
        for parameter in analyser.parameters_of_pruning_models:
            parameter.fill_(float("nan"))
    assert torch.equal(analyser(image()), before)
    # The same poison in training mode reaches the answers.
    assert not torch.isfinite(analyser.train()(image())).all()


def test_a_network_that_keeps_all_units_answers_bitwise_as_before():
    model = stirred(zoo.build("resnet20", 5))
    before, keys = model(image()), list(model.state_dict())
    units = finding.find(model, image(1), "inner")
    widths = {layer: len(ids) for layer, ids in layers_of(units).items()}
    analyser = OutputAnalyser(model, units, widths)
    assert analyser.gated == {} and torch.equal(analyser.eval()(image()), before)
    free = OutputAnalyser(model, units, None, FACTORIES["static"], {layer: np.ones(widths[layer]) for layer in widths})
    assert len(free.gated) == 9 and torch.equal(free.eval()(image()), before)
    assert torch.equal(free.unwrapped()(image()), before) and list(model.state_dict()) == keys
    added = {name for unit in units.units for name, _ in unit.channels}
    assert not any(name.endswith("conv2") or name == "conv1" for name in added)


def test_an_exported_network_has_nothing_of_its_pruning_models():
    shapes = {}
    for kind in FACTORIES:
        model = stirred(zoo.build("resnet20", 5))
        analyser = wrapped(model, kind, residual="inner")
        channels = analyser.channels()
        exported = removal.removed(analyser.unwrapped(), channels, image(1))
        shapes[kind] = {name: tensor.shape for name, tensor in exported.state_dict().items()}
        assert list(shapes[kind]) == list(model.state_dict())
    assert all(of_kind == shapes["static"] for of_kind in shapes.values())


def test_a_prediction_changes_no_buffer_but_those_of_the_gates():
    analyser = wrapped(stirred(networks.Branching()), "mlp")
    with torch.no_grad():
        for parameter in analyser.parameters_of_pruning_models:
            parameter.normal_(generator=torch.Generator().manual_seed(2))
    before = {name: tensor.clone() for name, tensor in analyser.state_dict().items()}
    analyser.predict(image())
    changed = [name for name, tensor in analyser.state_dict().items() if not torch.equal(tensor, before[name])]
    assert changed and all(name.endswith(".last") for name in changed)
    predicted = analyser.scores()
    analyser.predict(image())
    assert analyser.scores() == predicted
    analyser.predict(image(), batch_statistics=False)
    assert analyser.scores() != predicted


def test_scores_rank_as_the_gates_close():
    analyser = wrapped(stirred(zoo.build("resnet20", 5)), "static", residual="inner")
    scores, closed = analyser.scores(), set()
    for layer, ids in analyser.by_layer.items():
        closed.update(sorted(ids, key=scores.__getitem__)[: len(ids) - analyser.widths[layer]])
    assert finding.only_of(analyser.units, analyser.channels()) == sorted(closed)


class Silent(nn.Module):
    """A pruning-model of the user's own with a fault."""

    def __init__(self, logits):
        super().__init__()
        self.logits = logits

    def forward(self, outputs):
        return self.logits


REFUSALS = {
    "keeps 0 units of stem, which has 8": {"widths": {"stem": 0}},
    "keeps 9 units of stem, which has 8": {"widths": {"stem": 9}},
    "names stems, which has no units; did you mean stem": {"widths": {"stems": 3}},
    r"the pruning-model of stem gives \(3,\), but the layer has 8 units": {"logits": torch.zeros(3)},
    "the pruning-model of stem gives nan; logits must be finite": {"logits": torch.full((8,), torch.nan)},
    "the pruning-model of stem gives list, but": {"logits": [0.0] * 8},
}


@pytest.mark.parametrize(("message", "wrong"), REFUSALS.items(), ids=REFUSALS)
def test_selections_that_cannot_be_are_refused(message, wrong):
    model = networks.Branching()
    units = finding.find(model, image(1))
    widths = wrong.get("widths", {"stem": 4})

    def factory(count):
        return Silent(wrong["logits"])

    with pytest.raises(Refused, match=message):
        OutputAnalyser(model, units, widths, factory if "logits" in wrong else FACTORIES["mlp"])
    # Nothing was replaced.
    assert type(model.stem) is nn.Conv2d


class Functional(networks.Small):
    """A forward that takes a layer's weights without calling it."""

    def forward(self, x):
        return self.end(F.conv2d(x, self.stem.weight, self.stem.bias, padding=1))


def test_layers_that_are_not_called_are_refused():
    model = Functional()
    with pytest.raises(Refused, match="takes the weights of stem without calling the layer"):
        OutputAnalyser(model, finding.find(model, image(1)), {"stem": 4})
