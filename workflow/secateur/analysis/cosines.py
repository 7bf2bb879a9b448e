"""Mean cosines between relevance before and after pruning, with intervals over networks or over images."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas

from secateur.analysis import intervals


class Mean(NamedTuple):
    """A mean cosine with its interval; not numbers where there is none."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        if math.isnan(self.mean):
            return "none"
        if math.isnan(self.low):
            return f"{self.mean:.3f}"
        return f"{self.mean:.3f} [{self.low:.3f}, {self.high:.3f}]"


def mean(
    by_seed: Mapping[int, np.ndarray], drawn: bool, alpha: float, resamples: int, generator: np.random.Generator
) -> Mean:
    """The Mean of {training seed: the cosines of its images}, each (images,) of numbers; empty ones do not count.

    With several networks Student's over their means; with one a bootstrap over its images, unless the criterion is
    `drawn`: a single draw does not tell how far others would lie from it.
    """
    filled = {seed: values for seed, values in by_seed.items() if len(values)}
    if not filled:
        return Mean(math.nan, math.nan, math.nan)
    if len(by_seed) > 1:
        found = intervals.of_differences(pandas.Series({seed: values.mean() for seed, values in filled.items()}))
        return Mean(found.estimate, *found.interval(alpha))
    (values,) = filled.values()
    found = intervals.of_network(values[None] if drawn else values, resamples, generator)
    return Mean(found.estimate, *found.interval(alpha))
