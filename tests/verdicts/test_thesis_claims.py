"""Verdicts on studies whose truth is constructed: what holds, what does not, what cannot be told."""

import re

import numpy as np
import pandas
import pytest
from scipy import stats

import judge_thesis
import tabulate_thesis
from secateur.analysis import intervals, paired_tests
from secateur.analysis.paired_tests import FAILS, HOLDS, UNKNOWN, Comparison, Shift
from secateur.analysis.results import MissingError, Results, Side, best
from secateur.artifacts import correctness, provenance, tables
from secateur.figures import documents
from secateur.verdicts import beside, evidence, judging, thesis_claims, thesis_numbers
from secateur.verdicts import findings as of_studies
from secateur.verdicts import page as verdicts_page
from support.studies import ROOT

LEVELS = [round(level / 10, 1) for level in range(10)]
DELTAS = tuple(f"{tenth / 10:.1f}" for tenth in range(11))
STATISTICS = ("mean", "mean_abs", "max", "min", "max_abs", "min_abs")
IMAGES = 1500
PRINTED = thesis_numbers.read(ROOT / "report" / "thesis.csv")


def falling(start):
    """An accuracy that stays at 0.9 up to a level, and falls to chance within the next three."""
    return lambda level: float(np.clip(0.9 - 0.8 * (level - start) / 0.3, 0.1, 0.9))


def blend(reading):
    """Deltas whose best moves from 0.7 at 10 % to 0.2 at 60 %."""
    best = {level: 0.8 - level for level in LEVELS}
    return {
        f"mixed.{reading}.{delta}": lambda level, d=float(delta): max(0.1, 0.9 - level / 2 - (d - best[level]) ** 2)
        for delta in DELTAS
    }


def truth():
    """{criterion: accuracy at a level}: relevance collapses early, weight late, combined latest."""
    found = {f"relevance.{name}": falling(0.1) for name in STATISTICS}
    found |= {f"thesis.{name}": falling(0.0) for name in STATISTICS}
    found |= {f"weight.{name}": falling(0.2) for name in STATISTICS} | blend("relevance")
    found |= {"combined.relevance": falling(0.35), "random.0": falling(0.05), "random.1": falling(0.05)}
    found |= {"thesis_clean.mean_abs": falling(0.0), "combined.thesis_clean": falling(0.35)}
    found |= {"combined.thesis": falling(0.35), "weight_folded.mean_abs": falling(0.1)}
    found |= {"relevance_sum.mean_abs": falling(0.05), "relevance_mean.mean_abs": falling(0.3)}
    found |= {"uniform.relevance.mean_abs": falling(0.1), "uniform.random.0": falling(0.0)}
    return found | {"shuffled.relevance.mean_abs.0": falling(0.0), "shuffled.relevance.mean_abs.1": falling(0.0)}


def study(accuracies, seeds=(0,), noise=0.0, generator=0, **parts):
    """A study of these accuracies: bits for one seed; for several, accuracies that differ by so much between seeds."""
    drawn = np.random.default_rng(generator)
    bits, rows = {}, []
    for split, images in (("test", IMAGES), ("rank", 800)):
        for criterion, accuracy in accuracies.items():
            hard = drawn.random(images) if noise else np.linspace(0, 1, images, endpoint=False)
            right = np.array([hard < accuracy(level) for level in LEVELS])
            bits[split, criterion] = right
            for seed in seeds:
                rows += [cell(split, criterion, level, seed, right[i], drawn) for i, level in enumerate(LEVELS)]
    parts = {"ours": "relevance", "deltas": DELTAS} | parts
    return evidence.Study(Results(pandas.DataFrame(rows), bits), PRINTED, **parts)


def cell(split, criterion, level, seed, right, drawn):
    jitter = 0 if seed == 0 else drawn.normal(0, 0.002)
    accuracy = right.mean() + jitter
    shared = {"split": split, "criterion": criterion, "level": level, "seed": seed, "images": len(right)}
    empty = "features.0" if accuracy <= 0.102 else ""
    classes = {f"accuracy.{name}": accuracy for name in range(10)}
    shared |= {"recovery": "none", "keep_at_least": "0"}
    return {**shared, "loss": 1 - accuracy, "accuracy": accuracy, "empty": empty, **classes}


@pytest.fixture(scope="module")
def whole():
    parts = {
        "faithful": "thesis",
        "clean": "thesis_clean",
        "reductions": ("relevance", "relevance_sum", "relevance_mean"),
    }
    return study(truth() | blend("thesis"), **parts, weights=("weight", "weight_folded"))


@pytest.fixture(scope="module")
def findings(whole):
    return {(one.name, one.reading): one for one in judging.judge(whole, 0.05, 500, 0)}


FACTS = {
    "study": "toy",
    "seeds": [0],
    "model": {"name": "vgg16_bn", "weights": "folder/net.pt", "trainable": "all", "arguments": {"head": "compact"}},
    "epochs": 0,
    "rank_from": "test",
    "data": {"name": "cifar10", "size": 32},
    "random": 2,
    "verdict": {"page": "docs/toy.md"},
    "readings": {
        name: {"at": "output", "absolute": "before_mean", "reduce": "layer_share", "split": "rank"}
        for name in ("relevance", "thesis", "thesis_clean", "relevance_sum", "relevance_mean")
    },
    "confidence": 0.95,
    "resamples": 500,
    "seed": 0,
    "command": "make study STUDY=config/studies/toy.yaml",
    "source": {"author": "A", "title": "T", "institution": "I", "year": 2024},
    "digests": {"evaluations.csv": "0123456789abcdef"},
}


# Holm


