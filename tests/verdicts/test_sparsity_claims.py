"""Claims on sparse training are judged by paired differences, on results whose truth is constructed."""

import re

import numpy as np
import pandas
import pytest
import yaml

from secateur import Refused
from secateur.analysis import intervals
from secateur.analysis.paired_tests import FAILS, HOLDS, UNKNOWN
from secateur.artifacts import tables
from secateur.study import settings
from secateur.study.sparse import SparseCell
from secateur.verdicts import paired, sparsity_claims, sparsity_study, sparsity_variants
from secateur.verdicts.paired import NOT_MEASURED
from secateur.verdicts.sparsity_study import DENSE
from secateur.verdicts.sparsity_variants import ADAPTIVE, BOTH, DROPPED, DYNAMIC, FEATHER, NO_GRADIENT, OTHER
from support.sparse_studies import IMAGES, STUDY, finished

OWN = [0.8, 0.81, 0.82]
# Seeds spread by 0.1 points around a mean: three have an interval of 0.25 points on each side.
SPREAD = np.array([-0.1, 0.0, 0.1]) / 100
FULL = {
    "model": {"name": "mobilenet_v1"},
    "data": {"source": "cifar100", "size": 32},
    "training": {"epochs": 160, "seeds": [0, 1, 2]},
}


def less_feather(points, spread=SPREAD):
    """Accuracies by seed that are Feather's plus so many points."""
    return list(np.array(OWN) + points / 100 + spread)


def judged(place, accuracies, **more):
    """{(letter, level): Finding} of a study in which Feather has OWN."""
    study = sparsity_study.read(finished(place / "results", {"feather": OWN} | accuracies, **more))
    return {(found.claim.key, found.level): found for found in paired.judged(study, sparsity_claims.CLAIMS)}


# ---- variants ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"scale": "power"}, DYNAMIC),
        ({"scale": "cosine", "scale_low": 0.1}, DYNAMIC),
        ({"scale": "power", "scale_low": 1}, OTHER),
        ({"scale_low": 0.7}, OTHER),
        ({"scale_high": 0, "scale_low": 0}, NO_GRADIENT),
        ({"scale": "step", "scale_high": 0, "scale_low": 0}, NO_GRADIENT),
        ({"schedule": "adaptive"}, ADAPTIVE),
        ({"schedule": "adaptive", "family": "linear", "deadline": 0.7}, ADAPTIVE),
        ({"schedule": "adaptive", "slowest": 1}, OTHER),
        ({"schedule": "adaptive", "ramp": 0.4}, OTHER),
        ({"schedule": "adaptive", "scale": "logdensity"}, BOTH),
        ({"schedule": "adaptive", "scale_low": 0.4}, OTHER),
        ({"drop": 0.5, "drop_rule": "age"}, DROPPED),
        ({"drop": 0.5, "scale": "power"}, OTHER),
        ({"power": 2}, OTHER),
        ({"levels": [0.9]}, FEATHER),
    ],
)
def test_settings_say_what_a_variant_is_and_names_do_not(options, kind):
    given = yaml.safe_load(STUDY)
    given["sparsity"]["variants"] = {"feather": {}, "dynamic": options}
    variants = settings.checked(given)["sparsity"]["variants"]
    assert sparsity_variants.kind_of(variants["dynamic"], variants["feather"]) == kind
    assert "dynamic" in sparsity_variants.of_kind(variants, kind)


# ---- verdicts ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("points", "changes", "verdict", "behind"),
    [
        (-0.4, {}, HOLDS, True),
        (-0.1, {}, HOLDS, False),
        (-0.9, {}, UNKNOWN, False),
        (-1.4, {}, FAILS, False),
        (-0.4, FULL, UNKNOWN, False),
        (-0.6, FULL, FAILS, False),
    ],
)
def test_dropped_weights_are_judged_against_the_margin_of_the_scale(tmp_path, points, changes, verdict, behind):
    place = "98 %, 90 % dropped by `magnitude`"
    found = judged(tmp_path, {"dropped_0.9": less_feather(points)}, changes=changes)["e", place]
    (item,) = [item for item in found.items if "dropped_0.9" in item.row["compared"]]
    assert (item.verdict, item.side == paired.BEHIND) == (verdict, behind)
    assert item.row["difference, points"] == f"{points:+.2f} [{points - 0.25:+.2f}, {points + 0.25:+.2f}]"
    assert (item.row["could have been seen, points"], item.row["n"]) == ("0.25", "3 seeds")


