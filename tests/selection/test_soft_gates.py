"""Soft gates: their cost, their exact gradient by finite differences, and the ranking that they harden to."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from secateur.selection import soft_gates


def drawn(seed, count=9):
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(count, generator=generator, dtype=torch.float64)
    costs = torch.rand(count, generator=generator, dtype=torch.float64) + 0.1
    return scores, costs


def largest(scores, kept):
    opened = torch.zeros(len(scores), dtype=torch.bool)
    opened[scores.argsort(descending=True)[:kept]] = True
    return opened


@settings(deadline=None)
@given(st.integers(0, 1000), st.integers(1, 8), st.sampled_from([1.0, 0.3, 0.05]))
def test_soft_gates_cost_what_opened_units_cost_and_keep_the_order(seed, kept, temperature):
    scores, costs = drawn(seed)
    opened = largest(scores, kept)
    soft = soft_gates.soft(scores, opened, costs, temperature)
    assert (costs @ soft).item() == pytest.approx(costs[opened].sum().item(), rel=1e-6)
    assert (soft[scores.argsort()].diff() >= 0).all()
    # Neither the scale of scores nor what is added to all of them matters.
    torch.testing.assert_close(soft, soft_gates.soft(scores * 7 - 3, opened, costs, temperature))


@pytest.mark.parametrize("temperature", [1.0, 0.2])
def test_the_gradient_is_that_of_finite_differences_with_the_threshold_moving(temperature):
    scores, costs = drawn(0)
    opened = largest(scores, 4)
    assert torch.autograd.gradcheck(
        lambda values: soft_gates.soft(values, opened, costs, temperature), scores.requires_grad_(), atol=1e-6
    )


def test_gates_harden_to_the_ranking_and_the_temperature_falls_to_its_end():
    scores, ones = drawn(3)[0], torch.ones(9, dtype=torch.float64)
    opened = largest(scores, 4)
    hard = soft_gates.soft(scores, opened, ones, 1e-3)
    torch.testing.assert_close(hard, opened.double(), atol=1e-6, rtol=0)
    steps = [soft_gates.temperature(soft_gates.progress_at(step, 5)) for step in range(5)]
    assert steps[0] == soft_gates.FIRST and steps[-1] == pytest.approx(soft_gates.LAST)
    np.testing.assert_allclose(np.diff(np.log(steps)), np.diff(np.log(steps))[0])
    assert soft_gates.progress_at(0, 1) == 1 == soft_gates.progress_at(9, 5)


@pytest.mark.parametrize(("progress", "hard"), [(0.0, 0.0), (0.3, 0.3), (1.0, 1.0)])
def test_gates_are_blended_from_soft_to_hard_with_the_gradient_of_soft_ones(progress, hard):
    scores, costs = drawn(5)
    # As a floor does, the ranking opens the unit with the smallest score.
    opened = largest(scores, 3) | (scores == scores.min())
    towards = torch.linspace(-1, 2, 9, dtype=torch.float64)
    gradients = []
    for relaxed in (soft_gates.gates, soft_gates.soft):
        leaf = scores.clone().requires_grad_()
        how = progress if relaxed is soft_gates.gates else soft_gates.temperature(progress)
        made = relaxed(leaf, opened, costs, how)
        (made * towards).sum().backward()
        gradients.append(leaf.grad)
    torch.testing.assert_close(*gradients)
    gates = soft_gates.gates(scores, opened, costs, progress)
    expected = made.detach() * (1 - hard) + opened * hard
    torch.testing.assert_close(gates, expected)
    assert (costs @ gates).item() == pytest.approx(costs[opened].sum().item())


def test_scores_that_are_not_finite_give_gates_that_are_not():
    opened, ones = torch.tensor([True, False]), torch.ones(2, dtype=torch.float64)
    assert soft_gates.gates(torch.tensor([torch.nan, 1.0]), opened, ones, 0.5).isnan().all()


def test_where_nothing_is_to_be_shared_out_gates_are_those_of_the_ranking():
    scores, opened = torch.zeros(3).requires_grad_(), torch.tensor([True, True, False])
    for chosen, costs in (
        (torch.ones(3, dtype=torch.bool), [1, 1, 1]),
        (~torch.ones(3, dtype=torch.bool), [1, 1, 1]),
        (opened, [1, 1, 0]),
    ):
        soft = soft_gates.soft(scores, chosen, torch.tensor(costs).double(), 1.0)
        assert torch.equal(soft, chosen.float())
    # Equal scores have equal gates, and no gradient that is no number.
    equal = soft_gates.soft(scores, opened, torch.ones(3).double(), 1.0)
    torch.testing.assert_close(equal, torch.full((3,), 2 / 3))
    equal[0].backward()
    assert scores.grad is not None and scores.grad.isfinite().all()