def test_holm_is_the_textbooks():
    # Holm (1979) by hand: 0.05 / 4 and 0.05 / 3 reject, 0.05 / 2 does not, and nothing after it is rejected.
    p = [0.01, 0.04, 0.03, 0.005]
    assert paired_tests.holm(p, 0.05) == pytest.approx([0.05 / 3, 0.05 / 2, 0.05 / 2, 0.05 / 4])
    assert [a <= b for a, b in zip(p, paired_tests.holm(p, 0.05), strict=True)] == [True, False, False, True]


@pytest.mark.parametrize("generator", range(5))
def test_holm_rejects_what_its_adjusted_p_values_reject(generator):
    p = np.random.default_rng(generator).random(12) ** 4
    order = np.argsort(p)
    adjusted = np.empty(12)
    adjusted[order] = np.maximum.accumulate(np.minimum(1, p[order] * np.arange(12, 0, -1)))
    assert ((p <= paired_tests.holm(p, 0.05)) == (adjusted <= 0.05)).all()


def test_one_comparison_is_tested_at_the_whole_level():
    assert paired_tests.holm([0.2], 0.05) == pytest.approx([0.05])


# Intervals and p-values


def test_draws_are_those_of_the_paired_bootstrap():
    generator = np.random.default_rng(0)
    right, reference = generator.random(400) < 0.8, generator.random(400) < 0.7
    values = right.astype(float) - reference
    test = intervals.OverImages(
        values.mean(), intervals.bootstrap_means(values, 20000, np.random.default_rng(1)), 0.0, 400
    )
    wanted = intervals.paired_bootstrap(right, reference, 0.95, 20000, np.random.default_rng(2))
    assert test.interval(0.05) == pytest.approx(wanted, abs=0.003)


def test_student_is_the_textbooks():
    values = [0.01, 0.03, 0.02, 0.05]
    test = intervals.OverSeeds(values, 0.0)
    assert paired_tests.p_value(test) == pytest.approx(stats.ttest_1samp(values, 0).pvalue)
    assert test.interval(0.05) == pytest.approx(stats.t.interval(0.95, 3, np.mean(values), stats.sem(values)))


@pytest.mark.parametrize("margin", [0.0, 0.05])
@pytest.mark.parametrize("shift", [-0.2, -0.03, -0.005, 0.0, 0.005, 0.03, 0.2])
def test_the_p_value_is_where_the_interval_settles_the_question(shift, margin):
    draws = np.random.default_rng(0).normal(shift, 0.01, 4000)
    for test in (
        intervals.OverImages(shift, draws, margin, 100),
        intervals.OverSeeds(shift + np.array([-0.02, 0.01, 0.01]), margin),
        intervals.OverDraws(shift + np.random.default_rng(1).normal(0, 0.01, (4, 1)) + draws[:200] - shift, margin),
    ):
        p = paired_tests.p_value(test)
        for alpha in (0.9, 0.5, 0.2, 0.05, 0.01, 0.001):
            assert (paired_tests.verdict(test, alpha) != UNKNOWN) == (p <= alpha), (p, alpha)


@pytest.mark.parametrize(("shift", "wanted"), [(0.0, HOLDS), (0.2, FAILS), (-0.2, FAILS), (0.05, UNKNOWN)])
def test_alike_means_within_the_margin(shift, wanted):
    test = intervals.OverImages(shift, np.random.default_rng(0).normal(shift, 0.005, 4000), 0.05, 100)
    assert paired_tests.verdict(test, 0.05) == wanted


def test_seeds_that_all_differ_by_the_same_say_nothing_of_the_spread():
    test = intervals.OverSeeds([0.4, 0.4, 0.4], 0.0)
    assert paired_tests.p_value(test) == 1
    assert paired_tests.verdict(test, 0.05) == UNKNOWN


def test_the_same_images_right_cannot_be_told(whole):
    same = Comparison(Side("random"), Side("random"), (0.1,))
    test = paired_tests.test(whole.results, same, 500, 0)
    assert test.interval(0.05) == (0, 0)
    assert paired_tests.verdict(test, 0.05) == UNKNOWN


def lists_and_draws(draws):
    """A study in which relevance keeps 0.55 at 20 %, and random as much as each of `draws`."""
    accuracies = {"relevance.mean_abs": lambda level: 0.55 if level else 0.9}
    accuracies |= {f"random.{i}": lambda level, kept=kept: kept if level else 0.9 for i, kept in enumerate(draws)}
    return study(accuracies, noise=1).results


def test_a_control_is_compared_over_its_draws():
    kept = [0.2, 0.45, 0.7, 0.35]
    results, compared = lists_and_draws(kept), Comparison(Side("relevance.mean_abs"), Side("random"), (0.2,))
    test = paired_tests.test(results, compared, 500, 0)
    own = results.accuracy(Side("relevance.mean_abs"), 0.2)
    means = [own - results.accuracy(Side(f"random.{draw}"), 0.2) for draw in range(4)]
    assert test.estimate == pytest.approx(np.mean(means)) and test.n == IMAGES
    student = stats.t.interval(0.95, 3, np.mean(means), stats.sem(means))
    low, high = test.interval(0.05)
    assert low < student[0] < 0 and high > student[1]
    assert high - low < 1.1 * (student[1] - student[0])
    # Over images alone it would be settled.
    averaged = paired_tests.image_differences(results, compared).mean(0)
    alone = intervals.of_network(averaged, 500, np.random.default_rng(0))
    assert (paired_tests.verdict(test, 0.05), paired_tests.verdict(alone, 0.05)) == (UNKNOWN, HOLDS)
    assert paired_tests.p_value(test) > 0.05 > paired_tests.p_value(alone)


