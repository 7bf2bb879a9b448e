"""The page on scorers: claims judged by paired differences, races of fits, and transfer, on results that are given."""

import dataclasses
import json

import numpy as np
import pandas
import pytest

from secateur import Refused
from secateur.analysis import epochs
from secateur.analysis.paired_tests import FAILS, HOLDS, UNKNOWN
from secateur.artifacts import tables
from secateur.figures import documents
from secateur.study import learned, retraining_checks, settings
from secateur.study.kinds import KINDS, Cell
from secateur.verdicts import (
    paired,
    scoring_claims,
    scoring_costs,
    scoring_page,
    scoring_study,
    scoring_tables,
    scoring_transfer,
)
from support import learned_studies
from support.learned_studies import Facts

WIDTHS = {"widths": {16: 8, 32: 20}, "statistics": "running"}
STAGED = ["retrained", "retrained_smoothed", "retrained_distilled", "retrained_adam"]
TRAINED = dict.fromkeys(STAGED, 3000)
# A scorer of another study, in the tree of its results.
ELSEWHERE = "cifar100/resnet32/{seed}/selection/scorer.own.0.pt"
SAME = dict.fromkeys(STAGED, 0.89)


def changes(folder):
    moved = str(folder / ELSEWHERE)
    entries = [
        {"name": "scorer.own", **WIDTHS, "draws": 2},
        {"name": "scorer.straight", **WIDTHS, "gate_gradient": "sigmoid"},
        {"name": "scorer.plain", **WIDTHS, "gradients": False},
        {"name": "scorer.distilled", **WIDTHS, "loss": "distillation"},
        {"name": "scorer.drawn", **WIDTHS, "fit": "none"},
        {"name": "scorer.evolved", **WIDTHS, "fit": "evolution", "epochs": 6},
        {"name": "scorer.moved", **WIDTHS, "file": moved},
        {"name": "gates.static", "model": "static", "weights": "frozen", **WIDTHS},
    ]
    retraining = [{"criterion": "scorer.own", "kinds": STAGED}]
    for name in ("scorer.drawn", "scorer.moved", "gates.static", "l1.scorer.own", "shuffled.scorer.own.0", "random.0"):
        retraining.append({"criterion": name, "kinds": ["retrained"]})
    return {
        "training": {"seeds": [0, 1, 2], "optimizer": "sgd"},
        "criteria": {"learned": entries},
        "retraining": {"criteria": retraining, "label_smoothing": 0},
    }


def finished(place, accuracies=(), losses=None, slow=()):
    """A results folder; `losses` are {entry: validation losses by epoch}, `slow` the kinds that need one epoch more."""
    folder = place / "results"
    for seed in (0, 1, 2):
        scorer = place / ELSEWHERE.format(seed=seed)
        scorer.parent.mkdir(parents=True)
        scorer.touch()
    learned_studies.finished(folder, Facts(SAME | dict(accuracies), TRAINED, spread=0.0005), changes(place))
    config = settings.checked(json.loads(json.dumps(_settings(folder))))
    for seed in (0, 1, 2):
        network = folder / "digits" / "resnet20" / str(seed)
        for name, entry in learned.by_draw(config["criteria"]["learned"]).items():
            if learned.scores_units(entry) and learned.fitted(entry) and entry["fit"] != "none":
                _write_fit(network / "selection", name, (losses or {}).get(entry["name"], [2.0, 1.5, 1.0]))
        for cell in retraining_checks.cells(config):
            if KINDS[cell.kind].trains == "weights":
                _write_epochs(network / "retraining", cell, 0.001 * seed, cell.kind in slow)
    return folder


def _settings(folder):
    import yaml

    return yaml.safe_load((folder / "settings.yaml").read_text())


def _write_fit(place, name, losses):
    count = len(losses)
    table = pandas.DataFrame({"epoch": range(1, count + 1), "closings": 1.0, "train_loss": 1.0})
    table["forwards"] = 3000 * table["epoch"]
    table = table.assign(validation_loss=losses, validation_accuracy=0.5)
    tables.write(table, place / f"{name}.history.csv")
    (place / f"{name}.json").write_text(json.dumps({"learned": {"seconds": list(range(count))}}))


