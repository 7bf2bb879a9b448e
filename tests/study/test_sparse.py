"""Sparse training in a study's settings: defaults that follow, and every contradiction in one line."""

import re

import pytest

from secateur import Refused
from secateur.study import settings, sparse, stage_options
from secateur.study.study import Study

LEAST = {"data": {"source": "digits", "size": 16}, "model": {"name": "vgg_small"}, "training": {"epochs": 10}}


def given(variants=None, **section):
    """Settings with these variants; the other sections are those of `section`, `levels` those of sparsity."""
    sparsity = {"levels": section.pop("levels", [0.98, 0.9]), "variants": variants or {"feather": {}}}
    return {**LEAST, "sparsity": sparsity, **section}


def test_feather_has_the_settings_of_its_paper_and_no_others():
    variant = settings.checked(given())["sparsity"]["variants"]["feather"]
    assert variant["levels"] == [0.9, 0.98]
    assert {key: variant[key] for key in sparse.OF_FEATHER} == sparse.OF_FEATHER
    assert variant["start"] == 0 and variant["ramp"] == 0.5
    assert all(variant[key] is None for key in sparse.ONLY_WITH)


def test_defaults_follow_from_what_a_variant_is():
    variants = {"scaled": {"scale": "power"}, "slowed": {"schedule": "adaptive"}, "dropped": {"drop": 0.5}}
    filled = settings.checked(given(variants))["sparsity"]["variants"]
    assert filled["scaled"]["kappa"] == 20
    slowed = {key: filled["slowed"][key] for key in ("deadline", "slowest", "fastest", "family", "reference")}
    assert slowed == {"deadline": 0.8, "slowest": 0.25, "fastest": 1, "family": "hyperbolic", "reference": 0.03}
    assert filled["dropped"]["drop_rule"] == "magnitude" and filled["dropped"]["deadline"] is None
    late = settings.checked(given({"late": {"schedule": "adaptive", "ramp": 0.9}}))["sparsity"]["variants"]["late"]
    assert late["deadline"] == 0.9


def test_networks_are_those_of_each_variant_at_its_own_levels_feather_first():
    config = settings.checked(given({"always": {"drop": 1, "levels": [0.5]}, "feather": {}}))
    assert [cell.path for cell in sparse.cells(config)] == ["feather/0.9", "feather/0.98", "always/0.5"]
    # Without a second share at one level, a share makes no line.
    assert sparse.figures(config) == ["levels", "training", "layers"]
    drawn = settings.checked(given({"always": {"drop": 1, "levels": [0.9]}, "feather": {}}))
    assert sparse.figures(drawn) == ["levels", "training", "layers", "dropped"]
    assert sparse.figures(settings.checked(given())) == ["levels", "training", "layers"]
    assert sparse.figures(settings.checked(LEAST)) == []


def test_levels_of_others_and_names_change_no_options_of_a_network():
    before = Study(settings.checked(given({"feather": {}, "slow": {"schedule": "adaptive"}})))
    after = Study(settings.checked(given({"feather": {}, "slower": {"schedule": "adaptive"}}, levels=[0.98, 0.5])))
    assert stage_options.sparse_training(before, "slow", "0.98") == stage_options.sparse_training(
        after, "slower", "0.98"
    )


