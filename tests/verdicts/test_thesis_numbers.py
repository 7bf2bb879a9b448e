"""The thesis's numbers: typed as printed, and put beside ours."""

import pandas
import pytest

from secateur.verdicts import thesis_numbers
from support.studies import ROOT

DELTAS = [f"{tenth / 10:.1f}" for tenth in range(11)]


@pytest.fixture(scope="module")
def printed():
    return thesis_numbers.read(ROOT / "report" / "thesis.csv")


def test_every_printed_row_is_there_once(printed):
    assert printed.groupby("table").size().to_dict() == {"3.2": 10, "B": 1, "B.1": 60, "B.2": 60, "B.3": 10, "B.5": 113}
    assert not printed.duplicated(["table", "criterion", "level", "class"]).any()
    assert printed["accuracy"].between(0, 1).all() and printed["level"].between(0, 1).all()
    assert printed.loc[printed["class"] == "", "loss"].notna().all()


@pytest.mark.parametrize(
    ("criterion", "level", "accuracy", "loss"),
    [
        ("relevance.mean", 0.3, 0.2429, 4.04388),
        ("relevance.max_abs", 0.1, 0.8097, 0.675425),
        ("relevance.min_abs", 0.2, 0.4027, 2.12549),
        ("relevance.min", 0.1, 0.1, 3.28394),
        ("relevance.mean_abs", 0.4, 0.1028, 5.02341),
        ("weight.mean_abs", 0.4, 0.266, 2.78997),
        ("weight.max", 0.5, 0.1485, 3.9557),
        ("weight.min_abs", 0.1, 0.7094, 0.905323),
        ("weight.mean", 0.1, 0.1018, 4.35952),
        ("combined.relevance", 0.4, 0.5771, 1.4012663),
        ("combined.relevance", 0.7, 0.1088, 4.0119560),
        ("mixed.relevance.0.7", 0.1, 0.8095, 0.661319428),
        ("mixed.relevance.0.3", 0.6, 0.2382, 3.837392658),
        ("mixed.relevance.0.4", 0.4, 0.5967, 1.32039587),
        ("mixed.relevance.1.0", 1.0, 0.4860, 1.734402),
    ],
)
def test_numbers_are_those_of_the_source(printed, criterion, level, accuracy, loss):
    row = printed[(printed["criterion"] == criterion) & (printed["level"] == level)].iloc[0]
    assert row["accuracy"] == accuracy
    assert row["loss"] == pytest.approx(loss, rel=1e-6)


def test_the_dense_network_is_the_level_0_of_every_table_and_the_mean_of_its_classes(printed):
    accuracy, loss = thesis_numbers.dense(printed)
    assert (accuracy, loss) == (0.8076, 0.676418)
    zero = printed[(printed["level"] == 0) & (printed["class"] == "")]
    assert (zero["accuracy"] == accuracy).all()
    assert zero["loss"].sub(loss).abs().max() < 1e-6
    assert printed.loc[printed["class"] != "", "accuracy"].mean() == pytest.approx(accuracy)


def test_the_rows_that_cannot_be_data_are_marked_and_no_others(printed):
    marked = printed[printed["distrust"] != ""]
    assert set(marked["criterion"]) == {f"mixed.relevance.{delta}" for delta in ("0.8", "0.9", "1.0")}
    assert len(marked) == 33
    # The reasons, checked: identical rows, and a relevance list that is not the one of B.1.
    values = [part[["level", "accuracy", "loss"]].to_numpy() for _, part in marked.groupby("criterion")]
    assert (values[0] == values[1]).all() and (values[0] == values[2]).all()
    assert thesis_numbers.accuracy(printed, "relevance.mean_abs", 0.3) == 0.2217
    assert pandas.isna(thesis_numbers.accuracy(printed, "mixed.relevance.1.0", 0.3))


def test_delta_0_is_the_weight_list(printed):
    for level in range(10):
        pair = [
            thesis_numbers.accuracy(printed, name, level / 10) for name in ("weight.mean_abs", "mixed.relevance.0.0")
        ]
        assert pair[0] == pair[1]


def test_the_best_printed_delta_falls_from_0_7_to_0_3(printed):
    found = [thesis_numbers.best_blend(printed, level / 10) for level in range(1, 7)]
    assert found == ["0.7", "0.6", "0.5", "0.4", "0.4", "0.3"]


def test_printed_criteria_have_our_names():
    assert thesis_numbers.ours("relevance.mean_abs", "faithful") == "faithful.mean_abs"
    assert thesis_numbers.ours("weight.max", "faithful", "weight_folded") == "weight_folded.max"
    assert thesis_numbers.ours("combined.relevance", "faithful") == "combined.faithful"
    assert thesis_numbers.ours("mixed.relevance.0.3", "faithful") == "mixed.faithful.0.3"


def measured(names):
    rows = [
        {
            "criterion": name,
            "level": level,
            "accuracy": 0.5,
            "accuracy_low": 0.48,
            "accuracy_high": 0.52,
            "collapsed": c,
        }
        for name in names
        for level, c in ((0.0, 0.0), (0.3, 0.5))
    ]
    return pandas.DataFrame(rows)


def test_printed_and_measured_stand_in_one_grid(printed):
    curves = measured([f"mixed.relevance.{delta}" for delta in DELTAS])
    table = thesis_numbers.beside(printed, curves, "B.5", ["relevance"])
    assert len(table) == 113 + 22
    page = thesis_numbers.grid(table)
    assert page.count("color:#a5a5a5") == 3
    assert page.count("Grey: The rows of delta 0.8, 0.9 and 1.0 are identical") == 1
    assert "50.0 ± 2.0 †" in page and "74.44" in page and "80.95" in page
    assert "<th>100 %</th>" in page


def test_a_reading_and_a_way_to_read_weights_has_a_row_of_its_own_and_no_more(printed):
    curves = measured(["relevance.max", "thesis.max", "weight.max", "weight_folded.max"])
    readings, weights = ["relevance", "thesis"], ["weight", "weight_folded"]
    sources = {
        name: set(thesis_numbers.beside(printed, curves, name, readings, weights)["source"]) for name in ("B.1", "B.2")
    }
    assert sources == {
        "B.1": {"printed", "relevance.max", "thesis.max"},
        "B.2": {"printed", "weight.max", "weight_folded.max"},
    }


def test_classes_are_averaged_over_seeds_and_may_be_missing(printed):
    ours = pandas.DataFrame(
        {"seed": [0, 0, 1], "level": [0.0, 0.0, 0.0], "criterion": ["a", "b", "a"], "accuracy.cat": [0.5, 0.5, 0.7]}
    )
    table = thesis_numbers.by_class(printed, ours).set_index("class")
    assert table.loc["cat"].to_list() == pytest.approx([0.663, 0.6])
    assert pandas.isna(table.loc["dog", "measured"])