def test_one_draw_of_a_control_settles_nothing():
    results = lists_and_draws([0.2])
    against = Comparison(Side("relevance.mean_abs"), Side("random"), (0.2,))
    test = paired_tests.test(results, against, 500, 0)
    assert paired_tests.p_value(test) == 1 and paired_tests.verdict(test, 0.05) == UNKNOWN
    # That very draw, by its own name, is a list like any other.
    named = Comparison(Side("relevance.mean_abs"), Side("random.0"), (0.2,))
    assert paired_tests.verdict(paired_tests.test(results, named, 500, 0), 0.05) == HOLDS


def test_enough_draws_lie_beyond_the_narrowest_tail():
    assert paired_tests.draws_needed(50, 0.05, 2000) == 100000
    assert paired_tests.draws_needed(1, 0.05, 5000) == 5000


# Results


def test_draws_of_a_control_are_averaged(whole):
    results = whole.results
    assert results.names("random") == ["random.0", "random.1"]
    assert results.names("uniform.relevance.mean_abs") == ["uniform.relevance.mean_abs"]
    wanted = (results.bits["test", "random.0"][1].astype(float) + results.bits["test", "random.1"][1]) / 2
    assert (results.right("random", 0.1) == wanted).all()
    assert results.accuracy(Side("random"), 0.1) == pytest.approx(wanted.mean())


def test_only_the_first_floor_counts():
    rows = [cell("test", "a", 0.0, 0, np.ones(10), None), cell("test", "a", 0.0, 0, np.zeros(10), None)]
    rows[1]["keep_at_least"] = "0.1"
    assert Results(pandas.DataFrame(rows), {}).accuracy(Side("a"), 0) == 1


def test_only_networks_as_pruned_count():
    rows = [cell("test", "a", 0.0, 0, np.ones(10), None), cell("test", "a", 0.0, 0, np.zeros(10), None)]
    rows[1]["recovery"] = "batchnorm"
    assert Results(pandas.DataFrame(rows), {}).accuracy(Side("a"), 0) == 1
    assert Results(pandas.DataFrame(reversed(rows)), {}).accuracy(Side("a"), 0) == 1


def test_what_is_missing_is_named(whole):
    with pytest.raises(MissingError, match=re.escape("the study has no `nothing` on the split test")):
        whole.results.right("nothing", 0.1)
    with pytest.raises(MissingError, match=re.escape("no level 15 % of `weight.mean`")):
        whole.results.column("weight.mean", 0.15, "accuracy")
    bare = Results(whole.results.table, {})
    with pytest.raises(MissingError, match="no right or wrong images are stored of `weight.mean`"):
        bare.right("weight.mean", 0.1)


def test_the_best_is_chosen_by_accuracy_then_loss_then_order():
    rows = [cell("rank", name, 0.1, 0, np.arange(10) < kept, None) for name, kept in (("a", 4), ("b", 5), ("c", 5))]
    results = Results(pandas.DataFrame(rows), {})
    assert results.accuracy(Side("b"), 0.1, "rank") == 0.5
    assert best(results, ["a", "b", "c"], 0.1, "rank") == {0: "b"}
    rows[2]["loss"] = 0.1
    results = Results(pandas.DataFrame(rows), {})
    assert best(results, ["a", "b", "c"], 0.1, "rank") == {0: "c"}


def test_the_choice_looks_at_the_choosing_split_only(whole):
    table = whole.results.table
    other = table.assign(accuracy=table["accuracy"].where(table["split"] == "rank", 1 - table["accuracy"]))
    names = [f"mixed.relevance.{delta}" for delta in DELTAS]
    chosen = [best(Results(one, {}), names, 0.3, "rank") for one in (table, other.reset_index(drop=True))]
    assert chosen[0] == chosen[1] == {0: "mixed.relevance.0.5"}


def test_the_shift_of_the_best_delta_is_the_slow_bootstraps():
    noisy = study(blend("relevance"), noise=1)
    shift = Shift("relevance", DELTAS, (0.1, 0.6), "rank")
    fast = paired_tests.shift_draws(noisy.results, shift, 4000, np.random.default_rng(0))
    generator, slow = np.random.default_rng(1), []
    names = {
        level: sorted(
            (f"mixed.relevance.{delta}" for delta in DELTAS),
            key=lambda name, level=level: noisy.results.column(name, level, "loss", "rank")[0],
        )
        for level in shift.levels
    }
    right = {(name, level): noisy.results.right(name, level, "rank") for level in names for name in names[level]}
    for _ in range(1000):
        drawn = generator.integers(0, 800, 800)
        picked = [max(names[level], key=lambda n, level=level: right[n, level][drawn].mean()) for level in shift.levels]
        slow.append(float(picked[0][-3:]) - float(picked[1][-3:]))
    assert fast.mean() == pytest.approx(np.mean(slow), abs=0.02)
    assert fast.std() == pytest.approx(np.std(slow), abs=0.02)


# Claims


def test_what_was_built_to_hold_holds(findings):
    held = ("combined_at_40", "weight_at_40", "gradual", "neither_extreme", "delta_moves", "better_than_random")
    assert {name: findings[name, "relevance"].verdict for name in held} == dict.fromkeys(held, HOLDS)
    assert findings["which_channels", ""].verdict == HOLDS
    assert findings["raw_weights", ""].verdict == HOLDS


def test_what_was_built_to_fail_fails(findings):
    # The thesis's mean over positions is built to be the better one, and combined to beat every blend.
    assert findings["reductions", ""].verdict == FAILS
    assert findings["turns_like_half", "relevance"].verdict == FAILS
    assert findings["better_than_random", "thesis"].verdict == FAILS
    assert findings["no_winner", "thesis"].verdict == FAILS


