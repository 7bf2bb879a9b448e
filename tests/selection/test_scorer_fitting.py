"""A scorer's fit: what it closes, what it leaves bitwise alone, and the same scorer after a killed job."""

import copy

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from secateur import Refused, cost, ranking
from secateur.models import tensor_files, zoo
from secateur.pruning import plans, removal
from secateur.selection import (
    OutputAnalyser,
    budgets,
    descriptors,
    learning,
    scorer_fitting,
    scorer_phase,
    scoring_network,
)
from secateur.selection.output_analyser import layers_of
from secateur.study import levels
from secateur.training import distillation, loop
from secateur.units import finding
from support.halves import OPTIONS, TRAIN, VALIDATION, Killed, same
from support.networks import stirred

SHORT = OPTIONS | {"epochs": 2, "select": "last", "learning_rate": 0.02, "schedule": "cosine", "label_smoothing": 0.0}
ENTRY = {
    "fit": "gradient",
    "weights": "frozen",
    "statistics": "batch",
    "gate_gradient": "annealed",
    "training": SHORT,
    "gates": SHORT | {"optimizer": "adam", "learning_rate": 0.02, "weight_decay": 0.0},
}
EXAMPLE = torch.zeros(1, 1, 8, 8)
TERMS = levels.Terms(budget="macs", keep_at_least=0.125)


def network():
    torch.manual_seed(5)
    return stirred(zoo.build("vgg_small", 2, channels=1, widths=[4, 4, 6, 6, 8, 8], hidden=6)).float().requires_grad_()


