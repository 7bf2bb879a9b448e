"""One table of kinds, and everything that has to agree with it."""

import pytest

from secateur import recovery
from secateur.artifacts import tables
from secateur.retraining import kinds as functions
from secateur.study import kinds, settings


def test_every_kind_that_does_something_has_a_function():
    done = [name for name, kind in kinds.KINDS.items() if kind.trains != "nothing"]
    assert list(functions.KINDS) == done


def test_every_recovery_has_its_functions_and_is_in_the_schema():
    assert kinds.RECOVERIES[0] == kinds.NONE.name == tables.AS_PRUNED
    assert list(recovery.RECOVERIES) == list(kinds.RECOVERIES[1:])
    evaluation = settings.schema()["properties"]["evaluation"]["properties"]
    assert evaluation["recovery"]["items"]["enum"] == list(kinds.RECOVERIES)
    # What trains weights takes more than one shot.
    assert not any(kinds.KINDS[name].trains == "weights" for name in kinds.RECOVERIES)


def test_the_schema_has_the_kinds_and_what_turns_them_on():
    properties = settings.schema()["properties"]
    retraining = next(
        part for part in properties["retraining"].get("oneOf", [properties["retraining"]]) if "properties" in part
    )
    assert properties["export"]["items"]["properties"]["kind"]["enum"] == list(kinds.KINDS)
    named = retraining["properties"]["criteria"]["items"]["properties"]["kinds"]["items"]["enum"]
    assert named == [name for name, kind in kinds.KINDS.items() if kind.trains != "nothing"]
    for kind in kinds.KINDS.values():
        assert kind.setting is None or retraining["properties"][kind.setting]["type"] == "boolean"


def test_marks_in_a_figure_differ():
    marks = [(kind.marker, kind.colour, kind.trains == "weights") for kind in kinds.KINDS.values()]
    assert len(set(marks)) == len(marks)


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ({"criteria": [], "levels": []}, ["retrained"]),
        ({"batchnorm": True, "scratch": False}, ["batchnorm", "retrained"]),
        ({"batchnorm": False, "scratch": True}, ["retrained", "scratch"]),
    ],
)
def test_what_a_study_asks_for_keeps_the_order_of_the_table(asked, names):
    assert kinds.asked_for(asked) == names
