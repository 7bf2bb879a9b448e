"""Claims on learned selection are judged by all their comparisons, on results whose truth is constructed."""

import dataclasses
import re

import numpy as np
import pytest

from secateur.analysis.paired_tests import FAILS, HOLDS, UNKNOWN
from secateur.study.kinds import Cell
from secateur.verdicts import paired, selection_claims, selection_exact, selection_study
from secateur.verdicts.across import Difference
from secateur.verdicts.paired import NOT_COMPARED, NOT_MEASURED, WORDS
from secateur.verdicts.selection_study import DENSE
from support.learned_studies import ASKED, IMAGES, LEVEL, Facts, answers, finished

SEEDS = {"training": {"seeds": [0, 1, 2, 3, 4]}}
(WHOLE, ALONE) = selection_claims.PROCEDURES.values()
# Differences by seed around a mean of -0.2 points: with little spread within every margin, with much within none.
LITTLE, MUCH = np.array([-0.1, 0.1, 0.0, -0.2, 0.2]) / 100, np.array([-4, 4, 0, -3, 3]) / 100


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    """Five networks; the gates close too few units without a budget, which is no claim."""
    facts = Facts(closed={"gates.open.0": 3, "gates.open.1": 9})
    return selection_study.read(finished(tmp_path_factory.mktemp("several") / "results", facts, SEEDS))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return finished(tmp_path_factory.mktemp("one") / "results", Facts(recovery=False))


@pytest.fixture(scope="module")
def one(folder):
    """One network, without recoveries."""
    return selection_study.read(folder)


def altered(study, columns):
    """A study with other values in {(criterion, kind): {column: values by row, or one for all}}."""
    cells = dict(study.cells)
    for (criterion, kind), values in columns.items():
        cell = Cell(criterion, LEVEL, kind)
        cells[cell] = cells[cell].assign(**values)
    return dataclasses.replace(study, cells=cells)


def less_dense(study, criterion, kind, differences):
    """{(criterion, kind): accuracies} that are those of the dense networks plus `differences` (seeds,)."""
    dense = study.cells[DENSE].set_index("seed")["accuracy"]
    rows = study.cells[Cell(criterion, LEVEL, kind)]
    by_seed = dict(zip(study.seeds, differences, strict=True))
    return {(criterion, kind): {"accuracy": rows["seed"].map(dense) + rows["seed"].map(by_seed)}}


def finding(study, beginning):
    """The finding of the one claim whose sentence begins so."""
    (claim,) = [claim for claim in selection_claims.CLAIMS if claim.sentence.startswith(beginning)]
    (found,) = paired.judged(study, [claim])
    return found


DENSE_CLAIM = "The pruned network is not worse than the dense one"


@pytest.mark.parametrize(
    ("low", "high", "margin", "verdict"),
    [
        (-0.9, 0.5, 1.0, HOLDS),
        (-1.1, 0.5, 1.0, UNKNOWN),
        (-3.0, -1.1, 1.0, FAILS),
        (-3.0, -0.9, 1.0, UNKNOWN),
        (-0.5, -0.1, 1.0, HOLDS),
        (-0.5, -0.4, 0.3, FAILS),
        (0.1, 0.5, 0.0, HOLDS),
        (-0.1, 0.5, 0.0, UNKNOWN),
        (-0.5, -0.1, 0.0, FAILS),
        (np.nan, np.nan, 1.0, UNKNOWN),
    ],
)
def test_a_verdict_is_what_the_interval_says_of_the_margin(low, high, margin, verdict):
    difference = Difference(0.0, low / 100, high / 100)
    assert paired.verdict(difference, margin / 100) == verdict


@pytest.mark.parametrize(
    ("mean", "spread", "verdict"),
    [(-0.002, LITTLE, "holds"), (-0.02, LITTLE, "fails"), (-0.002, MUCH, "cannot be told at this scale")],
)
def test_not_worse_than_the_dense_network_holds_fails_or_cannot_be_told(several, mean, spread, verdict):
    changes = less_dense(several, "gates.mlp", "continued", mean + spread)
    found = finding(altered(several, changes), DENSE_CLAIM)
    # The static gates keep the accuracy of the dense networks, so that the others decide.
    assert [item.verdict for item in found.items][1] == HOLDS
    assert found.verdict == verdict
    compared = found.items[0].compared
    assert (compared.n, compared.difference.estimate) == ("5 seeds", pytest.approx(mean))


