"""Tables of sparse networks: means, paired differences, and networks with a layer without weights."""

import numpy as np
import pandas
import pytest
from scipy import stats

from secateur.analysis import sparsity


def gathered(accuracies, empty=()):
    """A gathered table from {(seed, variant, level): accuracy}; networks in `empty` have a layer without weights."""
    parts = []
    for (seed, variant, level), accuracy in accuracies.items():
        row = dict.fromkeys(sparsity.VARIANTS.gathered, 0.0) | {
            "variant": variant,
            "level": level,
            "accuracy": accuracy,
        }
        row["empty"] = "conv.weight" if (seed, variant, level) in empty else None
        parts.append((seed, pandas.DataFrame([row | {"left.conv.weight": 1 - level}])))
    return sparsity.gathered(parts)


def test_differences_are_paired_by_seed_and_students():
    generator = np.random.default_rng(0)
    drawn = {name: generator.normal(0.6, 0.05, 5) for name in ("dense", "feather", "slow")}
    levels = {"dense": 0.0, "feather": 0.98, "slow": 0.98}
    rows = gathered({(s, name, levels[name]): drawn[name][s] for name in drawn for s in range(5)}, {(3, "slow", 0.98)})
    found = sparsity.means(rows, None, 0.95, 100, 0).set_index("variant")
    assert list(found.index) == ["dense", "feather", "slow"]
    for name, reference in (("slow", "feather"), ("slow", "dense"), ("feather", "dense")):
        change = drawn[name] - drawn[reference]
        row, half = found.loc[name], stats.t.ppf(0.975, 4) * change.std(ddof=1) / np.sqrt(5)
        ends = [row[f"versus_{reference}{end}"] for end in ("", "_low", "_high")]
        assert ends == pytest.approx([change.mean(), change.mean() - half, change.mean() + half])
    assert found.loc["slow", "collapsed"] == 0.2 and found.loc["feather", "collapsed"] == 0
    assert np.isnan(found.loc["feather", "versus_feather"]) and found.loc["slow", "left.conv.weight"] < 0.03
    half = found.loc["slow", "accuracy"] - found.loc["slow", "accuracy_low"]
    assert half == pytest.approx(found.loc["slow", "versus_dense"] - found.loc["slow", "versus_dense_low"])


def test_of_one_network_intervals_are_over_its_images():
    generator = np.random.default_rng(0)
    bits = generator.random((3, 1000)) < np.array([[0.9], [0.8], [0.6]])
    keys = [(0, "dense", 0.0), (0, "feather", 0.9), (0, "slow", 0.9)]
    rows = gathered(dict(zip(keys, bits.mean(1), strict=True)))
    row = sparsity.means(rows, bits, 0.95, 2000, 0).set_index("variant").loc["slow"]
    differences = bits[2].astype(float) - bits[1]
    assert row["versus_feather"] == pytest.approx(differences.mean())
    half = 1.96 * differences.std() / np.sqrt(1000)
    assert row["versus_feather_high"] - row["versus_feather_low"] == pytest.approx(2 * half, rel=0.1)


def test_the_dense_network_is_level_0_as_pruned():
    table = pandas.DataFrame(
        {
            "recovery": ["batchnorm", "none", "none"],
            "level": [0, 0, 0.5],
            "macs": [10, 10, 5],
            "accuracy": [0.7, 0.9, 0.5],
        },
        index=[0, 1, 2],
    )
    row = sparsity.dense(table, {"weights": 100, "zeros": 0})
    assert list(row.index) == [1] and row["accuracy"].iloc[0] == 0.9
    assert row[["variant", "sparsity", "macs_left"]].iloc[0].to_list() == ["dense", 0, 10]