@pytest.mark.parametrize(("points", "verdict"), [(0.4, HOLDS), (0.1, UNKNOWN), (-0.4, FAILS)])
def test_ahead_is_above_zero_level_by_level(tmp_path, points, verdict):
    accuracies = {(name, 0.98): less_feather(points) for name in ("dynamic", "adaptive", "both")}
    found = judged(tmp_path, accuracies | {("masked", 0.98): less_feather(-points)})
    for key in "abcf":
        assert [item.verdict for item in found[key, "98 %"].items] == [verdict]
        assert found[key, "99.5 %"].level == "99.5 %"


def test_extreme_sparsity_pairs_the_gains_of_each_seed(tmp_path):
    noise = np.array([0.4, -0.3, -0.1]) / 100
    accuracies = {("dynamic", 0.98): less_feather(1.2, noise), ("dynamic", 0.995): less_feather(1.7, noise + SPREAD)}
    found = judged(tmp_path, accuracies)["d", "99.5 % less 98 %"]
    (item,) = [item for item in found.items if "`dynamic`" in item.row["compared"]]
    test = intervals.of_differences(pandas.Series(0.005 + SPREAD))
    low, high = test.interval(0.05)
    assert item.row["difference, points"] == f"+0.50 [{100 * low:+.2f}, {100 * high:+.2f}]"
    assert item.row["gains, points"] == "+1.70 and +1.20" and item.verdict == HOLDS


@pytest.mark.parametrize(
    ("points", "verdict", "words"),
    [((-9, -1), FAILS, "3 seeds, behind at 99.5 %"), ((-1, 0.1), UNKNOWN, "3 seeds, not shown to be ahead at 99.5 %")],
)
def test_a_smaller_loss_at_extreme_sparsity_is_no_larger_gain(tmp_path, points, verdict, words):
    accuracies = {("dynamic", 0.98): less_feather(points[0]), ("dynamic", 0.995): less_feather(points[1], 2 * SPREAD)}
    found = judged(tmp_path, accuracies)["d", "99.5 % less 98 %"]
    (item,) = [item for item in found.items if "`dynamic`" in item.row["compared"]]
    assert (item.verdict, item.row["n"]) == (verdict, words) and item.compared.difference.low > 0


def test_one_level_has_no_extreme(tmp_path):
    section = {"levels": [0.98], "variants": {"feather": {}, "dynamic": {"scale": "power"}}}
    found = judged(tmp_path, {}, changes={"sparsity": section})["d", ""]
    assert [item.verdict for item in found.items] == [NOT_MEASURED] and found.verdict == NOT_MEASURED


def test_a_level_that_feather_lacks_is_not_measured(tmp_path):
    section = {"levels": [0.98], "variants": {"feather": {}, "dynamic": {"scale": "power", "levels": [0.9]}}}
    assert judged(tmp_path, {}, changes={"sparsity": section})["a", "90 %"].verdict == NOT_MEASURED


def test_seeds_that_differ_by_the_same_count_of_images_leave_no_interval(tmp_path):
    """Nine digits of a table would differ by their rounding, and be taken for certain."""
    sizes = [1 / 3 + place / 7 for place in range(3)]
    accuracies = {"feather": sizes, "dynamic": [size + 3 / IMAGES for size in sizes]}
    (item,) = judged(tmp_path, accuracies)["a", "98 %"].items
    assert item.row["difference, points"] == "+0.15 [no interval]" and item.verdict == UNKNOWN
    assert item.row["could have been seen, points"] == "-"


def test_rounding_of_tables_is_no_difference_between_seeds(tmp_path):
    path = finished(tmp_path / "results") / "tables" / "sparsity.csv"
    rows = tables.read(path).assign(images=359)
    written = {"dense": [0.983286908, 0.969359331, 0.1], "feather": [0.977715877, 0.963788301, 0.094428969]}
    for name, accuracies in written.items():
        own = (rows["variant"] == name) & rows["level"].isin([0, 0.98])
        rows.loc[own, "accuracy"] = accuracies
    tables.write(rows, path)
    study = sparsity_study.read(tmp_path / "results")
    assert np.isnan(sparsity_study.compared(study, DENSE, SparseCell("feather", 0.98)).difference.low)


def test_networks_at_chance_tell_nothing(tmp_path):
    found = judged(tmp_path, {"feather": [0.1, 0.11, 0.1], "dynamic": [0.09, 0.08, 0.1], "masked": [0.3, 0.31, 0.29]})
    (item,) = found["a", "98 %"].items
    assert item.verdict == UNKNOWN and item.row["n"] == "3 seeds, at chance"
    assert found["f", "98 %"].items[0].verdict == FAILS
    assert all(item.verdict == UNKNOWN for item in found["d", "99.5 % less 98 %"].items)


