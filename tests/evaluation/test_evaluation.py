"""Evaluation against the obvious way, and the curve's laws."""

import copy

import h5py
import numpy as np
import pytest
import torch
from torch.nn import functional as F

from secateur import ranking
from secateur.artifacts import correctness
from secateur.evaluation import fast_layers, low_precision, measuring
from secateur.models import zoo
from secateur.pruning import masking, plan_cache, sweep
from secateur.units import finding
from support.networks import small_vgg

LABELS = torch.tensor([0, 1, 2, 3, 0, 1, 2, 3])


def test_measures_do_not_depend_on_the_batch(network, pictures):
    whole = measuring.measure(network, pictures, LABELS)
    parts = measuring.measure(network, pictures, LABELS, images_per_batch=3)
    logits = network(pictures)
    assert whole.loss == pytest.approx(F.cross_entropy(logits, LABELS).item())
    assert whole.accuracy == (logits.argmax(1) == LABELS).double().mean().item()
    assert parts.loss == pytest.approx(whole.loss)
    np.testing.assert_array_equal(parts.right, whole.right)


def test_accuracy_by_class_is_that_of_the_class_and_nan_without_images():
    model = torch.nn.Identity()
    logits = torch.eye(3)[[0, 1, 1, 0]]
    measured = measuring.measure(model, logits, torch.tensor([0, 1, 0, 0]))
    np.testing.assert_allclose(measured.by_class, [2 / 3, 1, np.nan])


def test_no_images_are_an_error():
    with pytest.raises(ValueError, match="^there are no images to evaluate on$"):
        measuring.over(torch.nn.Identity(), [])


def curve(model, pictures, wanted, seed=3):
    table = finding.table(finding.find(model, pictures))
    order = ranking.table(ranking.at_random(len(table), seed), table)
    return list(prepared(model, pictures).points(order, wanted))


def prepared(model, pictures, **options):
    return sweep.Network(model, lambda: [(pictures, LABELS)], LABELS.numpy(), pictures[:2], "float64", **options)


def test_level_0_is_the_dense_network_and_level_1_answers_every_image_alike(network, pictures):
    first, last = curve(network, pictures, [0, 1])
    dense = measuring.measure(network, pictures, LABELS)
    assert first.measured.loss == pytest.approx(dense.loss)
    assert first.cost.parameters == sum(p.numel() for p in network.parameters())
    assert last.empty == [name for name, layer in network.named_modules() if isinstance(layer, torch.nn.Conv2d)]
    assert last.measured.accuracy == 0.25
    assert last.deviation is None


def test_a_collapsed_network_measures_what_its_mask_does(pictures):
    model = small_vgg(5)
    table = finding.table(finding.find(model, pictures))
    order = ranking.table(np.argsort(table["layer"] != "features.3", kind="stable"), table)
    point = next(prepared(model, pictures).points(order, [8 / 24]))
    with masking.masked(model, {"features.3": list(range(8))}):
        wanted = measuring.measure(model, pictures, LABELS)
    assert point.empty == ["features.3"]
    assert point.measured.loss == pytest.approx(wanted.loss)
    np.testing.assert_array_equal(point.measured.right, wanted.right)


def test_the_loss_of_every_image_is_kept(network, pictures):
    """Of the dense network, of a pruned one, and of one that answers every image alike without looking at it."""
    table = finding.table(finding.find(network, pictures))
    order = ranking.table(ranking.at_random(len(table), 3), table)
    first, half, last = prepared(network, pictures).points(order, [0, 0.5, 1])
    for point, removed in ((first, 0), (half, 12), (last, 24)):
        channels = {name: list(part["channel"]) for name, part in order[:removed].groupby("layer")}
        with masking.masked(network, channels), torch.no_grad():
            wanted = F.cross_entropy(network(pictures), LABELS, reduction="none")
        np.testing.assert_allclose(point.measured.losses, wanted, rtol=1e-5)
        assert point.measured.losses.dtype == np.float32
        assert point.measured.losses.mean() == pytest.approx(point.measured.loss, rel=1e-6)