def halved(units):
    return {layer: len(ids) // 2 for layer, ids in layers_of(units).items()}


def budget(units):
    return budgets.Budget(units, 0.5, TERMS)


def features_of(model, units):
    batches = [(TRAIN.normalised(slice(0, 32)), torch.from_numpy(TRAIN.labels[:32]))]
    return descriptors.of(model, units, batches)


def fitted(model=None, asked=halved, partial=None, seed=7, **changes):
    model = model or network()
    units = finding.find(model, EXAMPLE)
    material = learning.Training(TRAIN, VALIDATION, ENTRY | changes, seed, partial, "here")
    return scorer_fitting.fitted(model, units, features_of(model, units), asked(units), material)


def without_time(history):
    return [{key: value for key, value in row.items() if key != "seconds"} for row in history]


@pytest.mark.parametrize("terms", [TERMS, levels.Terms(budget="parameters", keep_at_least=2), levels.Terms()])
def test_a_budget_removes_what_a_plan_of_the_same_order_does(terms):
    """From step to step with slowly changing scores, as in a fit; the last ones are far away."""
    units = finding.find(zoo.build("resnet20", 10), torch.zeros(1, 3, 8, 8))
    generator, table = np.random.default_rng(0), finding.table(units)
    logits, asked = generator.random(len(units.units)), budgets.Budget(units, 0.4, terms)
    for spread in (0, 0.01, 0.3):
        logits = logits + spread * generator.random(len(logits))
        removed = np.flatnonzero(asked.removed(logits))
        plan = plans.plan(ranking.table(ranking.by_score(logits), table), 0.4, terms, units.coupled)
        assert removed.tolist() == finding.only_of(units, plan)


def test_a_budget_that_cannot_be_met_is_refused_and_so_are_rounded_widths():
    units = finding.find(network(), EXAMPLE)
    asked = budgets.Budget(units, 0.9, levels.Terms(budget="macs", keep_at_least=0.5))
    with pytest.raises(Refused, match=r"^level 0.9 asks for .* macs, but with keep_at_least 0.5 no more than"):
        asked.removed(np.arange(len(units.units)))
    with pytest.raises(Refused, match="cannot round widths to 2"):
        budgets.Budget(units, 0.5, levels.Terms(round_to=2))


def test_a_fit_within_layers_ends_in_their_widths_and_one_over_all_in_the_budget():
    within, over, hard = fitted(), fitted(asked=budget), fitted(asked=budget, gate_gradient="sigmoid")
    assert [row["kept_units"] for row in within.history][-1] == 0.5
    # Hard gates close one after the other; soft ones are as many from the first step on.
    assert [row["closings"] < 1 for row in hard.history] == [True, False]
    assert {row["closings"] for row in over.history} == {1.0}
    assert {row["forwards"] for row in over.history} == {3 * len(TRAIN), 6 * len(TRAIN)}
    model = network()
    units = finding.find(model, EXAMPLE)
    with torch.no_grad():
        scores = scoring_network.scores(over.scorer, features_of(model, units)).numpy()
    removed = budget(units).removed(scores)
    assert over.history[-1]["kept_units"] == pytest.approx(1 - removed.mean())
    # By hand: one unit less would not save half of the multiply-adds.
    last = [unit for unit in ranking.by_score(scores) if removed[unit]][-1]
    for closed, met in ((removed, True), (removed & (np.arange(len(removed)) != last), False)):
        groups = np.zeros(len(units.coupled.sizes), bool)
        groups[budget(units).groups[closed]] = True
        assert (2 * units.coupled.counter.macs(groups) <= units.coupled.counter.macs(groups & False)) == met


def test_a_scorer_within_layers_closes_as_many_in_each_as_their_widths_say():
    model = network()
    units = finding.find(model, EXAMPLE)
    scorer, features = fitted(training=SHORT | {"epochs": 1}).scorer, features_of(model, units)
    models = {layer: scoring_network.Scored(scorer, features[ids]) for layer, ids in layers_of(units).items()}
    analyser = OutputAnalyser(model, units, halved(units), models=models)
    open_ = {layer: int((~gated.closed()).sum()) for layer, gated in analyser.gated.items()}
    assert open_ == halved(units) and len(set(open_.values())) == 3


@pytest.mark.parametrize(
    ("changes", "of_an_image"),
    [
        ({}, 3),
        ({"training": SHORT | {"loss": "distillation"}}, 4),
        ({"fit": "evolution", "training": SHORT | {"batch_size": 2}}, 1),
    ],
    ids=["gradient", "distillation", "evolution"],
)
def test_the_passes_of_a_fit_are_those_that_images_take(changes, of_an_image):
    """Images at the first layer, less those of validation: a backward pass counts two, the dense network's one."""
    seen = 0

    def count(module, read):
        nonlocal seen
        if isinstance(module, torch.nn.Conv2d) and module.in_channels == 1 and len(read[0]) > 1:
            seen += len(read[0])

    model = network()
    units = finding.find(model, EXAMPLE)
    material = learning.Training(TRAIN, VALIDATION, ENTRY | changes, 7, None, "here")
    features, asked = features_of(model, units), halved(units)
    hook = torch.nn.modules.module.register_module_forward_pre_hook(count)
    try:
        history = scorer_fitting.fitted(model, units, features, asked, material).history
    finally:
        hook.remove()
    # Without gradients each image of training is seen once for each candidate, and with them once or twice.
    by_network = {3: 1, 4: 2, 1: 1}[of_an_image]
    trained = seen - len(history) * len(VALIDATION)
    assert history[-1]["forwards"] * by_network == of_an_image * trained > 0
    if of_an_image > 1:
        assert history[-1]["forwards"] == of_an_image * len(TRAIN) * len(history)
    else:
        # At most half a generation away from the cost of a fit by gradients.
        assert history[-1]["forwards"] == pytest.approx(3 * len(TRAIN) * len(history), rel=0.15)


@pytest.mark.parametrize("fit", ["gradient", "evolution"])
@pytest.mark.parametrize("statistics", ["batch", "running"])
def test_frozen_weights_and_statistics_stay_bitwise(fit, statistics):
    model = network()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    fitted(model, fit=fit, statistics=statistics, training=SHORT | {"epochs": 1})
    assert all(torch.equal(after, before[name]) for name, after in model.state_dict().items())
    joint = network()
    fitted(joint, weights="joint", training=SHORT | {"epochs": 1})
    assert not same(joint, network())


@pytest.mark.parametrize(
    "changes", [{}, {"fit": "evolution"}, {"weights": "joint"}, {"training": SHORT | {"loss": "distillation"}}]
)
def test_a_killed_fit_resumes_to_the_same_scorer(tmp_path, monkeypatch, changes):
    changes = {**changes, "training": changes.get("training", SHORT) | {"epochs": 2}}
    whole, other = fitted(**changes), fitted(seed=8, **changes)
    assert not same(whole.scorer, other.scorer)
    write = tensor_files.write

    def killed(path, content):
        write(path, content)
        raise Killed

    monkeypatch.setattr(tensor_files, "write", killed)
    with pytest.raises(Killed):
        fitted(partial=tmp_path / "p", **changes)
    monkeypatch.setattr(tensor_files, "write", write)
    resumed = fitted(partial=tmp_path / "p", **changes)
    assert same(resumed.scorer, whole.scorer) and str(without_time(resumed.history)) == str(without_time(whole.history))


@pytest.mark.parametrize("statistics", ["batch", "running"])
def test_a_fit_that_breaks_off_leaves_the_model_as_it_was(statistics, monkeypatch):
    model = network()
    before, names = copy.deepcopy(model.state_dict()), [name for name, _ in model.named_modules()]

    def broken(*_):
        raise Killed

    monkeypatch.setattr(torch.Tensor, "backward", broken)
    with pytest.raises(Killed):
        fitted(model, statistics=statistics)
    assert [name for name, _ in model.named_modules()] == names
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    norms = [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    assert not any(norm.training or norm.momentum == 0 for norm in norms)
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_large_scores_keep_their_order_and_the_gradient_of_their_sigmoid():
    scorer = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.ones_(scorer.weight)
    features = torch.tensor([[8.0], [9.0], [17.0], [18.0], [30.0]])
    logits = scoring_network.Scored(scorer, features)(torch.zeros(0))
    assert torch.equal(logits.detach(), features.squeeze(1))
    logits.sum().backward()
    squashed = torch.sigmoid(features)
    torch.testing.assert_close(scorer.weight.grad, (features * squashed * (1 - squashed)).sum().view(1, 1))


def test_a_search_minimises_the_smoothed_loss_that_it_is_asked_for():
    smoothed = SHORT | {"epochs": 1, "label_smoothing": 0.3}
    plain = fitted(fit="evolution", training=SHORT | {"epochs": 1})
    assert not same(plain.scorer, fitted(fit="evolution", training=smoothed).scorer)


def test_units_that_are_coupled_unlike_each_other_have_no_gates_under_a_budget_with_a_floor():
    class Joined(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c = (torch.nn.Conv2d(1, count, 1) for count in (6, 3, 3))
            self.head = torch.nn.Linear(6, 2)

        def forward(self, x):
            return self.head((self.a(x) + torch.cat([self.b(x), self.c(x)], 1)).mean((2, 3)))

    model = Joined()
    units = finding.find(model, EXAMPLE)
    features = descriptors.of(model, units)
    models = {
        layer: scoring_network.Scored(scoring_network.scorer(), features[ids])
        for layer, ids in layers_of(units).items()
    }
    with pytest.raises(Refused, match="units of a are coupled with channels of different layers"):
        OutputAnalyser(model, units, None, models=models, budget=budgets.Budget(units, 0.3, levels.Terms(0.5)))


def test_a_scorer_that_is_not_fitted_is_the_one_that_fits_start_from():
    drawn, fit = fitted(fit="none"), fitted()
    assert drawn.history == [] and not same(drawn.scorer, fit.scorer)
    torch.manual_seed(scorer_fitting.seeds.derived(7, "scorer"))
    assert same(drawn.scorer, scoring_network.scorer())


def test_scores_reach_the_loss_through_one_scorer_of_all_layers():
    """Finite differences of the straight-through loss: a gate that a score multiplies, at the scorer's bias."""
    model = network().double()
    units = finding.find(model, EXAMPLE.double())
    features, scorer = features_of(network(), units).double(), scoring_network.scorer().double()
    models = {
        layer: scoring_network.Scored(scorer, features[ids], squashed=False) for layer, ids in layers_of(units).items()
    }
    analyser = OutputAnalyser(model, units, halved(units), models=models).double()
    assert len(analyser.parameters_of_pruning_models) == len(list(scorer.parameters()))
    pixels, labels = TRAIN.normalised(slice(0, 8)).double(), torch.from_numpy(TRAIN.labels[:8])
    analyser.train()
    F.cross_entropy(analyser(pixels), labels).backward()
    gates = [torch.where(gated.closed(), 0.0, 1.0).double() for gated in analyser.gated.values()]

    def loss(shift):
        plain = network().double().train()
        convolutions = [name for name, module in plain.named_modules() if isinstance(module, torch.nn.Conv2d)]
        shifted = [gate + shift for gate in gates]
        with torch.no_grad():
            readers = [*map(plain.get_submodule, convolutions[1:])]
            for gate, reader in zip(shifted, readers, strict=False):
                reader.weight.mul_(gate[None, :, None, None])
            head = next(module for module in plain.modules() if isinstance(module, torch.nn.Linear))
            repeated = head.in_features // len(shifted[-1])
            head.weight.mul_(shifted[-1].repeat_interleave(repeated)[None])
            return F.cross_entropy(plain(pixels), labels).item()

    slope = (loss(1e-5) - loss(-1e-5)) / 2e-5
    assert scorer[-1].bias.grad.item() == pytest.approx(slope, rel=1e-4)


def test_distillation_is_the_divergence_from_the_teachers_answers():
    generator = torch.Generator().manual_seed(0)
    logits, wanted = (torch.randn(5, 3, generator=generator, dtype=torch.float64) for _ in range(2))
    first, second = ((values / 4).softmax(1) for values in (wanted, logits))
    expected = 16 * (first * (first / second).log()).sum(1).mean()
    torch.testing.assert_close(distillation.loss(logits, wanted), expected)
    assert distillation.loss(wanted, wanted).item() == pytest.approx(0, abs=1e-12)
    teacher = network().train()
    pixels = TRAIN.normalised(slice(0, 4))
    before = {name: tensor.clone() for name, tensor in teacher.state_dict().items()}
    student = torch.zeros(4, 2, requires_grad=True)
    distillation.of(teacher)(student, None, pixels).backward()
    assert student.grad is not None and not teacher.training
    assert all(torch.equal(after, before[name]) for name, after in teacher.state_dict().items())


def test_validation_sees_the_scores_of_the_end_of_an_epoch():
    model = network()
    units = finding.find(model, EXAMPLE)
    scorer = scoring_network.scorer()
    features = features_of(model, units)
    models = {layer: scoring_network.Scored(scorer, features[ids]) for layer, ids in layers_of(units).items()}
    analyser = OutputAnalyser(model, units, None, models=models, budget=budget(units))
    phase = scorer_phase.ScorerPhase(analyser, ENTRY["gates"])
    before = [gated.last.clone() for gated in analyser.gated.values()]
    with torch.no_grad():
        scorer[-1].weight.neg_()
    row = phase.hook().columns()
    assert row["closings"] == 1
    after = [gated.last for gated in analyser.gated.values()]
    assert any(not torch.equal(old, new) for old, new in zip(before, after, strict=True))
    kept = sum(gated.kept for gated in analyser.gated.values())
    assert row["kept_units"] == pytest.approx(kept / len(units.units))


@pytest.mark.parametrize("asked", [halved, budget])
def test_closed_gates_are_the_removal_of_their_units(asked):
    model = network()
    units, features = finding.find(model, EXAMPLE), features_of(network(), finding.find(network(), EXAMPLE))
    torch.manual_seed(3)
    scorer = scoring_network.scorer()
    models = {layer: scoring_network.Scored(scorer, features[ids]) for layer, ids in layers_of(units).items()}
    given = {"budget": asked(units)} if asked is budget else {}
    analyser = OutputAnalyser(model, units, None if given else asked(units), models=models, **given)
    scorer_phase.ScorerPhase(analyser, ENTRY["gates"]).refresh(1, 1)
    pixels = VALIDATION.normalised(slice(0, 8))
    with torch.no_grad():
        masked = analyser.eval()(pixels)
        channels = analyser.channels()
        smaller = removal.removed(analyser.unwrapped(), channels, EXAMPLE)(pixels)
    torch.testing.assert_close(smaller, masked, rtol=1e-5, atol=1e-5)
    assert sum(map(len, channels.values())) > 4 and not torch.allclose(masked, network()(pixels), atol=1e-3)


def wrapped(model, units, asked, **changes):
    """The analyser of a fit in float64, and its scorer."""
    torch.manual_seed(3)
    scorer = scoring_network.scorer()
    features = features_of(network(), finding.find(network(), EXAMPLE))
    options = ENTRY | changes
    analyser = scorer_fitting._wrapped(model, units, scorer, features, asked(units), options).double()
    return analyser, scorer.double()


@pytest.mark.parametrize("asked", [halved, budget])
def test_soft_gates_have_the_gradient_of_finite_differences_and_eval_mode_the_hard_ones(asked):
    model = network().double()
    units = finding.find(model, EXAMPLE.double())
    analyser, scorer = wrapped(model, units, asked)
    pixels, labels = TRAIN.normalised(slice(0, 8)).double(), torch.from_numpy(TRAIN.labels[:8])

    def loss():
        analyser.at(0, 3)
        analyser.train()
        return F.cross_entropy(analyser(pixels), labels)

    loss().backward()
    weight = scorer[-1].weight
    place = weight.grad.abs().argmax()
    at_two = []
    for shift in (1e-5, -2e-5):
        with torch.no_grad():
            weight.view(-1)[place] += shift
            at_two.append(loss().item())
    assert weight.grad.flatten()[place].item() == pytest.approx((at_two[0] - at_two[1]) / 2e-5, rel=1e-4)
    soft, hard = analyser(pixels), analyser.eval()(pixels)
    assert not torch.allclose(soft, hard, atol=1e-3)
    smaller = removal.removed(analyser.unwrapped(), analyser.channels(), EXAMPLE.double())(pixels)
    torch.testing.assert_close(smaller, hard)


@pytest.mark.parametrize("asked", [halved, budget])
def test_gates_cost_what_the_ranking_leaves_and_are_hard_at_the_last_step(asked, monkeypatch):
    model = network().double()
    units = finding.find(model, EXAMPLE.double())
    analyser, _ = wrapped(model, units, asked)
    seen = {}
    monkeypatch.setattr(analyser.model, "forward", lambda pixels: seen.update(gates_of(analyser)) or pixels)
    for step, hard in ((0, False), (2, True)):
        analyser.at(step, 3)
        analyser.train()(EXAMPLE.double())
        costs = saved_alone(units) if asked is budget else np.ones(len(units.units))
        groups = [[*seen]] if asked is budget else [[layer] for layer in seen]
        for layers in groups:
            ids = [unit for layer in layers for unit in analyser.by_layer[layer]]
            gates = torch.cat([seen[layer] for layer in layers])
            opened = ~torch.cat([analyser.gated[layer].closed() for layer in layers]).numpy()
            assert costs[ids] @ gates.detach().numpy() == pytest.approx(costs[ids][opened].sum())
            assert bool(((gates == 0) | (gates == 1)).all()) == hard
    assert sum(map(int, [(~closed).sum() for closed in analyser.closed()])) < len(units.units)


def gates_of(analyser):
    return {layer: gated.gate.clone() for layer, gated in analyser.gated.items()}


def saved_alone(units):
    """The multiply-adds that the removal of each unit alone saves, by counting the smaller network."""
    dense = cost.count(network(), EXAMPLE).macs
    alone = []
    for unit in units.units:
        channels = {layer: [index for name, index in unit.channels if name == layer] for layer, _ in unit.channels}
        alone.append(dense - cost.count(removal.removed(network(), channels, EXAMPLE), EXAMPLE).macs)
    return np.array(alone, float)


def test_a_search_and_hard_gates_are_without_soft_ones_and_a_scorer_that_diverges_says_so():
    units = finding.find(network(), EXAMPLE)
    for changes in ({"fit": "evolution"}, {"gate_gradient": "sigmoid"}):
        assert not wrapped(network(), units, halved, **changes)[0].annealed
    with pytest.raises(loop.Diverged, match="set gate_learning_rate of the scorer lower"):
        fitted(gates=ENTRY["gates"] | {"learning_rate": 1e12})
    with pytest.raises(Refused, match="annealed gates have no order in which dead units come first"):
        OutputAnalyser(network(), units, halved(units), dead=np.ones(len(units.units), bool), annealed=True)