def test_a_claim_that_fails_once_does_not_hold_and_says_how_often(several):
    changes = less_dense(several, "gates.mlp", "continued", -0.02 + LITTLE)
    found = finding(altered(several, changes), DENSE_CLAIM)
    assert found.counted == "of two comparisons it holds in one and fails in one"
    assert finding(several, DENSE_CLAIM).counted == "of two comparisons it holds in two"


def test_not_worse_and_wholly_behind_says_so(several):
    behind = less_dense(several, "gates.mlp", "continued", -0.005 + LITTLE)
    ahead = less_dense(several, "gates.static", "continued", 0.005 + LITTLE)
    found = finding(altered(several, behind | ahead), DENSE_CLAIM)
    assert found.verdict == "holds"
    assert [item.words for item in found.items] == ["holds (behind, within the margin)", "holds (ahead)"]
    assert found.counted == "of two comparisons it holds in two; ahead in one; behind, within the margin in one"


def test_the_margin_of_full_size_is_smaller(several):
    changes = less_dense(several, "gates.mlp", "continued", -0.006 + LITTLE)
    study = altered(several, changes)
    assert finding(study, DENSE_CLAIM).verdict == "holds"
    full = {
        **study.settings,
        "model": {**study.settings["model"], "name": "resnet110"},
        "data": {**study.settings["data"], "size": 32},
        "training": {**study.settings["training"], "epochs": 160},
    }
    study = dataclasses.replace(study, settings=full)
    assert study.margin == 0.003 and finding(study, DENSE_CLAIM).verdict == "fails"
    for section, key, value in (
        ("data", "size", 16),
        ("training", "epochs", 159),
        ("model", "name", "resnet56"),
        ("model", "weights", "some.th"),
        ("split", "train", 10_000),
    ):
        smaller = {**full, section: {**full[section], key: value}}
        assert dataclasses.replace(study, settings=smaller).margin == 0.01, (section, key)


def test_other_selections_are_those_at_the_same_widths(several):
    found = finding(several, f"{WHOLE} is not worse than `l1`")
    # Nothing was retrained of l1.gates.static, whose widths and order are those of l1.gates.mlp.
    assert [item.row["compared"] for item in found.items] == [
        "`gates.mlp` (continued) against `l1.gates.mlp` (retrained)",
        "`gates.static` (continued) against `l1.gates.mlp` (retrained)",
    ]
    found = finding(several, f"{ALONE} is not worse than random channels")
    assert found.items[0].row["compared"] == "`gates.mlp` (retrained) against `shuffled.gates.mlp` (retrained)"


def test_selections_that_saw_other_numbers_of_images_are_not_compared(several):
    changes = {("gates.mlp", "continued"): {"trained_images": 2999, "accuracy": 0.1}}
    found = finding(altered(several, changes), f"{WHOLE} is not worse than `l1`")
    assert [item.verdict for item in found.items] == [NOT_COMPARED, HOLDS]
    assert found.items[0].row["training images"] == "2,999 and 3,000"
    assert found.verdict == "holds" and found.counted == "its one comparison holds; ahead in one; not compared in one"
    changes |= {("gates.static", "continued"): {"trained_images": 3001}}
    found = finding(altered(several, changes), f"{WHOLE} is not worse than `l1`")
    assert (found.verdict, found.counted) == (NOT_COMPARED, "not compared in two")


@pytest.mark.parametrize(("images", "verdict"), [(2999, NOT_COMPARED), (3000, HOLDS), (9000, HOLDS)])
def test_fresh_weights_count_where_they_saw_at_least_as_many_images(several, images, verdict):
    study = altered(several, {("gates.mlp", "scratch"): {"trained_images": images}})
    found = finding(study, f"{ALONE} is not worse than fresh weights")
    assert [item.verdict for item in found.items] == [verdict, verdict]


def test_what_was_not_measured_is_named_and_does_not_count(several):
    cells = {cell: rows for cell, rows in several.cells.items() if cell != Cell("gates.static", LEVEL, "continued")}
    found = finding(dataclasses.replace(several, cells=cells), DENSE_CLAIM)
    assert found.items[1].row["compared"] == "`gates.static` (continued) against the dense network"
    assert found.counted == "its one comparison holds; not measured in one"
    cells = {cell: rows for cell, rows in several.cells.items() if cell.kind != "continued"}
    found = finding(dataclasses.replace(several, cells=cells), DENSE_CLAIM)
    assert (found.verdict, found.counted) == (NOT_MEASURED, "not measured in two")