def test_what_was_built_equal_cannot_be_told(findings):
    finding = findings["mean_abs_best", "relevance"]
    assert finding.verdict == UNKNOWN
    assert {item.verdict for item in finding.items} == {UNKNOWN}
    assert findings["clean_split", ""].verdict == UNKNOWN
    assert findings["how_many", ""].verdict == UNKNOWN


def test_two_ruins_are_not_equal():
    low = {"a.mean_abs": lambda level: 0.1 if level else 0.9, "weight.mean_abs": lambda level: 0.115 if level else 0.9}
    ruined = study(low, ours="a")
    finding = next(one for one in judging.judge(ruined, 0.05, 500, 0) if one.name == "weight_at_40")
    (item,) = finding.items
    assert item.low > 0, "the interval alone would say that it holds"
    assert (item.verdict, item.note) == (UNKNOWN, "at chance, so that nothing can be compared")


def test_a_change_of_sign_is_no_winner():
    assert thesis_claims.both_ways([HOLDS, UNKNOWN, FAILS]) == HOLDS
    assert thesis_claims.both_ways([HOLDS, HOLDS]) == FAILS
    assert thesis_claims.both_ways([FAILS, FAILS]) == FAILS
    assert thesis_claims.both_ways([HOLDS, UNKNOWN]) == UNKNOWN
    assert thesis_claims.both_ways([UNKNOWN, UNKNOWN]) == UNKNOWN


def test_a_conjunction_holds_where_all_do_and_fails_where_one_does():
    assert thesis_claims.all_hold([HOLDS, HOLDS]) == HOLDS
    assert thesis_claims.all_hold([HOLDS, FAILS]) == FAILS
    assert thesis_claims.all_hold([HOLDS, UNKNOWN]) == UNKNOWN
    assert thesis_claims.all_hold([UNKNOWN, FAILS]) == FAILS


def test_verdicts_agree_with_holms_intervals_and_shared_comparisons_count_once(findings):
    items = {item.comparison: item for finding in findings.values() for item in finding.items}
    assert len(items) == judging.family_size(findings.values())
    assert len(items) < sum(len(finding.items) for finding in findings.values())
    levels = paired_tests.holm([item.p for item in items.values()], 0.05)
    for item, level in zip(items.values(), levels, strict=True):
        assert item.alpha == pytest.approx(level)
        if item.comparison.margin == 0:
            found = HOLDS if item.low > 0 else FAILS if item.high < 0 else UNKNOWN
            assert item.verdict == (UNKNOWN if item.note.startswith("at chance") else found)


def test_what_a_study_lacks_is_not_tested_and_says_why():
    small = study({"relevance.mean_abs": falling(0.1), "weight.mean_abs": falling(0.3)}, deltas=())
    found = {(one.name, one.reading): one for one in judging.judge(small, 0.05, 500, 0)}
    assert found["weight_at_40", "relevance"].verdict
    assert found["combined_at_40", "relevance"].missing == "the study has no `combined.relevance` on the split test"
    assert found["clean_split", ""].missing == "the study names no reading as `faithful`"
    assert found["delta_moves", "relevance"].missing
    assert judging.judge(study({"weight.mean_abs": falling(0.3)}, deltas=()), 0.05, 500, 0)


SEEDS = (0, 1, 2)


def weights_alone(reading="relevance"):
    """Lists of which delta 0, the weight list alone, keeps the most at every level, and more relevance less."""
    lists = {
        f"mixed.{reading}.{delta}": lambda level, d=float(delta): 0.9 - level * (0.4 + 0.5 * d) for delta in DELTAS
    }
    return lists | {f"combined.{reading}": lambda level: 0.9 - level * 0.65}


def found_in(one, resamples=500):
    return {(found.name, found.reading): found for found in judging.judge(one, 0.05, resamples, 0)}


def test_an_end_of_the_range_is_no_blend():
    found = found_in(study(truth() | weights_alone(), SEEDS))
    for name in ("neither_extreme", "blend_over_turns"):
        blend = found[name, "relevance"].items[0].comparison.first
        assert {chosen for (level, _), chosen in blend.chosen if level > 0.1} == {"mixed.relevance.0.1"}
        assert not {chosen for _, chosen in blend.chosen} & {"mixed.relevance.0.0", "mixed.relevance.1.0"}
    # Among all deltas, 0 would be chosen, and the two would be the very same list.
    assert found["neither_extreme", "relevance"].verdict == FAILS
    assert found["neither_extreme", "relevance"].items[0].high < 0
    (moved,) = found["delta_moves", "relevance"].items
    assert moved.comparison.deltas == DELTAS[1:-1]


def test_a_study_without_blends_has_nothing_to_judge_of_them():
    found = found_in(study(truth(), SEEDS, deltas=("0.0", "1.0")))
    why = "the study has no blend: of its deltas, 0.0, 1.0, none lies between 0 and 1"
    for name in ("neither_extreme", "blend_over_turns", "delta_moves"):
        assert found[name, "relevance"].missing == why
    one = found_in(study(truth(), SEEDS, deltas=("0.0", "0.5", "1.0")))
    assert one["blend_over_turns", "relevance"].verdict
    assert one["delta_moves", "relevance"].missing == "the study has one delta between 0 and 1, 0.5, which cannot move"


def test_blends_are_judged_without_a_list_in_turns():
    lists = {name: accuracy for name, accuracy in truth().items() if not name.startswith("combined.")}
    found = found_in(study(lists, SEEDS))
    assert found["neither_extreme", "relevance"].verdict == HOLDS
    assert found["blend_over_turns", "relevance"].missing == "the study has no `combined.relevance` on the split test"