def test_one_network_has_intervals_over_images_as_in_its_table(tmp_path):
    folder = finished(tmp_path / "results", changes={"training": {"seeds": [4]}})
    study = sparsity_study.read(folder)
    means = tables.read(folder / "tables" / "sparsity.means.csv")
    for row in means[means["variant"] != "dense"].itertuples():
        cell = SparseCell(row.variant, row.level)
        compared = sparsity_study.compared(study, cell, DENSE)
        ends = (compared.difference.estimate, compared.difference.low, compared.difference.high)
        assert ends == pytest.approx((row.versus_dense, row.versus_dense_low, row.versus_dense_high), abs=1e-9)
        assert compared.n == "1 network" and compared.difference.low < compared.difference.high
    found = {found.claim.key: found for found in paired.judged(study, sparsity_claims.CLAIMS)}
    assert found["d"].verdict == NOT_MEASURED and found["a"].verdict != NOT_MEASURED


# ---- which share matters -------------------------------------------------------------------------------------


NONE_BETTER, NONE_WORSE = "none is shown not to be worse", "none is shown to be worse"


@pytest.mark.parametrize(
    ("points", "words"),
    [
        (
            (-0.1, -0.4, -3),
            f"the largest that is not worse is 90 % ({paired.BEHIND}), and the smallest that is worse is 100 %",
        ),
        ((-0.1, 0.4, 0.2), f"the largest that is not worse is 100 %, and {NONE_WORSE}"),
        (
            (-3, -0.1, -3),
            f"{NONE_BETTER}, and the smallest that is worse is 50 %; not worse all the same: 90 %",
        ),
        ((-3, -0.9, -3), f"{NONE_BETTER}, and the smallest that is worse is 50 %; cannot be told for 90 %"),
        ((-0.9, -0.9, -0.9), f"{NONE_BETTER}, and {NONE_WORSE}; cannot be told for 50 %, 90 % and 100 %"),
    ],
)
def test_the_largest_share_that_is_not_worse(tmp_path, points, words):
    names = ("dropped_0.5", "dropped_0.9", "dropped_1")
    found = judged(tmp_path, {name: less_feather(by) for name, by in zip(names, points, strict=True)})
    (sentence,) = sparsity_claims.shares(finding for (letter, _), finding in found.items() if letter == "e")
    behind = [by for by in points if by + 0.25 < 0]
    if behind:
        count = {1: "one", 2: "two", 3: "all"}[len(behind)]
        words += f"; {count} behind Feather, by whole intervals below zero"
    assert sentence.endswith(f"at 98 %, by `magnitude`: of three shares {words}.")


def test_ahead_of_a_reference_that_broke_down_is_marked(tmp_path):
    low = [0.3, 0.31, 0.29]
    found = judged(tmp_path, {("feather", 0.995): low, ("dynamic", 0.995): [0.4, 0.42, 0.41]})
    (item,) = found["a", "99.5 %"].items
    assert item.verdict == HOLDS and item.row["n"] == "3 seeds, `feather` keeps little"
    assert "little" not in found["a", "98 %"].items[0].row["n"]
    assert all("little" in item.row["n"] for item in found["d", "99.5 % less 98 %"].items)


# ---- folders -------------------------------------------------------------------------------------------------


def test_folders_without_finished_sparse_networks_are_refused_by_name(tmp_path):
    def altered(name, change):
        folder = finished(tmp_path / name)
        config = yaml.safe_load((folder / "settings.yaml").read_text())
        change(config, folder)
        (folder / "settings.yaml").write_text(yaml.safe_dump(config))
        with pytest.raises(Refused, match=re.escape(str(folder))) as error:
            sparsity_study.read(folder)
        return str(error.value)

    assert "no sparse networks" in altered("dense", lambda config, _: config.update(sparsity=None))
    no_feather = altered("others", lambda config, _: config["sparsity"]["variants"].pop("feather"))
    assert "no variant `feather`" in no_feather
    lacks = altered("fewer", lambda config, _: config["training"]["seeds"].append(3))
    assert "no finished study: tables/sparsity.csv lacks networks of dense/0.0" in lacks
    unfinished = altered("unfinished", lambda _, folder: (folder / "tables" / "sparsity.csv").unlink())
    assert "no finished study: it has no tables/sparsity.csv" in unfinished
