"""How many images are enough: points, halves and their agreement."""

import numpy as np
import pytest
from scipy import stats

from secateur.relevance import stability


@pytest.mark.parametrize(
    ("images", "wanted"),
    [(1, [1]), (50, [50]), (51, [50, 51]), (100, [50, 100]), (5000, [50, 100, 200, 400, 800, 1600, 3200, 5000])],
)
def test_points_double_up_to_all_images(images, wanted):
    assert stability.points(images) == wanted


@pytest.mark.parametrize(
    "labels", [np.arange(60) % 10, np.arange(60) // 6, np.arange(50), np.random.default_rng(0).integers(0, 7, 61)]
)
def test_halves_share_every_class_evenly(labels):
    half = stability.halves(labels)
    assert abs(np.count_nonzero(half) - len(labels) / 2) <= 0.5
    for label in np.unique(labels):
        part = half[labels == label]
        assert abs(np.count_nonzero(part) - len(part) / 2) <= 0.5


def test_agreement_is_spearmans_correlation_of_shares():
    generator = np.random.default_rng(0)
    layers = {"a": generator.random((2, 6)), "b": 100 * generator.random((2, 9))}
    shares = [np.concatenate([sums[half] / sums[half].sum() for sums in layers.values()]) for half in (0, 1)]
    assert stability.agreement(layers) == pytest.approx(stats.spearmanr(*shares).statistic)
    assert stability.agreement({"a": np.array([[1, 2, 3], [1, 2, 3]])}) == pytest.approx(1)


def test_a_half_without_relevance_agrees_with_nothing():
    assert np.isnan(stability.agreement({"a": np.array([[1, 2, 3], [0, 0, 0]])}))
