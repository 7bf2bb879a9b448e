"""Intervals around means: over training seeds, or over test images of one network."""

import numpy as np


def student(values, confidence=0.95):
    """(mean, half width) of Student's interval for the mean of `values`, one for each seed; no width for one seed."""
    from scipy import stats

    values = np.asarray(values, dtype=np.float64)
    if len(values) < 2:
        return float(values.mean()), float("nan")
    quantile = stats.t.ppf((1 + confidence) / 2, len(values) - 1)
    return float(values.mean()), float(quantile * values.std(ddof=1) / np.sqrt(len(values)))


def paired_bootstrap(right, reference, confidence, resamples, generator):
    """(low, high) of accuracy minus reference accuracy of one network, over test images drawn with replacement.

    `right` and `reference` are bools (images,) or, averaged over draws, floats. Percentile interval. The mean of a
    resample depends only on how often each distinct difference is drawn, so these counts are drawn instead.
    """
    values, counts = np.unique(np.asarray(right, float) - np.asarray(reference, float), return_counts=True)
    drawn = generator.multinomial(counts.sum(), counts / counts.sum(), size=resamples)
    means = drawn @ values / counts.sum()
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def binomial_floor(accuracy, images, confidence=0.95):
    """Half width, as a fraction, of what chance in the test images alone adds to an accuracy."""
    from scipy import stats

    return float(stats.norm.ppf((1 + confidence) / 2) * np.sqrt(accuracy * (1 - accuracy) / images))


def wilson(right, images, confidence=0.95):
    """(low, high) of an accuracy, for what chance in the test images adds; Wilson's, which keeps a width at 0 and 1."""
    from scipy import stats

    found = stats.binomtest(int(right), int(images)).proportion_ci(confidence, method="wilson")
    return float(found.low), float(found.high)