def _write_epochs(place, cell, shift, slow):
    reached = [0.5, 0.7, 0.9] if slow else [0.5, 0.9, 0.9]
    table = pandas.DataFrame({"step": 1, "epoch": [1, 2, 3], "validation_loss": 1.0})
    path = place / f"{cell.path}.history.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    tables.write(table.assign(validation_accuracy=np.array(reached) + shift), path)


def found(folder):
    """{(letter, a word of the sentence): Finding} of a study."""
    study = scoring_study.read(folder)
    return study, paired.judged(study, scoring_claims.CLAIMS)


def of(findings, key, words=""):
    (finding,) = [one for one in findings if one.claim.key == key and words in one.claim.sentence]
    return finding


def test_a_scorer_is_judged_beside_what_stands_at_its_widths(tmp_path):
    folder = finished(
        tmp_path, {("l1.scorer.own", "none"): 0.65, ("scorer.drawn", "none"): 0.4, ("gates.static", "none"): 0.52}
    )
    _, findings = found(folder)
    hand = of(findings, "a", ", as pruned.")
    compared = [item.row["compared"] for item in hand.items]
    assert "`scorer.own` (pruned) against `l1.scorer.own` (pruned)" in compared
    assert {item.verdict for item in hand.items if "`l1.scorer.own`" in item.row["compared"]} == {FAILS}
    assert hand.verdict == "fails"
    assert of(findings, "b", ", as pruned.").verdict == "holds" and of(findings, "c", ", as pruned.").verdict == "fails"
    fitted = of(findings, "d", ", as pruned.")
    assert fitted.verdict == "holds"
    elsewhere = of(findings, "q", ", as pruned.")
    assert [item.row["compared"] for item in elsewhere.items] == [
        "`scorer.moved` (pruned) against `scorer.drawn` (pruned)"
    ]
    assert of(findings, "r", ", as pruned.").items[0].row["compared"].startswith("`scorer.moved` (pruned)")
    # Descriptors without gradients are compared with the drawn scorer of the same descriptors alone.
    assert not any("`scorer.plain`" in item.row["compared"] for item in fitted.items)
    assert of(findings, "f", ", as pruned.").verdict == "holds"
    # Where chance is not worse either, that says little.
    moved = of(findings, "f", ", as pruned.")
    assert moved.claim.ending is not None
    chance = moved.claim.ending(moved)
    assert "`shuffled.scorer.own` (pruned) against `scorer.own` (pruned) holds" in chance and "`random`" in chance
    assert [item.row["compared"] for item in of(findings, "h", ", as pruned.").items] == [
        "`scorer.distilled` (pruned) against `scorer.own` (pruned)"
    ]
    # Hard gates are judged beside soft ones, and not as a fit of the source's claims.
    (item,) = of(findings, "p", ", as pruned.").items
    assert item.row["compared"] == "`scorer.own` (pruned) against `scorer.straight` (pruned)"
    assert not any("straight" in row["compared"] for row in (item.row for item in hand.items))
    assert of(findings, "a", "first weights").verdict == paired.NOT_MEASURED


def test_the_table_of_scorers_names_every_learned_criterion_and_its_gates(tmp_path):
    table = scoring_tables.entries([scoring_study.read(finished(tmp_path))]).set_index("scorer")
    names = [entry["name"] for entry in changes(tmp_path)["criteria"]["learned"]]
    assert [label.split("`")[1] for label in table.index] == names
    gates = table["gates"]
    assert gates["`scorer.own`"] == "soft at first, hard in the end" and gates["`scorer.evolved`"] == "-"
    assert gates["`scorer.straight`"].startswith("hard") and gates.iloc[-1] == "hard, straight-through"


def test_orders_of_first_weights_are_judged_where_first_weights_are_trained(tmp_path):
    study = scoring_study.read(finished(tmp_path))
    first = dict(study.scorers[0], at="initial")
    learned_entries = [first, *study.settings["criteria"]["learned"][1:]]
    criteria = study.settings["criteria"] | {"learned": learned_entries}
    changed = dataclasses.replace(study, settings=study.settings | {"criteria": criteria})
    for kind, judged in (("none", 0), ("batchnorm", 0), ("retrained", 0), ("initial", 1), ("scratch", 1)):
        found = [entry["name"] for entry in scoring_claims._scorers(changed, kind)]
        assert found.count("scorer.own") == judged and "scorer.plain" in found