def test_losses_lie_beside_the_bits_and_a_file_without_them_is_refused(tmp_path):
    right, losses = np.eye(3, 10, dtype=bool), np.random.default_rng(0).random((3, 10))
    correctness.write(list(right), tmp_path / "a.h5", list(losses))
    np.testing.assert_array_equal(correctness.read(tmp_path / "a.h5", 3), right)
    np.testing.assert_allclose(correctness.losses(tmp_path / "a.h5", 3), losses, rtol=1e-6)
    correctness.write(list(right), tmp_path / "old.h5")
    with h5py.File(tmp_path / "old.h5") as file:
        assert list(file) == ["right"]
    with pytest.raises(ValueError, match="old.h5 has losses of 0 rows, but its table has 3; delete both and run"):
        correctness.losses(tmp_path / "old.h5", 3)


def test_realised_shares_and_costs_fall_with_the_level(network, pictures):
    points = curve(network, pictures, [0, 0.1, 0.5, 0.9])
    assert [point.units for point in points] == [0, 2, 12, 22]
    assert [point.realised for point in points] == [0, 2 / 24, 0.5, 22 / 24]
    macs = [point.cost.macs for point in points]
    assert macs == sorted(macs, reverse=True)


def test_what_a_plan_measured_is_kept_and_not_measured_again(network, pictures, tmp_path):
    table = finding.table(finding.find(network, pictures))
    order = ranking.table(ranking.at_random(len(table), 0), table)

    def store(context="a"):
        return plan_cache.Store(tmp_path / "plans", {"context": context}, LABELS.numpy(), 5)

    first = list(prepared(network, pictures, store=store()).points(order, [0, 0.5, 0.9]))

    def no_images():
        raise AssertionError("a plan that is known was evaluated again")

    again = prepared(network, pictures, store=store())
    again.batches = no_images
    for point, kept in zip(first, again.points(order, [0, 0.5, 0.9]), strict=True):
        assert (point.measured.loss, point.measured.accuracy) == (kept.measured.loss, kept.measured.accuracy)
        assert point.deviation == kept.deviation and point.empty == kept.empty
        np.testing.assert_array_equal(point.measured.right, kept.measured.right)
        np.testing.assert_array_equal(point.measured.losses, kept.measured.losses)
        np.testing.assert_array_equal(point.measured.by_class, kept.measured.by_class)
    # Another network, or other images: nothing of it counts, and it goes.
    other = prepared(network, pictures, store=store("b"))
    other.batches = no_images
    with pytest.raises(AssertionError, match="evaluated again"):
        list(other.points(order, [0]))
    assert not list((tmp_path / "plans").rglob("*.npz"))


def test_what_a_plan_measured_says_in_which_precision(network, pictures, tmp_path):
    def store(precision):
        return plan_cache.Store(tmp_path, {}, LABELS.numpy(), 5, precision)

    first, second = (prepared(network, pictures, store=store(name)) for name in ("bfloat16", "float32"))
    first.evaluated({"features.0": [1]})
    wanted = second.evaluated({"features.0": [1]})[0]
    second.evaluated({"features.0": [2]})
    second.evaluated({"features.0": [2]})
    assert first.store.rows == {"bfloat16": 1}
    assert second.store.rows == {"bfloat16": 1, "float32": 2}
    assert wanted.loss == first.evaluated({"features.0": [1]})[0].loss


def test_a_damaged_plan_is_evaluated_again(network, pictures, tmp_path):
    store = plan_cache.Store(tmp_path, {}, LABELS.numpy(), 5)
    subject = prepared(network, pictures, store=store)
    wanted, _, _ = subject.evaluated({"features.0": [1]})
    store.path({"features.0": [1]}).write_bytes(b"PK\x03\x04 cut short")
    found, _, _ = subject.evaluated({"features.0": [1]})
    assert found.loss == wanted.loss


def test_the_order_of_channels_is_no_other_plan(tmp_path):
    store = plan_cache.Store(tmp_path, {}, LABELS.numpy(), 5)
    same = store.path({"a": [1, 2], "b": [0]})
    assert store.path({"b": [np.int64(0)], "a": [2, 1], "c": []}) == same
    assert store.path({"a": [1], "b": [0]}) != same