def test_two_networks_at_chance_tell_nothing(several):
    chance = {("l1.gates.mlp", "retrained"): {"accuracy": 0.1 + LITTLE}}
    rows = several.cells[Cell("gates.mlp", LEVEL, "retrained")]
    chance["gates.mlp", "retrained"] = {"accuracy": 0.1 + rows["seed"].map(dict(enumerate(LITTLE[::-1])))}
    found = finding(altered(several, chance), f"{ALONE} is not worse than `l1`")
    low = found.items[0].compared.difference.low
    assert found.items[0].verdict == UNKNOWN and low > -several.margin
    assert found.items[0].row["n"] == "5 seeds, at chance"


# ---- budgets and costs ---------------------------------------------------------------------------------------


def test_a_budget_is_met_where_every_gate_phase_and_every_plan_meets_it(several):
    budget = "With no loss but the task's the budget is met"
    found = finding(several, budget)
    assert found.verdict == "holds" and [item.row["to be removed"] for item in found.items] == [str(ASKED)] * 2
    phases = several.phases.copy()
    phases.loc[phases.index[-3], "closed"] = ASKED - 1
    assert phases.loc[phases.index[-3], "criterion"] == "gates.static"
    found = finding(dataclasses.replace(several, phases=phases), budget)
    assert [item.verdict for item in found.items] == [HOLDS, FAILS] and found.verdict == "fails"
    assert found.items[1].row["closed by gates"] == f"{ASKED - 1} or {ASKED}"
    found = finding(altered(several, {("gates.mlp", "none"): {"units": ASKED + 1}}), budget)
    assert [item.verdict for item in found.items] == [FAILS, HOLDS]


def test_without_a_budget_the_closed_gates_are_counted(several):
    (row,) = selection_exact.free(several).to_dict("records")
    assert row["criterion"] == "`gates.open`" and row["gate phases"] == "10"
    assert (row["closed by gates"], row["closed, % of the units"]) == ("3 to 9", "0.9 to 2.7")


def test_costs_are_equal_only_where_all_networks_have_them(several):
    cost = "A deeper or wider pruning-model costs the pruned network nothing"
    found = finding(several, cost)
    assert found.verdict == "holds" and found.items[0].row["pruning-models"] == "`mlp` and `static`"
    # One network of many.
    parameters = np.full(len(several.cells[Cell("gates.static", LEVEL, "retrained")]), 180_000)
    parameters[-1] += 1
    study = altered(several, {("gates.static", "retrained"): {"parameters": parameters}})
    found = finding(study, cost)
    assert found.verdict == "fails" and found.items[0].row["parameters left"] == "180,000 or 180,001"


def with_entries(study, **changes):
    """A study whose second learned criterion has other settings."""
    first, second, *others = study.settings["criteria"]["learned"]
    criteria = {**study.settings["criteria"], "learned": [first, {**second, **changes}, *others]}
    return dataclasses.replace(study, settings={**study.settings, "criteria": criteria})


def test_costs_of_one_pruning_model_are_no_comparison(several):
    found = finding(with_entries(several, model="mlp"), "A deeper or wider pruning-model")
    assert (found.verdict, found.counted) == (NOT_MEASURED, "the study has nothing that this is about")


# ---- predicting, and one shot --------------------------------------------------------------------------------


def test_predicting_helps_where_it_is_ahead_in_every_kind(several):
    helps = "Predicting helps"
    ahead = {}
    for kind in selection_claims.COMPARED:
        static = several.cells[Cell("gates.static", LEVEL, kind)]
        ahead["gates.mlp", kind] = {"accuracy": (static["accuracy"] + 0.01).to_numpy()}
        ahead["gates.static", kind] = {"accuracy": static["accuracy"] + static["seed"].map(dict(enumerate(LITTLE)))}
    found = finding(altered(several, ahead), helps)
    assert found.verdict == "holds" and found.counted == "of four comparisons it holds in four"
    # Behind in one of four.
    ahead["gates.mlp", "retrained"] = {"accuracy": ahead["gates.mlp", "retrained"]["accuracy"] - 0.02}
    found = finding(altered(several, ahead), helps)
    assert found.verdict == "fails" and found.counted == "of four comparisons it holds in three and fails in one"