def test_the_margin_is_smaller_at_full_size(tmp_path):
    small = scoring_study.read(finished(tmp_path)).settings
    full = {
        "model": small["model"] | {"name": "resnet56", "weights": None},
        "data": small["data"] | {"size": 32},
        "split": small["split"] | {"train": None},
        "training": small["training"] | {"epochs": 160},
    }
    base = scoring_study.read(tmp_path / "results")
    smaller = {
        "model": small["model"],
        "data": small["data"] | {"size": 16},
        "split": small["split"] | {"train": 10_000},
        "training": small["training"],
    }
    for part in (None, *full):
        changed = full if part is None else full | {part: smaller[part]}
        study = dataclasses.replace(base, settings=small | changed)
        assert study.margin == (0.003 if part is None else 0.01), part
        assert study.terms["scale"] == ("full size" if part is None else "smaller than full size")


def test_a_row_with_an_empty_layer_is_marked(tmp_path):
    study = scoring_study.read(finished(tmp_path))
    level = study.level(study.scorers[0])
    emptied = study.cells[Cell("scorer.plain", level, "none")]
    emptied.loc[emptied.index[0], "empty"] = "layer1.0.conv1"
    pruned = scoring_tables.accuracies(study, level).set_index("selection")["pruned"]
    assert [name for name, words in pruned.items() if "†" in words] == ["`scorer.plain`"]


@pytest.mark.parametrize(
    ("own", "evolved", "verdict", "reached"),
    [
        ([1.9, 1.0, 1.0], [2.5, 2.2, 2.1, 1.9, 1.8, 1.8], HOLDS, "6,000 and never"),
        ([2, 1.9, 1.9], [1.8, 1.7, 1.6, 1.5, 1.3, 1.3], FAILS, "never and 3,000"),
        ([2, 1.0, 1.0], [1.9, 1.8, 1.7, 1.0, 0.9, 0.9], UNKNOWN, "never and 12,000"),
        # Where the search stayed at its end, it cost as much as it took to get there.
        ([2, 1.95, 1.4], [1.9, 1.4, 1.4, 1.4, 1.4, 1.4], UNKNOWN, "9,000 and 6,000"),
        # The one that is ahead still improves.
        ([2, 1.5, 1.0], [2.5, 2.2, 2.1, 1.9, 1.8, 1.8], HOLDS, "6,000 and never"),
        # A search that fluctuates is at its end where its least loss falls no more.
        ([1.9, 1.0, 1.0], [2.5, 2.1, 1.7, 1.9, 1.8, 1.75], HOLDS, "6,000 and never"),
        # The one that is behind does.
        ([1.9, 1.0, 1.0], [2.5, 2.2, 2.1, 2.0, 1.9, 1.8], UNKNOWN, "6,000 and never"),
    ],
)
def test_a_fit_is_cheaper_where_it_reaches_the_end_of_the_search_alone(tmp_path, own, evolved, verdict, reached):
    losses = {"scorer.own": own, "scorer.plain": own, "scorer.evolved": evolved}
    _, findings = found(finished(tmp_path, losses=losses))
    (item,) = of(findings, "e").items
    assert (item.verdict, item.row["passes until the other's"]) == (verdict, reached)
    assert item.row["passes of one image"] == "9,000 and 18,000" and item.row["n"] == "3 trainings"


def test_stages_of_retraining_are_judged_by_accuracy_and_by_epochs(tmp_path):
    _, findings = found(finished(tmp_path, {("scorer.own", "retrained_adam"): 0.92}, slow=["retrained_adam"]))
    after = {item.row["compared"]: item.verdict for item in of(findings, "i").items}
    assert after["`scorer.own` (Adam) against `scorer.own` (retrained)"] == HOLDS and len(after) == 3
    rows = {item.row["compared"]: item for item in of(findings, "j").items}
    slower = rows["`scorer.own` (Adam) against retrained"]
    assert slower.row["epochs"] == "3.00 and 2.00" and slower.row["do not get there"] == "0"
    # Three trainings that differ by the very same count of epochs say nothing of how much others would.
    assert slower.row["fewer epochs"] == "-1.00 [no interval]" and slower.verdict == UNKNOWN