def test_the_page_says_which_blend_was_chosen_at_each_level(page):
    section = page.split("## On average over 10 to 60 % pruned, the best blend keeps more than the combined")[1]
    chosen = "Chosen delta: 0.7 at 10 %, 0.6 at 20 %, 0.5 at 30 %, 0.4 at 40 %, 0.3 at 50 % and 0.2 at 60 %."
    assert chosen in section.split("\n## ")[0]
    assert f"A blend is a mixed list with a delta between 0 and 1, here {', '.join(DELTAS[1:-1])}:" in page
    assert "choose among the blends, and never 0.0, 1.0; claims that name a delta are about that list." in page


def seeds_that_choose_differently():
    """Three networks; the second has another best blend at 10 %."""
    many = study(truth() | blend("thesis"), seeds=(0, 1, 2), faithful="thesis", clean="thesis_clean")
    table = many.results.table
    here = (table["seed"] == 1) & (table["level"] == 0.1) & (table["split"] == "rank")
    table.loc[here & (table["criterion"] == "mixed.relevance.0.2"), "accuracy"] = 0.99
    return evidence.Study(Results(table, {}), PRINTED, **PARTS, deltas=DELTAS)


PARTS = {"ours": "relevance", "faithful": "thesis", "clean": "thesis_clean"}


def test_where_seeds_choose_differently_each_is_named():
    many = seeds_that_choose_differently()
    found = judging.judge(many, 0.05, 500, 0)
    text = documents.as_markdown(verdicts_page.blocks(many, found, THREE))
    assert "Chosen delta: 0.7 (seeds 0 and 2), 0.2 (seed 1) at 10 %, 0.6 at 20 %" in text
    assert "| 10 % | 0.7 | 0.7 (seeds 0 and 2), 0.2 (seed 1) |" in text
    assert "delta 0.53 at 10 %" in text, "the mean over seeds"
    assert "800 images of rank, 3 networks" in text
    assert re.search(r"best other statistic \(`relevance\.\w+` for seeds? [012]", text)


def test_lists_that_are_the_same_in_every_network_are_the_same():
    alike = truth() | blend("thesis")
    alike["combined.relevance"] = alike["mixed.relevance.0.5"]
    many = study(alike, seeds=(0, 1, 2))
    table = many.results.table
    rows = {name: table["criterion"] == name for name in ("combined.relevance", "mixed.relevance.0.5")}
    table.loc[rows["combined.relevance"], "accuracy"] = table.loc[rows["mixed.relevance.0.5"], "accuracy"].to_numpy()
    many = evidence.Study(Results(table, {}), PRINTED, ours="relevance", deltas=DELTAS)
    found = found_in(many)["turns_like_half", "relevance"]
    assert found.verdict == HOLDS
    assert {(item.low, item.high, item.note) for item in found.items} == {
        (0.0, 0.0, "equally many images right in every network")
    }


def test_several_seeds_are_compared_by_seed():
    many = study(truth(), seeds=(0, 1, 2, 3, 4))
    found = {(one.name, one.reading): one for one in judging.judge(many, 0.05, 500, 0)}
    item = found["weight_at_40", "relevance"].items[0]
    assert item.n == 5
    table = many.results.table
    rows = table[(table["level"] == 0.4) & (table["split"] == "test")].set_index(["criterion", "seed"])["accuracy"]
    difference = rows["weight.mean_abs"] - rows["relevance.mean_abs"]
    assert item.difference == pytest.approx(difference.mean())
    half = stats.t.ppf(1 - item.alpha / 2, 4) * stats.sem(difference)
    assert (item.low, item.high) == pytest.approx((difference.mean() - half, difference.mean() + half))


def test_the_page_of_several_seeds_speaks_of_seeds():
    many = study(truth(), seeds=(0, 1, 2))
    found = judging.judge(many, 0.05, 500, 0)
    text = documents.as_markdown(verdicts_page.blocks(many, found, {**FACTS, "seeds": [0, 1, 2]}))
    assert "There are 3 networks from 3 training seeds: differences are paired by seed" in text
    assert "1,500 images, 3 networks" in text and "Every verdict is about these networks" in text
    assert "drawn with replacement" not in text


def text_of(study, **changes):
    return documents.as_markdown(verdicts_page.blocks(study, judging.judge(study, 0.05, 500, 0), {**FACTS, **changes}))


@pytest.fixture(scope="module")
def small():
    return study(truth())


RANKED = {
    (
        "test",
        "net.pt",
        0,
    ): "test images, because the weights come from elsewhere and may have seen every training image;",
    ("test", None, 3): "The rank images were carved out of the test images, as the study is set; the rest of the test",
    (
        "train",
        None,
        3,
    ): "The rank images were taken from the training images and held out from training. The readings",
    ("train", "net.pt", 3): (
        "taken from the training images, and training here never saw them. The weights that the study starts from "
        "were made elsewhere, and may have seen these images."
    ),
    ("train", "net.pt", 0): (
        "taken from the training images. The weights that the study was given were made elsewhere, and may have seen"
    ),
}


@pytest.mark.parametrize("asked", RANKED)
def test_the_page_says_what_the_networks_may_have_seen_of_the_rank_images(small, asked):
    rank_from, weights, epochs = asked
    model = FACTS["model"] | {"weights": weights}
    text = text_of(small, rank_from=rank_from, model=model, epochs=epochs)
    assert RANKED[asked] in text
    assert ("held out" in text) == (rank_from == "train" and weights is None)
    assert ("come from elsewhere" in text) == (rank_from == "test" and weights is not None)


