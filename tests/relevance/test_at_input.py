"""Relevance at the input before and after pruning, against plain torch, and the images that stand for a split."""

import dataclasses

import numpy as np
import pandas
import pytest
import torch
from torch import nn

from secateur import pruning
from secateur.pruning import looked_at
from secateur.relevance import at_input, comparison, examples

READING = {"rule": "alpha2beta1", "bias": False, "pool": "proportional", "seed": "one"}


@pytest.fixture
def network():
    """A network of two convolutions, with images (9, 3, 8, 8) and labels."""
    torch.manual_seed(0)
    model = nn.Sequential(
        *(nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(6, 5, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 4)),
    )
    return model.eval(), torch.randn(9, 3, 8, 8), torch.arange(9) % 4


def compared(network, plans, reading=READING, **more):
    """What is found of plans, in batches of four images."""
    model, images, labels = network
    batches = list(zip(images.split(4), labels.split(4), strict=True))
    return looked_at.compared(model, plans, reading, batches, images[:2], 3, **more)


def test_a_plan_that_removes_nothing_looks_at_the_same(network):
    found = compared(network, {"all": {}}).found
    np.testing.assert_allclose(found.cosine, 1, atol=1e-6)
    np.testing.assert_allclose(found.relevance[0], found.relevance[1], rtol=1e-4, atol=1e-6)
    assert (found.predicted[0] == found.predicted[1]).all() and found.cosine.shape == (1, 9)


def test_channels_that_are_zero_can_be_removed_without_another_look(network):
    model = network[0]
    with torch.no_grad():
        for parameter in (model[0].weight, model[0].bias, model[1].weight, model[1].bias):
            parameter[[1, 4]] = 0
    found = compared(network, {"zero": {"0": [1, 4]}, "others": {"0": [0, 2]}}).found
    np.testing.assert_allclose(found.cosine[0], 1, atol=1e-6)
    assert (found.cosine[1] < 0.999).any()


@pytest.mark.parametrize("rule", ["gradient", "gradient_x_input"])
def test_a_cosine_is_that_of_plain_gradients(network, rule):
    """By autograd through the masked network, for the class that the dense one answers."""
    model, images, _ = network
    plan = {"0": [0, 3], "4": [2]}
    found = compared(network, {"plan": plan}, READING | {"rule": rule}).found
    target = model(images).argmax(1)

    def by_autograd(masked):
        leaf = images.clone().requires_grad_()
        logits = masked(leaf)
        (gradient,) = torch.autograd.grad(logits.gather(1, target[:, None]).sum(), leaf)
        R = gradient * leaf.detach() if rule == "gradient_x_input" else gradient
        return R.sum(1).flatten(1), logits.detach()

    before, _ = by_autograd(model)
    with pruning.masked(model, plan) as masked:
        after, logits = by_autograd(masked)
    wanted = torch.cosine_similarity(before.double(), after.double(), dim=1)
    np.testing.assert_allclose(found.cosine[0], wanted, atol=1e-5)
    np.testing.assert_array_equal(found.predicted[1], logits.argmax(1))
    np.testing.assert_allclose(found.probability[1], logits.softmax(1).max(1).values, rtol=1e-4)


def test_relevance_of_the_input_adds_up_to_what_the_class_was_given(network):
    model, images, _ = network
    found = at_input.explained(at_input.of_reading(model, READING | {"rule": "zplus"}), images.abs())
    np.testing.assert_allclose(found.at_input.sum((1, 2)), 1, rtol=1e-4)


def test_a_network_without_a_way_through_has_no_cosine_and_is_named(network):
    looked = compared(network, {"nothing": {"0": list(range(6))}, "some": {"0": [0]}})
    assert looked.constant == ["nothing"] and looked.refused == {}
    assert np.isnan(looked.found.cosine[0]).all() and not np.isnan(looked.found.cosine[1]).any()
    assert (looked.found.predicted[1] == -1).all()


def test_a_map_of_zeros_has_no_cosine():
    first = torch.tensor([[[1.0, 0.0]], [[0.0, 0.0]], [[1.0, 1.0]]])
    found = at_input.cosines(first, torch.tensor([[[2.0, 0.0]], [[1.0, 0.0]], [[1.0, -1.0]]]))
    assert found[0] == 1 and found[1].isnan() and found[2] == 0


