"""Retraining by epoch: the first epoch at 99 % of the end of the same network's plain retraining."""

import pandas
import pytest

from secateur.analysis import epochs
from secateur.figures import epochs as figures


def of(accuracies, kind="retrained", seed=0, criterion="gates.mlp.0"):
    history = pandas.DataFrame({"epoch": 1, "validation_loss": 1.0, "validation_accuracy": accuracies})
    return epochs.rows(history, criterion, 0.5, kind, seed)


@pytest.fixture
def table():
    parts = [of([0.5, 0.8]), of([0.79, 0.7, 0.9], "retrained_adam"), of([0.792, 0.6], "retrained_distilled")]
    parts += [of([0.4, 0.5], seed=1), of([0.3, 0.49], "retrained_adam", seed=1)]
    return pandas.concat(parts, ignore_index=True)


def test_each_network_is_compared_with_its_own_end(table):
    found = epochs.until(table).set_index(["seed", "kind"])
    assert found.loc[(0, "retrained"), "wanted"] == pytest.approx(0.792)
    assert found["until"].to_dict() == pytest.approx(
        {(0, "retrained"): 2, (0, "retrained_adam"): 3, (0, "retrained_distilled"): 1, (1, "retrained"): 2,
         (1, "retrained_adam"): float("nan")}, nan_ok=True,
    )  # fmt: skip
    means = epochs.means(table, epochs.until(table)).set_index("kind")
    assert means.loc["retrained_adam", ["networks", "reached", "epochs_until"]].tolist() == [2, 1, 3]
    assert means.loc["retrained_adam", "validation_accuracy"] == pytest.approx((0.9 + 0.49) / 2)
    assert set(means.reset_index()["criterion"]) == {"gates.mlp"}


def test_a_ranking_without_plain_retraining_has_no_end_to_reach():
    found = epochs.until(of([0.1, 0.2], "initial", criterion="l1"))
    assert found["until"].isna().all() and found["wanted"].isna().all()


def test_every_kind_has_a_line_and_every_ranking_a_panel(table):
    table = pandas.concat([table, of([0.1], "initial", criterion="l1")], ignore_index=True)
    figure = figures.after_pruning(table, ["retrained", "retrained_adam", "retrained_distilled", "initial"], "title")
    drawn = [panel for panel in figure.axes if panel.get_visible()]
    assert [panel.get_title() for panel in drawn] == ["gates.mlp, 50 %", "l1, 50 %"]
    (legend,) = figure.legends
    assert len(legend.get_texts()) == 4
    fits = pandas.DataFrame({"entry": ["a", "a", "b"], "draw": "0", "seed": 0, "epoch": [1, 2, 1]})
    figure = figures.of_scorers(fits.assign(forwards=[10, 20, 10], validation_loss=[2, 1, 3]), "title")
    lines = {line.get_label(): list(line.get_ydata()) for line in figure.axes[0].lines}
    assert lines["a"] == [2, 1] and lines["b"] == [3]