def test_one_draw_of_a_control_is_not_said_to_have_students_interval(small):
    assert "Student's over the draws' differences" in text_of(small)
    text = text_of(small, random=1)
    assert "Student's" not in text
    assert "one draw, which does not tell how far others would lie from it: against one there is no interval" in text


THREE = {
    **FACTS,
    "study": "three",
    "seeds": [0, 1, 2],
    "epochs": 12,
    "rank_from": "train",
    "model": {"name": "vgg16_bn_half", "weights": None, "trainable": "all", "arguments": {"head": "compact"}},
    "data": {"name": "cifar10", "size": 16},
    "verdict": {"page": "docs/three.md"},
    "command": "make study STUDY=config/studies/three.yaml",
}


def test_no_sentence_of_a_page_of_several_networks_speaks_of_one():
    many = seeds_that_choose_differently()
    found = judging.judge(many, 0.05, 500, 0)
    text = documents.as_markdown(verdicts_page.blocks(many, found, THREE))
    for one in ("the one network", "this network", "is not the thesis's", "1 network", "There is one network"):
        assert one not in text, one
    low, high = many.results.dense_range()
    mean = many.results.dense()
    assert (
        "**The networks are not the thesis's: 3 trainings of `vgg16_bn_half`, compact head, trained from scratch, "
        "on cifar10 at 16 pixels, 12 epochs, trainable: all.**"
    ) in text
    assert f"the 3 networks here have {100 * mean:.2f} % on average ({100 * low:.2f} to {100 * high:.2f} %)." in text
    assert "the split *rank*, for each network anew, and is reported on the test images." in text
    assert "Accuracies in percent, means over the 3 networks, differences in points" in text
    assert "They speak of networks trained like these, on these test images." in text
    assert "Empty layers in any of the networks: " in text
    # In all of them the best blend of the thesis's reading moves equally far, which is said.
    assert "cannot be told (the same difference in every network, which leaves no interval)" in text


def test_equal_tables_give_equal_pages(whole):
    pages = [
        documents.as_markdown(verdicts_page.blocks(whole, judging.judge(whole, 0.05, 500, 0), FACTS)) for _ in range(2)
    ]
    assert pages[0] == pages[1]


# The page


@pytest.fixture(scope="module")
def page(whole, findings):
    return documents.as_markdown(verdicts_page.blocks(whole, list(findings.values()), FACTS))


def test_the_page_says_what_it_is_about(page):
    assert "The network is not the thesis's: `vgg16_bn`, compact head, with weights from `folder/net.pt`" in page
    assert "80.76 % test accuracy (loss 0.676418)" in page
    assert "90.00 %" in page and "1,500 test images" in page
    assert "the 800 images of the split *rank*" in page
    assert page.rstrip().endswith("`evaluations.csv` 0123456789abcdef.")
    assert "make study STUDY=config/studies/toy.yaml" in page


def test_every_judgement_stands_in_the_summary_and_in_a_section(page, findings):
    summary, rest = page.split("## How it was judged")
    for finding in findings.values():
        if not finding.missing:
            assert f"| {finding.claim.sentence} |" in summary
            assert f"## {finding.claim.sentence.rstrip('.')}\n" in rest
    tested = [finding for finding in findings.values() if not finding.missing]
    assert f"Of {len(tested)} judgements" in summary
    for kind in (HOLDS, FAILS, UNKNOWN):
        assert summary.count(f"| **{kind}** |") == sum(finding.verdict == kind for finding in tested)


def test_the_page_follows_the_tables(page):
    other = truth() | blend("relevance") | {"combined.relevance": falling(0.0)}
    worse = study(other, faithful="thesis", clean="thesis_clean", weights=("weight", "weight_folded"))
    found = judging.judge(worse, 0.05, 500, 0)
    text = documents.as_markdown(verdicts_page.blocks(worse, found, FACTS))
    row = next(line for line in text.splitlines() if line.startswith("| At 40 % pruned, the combined"))
    assert "**does not hold**" in row
    was = next(line for line in page.splitlines() if line.startswith("| At 40 % pruned, the combined"))
    assert "**holds**" in was and row != was


def test_every_accuracy_in_the_text_comes_from_the_typed_table():
    """With other typed numbers, none of the thesis's own is left on the page but in sentences of its claims."""
    other = PRINTED.assign(accuracy=0.1234, loss=0.5)
    fake = study(truth())
    fake = evidence.Study(fake.results, other, ours="relevance", deltas=DELTAS)
    text = documents.as_markdown(verdicts_page.blocks(fake, judging.judge(fake, 0.05, 500, 0), FACTS))
    for number in ("80.76", "0.676418", "57.71", "26.60", "10.28", "22.17", "74.44", "75.25"):
        assert number not in text
    assert "12.34 %" in text


def test_collapse_and_chance_are_named(page):
    section = page.split("## At 40 % pruned, the weight list")[1].split("\n## ")[0]
    assert "Empty layers: `relevance.mean_abs` at 40 % (`features.0`)." in section
    assert "cannot be told (at chance, so that nothing can be compared)" in page


def test_draws_are_counted_and_one_draw_is_said_to_have_no_interval(page):
    section = page.split("## At uniform widths, a criterion's order")[1].split("\n## ")[0]
    assert "1,500 images, 1 network, 1 draw |" in section
    assert "(no interval)" in section and "one draw of the control, so that there is no interval" in section
    section = page.split("## On average over 10 to 40 % pruned, the relevance list keeps")[1].split("\n## ")[0]
    assert "1,500 images, 1 network, 2 draws |" in section and "(no interval)" not in section


