"""The logits with which a learned selection begins."""

from collections.abc import Mapping

import numpy as np


def of_scores(scores: Mapping[int, float], by_layer: Mapping[str, list[int]]) -> dict[str, np.ndarray]:
    """{layer: (units,)} of scores {unit: score}, standardised within each layer; zeros where all are equal.

    `by_layer` is {layer: unit ids}.
    """
    start = {}
    for layer, ids in by_layer.items():
        values = np.array([scores[unit] for unit in ids], dtype=np.float64)
        spread = values.std()
        start[layer] = (values - values.mean()) / spread if spread > 0 else np.zeros(len(ids))
    return start