V = "sparsity.variants.own"
WRONG = {
    "a percentage": ({}, {"levels": [98]}, "sparsity.levels: got 98, but a level is the share of weights"),
    "one": ({}, {"levels": [1]}, "sparsity.levels: got 1, but a level is the share of weights"),
    "zero": ({}, {"levels": [0]}, "sparsity.levels: got 0, but a level is the share of weights"),
    "a level twice": ({}, {"levels": [0.9, 0.9]}, "sparsity.levels: [0.9, 0.9] names one value twice"),
    "a variant's percentage": ({"own": {"levels": [98]}}, {}, f"{V}.levels: got 98, but a level is the share"),
    "no variant": ({}, {"sparsity": {"levels": [0.9], "variants": {}}}, "sparsity.variants: got {}, but it has a"),
    "a name": ({"Own": {}}, {}, 'sparsity.variants: got "Own", but it has a section for each'),
    "a key": ({"own": {"scal": "power"}}, {}, f"unknown key {V}.scal; did you mean scale?"),
    "a scale": ({"own": {"scale": "powr"}}, {}, f'{V}.scale is "powr", but must be one of const, power'),
    "a share": ({"own": {"drop": 1.5}}, {}, f"{V}.drop: 1.5 is greater than the maximum of 1"),
    "a negative share": ({"own": {"drop": -0.5}}, {}, f"{V}.drop: -0.5 is less than the minimum of 0"),
    "kappa alone": ({"own": {"kappa": 1}}, {}, f"{V} has kappa: 1, which counts only with scale: power"),
    "a rule alone": ({"own": {"drop_rule": "age"}}, {}, f"{V} has drop_rule: age, which counts only with drop above"),
    "a deadline alone": ({"own": {"deadline": 0.7}}, {}, f"{V} has deadline: 0.7, which counts only with schedule: ad"),
    "an early deadline": (
        {"own": {"schedule": "adaptive", "deadline": 0.4}}, {},
        f"{V} has deadline: 0.4, before the end of its ramp: 0.5; set deadline higher, or ramp lower",
    ),
    "speeds": (
        {"own": {"schedule": "adaptive", "slowest": 2}}, {}, f"{V} has slowest: 2, above its fastest: 1; exchange them"
    ),
    "a speed that needs a jump": (
        {"own": {"schedule": "adaptive", "fastest": 0.5, "deadline": 0.7}}, {},
        f"{V} has fastest: 0.5, too slow for its deadline: 0.7, so that its ramp would begin with a jump; set fastest",
    ),
    "scales": (
        {"own": {"scale": "step", "scale_high": 0.2}}, {}, f"{V} has scale_low: 0.5, above its scale_high: 0.2; exch"
    ),
    "a late start": ({"own": {"start": 5}}, {}, f"{V} has start: 5, but its ramp ends after 5 of 10 epochs; start"),
    "an unknown export": (
        {}, {"sparsity": {**given()["sparsity"], "export": [{"variant": "fether", "level": 0.9}]}},
        "sparsity.export names fether, which is no variant; did you mean feather?",
    ),
    "an export of another level": (
        {}, {"sparsity": {**given()["sparsity"], "export": [{"variant": "feather", "level": 0.5}]}},
        "sparsity.export: level 0.5 of feather is none of its levels (0.9, 0.98); add it there",
    ),
    "an export twice": (
        {}, {"sparsity": {**given()["sparsity"], "export": [{"variant": "feather", "level": 0.9}] * 2}},
        "sparsity.export names level 0.9 of feather twice",
    ),
    "the same": (
        {"a": {"levels": [0.9]}, "b": {}},
        {},
        "sparsity.variants.a and sparsity.variants.b are the same at level 0.9; leave one out",
    ),
    "no one's level": (
        {"feather": {"levels": [0.9]}},
        {},
        "sparsity.levels names 0.98, but every variant has levels of its own, and none of them is this; leave it out",
    ),
    "dense": ({"dense": {}}, {}, "sparsity.variants names dense, as tables name the network with all"),
    "another feather": (
        {"feather": {"drop": 0.5}}, {}, "sparsity.variants.feather has drop: 0.5, but Feather's is 0, and others are"
    ),
    "no epochs": (
        {}, {"training": {"epochs": 0, "seeds": [0]}, "model": {"name": "vgg_small", "weights": "weights.pt"}},
        "sparsity trains networks from their first weights by the schedule of training, but training.epochs is 0",
    ),
    "frozen layers": (
        {}, {"model": {"name": "vgg_small", "trainable": "classifier"}},
        "sparsity prunes all weights and has to train them, but model.trainable is classifier; set it",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_contradictions_are_refused_in_one_line(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights.pt").touch()
    variants, section, message = WRONG[name]
    with pytest.raises(Refused, match=f"^{re.escape(message)}") as caught:
        settings.checked(given(variants, **section))
    assert "\n" not in str(caught.value)