def test_the_html_page_says_the_same(whole, findings, page):
    text = documents.as_html(verdicts_page.blocks(whole, list(findings.values()), FACTS))
    assert "<code>combined.relevance</code>" in text
    assert text.count("<h2>") == page.count("\n## ")
    assert text.count("<table>") == page.count("\n| --- ")
    assert "**" not in text and "`" not in text


def test_the_page_has_no_dashes_for_sentences(page):
    assert "—" not in page and "–" not in page


# The scripts


@pytest.fixture(scope="module")
def files(tmp_path_factory, whole):
    """The study as the workflow leaves it: one table of all evaluations, and a family of tables and bits per split."""
    folder, table = tmp_path_factory.mktemp("study"), whole.results.table
    tables.write(table, folder / "evaluations.csv")
    for split in ("test", "rank"):
        part = table[table["split"] == split].drop(columns=["split", "seed"])
        # Rows in another order than by criterion and level, as a job that goes level by level would write them.
        part = part.sort_values("level", kind="stable", ascending=False)
        tables.write(part, folder / f"{split}.csv")
        rows = [whole.results.bits[split, row.criterion][LEVELS.index(row.level)] for row in part.itertuples()]
        correctness.write(rows, folder / f"{split}.h5")
    return folder


def options(whole):
    roles = {"page": "docs/toy.md", "ours": "relevance", "faithful": "thesis", "clean": "thesis_clean"}
    roles["reductions"] = list(whole.reductions)
    criteria = {
        "statistic": "mean_abs",
        "weights": list(whole.weights),
        "deltas": list(DELTAS),
        "statistics": list(STATISTICS),
    }
    return {**FACTS, "verdict": roles, "choose_on": "rank", "criteria": criteria}


def test_the_script_writes_both_pages_from_the_workflows_files(files, whole, page):
    judge_thesis.judge_thesis(
        files / "evaluations.csv",
        [(files / "test.csv", files / "test.h5")],
        [(files / "rank.csv", files / "rank.h5")],
        ROOT / "report",
        files / "thesis.md",
        files / "thesis.html",
        files / "verdict.csv",
        options(whole),
    )
    text = (files / "thesis.md").read_text()
    assert "Zhiqiang Zhao" in text and (files / "thesis.html").read_text().startswith("<!DOCTYPE html>")
    assert re.search(r"`evaluations.csv` [0-9a-f]{16}, `thesis.csv` [0-9a-f]{16}\.$", text.rstrip())
    # The same verdicts and numbers as from memory; only the words about the source and the digests differ.
    same = slice(text.index("## Verdicts"), text.index("## How to make"))
    assert text[same] == page[page.index("## Verdicts") : page.index("## How to make")]


# After recovery


@pytest.fixture(scope="module")
def recovered(tmp_path_factory):
    """Files of a study in which BatchNorm turns the weight list, and no other, into the worst one."""
    folder, rows, files = tmp_path_factory.mktemp("recovered"), [], {}
    turned = truth() | {"weight.mean_abs": falling(0.1)}
    after = {"none": study(truth(), faithful=""), "batchnorm": study(turned, faithful="")}
    for split in ("test", "rank"):
        parts, bits = [], []
        for recovery, one in after.items():
            part = one.results.table[one.results.table["split"] == split].assign(recovery=recovery)
            bits += [one.results.bits[split, row.criterion][LEVELS.index(row.level)] for row in part.itertuples()]
            parts.append(part)
        table = pandas.concat(parts)
        rows.append(table)
        tables.write(table.drop(columns=["split", "seed"]), folder / f"{split}.csv")
        correctness.write(bits, folder / f"{split}.h5")
        files[split] = [(folder / f"{split}.csv", folder / f"{split}.h5")]
    tables.write(pandas.concat(rows), folder / "evaluations.csv")
    return folder, files, after


def test_claims_are_judged_again_after_every_recovery_by_its_own_networks(recovered):
    folder, files, after = recovered
    given = options(after["none"]) | {"recovered": ["batchnorm"]}
    given["verdict"] = given["verdict"] | {"faithful": "", "clean": "", "reductions": []}
    outputs = (folder / "page.md", folder / "page.html", folder / "verdict.csv")
    evaluations = folder / "evaluations.csv"
    judge_thesis.judge_thesis(evaluations, files["test"], files["rank"], ROOT / "report", *outputs, given)
    section = outputs[0].read_text().split("## After recovery")[1].split("\n## ")[0]
    claim = "At 40 % pruned, the weight list keeps more than the relevance list."
    row = next(line for line in section.splitlines() if line.startswith(f"| {claim} | `relevance` |"))
    found = {
        name: next(
            finding.verdict
            for finding in judging.judge(one, 0.05, 500, 0)
            if finding.claim.sentence == claim and finding.reading == "relevance"
        )
        for name, one in after.items()
    }
    assert found == {"none": HOLDS, "batchnorm": UNKNOWN}
    assert f"| **{HOLDS}** | **{UNKNOWN}** |" in row
    assert f"| **{HOLDS}** | **{HOLDS}** |" in section
    assert "judged as pruning left them, but where *After recovery* says otherwise" in outputs[0].read_text()


# Studies beside each other


def written(folder, one, facts):
    """The findings of a study as its own page leaves them, read again."""
    found = of_studies.by_part(judging.judge(one, 0.05, 500, 0), one)
    (folder / "tables").mkdir(parents=True)
    tables.write(of_studies.table(found), folder / "tables" / "verdict.csv")
    provenance.write(folder / "tables" / "verdict.json", judged=beside.about(one, facts))
    return found, of_studies.read(folder)


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    """Three networks in which combined is no better than the weights."""
    many = study(truth() | {"combined.relevance": falling(0.0)}, seeds=(0, 1, 2))
    return written(tmp_path_factory.mktemp("three"), many, THREE)


