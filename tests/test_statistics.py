"""Statistics against three lines of numpy, and the law of shares."""

import numpy as np
import pytest

from secateur import statistics
from secateur.study import vocabulary

generator = np.random.default_rng(0)
R = generator.normal(size=(20, 4, 3, 3))  # images, channels, height, width
MAPS = {
    "features.0": (R.mean(0), np.abs(R).mean(0)),
    "features.10": (R[:, :2].mean(0), np.abs(R[:, :2]).mean(0)),
}


def column(name, absolute="before_mean", reduce="layer_share", layer="features.0"):
    table = statistics.of_relevance(MAPS, absolute, reduce)
    return table[table["layer"] == layer][name].to_numpy()


@pytest.mark.parametrize(
    ("name", "absolute", "wanted"),
    [
        ("mean", "before_mean", R.mean(0).sum((1, 2))),
        ("mean_abs", "before_mean", np.abs(R).mean(0).sum((1, 2))),
        ("mean_abs", "after_mean", np.abs(R.mean(0)).sum((1, 2))),
        ("max", "before_mean", R.mean(0).max((1, 2))),
        ("min", "before_mean", R.mean(0).min((1, 2))),
        ("max_abs", "before_mean", np.abs(R).mean(0).max((1, 2))),
        ("max_abs", "after_mean", np.abs(R.mean(0)).max((1, 2))),
        ("min_abs", "before_mean", np.abs(R).mean(0).min((1, 2))),
        ("min_abs", "after_mean", np.abs(R.mean(0)).min((1, 2))),
    ],
)
def test_statistics_are_those_of_the_averaged_maps(name, absolute, wanted):
    np.testing.assert_allclose(column(name, absolute, "sum"), wanted)


@pytest.mark.parametrize("name", ["mean", "mean_abs"])
def test_reductions_touch_sums_only(name):
    sums = column(name, reduce="sum")
    np.testing.assert_allclose(column(name, reduce="mean"), sums / 9)
    np.testing.assert_allclose(column(name, reduce="layer_share"), sums / sums.sum())
    np.testing.assert_allclose(column(name, reduce="layer_relative"), sums / sums.mean())
    for other in ("max", "min", "max_abs", "min_abs"):
        np.testing.assert_array_equal(column(other, reduce="sum"), column(other, reduce="layer_share"))


def test_the_shares_of_every_layer_add_to_one():
    for layer in MAPS:
        assert column("mean_abs", layer=layer).sum() == pytest.approx(1)


def test_a_layer_without_relevance_has_shares_of_zero():
    table = statistics.of_relevance({"a": (np.zeros((2, 1, 1)), np.zeros((2, 1, 1)))})
    assert table["mean_abs"].tolist() == [0, 0]


def test_weights_have_the_same_statistics_over_a_filters_values():
    W = generator.normal(size=(5, 2, 3, 3))
    table = statistics.of_weights({"0": W})
    np.testing.assert_allclose(table["mean_abs"], np.abs(W).mean((1, 2, 3)))
    np.testing.assert_allclose(table["min"], W.min((1, 2, 3)))
    np.testing.assert_allclose(table["mean"], W.mean((1, 2, 3)))


@pytest.mark.parametrize("reduce", ["layer_share", "sum", "layer_relative", "mean"])
def test_statistics_by_class_are_those_of_the_images_of_the_class(reduce):
    labels = np.arange(20) % 3
    layers = {
        layer: (
            np.stack([values[labels == label].sum((2, 3)).mean(0) for label in range(3)]),
            np.stack([np.abs(values[labels == label]).sum((2, 3)).mean(0) for label in range(3)]),
            9,
        )
        for layer, values in (("features.0", R), ("features.10", R[:, :2]))
    }
    table = statistics.by_class(["cat", "dog", "7"], layers, reduce)
    assert list(table) == ["layer", "channel", "class", "mean", "mean_abs"] and len(table) == 18
    for label, name in enumerate(["cat", "dog", "7"]):
        part = R[labels == label]
        of_class = statistics.of_relevance({"features.0": (part.mean(0), np.abs(part).mean(0))}, reduce=reduce)
        found = table[(table["layer"] == "features.0") & (table["class"] == name)]
        np.testing.assert_allclose(found["mean"], of_class["mean"])
        np.testing.assert_allclose(found["mean_abs"], of_class["mean_abs"])


def test_conservation_counts_the_images_whose_share_is_not_one():
    shares = {"a": np.array([1, 2, 1.0005, 0.5]), "b": np.array([1, 1, np.nan, 1])}
    table = statistics.of_conservation(shares, tolerance=0.001)
    assert table["layer"].tolist() == ["a", "b"] and table["images"].tolist() == [4, 4]
    assert table["not_conserved"].tolist() == [0.5, 0.25]
    assert table["median"].iloc[0] == pytest.approx(0.25025) and table["largest"].iloc[0] == 1
    assert list(statistics.of_conservation({}, 0.001)) == list(table)


def test_settings_and_statistics_know_the_same_names():
    assert (*statistics.STATISTICS,) == vocabulary.STATISTICS
