"""Widths that a study asks for against its network: met by a level, or refused with the remedy."""

import pytest
import torch

from secateur import Refused, ranking
from secateur.models import zoo
from secateur.pruning import equal_widths, plans
from secateur.study.levels import Terms
from secateur.units import finding

PLAIN = {"budget": "units", "round_to": 1, "keep_at_least": 0}
WIDTHS = {"16": 8, "32": 22, "64": 43}


@pytest.fixture(scope="module")
def units():
    return {
        residual: finding.find(zoo.build("resnet20", 10).eval(), torch.zeros(1, 3, 16, 16), residual)
        for residual in ("inner", "units")
    }


def test_a_level_that_meets_widths_removes_just_so_many_of_every_layer(units):
    inner = units["inner"]
    (met,) = equal_widths.refuse_unmet(inner, {"x": WIDTHS}, [0, 0.3, 0.348], [PLAIN]).values()
    assert (met.level, met.removed, met.units) == (0.348, 117, 336)
    assert set(met.layers.values()) == {(16, 8), (32, 22), (64, 43)} and len(met.layers) == 9
    # Any order within layers, as the evaluation removes it at that level.
    table = finding.table(inner)
    order = ranking.scoped(ranking.at_random(336, 1), table, "widths", widths=WIDTHS)
    removed = plans.plan(ranking.table(order, table), 0.348, Terms())
    assert {layer: len(channels) for layer, channels in removed.items()} == {
        layer: count - kept for layer, (count, kept) in met.layers.items()
    }


@pytest.mark.parametrize(
    ("widths", "changes", "message"),
    [
        ({"16": 7}, {}, "x removes 27 of 336 units, which none of the study's levels does; levels: add 0.08"),
        (
            {"layer1.0.conv9": 7},
            {},
            "x names the layer layer1.0.conv9, in which no unit is counted; did you mean layer1.",
        ),
        (
            WIDTHS,
            {"keep_at_least": 0.6},
            "x keeps 8 of the 16 channels of layer1.0.conv1, but with evaluation.keep_at_",
        ),
        (
            WIDTHS,
            {"round_to": 8},
            "x keeps 22 of the 32 channels of layer2.0.conv1, but with evaluation.round_to 8 level",
        ),
        ({"64": 65}, {}, "x keeps 65 of the 64 units of layer3.0.conv1; keep 64 or fewer"),
    ],
)
def test_widths_that_cannot_be_met_are_refused_with_the_setting(units, widths, changes, message):
    with pytest.raises(Refused) as refused:
        equal_widths.refuse_unmet(units["inner"], {"x": widths}, [0, 0.348], [PLAIN, PLAIN | changes])
    assert str(refused.value).startswith(message) and "\n" not in str(refused.value)


def test_a_floor_and_a_rounding_that_the_widths_allow_are_none_of_a_mistake(units):
    terms = [PLAIN | {"keep_at_least": 0.5}, PLAIN | {"round_to": 4}]
    met = equal_widths.refuse_unmet(units["inner"], {"x": {"16": 8, "32": 24, "64": 44}}, [0.32], terms)
    assert met["x"].removed == 108


def test_coupled_units_count_in_the_first_of_their_layers(units):
    table = finding.table(units["units"])
    counts = ranking.counts_of(table)
    # Shortcuts of option A: the stem's 16 channels go on in all wider stages, which add their own.
    assert counts["conv1"] == 16 and sum(counts.values()) == 400
    met = equal_widths.refuse_unmet(units["units"], {"x": {"conv1": 8}}, [0.02], [PLAIN])
    assert met["x"].layers == {"conv1": (16, 8)} and met["x"].removed == 8
    # The floor of a later layer counts the channels of coupled units that are counted in the stem.
    with pytest.raises(Refused, match=r"^x keeps 8 of the 16 channels of conv1, but with evaluation.keep_at_least 0.9"):
        equal_widths.refuse_unmet(units["units"], {"x": {"conv1": 8}}, [0.02], [PLAIN | {"keep_at_least": 0.9}])