def test_findings_are_the_same_after_writing_and_reading(three):
    found, again = three
    assert again.about["study"] == "three" and again.about["images"] == {"test": 1500, "rank": 800}
    assert list(again.findings) == list(found)
    for key, one in found.items():
        other = again.findings[key]
        assert (other.verdict, other.missing, other.reading) == (one.verdict, one.missing, one.reading)
        assert len(other.items) == len(one.items)
        for a, b in zip(one.items, other.items, strict=True):
            assert b.difference == pytest.approx(a.difference, abs=1e-8)
            assert (b.low, b.high) == pytest.approx((a.low, a.high), abs=1e-8, nan_ok=True)
            assert (b.verdict, b.note, b.n, b.comparison.levels) == (a.verdict, a.note, a.n, a.comparison.levels)


@pytest.fixture(scope="module")
def both(whole, findings, three):
    return documents.as_markdown(verdicts_page.blocks(whole, list(findings.values()), FACTS, [three[1]]))


def test_a_page_of_two_studies_says_which_is_which(both):
    assert "The studies `toy` and `three` ask the same questions again." in both
    assert "|  | `toy`: one foreign network | `three`: 3 own trainings |" in both
    assert "| trainings | none, the weights are given | 3 |" in both
    assert "| images | cifar10, 32 pixels | cifar10, 16 pixels |" in both
    assert "The studies also differ in their images and rank images: verdicts may differ for that, too." in both
    assert "Every verdict of `toy` is about this network on 1,500 test images." in both
    assert "make study STUDY=config/studies/three.yaml\nmake study STUDY=config/studies/toy.yaml" in both


def test_other_levels_deltas_and_chance_are_said(whole, three):
    about = {**three[1].about, "levels": [0.0, 0.4], "deltas": ["0.5"], "chance": 0.01}
    text = documents.as_markdown([("title", ""), *beside.networks([beside.about(whole, FACTS), about])])
    assert "differ in their images, rank images, levels, deltas and at chance" in text
    assert f"| levels | {', '.join(str(10 * n) for n in range(10))} % | 0, 40 % |" in text


def test_every_claim_has_a_verdict_of_each_study(both, findings, three):
    summary = both.split("## Verdicts")[1].split("## How it was judged")[0]
    rows = [line.strip("| ").split(" | ") for line in summary.splitlines() if line.startswith("| ")]
    own = {(row[0], row[1]): row[-1] for row in rows if "one foreign network" in row}
    other = {(row[0], row[1]): row[-1] for row in rows if "3 own trainings" in row}
    for finding in findings.values():
        key = (finding.claim.sentence, f"`{finding.reading}`" if finding.reading else "")
        assert own[key] == f"**{finding.verdict}**"
    for (name, part), finding in three[1].findings.items():
        key = (finding.claim.sentence, f"`{finding.reading}`" if part else "")
        wanted = finding.verdict or "not tested"
        assert other[key] == f"**{wanted}**", name
    for judged, one in (
        (findings.values(), "`toy` (one foreign network)"),
        (three[0].values(), "`three` (3 own trainings)"),
    ):
        tested = [finding for finding in judged if not finding.missing]
        assert f"{one}: of {len(tested)} judgements" in summary


def test_where_studies_disagree_stands_by_itself(both):
    assert re.search(r"\d+ of \d+ judgements differ, 2 of them are opposite:", both)
    at_40 = "At 40 % pruned, the combined list keeps more than the weight list and more than the relevance list."
    assert f"| {at_40} | `relevance` | holds | does not hold | opposite |" in both
    assert "| `thesis` | cannot be told | not tested | only one was tested |" in both


def test_studies_that_agree_say_so(whole, findings):
    first = beside.own(whole, list(findings.values()), FACTS)
    text = documents.as_markdown([("title", ""), *beside.summary(first, [first])])
    assert "All studies come to the same verdict on every claim." in text


def test_a_table_of_another_version_is_refused_with_the_remedy(tmp_path, three):
    (tmp_path / "tables").mkdir()
    path, manifest = tmp_path / "tables" / "verdict.csv", tmp_path / "tables" / "verdict.json"
    provenance.write(manifest, study="old")
    with pytest.raises(
        ValueError, match=re.escape(f"{manifest} does not say judged, as this version does; run its st")
    ):
        of_studies.read(tmp_path)
    provenance.write(manifest, judged=three[1].about)
    tables.write(of_studies.table(three[0]).assign(claim="other"), path)
    with pytest.raises(ValueError, match=re.escape(f"{path} judges other, which is no claim of this version; run its")):
        of_studies.read(tmp_path)


def test_the_tables_are_written_from_the_workflows_files(files, whole):
    table = whole.results.table
    curves = table[table["split"] == "test"].assign(collapsed=0.0)
    curves = curves.assign(accuracy_low=curves["accuracy"] - 0.05, accuracy_high=curves["accuracy"] + 0.05)
    tables.write(curves, files / "curves.csv")
    tabulate_thesis.tabulate_thesis(
        files / "curves.csv",
        files / "evaluations.csv",
        ROOT / "report",
        files / "tables.html",
        ["relevance", "thesis"],
        ["weight", "weight_folded"],
    )
    text = (files / "tables.html").read_text()
    assert [f"<h2>Table {name}" in text for name in thesis_numbers.PRUNING] == [True] * 4
    assert text.count("color:#a5a5a5") == 3
    assert "57.71" in text and "76.7 ± 5.0" in text and "weight_folded.mean_abs" in text