def test_differences_of_epochs_may_be_larger_than_one(tmp_path):
    study = scoring_study.read(finished(tmp_path))
    difference = scoring_costs._difference(study, pandas.Series([5.0, 6.0, 7.0]))
    assert (difference.low, difference.high) == pytest.approx((3.516, 8.484), abs=1e-3)


def test_epochs_are_compared_of_draws_that_have_both_kinds(tmp_path):
    study = scoring_study.read(finished(tmp_path))
    reached = epochs.until(study.by_epoch).query("criterion == 'scorer.own'")
    lone = reached[(reached["draw"] == "scorer.own.1") & (reached["kind"] == "retrained")].index
    item = scoring_costs._faster(study, "scorer.own", reached.drop(lone), "retrained_smoothed")
    assert item.row["epochs"] == "2.00 and 2.00" and item.row["do not get there"] == "0"
    none = reached[reached["kind"] == "retrained"].index
    assert scoring_costs._faster(study, "scorer.own", reached.drop(none), "retrained_smoothed").verdict == (
        paired.NOT_MEASURED
    )


def test_a_longer_fit_tells_whether_one_was_at_its_end(tmp_path):
    folder = finished(tmp_path, losses={"scorer.own": [2, 1.0, 1.0], "scorer.plain": [2, 1.0, 1.0]})
    study = scoring_study.read(folder)
    own = study.entries["scorer.own"] if "scorer.own" in study.entries else study.scorers[0]
    assert scoring_costs.improved(study, own) == pytest.approx(0)
    longer = dict(own, name="scorer.plain", epochs=own["epochs"] + 1)
    entries = [longer if entry["name"] == "scorer.plain" else entry for entry in study.scorers]
    fits = study.fits.assign(
        validation_loss=study.fits["validation_loss"].where(study.fits["entry"] != "scorer.plain", 0.8)
    )
    criteria = study.settings["criteria"] | {"learned": entries}
    changed = dataclasses.replace(study, fits=fits, settings=study.settings | {"criteria": criteria})
    assert scoring_costs.improved(changed, own) == pytest.approx(0.2)


def test_the_page_shows_every_scorer_and_a_study_without_any_is_refused(tmp_path):
    folder = finished(tmp_path)
    study = scoring_study.read(folder)
    page = documents.as_markdown(scoring_page.blocks([study]))
    assert page.startswith("# The Scoring Net") and "elsewhere" in page and "`scorer.evolved`" in page
    assert "never" in page or "passes until" in page
    other = learned_studies.finished(tmp_path / "gates")
    with pytest.raises(Refused, match="has no scorer .* and this page is about those"):
        scoring_study.read(other)


def test_a_matrix_says_where_each_scorer_was_fitted_and_shows_what_stands_beside(tmp_path):
    study = scoring_study.read(finished(tmp_path, {("scorer.moved", "none"): 0.4321, ("scorer.drawn", "none"): 0.25}))
    level = study.level(study.scorers[0])
    column = scoring_transfer.matrix([(study, level)], "none").set_index("fitted on").iloc[:, 0]
    means = {
        name: study.mean(Cell(name, level, "none"), "accuracy")
        for name in ("scorer.own", "scorer.drawn", "scorer.moved")
    }
    own, drawn, moved = (f"{100 * value:.2f}" for value in means.values())
    assert column["ResNet-32, `cifar100`"] == moved and column[scoring_transfer.NOT_FITTED] == drawn
    # That of other descriptors, `scorer.plain`, is compared with none from elsewhere.
    assert column["ResNet-20, `digits`"] == f"**{own}**" and len({own, drawn, moved}) == 3
    assert [words for words in column.index if words.startswith("no fit: random channels within layers")]
    # The fits of the study that are not from elsewhere and have no plain loss are no part of transfer.
    assert not any("distilled" in words or "evolved" in words for words in column.index)
    assert scoring_transfer.origin({"file": "files/scorer.pt"}) == "`files/scorer.pt`"
