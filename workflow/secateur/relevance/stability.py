"""Stability of a ranking: images are enough if two halves of them rank the channels alike.

Relevance is summed by half, divided by the layer's total, and the channels of all layers are ranked together.
"""

from collections.abc import Mapping

import numpy as np

FIRST = 50


def points(images: int) -> list[int]:
    """Counts of images after which the halves are compared: 50, 100, 200, ..., and all of them."""
    counts, point = [], FIRST
    while point < images:
        counts.append(point)
        point *= 2
    return [*counts, images]


def halves(labels: np.ndarray) -> np.ndarray:
    """A stratified split into halves, (images,) of 0 and 1.

    Turns over the images as they come would divide them by class where the classes take turns themselves.
    """
    half = np.empty(len(labels), dtype=np.int64)
    half[np.argsort(labels, kind="stable")] = np.arange(len(labels)) % 2
    return half


def agreement(layers: Mapping[str, np.ndarray]) -> float:
    """Spearman's correlation between two halves from {layer: sums (2, channels)}; NaN if one ranks nothing."""
    from scipy import stats

    first, second = map(stats.rankdata, np.concatenate(list(map(_shares, layers.values())), axis=1))
    if not np.ptp(first) or not np.ptp(second):
        return float("nan")
    return float(np.corrcoef(first, second)[0, 1])


def _shares(sums):
    """Each half's shares of its layer, (2, channels); a half without any relevance has none."""
    sums = np.asarray(sums, dtype=np.float64)
    totals = sums.sum(1, keepdims=True)
    return np.divide(sums, totals, out=np.zeros_like(sums), where=totals != 0)
