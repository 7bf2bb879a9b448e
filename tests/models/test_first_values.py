"""First values drawn anew: what each kind keeps, bit for bit, and generators of each layer's own."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from secateur.models import description, first_values
from secateur.models.description import NetworkDescription
from secateur.study import reinitialisations, seeds

TWO = NetworkDescription("vgg_small", {"widths": [4] * 6, "hidden": 6}, ("a", "b"), (3, 8, 8))


def layer(count=200, seed=3, name="conv.weight", scale=None):
    generator = torch.Generator().manual_seed(count + 1)
    first, fresh = (torch.randn(count, generator=generator) for _ in range(2))
    return first_values.Layer(name, 1.5 * first + 0.1, fresh, fresh.std(correction=0).item(), seed)


def drawn(kind, of):
    return first_values.VALUES[kind](of)


@given(count=st.integers(1, 60), seed=st.integers(0, 2**40))
def test_every_kind_keeps_what_it_says(count, seed):
    of = layer(count, seed)
    assert torch.equal(drawn("original", of), of.first) and torch.equal(drawn("random", of), of.fresh)
    for kind in ("sign", "sign+dist"):
        assert torch.equal(drawn(kind, of).sign(), of.first.sign())
    assert torch.equal(drawn("sign", of).abs(), of.fresh.abs())
    assert torch.equal(drawn("abs", of).abs(), of.first.abs())
    assert torch.equal(drawn("dist", of).sort().values, of.first.sort().values)
    magnitudes = (drawn("sign+dist", of).abs().sort().values, of.first.abs().sort().values)
    assert torch.equal(*magnitudes)


def test_moments_and_scale_are_those_of_the_first_values():
    of = layer(20_000)
    assert drawn("dist_normal", of).mean().item() == pytest.approx(of.first.mean().item(), abs=0.03)
    for kind in ("dist_normal", "random_scaled"):
        assert drawn(kind, of).std().item() == pytest.approx(of.first.std().item(), rel=0.02)
    assert torch.equal(drawn("random_scaled", of).sign(), of.fresh.sign())


def test_kinds_have_the_scale_of_what_is_left_where_they_say_so():
    of = layer(20_000)
    for kind in first_values.VALUES:
        has = drawn(kind, of).std().item() == pytest.approx(of.first.std().item(), rel=0.02)
        assert has == reinitialisations.BY_NAME[kind].scale, kind


def test_a_single_value_has_no_spread_and_is_drawn_all_the_same():
    of = layer(1)
    assert torch.equal(drawn("random_scaled", of), of.fresh)
    assert torch.equal(drawn("dist_normal", of), of.first)


@pytest.mark.parametrize("kind", ["dist", "dist_normal", "abs", "sign+dist"])
def test_draws_are_of_the_seed_and_the_layer_and_of_nothing_else(kind):
    assert torch.equal(drawn(kind, layer()), drawn(kind, layer()))
    assert not torch.equal(drawn(kind, layer()), drawn(kind, layer(seed=4)))
    assert not torch.equal(drawn(kind, layer()), drawn(kind, layer(name="other.weight")))


def test_signs_of_abs_are_random_and_half_of_them_change():
    of = layer(20_000)
    assert (drawn("abs", of).sign() == of.first.sign()).float().mean().item() == pytest.approx(0.5, abs=0.02)


def test_fresh_values_are_those_of_a_network_built_anew_for_each_layer():
    before = torch.random.get_rng_state()
    names = ["features.0.weight", "classifier.2.weight"]
    both = first_values.fresh(TWO, names, 5)
    assert torch.equal(torch.random.get_rng_state(), before)
    # Which others are asked for changes nothing.
    assert torch.equal(both[names[1]], first_values.fresh(TWO, names[1:], 5)[names[1]])
    with torch.random.fork_rng():
        torch.manual_seed(seeds.derived(5, "fresh", names[0]))
        built = description.built(TWO)
    assert torch.equal(both[names[0]], built.features[0].weight)
    assert not torch.equal(both[names[0]], first_values.fresh(TWO, names, 6)[names[0]])


def test_every_kind_of_values_is_one_that_settings_can_name():
    of_masks = {"mask_shuffled", "layer_permuted"}
    assert {*first_values.VALUES} == {one.name for one in reinitialisations.ALL} - of_masks
    assert {one.name for one in reinitialisations.ALL if not one.channels} == of_masks
