"""One number for a channel from relevance maps or filters: the six statistics of the thesis."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas

from secateur import Refused

STATISTICS = {
    "mean": lambda signed, absolute: signed.sum(1),
    "mean_abs": lambda signed, absolute: absolute.sum(1),
    "max": lambda signed, absolute: signed.max(1),
    "min": lambda signed, absolute: signed.min(1),
    "max_abs": lambda signed, absolute: absolute.max(1),
    "min_abs": lambda signed, absolute: absolute.min(1),
}
# Only sums are reduced: a largest or smallest position is one number already.
REDUCED = ("mean", "mean_abs")
REDUCTIONS = {
    "layer_share": lambda sums, positions: _over(sums, sums.sum()),
    "sum": lambda sums, positions: sums,
    "layer_relative": lambda sums, positions: _over(sums, sums.mean()),
    "mean": lambda sums, positions: sums / positions,
}


def of_relevance(
    maps: Mapping[str, tuple[np.ndarray, np.ndarray]],
    absolute: str = "before_mean",
    reduce: str = "layer_share",
    without: Mapping[str, Sequence[int]] | None = None,
) -> pandas.DataFrame:
    """A table with a row for each channel from {layer: (mean of R, mean of abs(R))}, each (C, H, W).

    Rows of channels `without` relevance, {layer: [channel, ...]}, are empty; layers of which no channel has any come
    last.

    `absolute="after_mean"` takes the absolute value of the mean of R instead (the thesis). `layer_share` divides
    the sum over positions by the layer's total: LRP conserves the sum, so its mean would only say how large a
    layer is.
    """
    values = {}
    for layer, (signed, of_absolute) in maps.items():
        if absolute != "before_mean":
            of_absolute = np.abs(signed)
        values[layer] = _of_map(signed, of_absolute, reduce)
    for layer, channels in (without or {}).items():
        values.setdefault(layer, {name: np.zeros(len(channels)) for name in STATISTICS})
        for name in STATISTICS:
            values[layer][name][channels] = np.nan
    return _table(values)


def by_class(
    classes: Sequence[str | int],
    layers: Mapping[str, tuple[np.ndarray, np.ndarray, int]],
    reduce: str = "layer_share",
) -> pandas.DataFrame:
    """A table layer, channel, class, mean, mean_abs from {layer: (signed, absolute, positions)}.

    `signed` and `absolute`, (classes, channels), are the means over a class's images of the sums over positions of R
    and of abs(R): absolute values are taken before the mean.
    """
    reduced, parts = REDUCTIONS[reduce], []
    for layer, (signed, absolute, positions) in layers.items():
        for place, name in enumerate(classes):
            columns = {
                "layer": layer,
                "channel": range(signed.shape[1]),
                "class": name,
                "mean": reduced(signed[place], positions),
                "mean_abs": reduced(absolute[place], positions),
            }
            parts.append(pandas.DataFrame(columns))
    return pandas.concat(parts, ignore_index=True)


def of_conservation(kept: Mapping[str, np.ndarray], tolerance: float) -> pandas.DataFrame:
    """A table with a row for each layer from {layer: (images,)}, the shares of relevance that are left at the layer.

    `not_conserved` is the share of images where it differs from 1 by more than `tolerance`; `median` and `largest`
    are of that difference.
    """
    columns = ("layer", "images", "tolerance", "not_conserved", "median", "largest")
    rows = []
    for layer, shares in kept.items():
        away = np.abs(shares - 1)
        # A share that is no number is not conserved either.
        rows.append((layer, len(away), tolerance, (~(away <= tolerance)).mean(), np.median(away), away.max()))
    return pandas.DataFrame(rows, columns=columns)


def of_weights(filters: Mapping[str, np.ndarray]) -> pandas.DataFrame:
    """A table with a row for each channel from {layer: weights (C, ...)}: the statistics over a filter's values.

    Raises Refused that names a layer whose weights are not finite: empty, they would read as no statistic at all.
    """
    for layer, values in filters.items():
        if not np.isfinite(values).all():
            raise Refused(f"the weights of layer {layer} hold NaN or infinity; train with a lower learning rate")
    return _table({layer: _of_map(W, np.abs(W), "mean") for layer, W in filters.items()})


def of_scores(scores: Mapping[str, np.ndarray]) -> pandas.DataFrame:
    """A table layer, channel, score from {layer: scores (C,)}."""
    return _table({layer: {"score": values} for layer, values in scores.items()})


def _of_map(signed, absolute, reduce):
    """{statistic: (C,)} of one layer."""
    signed, absolute = _positions(signed), _positions(absolute)
    values = {name: function(signed, absolute) for name, function in STATISTICS.items()}
    for name in REDUCED:
        values[name] = REDUCTIONS[reduce](values[name], signed.shape[1])
    return values


def _positions(values):
    """Maps (C, ...) as (C, positions) in float64."""
    return np.asarray(values, dtype=np.float64).reshape(len(values), -1)


def _over(sums, total):
    """Shares of a total; a layer without any relevance has none to share."""
    if total == 0:
        return np.zeros_like(sums)
    return sums / total


def _table(layers):
    """One row for each channel from {layer: {column: (C,)}}."""
    parts = []
    for layer, columns in layers.items():
        channels = range(len(next(iter(columns.values()))))
        parts.append(pandas.DataFrame({"layer": layer, "channel": channels, **columns}))
    return pandas.concat(parts, ignore_index=True)
