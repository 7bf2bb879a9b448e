"""Evaluation against the obvious way, and the curve's laws."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from conftest import small_vgg
from secateur import curves, evaluation, graph, ranking, units

LABELS = torch.tensor([0, 1, 2, 3, 0, 1, 2, 3])


def test_measures_do_not_depend_on_the_batch(network, pictures):
    whole = evaluation.measure(network, pictures, LABELS)
    parts = evaluation.measure(network, pictures, LABELS, images_per_batch=3)
    logits = network(pictures)
    assert whole.loss == pytest.approx(F.cross_entropy(logits, LABELS).item())
    assert whole.accuracy == (logits.argmax(1) == LABELS).double().mean().item()
    assert parts.loss == pytest.approx(whole.loss)
    np.testing.assert_array_equal(parts.right, whole.right)


def test_accuracy_by_class_is_that_of_the_class_and_nan_without_images():
    model = torch.nn.Identity()
    logits = torch.eye(3)[[0, 1, 1, 0]]
    measured = evaluation.measure(model, logits, torch.tensor([0, 1, 0, 0]))
    np.testing.assert_allclose(measured.by_class, [2 / 3, 1, np.nan])


def test_no_images_are_an_error():
    with pytest.raises(ValueError, match="^there are no images to evaluate on$"):
        evaluation.over(torch.nn.Identity(), [])


def curve(model, pictures, wanted, seed=3):
    table = units.table(units.find(model, pictures))
    order = ranking.table(ranking.at_random(len(table), seed), table)
    return list(curves.points(model, order, wanted, lambda: [(pictures, LABELS)], LABELS, pictures[:2]))


def test_level_0_is_the_dense_network_and_level_1_answers_every_image_alike(network, pictures):
    first, last = curve(network, pictures, [0, 1])
    dense = evaluation.measure(network, pictures, LABELS)
    assert first.measured.loss == pytest.approx(dense.loss)
    assert first.cost.parameters == sum(p.numel() for p in network.parameters())
    assert last.empty == [link.layer for link in graph.links(network)]
    assert last.measured.accuracy == 0.25
    assert last.deviation is None


def test_a_collapsed_network_measures_what_its_mask_does(pictures):
    model = small_vgg(5)
    table = units.table(units.find(model, pictures))
    order = ranking.table(np.argsort(table["layer"] != "features.3", kind="stable"), table)
    point = list(curves.points(model, order, [8 / 24], lambda: [(pictures, LABELS)], LABELS, pictures[:2]))[0]
    from secateur import pruning

    with pruning.masked(model, {"features.3": list(range(8))}):
        wanted = evaluation.measure(model, pictures, LABELS)
    assert point.empty == ["features.3"]
    assert point.measured.loss == pytest.approx(wanted.loss)
    np.testing.assert_array_equal(point.measured.right, wanted.right)


def test_realised_shares_and_costs_fall_with_the_level(network, pictures):
    points = curve(network, pictures, [0, 0.1, 0.5, 0.9])
    assert [point.units for point in points] == [0, 2, 12, 22]
    assert [point.realised for point in points] == [0, 2 / 24, 0.5, 22 / 24]
    macs = [point.cost.macs for point in points]
    assert macs == sorted(macs, reverse=True)