def test_gates_that_differ_in_more_than_their_pruning_models_are_not_compared(several):
    found = finding(with_entries(several, weights="frozen", start="zero"), "Predicting helps")
    assert found.verdict == NOT_COMPARED and [item.verdict for item in found.items] == [NOT_COMPARED]
    pair, settings = found.items[0].row["compared"].split(", which differ in ")
    assert pair == "`gates.mlp` against `gates.static`" and {*re.findall("`(.*?)`", settings)} == {"weights", "start"}


def test_one_shot_verdicts_are_of_one_treatment_each(several):
    found = finding(several, "Without retraining, as pruned")
    assert found.verdict == "holds"
    behind = {
        (name, "batchnorm"): {"accuracy": several.cells[Cell(name, LEVEL, "batchnorm")]["accuracy"] - 0.1}
        for name in ("gates.mlp", "gates.static")
    }
    study = altered(several, behind)
    assert finding(study, "Without retraining, as pruned").verdict == "holds"
    assert finding(study, "Without retraining, with BatchNorm re-estimated").verdict == "fails"


def test_without_recoveries_batchnorm_is_that_of_retraining(one):
    found = finding(one, "Without retraining, with BatchNorm re-estimated")
    assert [item.row["compared"] for item in found.items] == [
        "`gates.mlp` (BatchNorm) against `l1.gates.mlp` (BatchNorm)",
        "`gates.static` (BatchNorm) against `l1.gates.mlp` (BatchNorm)",
    ]
    assert not one.has(Cell("l1.gates.static", LEVEL, "batchnorm"))


# ---- one network ---------------------------------------------------------------------------------------------


def right(criterion, kind, draws):
    cells = [Cell(f"{criterion}.{draw}", LEVEL, kind) for draw in range(draws)]
    return np.stack([answers(cell, Facts(), 0) for cell in cells])


def test_of_one_network_draws_are_the_spread(one):
    first, second = Cell("gates.mlp", LEVEL, "continued"), Cell("l1.gates.mlp", LEVEL, "retrained")
    compared = selection_study.compared(one, first, second)
    differences = right("gates.mlp", "continued", 3).astype(float) - answers(second, Facts(), 0)
    assert compared.n == "3 draws" and compared.difference.estimate == pytest.approx(differences.mean())
    # Student's over three draws is the widest part: half of it is 4.303 standard errors.
    half = 4.3027 * differences.mean(1).std(ddof=1) / np.sqrt(3)
    images = 1.961 * differences.mean(0).std(ddof=1) / np.sqrt(IMAGES)
    assert compared.difference.high - compared.difference.estimate == pytest.approx(np.hypot(half, images), rel=1e-3)


@pytest.mark.parametrize(
    ("first", "second", "n"),
    [
        (("gates.mlp", "continued"), ("shuffled.gates.mlp", "retrained"), "3 and 3 draws"),
        (("gates.mlp", "continued"), ("gates.mlp", "retrained"), "3 draws"),
        (("l1.gates.mlp", "retrained"), ("taylor_activation.gates.mlp", "retrained"), "1 network"),
        (("gates.mlp", "retrained"), ("random", "retrained"), "3 and 1 draws"),
    ],
)
def test_n_counts_the_draws_of_both_sides(one, first, second, n):
    cells = [Cell(criterion, LEVEL, kind) for criterion, kind in (first, second)]
    assert selection_study.compared(one, *cells).n == n


def test_one_draw_cannot_be_told(one):
    found = finding(one, f"{WHOLE} is not worse than fresh weights")
    # Fresh weights were trained for one of the draws, which is the one that is compared.
    assert found.items[0].row["n"] == "1 draw" and found.items[0].row["difference, points"].endswith("[no interval]")
    assert found.verdict == WORDS[UNKNOWN]


def test_accuracies_of_the_tables_are_those_of_the_images(one):
    for criterion, kind in (("gates.mlp", "none"), ("gates.mlp", "continued"), ("shuffled.gates.mlp", "none")):
        assert one.mean(Cell(criterion, LEVEL, kind), "accuracy") == pytest.approx(right(criterion, kind, 3).mean())


def test_a_study_without_learned_criteria_is_refused(folder, tmp_path):
    text = (folder / "settings.yaml").read_text()
    (tmp_path / "settings.yaml").write_text(re.sub(r"  learned:\n(  [- ].*\n)*", "  learned: []\n", text))
    with pytest.raises(ValueError, match=r"^\S+ has no learned criterion \(criteria.learned\), and this page is about"):
        selection_study.read(tmp_path)
    with pytest.raises(ValueError, match=r"is no finished study: it has no settings.yaml; "):
        selection_study.read(tmp_path / "nothing")