def test_a_ranking_of_another_architecture_is_refused(network, pictures):
    model = small_vgg(norm=False)
    table = finding.table(finding.find(network, pictures))
    with pytest.raises(ValueError, match="the first that differs is channel . of layer features.2: rank this very"):
        next(prepared(model, pictures).points(ranking.table(range(24), table), [0]))
    twice = ranking.table(range(24), table)
    twice = twice.iloc[[0, *range(24)]]
    with pytest.raises(ValueError, match="a channel that it names twice"):
        next(prepared(network, pictures).points(twice, [0]))


def test_bfloat16_measures_nearly_the_same(pictures):
    model = small_vgg().float()
    images = pictures.float()
    exact = measuring.measure(model, images, LABELS)
    rounded = measuring.over(measuring.prepared(small_vgg().float(), "bfloat16"), [(images, LABELS)])
    assert rounded.loss == pytest.approx(exact.loss, rel=0.02)


@pytest.mark.parametrize("count", [600, 40, 10])
def test_in_bfloat16_answers_are_those_of_float32(count):
    """An untrained network, whose logits lie close together: rounding alone changes answers."""
    torch.manual_seed(2)
    model = zoo.build("vgg_small", 10, widths=[16] * 6).eval()
    pictures, labels = torch.randn(count, 3, 16, 16), torch.arange(count) % 10
    with torch.no_grad():
        # No class wins everywhere.
        model.classifier[-1].bias -= model(pictures).mean(0)
    replaceable = fast_layers.replaceable(model, pictures[:1])

    def batches():
        return zip(pictures.split(50), labels.split(50), strict=True)

    exact, measured = (
        low_precision.in_precision(copy.deepcopy(model), precision, replaceable, batches())
        for precision in ("float32", "bfloat16")
    )
    plain = measuring.over(measuring.prepared(copy.deepcopy(model), "bfloat16", replaceable), batches())
    assert count < 600 or (plain.right != exact.right).any()
    np.testing.assert_array_equal(measured.right, exact.right)
    assert measured.loss == pytest.approx(exact.loss, abs=1e-3)
    assert measured.losses.mean() == pytest.approx(measured.loss) and exact.losses.mean() == pytest.approx(exact.loss)
    np.testing.assert_allclose(measured.losses, exact.losses, atol=0.05)


def test_the_mean_loss_is_corrected_by_a_sample_of_all_images():
    """A stand-in that is wrong by as much on every image, so that a sample tells all of it; no answer is close."""

    class Shifted(torch.nn.Module):
        def forward(self, x):
            return x + torch.tensor([0.1, 0, 0])

    logits, labels = torch.tensor([[9.0, 0, 0], [0, 9, 0]]).repeat(500, 1), torch.zeros(1000, dtype=int)
    batches = list(zip(logits.split(100), labels.split(100), strict=True))
    again = low_precision._Reevaluation(torch.nn.Identity())
    found = measuring.over(Shifted(), batches, again)
    exact = measuring.over(torch.nn.Identity(), batches)
    assert found.accuracy == exact.accuracy == 0.5
    # Sixteen, and every 61st from there on.
    assert sum(map(len, again.places)) == low_precision.FIRST + 16
    plain = measuring.over(Shifted(), batches)
    assert abs(found.loss - exact.loss) < 0.1 * abs(plain.loss - exact.loss)


def test_copies_of_a_map_are_merged_without_a_difference():
    from secateur.graph import folding
    from secateur.models import zoo

    torch.manual_seed(0)
    model = zoo.build("vgg16", 10).double().eval()
    pixels = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    with torch.no_grad():
        wanted = model(pixels)
        merged = folding.copies_merged(folding.folded(model), pixels)
        torch.testing.assert_close(merged(pixels), wanted, rtol=1e-10, atol=1e-12)
    assert merged.classifier[0].weight.shape == (4096, 512)
    assert isinstance(merged.avgpool, torch.nn.Identity)
    # At 64 pixels the pool does more than copy.
    other = folding.copies_merged(folding.folded(model), torch.randn(1, 3, 64, 64, dtype=torch.float64))
    assert other.classifier[0].weight.shape == (4096, 25088)