def test_a_reason_against_relevance_is_told(network):
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Softmax(1), nn.Flatten(), nn.Linear(256, 4)).eval()
    propagator, reason = at_input.tried(model, READING, network[1][:2])
    assert propagator is None and reason.startswith("no relevance rule for ")


def test_peaks_are_of_the_channels_at_both_ends_of_a_ranking(network):
    model, images, _ = network
    rows = [(0, "4", 2), (1, "0", 5), (2, "0", 1), (3, "4", 0), (4, "0", 0), (5, "8", 0)]
    ranking = pandas.DataFrame(rows, columns=["unit", "layer", "channel"])
    looked = compared(network, {"plan": {}}, ranking=ranking)
    # The linear layer has no map; of five channels two stand at each end.
    assert looked.channels == [("4", 2), ("0", 5), ("4", 0), ("0", 0)]
    R, _, _ = at_input.of_reading(model, READING)(images)
    for layer, channel in looked.channels:
        peak, values = looked.found.peaks[layer, channel], R[layer][:, channel].numpy()
        image, row, column = np.unravel_index(values.argmax(), values.shape)
        assert peak.value == pytest.approx(values.max()) and peak.image == image
        assert (peak.row, peak.column) == ((row + 0.5) / values.shape[1], (column + 0.5) / values.shape[2])


def test_examples_are_the_first_right_ones_of_other_classes_and_the_first_wrong_one():
    rule = examples.Examples(2)
    assert rule.new(np.array([3, 3, 1]), np.array([3, 3, 2])) == [0, 2]
    assert rule.new(np.array([1, 0, 1]), np.array([2, 0, 1])) == [1]


def test_more_images_than_asked_for_are_drawn_in_order_by_the_seed():
    assert examples.drawn(5, 5, np.random.default_rng(0)).tolist() == [0, 1, 2, 3, 4]
    rows = examples.drawn(1000, 20, np.random.default_rng(0))
    assert (np.diff(rows) > 0).all() and len(rows) == 20 and rows.max() < 1000
    assert rows.tolist() == examples.drawn(1000, 20, np.random.default_rng(0)).tolist()


def test_large_pictures_shrink_and_relevance_adds_up():
    by = examples.factor(224, 200)
    maps = np.random.default_rng(0).normal(size=(2, 224, 200))
    small = examples.summed(maps, by)
    assert (by, small.shape) == (4, (2, 56, 50))
    np.testing.assert_allclose(small.sum((1, 2)), maps.sum((1, 2)))
    pixels = np.full((3, 66, 65), 200, np.uint8)
    assert examples.averaged(pixels, examples.factor(66, 65)).shape == (3, 33, 33)
    assert (examples.averaged(pixels, 2) == 200).all() and examples.factor(64, 64) == 1


@pytest.mark.parametrize(("row", "column", "corner"), [(0.5, 0.5, 18), (0.05, 0.95, 4), (0.95, 0.05, 32)])
def test_a_patch_keeps_its_size_at_an_edge(row, column, corner):
    pixels = np.arange(64).reshape(1, 8, 8)
    patch = examples.patch(pixels, row, column)
    # Four by four, within the image.
    assert patch.shape == (1, 4, 4) and patch[0, 0, 0] == corner


def test_a_comparison_is_read_as_it_was_written(network, tmp_path):
    looked = compared(network, {"plan": {"0": [0]}})
    arrays = {field.name: getattr(looked.found, field.name) for field in dataclasses.fields(looked.found)[:-1]}
    empty = np.empty((0, 0, 0, 0), np.uint8)
    written = comparison.Comparison({"criteria": ["plan"]}, row=np.arange(9), pixels=empty, patches=empty, **arrays)
    for name in ("a.h5", "b.h5"):
        comparison.write(tmp_path / name, written)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    found = comparison.read(tmp_path / "a.h5")
    np.testing.assert_array_equal(found.cosine, written.cosine)
    assert found.cosines("plan").tolist() == written.cosine[0].tolist()
    (tmp_path / "a.h5").write_bytes(b"no file of HDF5")
    with pytest.raises(ValueError, match="a.h5 is no readable comparison of relevance"):
        comparison.read(tmp_path / "a.h5")
