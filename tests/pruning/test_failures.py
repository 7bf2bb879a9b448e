"""Silent failures of other pruning tools, none of which happen here."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune

from secateur import ranking, statistics
from secateur.criteria import from_weights
from secateur.models import zoo
from secateur.pruning import groups, masking, plans, removal
from secateur.study.levels import Terms
from secateur.units import finding

LEVELS = [level / 10 for level in range(1, 10)]


def pixels(count=2):
    return torch.randn(count, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def network(name, **arguments):
    torch.manual_seed(3)
    model = zoo.build(name, 10, **arguments).eval()
    with torch.no_grad():
        for layer in model.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.running_mean.normal_(0, 0.1)
                layer.bias.normal_(0, 0.1)
    return model


def by_l1(model, scope="global"):
    """(units, ranking table) by the L1 norm."""
    found = finding.find(model, pixels())
    table, scores = finding.table(found), statistics.of_scores(from_weights.of_weights(model, "l1"))
    return found, ranking.table(ranking.of_scores(scores, table, scope=scope), table)


@pytest.mark.parametrize("scope", ["global", "layer"])
@pytest.mark.parametrize("name", ["resnet20", "resnet56"])
def test_shortcuts_that_pad_run_at_every_level_and_as_many_units_go_as_were_asked_for(name, scope):
    """Option A shortcuts crash after pruning; a global ranking takes less at 0.9 than at 0.8."""
    model, images = network(name), pixels()
    found, order = by_l1(model, scope)
    total, before = len(found.units), -1
    for level in LEVELS:
        channels = plans.plan(order, level, Terms(keep_at_least=1))
        assert plans.units_of(order, channels) == round(level * total) > before
        before = plans.units_of(order, channels)
        with torch.no_grad(), masking.masked(model, channels, found.coupled):
            wanted = model(images)
        smaller = removal.removed(model, channels, images, found.coupled)
        difference = (smaller(images) - wanted).abs().max() / (wanted.max() - wanted.min())
        assert difference < 1e-5 and smaller(images).shape == (2, 10)


def test_frozen_layers_are_pruned_and_the_head_is_not():
    """Frozen layers are skipped without a word; a head that nobody protects loses classes."""
    model = network("vgg_small")
    model.features.requires_grad_(False)
    found, order = by_l1(model)
    channels = plans.plan(order, 0.5, Terms(keep_at_least=0.3))
    smaller = removal.removed(model, channels, pixels(), found.coupled)
    widths = groups.widths(found.coupled, channels)
    assert {layer for layer, index in channels.items() if index} == set(found.coupled.convolutions)
    assert all(len(smaller.get_submodule(layer).weight) == width for layer, width in widths.items())
    assert smaller(pixels()).shape == (2, 10) and not smaller.features[0].weight.requires_grad


@torch.no_grad()
def test_no_gradients_are_needed():
    assert len(finding.find(network("resnet20"), pixels()).units) == 3 * (16 + 32 + 64) + 64


def test_equal_scores_go_one_by_one():
    """A threshold takes all that are tied."""
    model = network("vgg_small")
    table = finding.table(finding.find(model, pixels()))
    order = ranking.table(ranking.by_score(np.zeros(table["unit"].nunique())), table)
    assert [plans.units_of(order, plans.plan(order, level)) for level in (0.1, 0.5)] == [53, 264]


@pytest.mark.parametrize(
    "wrap",
    [
        lambda layer: prune.l1_unstructured(layer, "weight", 0.5),
        parametrizations.weight_norm,
        parametrizations.spectral_norm,
    ],
    ids=["mask", "weight_norm", "spectral_norm"],
)
def test_weights_that_are_computed_anew_are_named_with_the_remedy(wrap):
    """Masks that are still attached make a network slower and its counts wrong."""
    model = network("vgg_small")
    wrap(model.features[3])
    with pytest.raises(ValueError, match="features.3 computes its weight anew in each forward .* make it permanent"):
        finding.find(model, pixels())


def test_masks_that_were_made_permanent_are_weights_like_any_other():
    model = network("vgg_small")
    prune.l1_unstructured(model.features[3], "weight", 0.5)
    prune.remove(model.features[3], "weight")
    assert len(finding.find(model, pixels()).units) == 528


@pytest.mark.parametrize(("wrap", "inside"), [(nn.DataParallel, "module"), (torch.compile, "_orig_mod")])
def test_a_wrapped_network_is_told_to_come_out(wrap, inside):
    with pytest.raises(ValueError, match=f"give what is inside, its .{inside}"):
        finding.find(wrap(network("vgg_small")), pixels())


def test_what_removal_needs_to_know_is_no_state_that_leaks():
    """Default arguments that are shared between calls let one pruning change the next."""
    model = network("resnet20")
    first = finding.find(model, pixels())
    removal.removed(model, plans.plan(by_l1(model)[1], 0.5), pixels(), first.coupled)
    again = finding.find(model, pixels())
    assert again.units == first.units and again.protected == first.protected
