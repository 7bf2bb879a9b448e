"""From relevance maps or filters to one number for a channel: the six statistics of the thesis."""

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
# Only sums are reduced: a largest or smallest position is one already.
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
    found = {layer: _of_map(R, A if absolute == "before_mean" else np.abs(R), reduce) for layer, (R, A) in maps.items()}
    for layer, channels in (without or {}).items():
        values = found.setdefault(layer, {name: np.zeros(len(channels)) for name in STATISTICS})
        for name in STATISTICS:
            values[name][channels] = np.nan
    return _table(found)


def by_class(
    classes: Sequence[str | int],
    layers: Mapping[str, tuple[np.ndarray, np.ndarray, int]],
    reduce: str = "layer_share",
) -> pandas.DataFrame:
    """A table layer, channel, class, mean, mean_abs from {layer: (signed, absolute, positions)}.

    `signed` and `absolute`, (classes, channels), are the means over a class's images of the sums over positions of R
    and of abs(R): absolute values are taken before the mean.
    """
    parts = []
    for layer, (signed, absolute, positions) in layers.items():
        for name, *sums in zip(classes, signed, absolute, strict=True):
            mean, mean_abs = (REDUCTIONS[reduce](values, positions) for values in sums)
            columns = {"channel": range(len(mean)), "class": name, "mean": mean, "mean_abs": mean_abs}
            parts.append(pandas.DataFrame({"layer": layer, **columns}))
    return pandas.concat(parts, ignore_index=True)


def of_conservation(kept: Mapping[str, np.ndarray], tolerance: float) -> pandas.DataFrame:
    """A table with a row for each layer from {layer: (images,)}, the share of relevance that is left at the layer.

    `not_conserved` is the share of images where it differs from 1 by more than `tolerance`; `median` and `largest`
    are of that difference.
    """
    columns = ("layer", "images", "tolerance", "not_conserved", "median", "largest")
    rows = []
    for layer, shares in kept.items():
        away = np.abs(shares - 1)
        # What is no number is not conserved either.
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
    parts = [pandas.DataFrame({"layer": layer, "channel": range(len(s)), "score": s}) for layer, s in scores.items()]
    return pandas.concat(parts, ignore_index=True)


def _of_map(signed, absolute, reduce):
    """{statistic: (C,)} of one layer."""
    signed, absolute = (np.asarray(a, dtype=np.float64).reshape(len(a), -1) for a in (signed, absolute))
    values = {name: function(signed, absolute) for name, function in STATISTICS.items()}
    return values | {name: REDUCTIONS[reduce](values[name], signed.shape[1]) for name in REDUCED}


def _over(sums, total):
    """Shares of a total; a layer without any relevance has none to share."""
    return sums / total if total != 0 else np.zeros_like(sums)


def _table(layers):
    parts = [pandas.DataFrame({"layer": layer, "channel": range(len(v["mean"])), **v}) for layer, v in layers.items()]
    return pandas.concat(parts, ignore_index=True)
