"""A study whose levels are shared out between layers by sensitivity, and whose criteria are in steps."""

import json

import pytest
import yaml

from secateur import Refused, ranking
from secateur.analysis import sensitivity
from secateur.artifacts import tables
from secateur.models import checkpoints
from secateur.pruning import layer_sensitivity
from secateur.study import settings, stage_options
from secateur.study.levels import Terms
from secateur.study.study import Study
from secateur.units import coupling
from support.studies import finished

pytestmark = pytest.mark.study

STUDY = yaml.safe_load("""
study: shared-out
results: results
data: {source: digits, size: 8}
split: {rank: 120, validation: 60, test: 120}
model: {name: vgg_small, arguments: {widths: [6, 6, 8, 8, 10, 10], hidden: 8}}
training: {seeds: [0], epochs: 2, batch_size: 64, learning_rate: 0.05, flip: false}
readings: {relevance: {images: 40}}
criteria:
  statistics: [mean_abs]
  mixing: {readings: [], alternate: false, deltas: []}
  compared: []
  controls: [l2.allocated]
  random: 1
  scores: [l2, taylor]
  allocated: [l2]
  rescored: [{criterion: taylor, steps: 2}, {criterion: relevance.mean_abs, steps: 2, against: before}]
levels: [0.3, 0.5]
evaluation: {budget: macs, recovery: [none, reconstructed]}
recovery: {images: 40, fit: channels}
sensitivity: {steps: 2, images: 50}
""")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return finished(tmp_path_factory.mktemp("shared-out"), STUDY)


def test_levels_are_shared_out_by_the_curves_and_evaluated_beside_their_criterion(study):
    place = study.folder / "results" / "digits" / "vgg_small" / "0"
    curves = tables.read(place / "sensitivity" / "l2.csv", *sensitivity.COLUMNS)
    facts = json.loads((place / "sensitivity" / "l2.json").read_text())["measured"]
    assert facts["networks"] == facts["measured_now"] == len(curves) and facts["images"] == 50
    assert facts["recovery"] == "reconstructed" and {*curves["images"]} == {50}
    network = checkpoints.load(place / "training" / "trained.pt")
    coupled = coupling.followed(network.model, network.description.zeros(1))
    order = tables.read(place / "ranking" / "l2.csv", "unit", "layer", "channel")
    wanted = layer_sensitivity.allocated(curves, order, [0, 0.3, 0.5], Terms(budget="macs"), coupled)
    found = tables.read(place / "ranking" / "l2.allocated.csv", "unit", "layer", "channel")
    assert ranking.order(found).tolist() == ranking.order(wanted).tolist()
    evaluated = tables.read(study.folder / "results" / "tables" / "evaluations.csv", "criterion", "level", "macs")
    whole = evaluated.loc[evaluated["level"] == 0, "macs"].iloc[0]
    made = {"l2.allocated", "uniform.l2.allocated", "shuffled.l2.allocated.0", "taylor.rescored"}
    made.add("relevance.mean_abs.rescored_before")
    assert made <= {*evaluated["criterion"]}
    left = evaluated[evaluated["criterion"].isin(made) & (evaluated["level"] == 0.5)]
    assert (left["macs"] <= whole / 2).all()
    page = (study.folder / "results" / "tables" / "description.html").read_text()
    assert "l2.allocated: levels are shared out by the losses on up to 50 rank images" in page
    assert (study.folder / "results" / "figures" / "sensitivity.l2.html").exists()


def test_an_edit_of_the_section_measures_again_and_trains_nothing(study):
    edited = STUDY | {"sensitivity": STUDY["sensitivity"] | {"steps": 3}}
    planned = study.planned_with(edited)
    assert planned["measure_sensitivity"] == planned["rank_allocated"] == 1
    assert not planned.keys() & {"train_model", "score_images", "rank_rescored"}
    edited = STUDY | {"criteria": STUDY["criteria"] | {"rescored": [{"criterion": "taylor", "steps": 3}]}}
    planned = study.planned_with(edited)
    assert planned["rank_rescored"] == 1 and "measure_sensitivity" not in planned


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"criteria": {"allocated": ["l3"]}}, "criteria.allocated names l3, which is no criterion"),
        ({"criteria": {"allocated": ["random.0"]}}, "criteria.allocated names random.0, which is a control"),
        ({"criteria": {"allocated": ["l2", "l2.allocated"]}}, "which is made from another criterion"),
        ({"evaluation": {"round_to": 8}}, "but evaluation.round_to is 8"),
        ({"sensitivity": {"split": "test"}}, "sensitivity.split is"),
        (
            {"criteria": {"rescored": [{"criterion": "random.0"}]}},
            "has no score that can be taken of a smaller network",
        ),
        ({"criteria": {"files": {"mine": "order.csv"}, "rescored": [{"criterion": "mine"}]}}, "smaller network"),
        ({"criteria": {"rescored": [{"criterion": "taylor"}] * 2}}, "twice against the same network"),
        ({"readings": {"relevance": {"split": "test"}}}, "reads the images that are reported in every step"),
        ({"evaluation": {"recovery": ["none"]}}, "nothing recovers between steps"),
        (
            {"split": {"rank_from": "validation"}, "sensitivity": {"split": "validation"}},
            "sensitivity.split is validation, which shares images with rank",
        ),
        ({"sensitivity": {"recovery": "epoch"}, "training": {"batch_size": 1}}, "sensitivity.recovery names epoch"),
    ],
)
def test_what_cannot_be_shared_out_or_scored_in_steps_is_refused_in_one_line(changes, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "order.csv").write_text("layer,channel\n")
    changed = {**STUDY}
    for section, values in changes.items():
        changed[section] = STUDY.get(section, {}) | values
    with pytest.raises(Refused, match=message):
        Study.of(settings.checked(changed))


def test_the_images_behind_what_is_made_from_a_criterion_are_named():
    study = Study.of(settings.checked(STUDY))
    for name in ("l2.allocated", "uniform.l2.allocated", "shuffled.l2.allocated.0", "taylor.rescored"):
        assert stage_options.ranked_on(study, name) == "rank"
