"""Tickets: values against the first network by plain torch, controls, and weights of an epoch had again."""

import pytest
import torch

from secateur import Refused
from secateur.models import description, first_values
from secateur.models.description import NetworkDescription
from secateur.sparsity import masks, tickets
from secateur.sparsity.weights import prunable
from secateur.study import reinitialisations
from secateur.training import loop
from support.halves import OPTIONS, TRAIN, VALIDATION, same

DESCRIBED = NetworkDescription("vgg_small", {"widths": [6] * 6, "hidden": 6, "channels": 1}, ("a", "b"), (1, 8, 8))
KINDS = [one.name for one in reinitialisations.ALL]


def first():
    torch.manual_seed(5)
    return description.built(DESCRIBED)


def pruned(sparsity=0.7):
    torch.manual_seed(6)
    return masks.pruned(description.built(DESCRIBED), sparsity)


def ticket(kind, seed=3, left=None):
    return tickets.reinitialised(first(), DESCRIBED, left or pruned(), kind, seed)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_left_is_zero_and_all_but_weights_is_as_it_was(kind):
    model, left = ticket(kind)
    weights = prunable(model)
    for name, weight in weights.items():
        assert not weight.detach()[~left[name]].any() and weight.detach()[left[name]].all()
    assert masks.left_of(left) == masks.left_of(pruned())
    for (name, value), before in zip(model.state_dict().items(), first().state_dict().values(), strict=True):
        if name not in weights:
            assert torch.equal(value, before)
    again, _ = ticket(kind)
    assert same(model, again)


def test_the_original_is_the_first_network_under_its_masks():
    model, left = ticket("original")
    for name, weight in prunable(first()).items():
        assert torch.equal(model.get_parameter(name), weight.detach() * left[name])


@pytest.mark.parametrize("kind", KINDS[1:])
def test_another_seed_draws_other_values(kind):
    model, _ = ticket(kind)
    other, _ = ticket(kind, seed=4)
    assert not same(model, other)


def test_kinds_that_draw_alike_differ_in_what_they_keep_alone():
    fresh, left = ticket("random")
    signed, scaled = ticket("sign")[0], ticket("random_scaled")[0]
    for name, weight in prunable(fresh).items():
        values, mask = weight.detach(), left[name]
        assert torch.equal(signed.get_parameter(name).abs(), values.abs())
        ratio = scaled.get_parameter(name).detach()[mask] / values[mask]
        before = prunable(first())[name].detach()
        scheme = first_values.fresh(DESCRIBED, [name], 3)[name]
        wanted = before[mask].std(correction=0) / scheme.std(correction=0)
        torch.testing.assert_close(ratio, wanted.expand_as(ratio))


def test_the_scale_of_weights_of_a_later_epoch_is_theirs_too():
    """Weights that are no longer those of the scheme: half as large."""
    later = first()
    with torch.no_grad():
        for weight in prunable(later).values():
            weight.mul_(0.5)
    before = {name: weight.detach().clone() for name, weight in prunable(later).items()}
    left = {name: torch.ones(weight.shape, dtype=torch.bool) for name, weight in before.items()}
    model, _ = tickets.reinitialised(later, DESCRIBED, left, "random_scaled", 3)
    for name, weight in prunable(model).items():
        torch.testing.assert_close(weight.detach().std(correction=0), before[name].std(correction=0))


def test_a_factory_that_seeds_itself_has_no_fresh_values(monkeypatch):
    def fixed(described):
        torch.manual_seed(0)
        return built(described)

    built = description.built
    monkeypatch.setattr(description, "built", fixed)
    with pytest.raises(Refused, match="gives features.0.weight the same values whatever torch's generator"):
        ticket("random")


def test_controls_move_the_mask_or_the_values_of_a_layer():
    original, left = ticket("original")
    moved, shuffled = ticket("mask_shuffled")
    permuted, same_mask = ticket("layer_permuted")
    for name, weight in prunable(first()).items():
        assert torch.equal(moved.get_parameter(name), weight.detach() * shuffled[name])
        assert torch.equal(same_mask[name], left[name])
        assert {*permuted.get_parameter(name).detach().flatten().tolist()} <= {0.0, *weight.flatten().tolist()}
    assert any(not torch.equal(shuffled[name], left[name]) for name in left)
    assert not same(permuted, original)


def test_the_mask_of_one_layer_changes_no_draw_of_another():
    left = pruned()
    name = "features.3.weight"
    fewer = left | {name: torch.ones_like(left[name])}
    for kind in KINDS:
        model, _ = ticket(kind, left=left)
        other, _ = ticket(kind, left=fewer)
        for key in left:
            assert key == name or torch.equal(model.get_parameter(key), other.get_parameter(key)), (kind, key)


def test_weights_of_an_epoch_are_had_again_by_the_same_schedule_bit_for_bit():
    options = OPTIONS | {"select": "last"}
    whole, seen = first(), []
    epoch = loop._epoch
    states = {}

    def watched(run, images, number):
        row = epoch(run, images, number)
        states[number] = {name: value.clone() for name, value in run.model.state_dict().items()}
        seen.append(number)
        return row

    loop._epoch = watched
    try:
        loop.train(whole, TRAIN, VALIDATION, options, 7)
        rewound = first()
        history = loop.train(rewound, TRAIN, VALIDATION, options, 7, epochs=range(1, 3))
        assert [row["epoch"] for row in history] == [1, 2] and seen == [1, 2, 3, 4, 1, 2]
        assert all(torch.equal(value, states[2][name]) for name, value in rewound.state_dict().items())
        rest = loop.train(rewound, TRAIN, VALIDATION, options, 7, epochs=range(3, 5))
        assert [row["epoch"] for row in rest] == [3, 4]
    finally:
        loop._epoch = epoch
