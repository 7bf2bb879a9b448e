"""Settings: every default filled in, every mistake named in one line with what would be right."""

import copy
import inspect
import math
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from secateur import Refused
from secateur.models import zoo
from secateur.study import (
    architectures,
    criteria_names,
    level_checks,
    recovery_checks,
    schema_errors,
    settings,
    verdict_checks,
)
from secateur.units import finding

LEAST = {"data": {"source": "digits", "size": 16}, "model": {"name": "vgg_small"}}
REAL = {"data": {"source": "cifar10"}}


def changed(path, value):
    """The least study with one key, "a.b.c", set."""
    config = copy.deepcopy(LEAST)
    *parents, last = path.split(".")
    place = config
    for parent in parents:
        place = place.setdefault(parent, {})
    place[last] = value
    return config


@pytest.fixture
def own_network(tmp_path, monkeypatch):
    """A working folder with a network of the user's own."""
    (tmp_path / "own_network.py").write_text("def make(classes):\n    pass\n")
    monkeypatch.chdir(tmp_path)


def test_the_least_study_gets_every_default():
    config = settings.checked(LEAST)
    assert config["data"] | {"name": "digits", "color": "gray", "mean": [0.5]} == config["data"]
    assert config["training"]["seeds"] == [0, 1, 2]
    assert config["readings"]["relevance"]["reduce"] == "layer_share"
    assert config["levels"] == [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]


def test_the_given_settings_are_left_alone_and_checking_twice_changes_nothing():
    before = copy.deepcopy(LEAST)
    once = settings.checked(LEAST)
    assert before == LEAST
    assert settings.checked(once) == once


def test_a_second_reading_gets_its_defaults_too():
    config = settings.checked(changed("readings", {"thesis": {"at": "next_input"}}))
    assert config["readings"]["thesis"] == settings.checked(LEAST)["readings"]["relevance"] | {"at": "next_input"}


def test_a_reading_may_end_early():
    config = settings.checked(changed("readings.relevance.until", {"stability": 0.995}))
    assert config["readings"]["relevance"]["until"] == {"at_least": 100, "stability": 0.995}
    assert settings.checked(LEAST)["readings"]["relevance"]["until"] is None


def test_scores_take_the_studys_choices_unless_they_have_their_own():
    given = {
        "scores": ["l1", {"name": "taylor_share", "score": "taylor", "normalise": "layer_share"}],
        "scope": "layer",
    }
    config = settings.checked(changed("criteria", given))
    assert config["criteria"]["scores"] == [
        {"name": "l1", "score": "l1", "normalise": "none", "scope": "layer"},
        {"name": "taylor_share", "score": "taylor", "normalise": "layer_share", "scope": "layer"},
    ]
    assert settings.checked(config) == config
    assert settings.checked(LEAST)["criteria"]["scores"] == []


def test_a_file_that_cannot_rank_stops_the_study_before_any_job(tmp_path):
    for seed in range(3):
        (tmp_path / f"mine.{seed}.csv").write_text("layer,channel\nfeatures.0,0\nfeatures.0,1\n")
    path = str(tmp_path / "mine.{seed}.csv")
    assert settings.checked(changed("criteria.files", {"mine": path}))["criteria"]["files"] == {"mine": path}
    (tmp_path / "mine.2.csv").write_text("layer,channel\nfeatures.0,0\nfeatures.0,0\n")
    with pytest.raises(ValueError, match=r"mine\.2\.csv names channel 0 of layer features.0 twice"):
        settings.checked(changed("criteria.files", {"mine": path}))


def test_level_0_is_always_measured():
    assert settings.checked(changed("levels", [0.5]))["levels"] == [0, 0.5]


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("levls", [0.1], "unknown key levls; did you mean levels? Known here: study, question,"),
        ("training.epoch", 3, "unknown key training.epoch; did you mean epochs? Known here: seeds, epochs,"),
        ("readings.thesis.att", "output", "unknown key readings.thesis.att; did you mean at? Known here: rule,"),
        (
            "data.source",
            "cifar",
            'data.source is "cifar", but must be one of digits, cifar10, cifar100, image_folder; did you',
        ),
        ("readings.thesis.rule", "alpha2beta", "did you mean alpha2beta1?"),
        ("readings.thesis.rule", "alpha3beta1", "readings.thesis.rule is alpha3beta1, but alpha - beta must be 1"),
        (
            "readings.thesis.rule",
            [{"to": 0.3, "rule": "zplus"}, {"to": 0.9, "rule": "epsilon"}],
            "readings.thesis.rule has bands to 0.3, 0.9; they must rise, and the last one must be to 1",
        ),
        ("readings.thesis.rule", [{"to": 1, "rule": "zplux"}], "which names no rule; did you mean zplus?"),
        ("readings.thesis.rule", [{"rule": "zplus"}], "readings.thesis.rule: the key to is missing"),
        (
            "levels",
            [0, 30],
            "levels: got 30, but a level is the share of units removed, a fraction from 0 to below 1: write 0.3",
        ),
        ("levels", ["0.3"], 'levels: got "0.3", but a level is the share of units removed'),
        (
            "criteria.mixing.deltas",
            [0.5],
            'criteria.mixing.deltas: got 0.5, but a delta is text with a fraction from 0 to 1: write "0.3"',
        ),
        ("criteria.mixing.deltas", ["0.5", "0.50"], "criteria.mixing.deltas names one delta twice: 0.5, 0.50"),
        ("criteria.mixed", ["thesis"], "criteria.mixed is called criteria.mixing.readings now; write it there"),
        ("criteria.mixes", "max", "criteria.mixes is called criteria.mixing.statistic now; write it there"),
        ("criteria.combined", False, "criteria.combined is called criteria.mixing.alternate now; write it there"),
        ("criteria.combined_only", [], "criteria.combined_only is called criteria.mixing.alternate_only now; write it"),
        ("criteria.deltas", ["0.5"], "criteria.deltas is called criteria.mixing.deltas now; write it there"),
        ("training.epochs", "ten", 'training.epochs: got "ten", but it must be a whole number'),
        ("training.epochs", 0, "training.epochs is 0, but model.weights is empty"),
        ("data.mean", [0.5, 0.5], "data.mean has 2 numbers, but the images have 1 channel(s)"),
        ("data.source", "image_folder", "data.source is image_folder, but data.folder names no folder"),
        ("model.name", "vgg16", "model.name is vgg16, which takes three channels; set data.color to rgb"),
        ("levels", [0.3, 0.3], "levels: [0.3, 0.3] names one value twice"),
        (
            "criteria.statistics",
            ["max"],
            "criteria.mixing.statistic is mean_abs, which criteria.statistics does not list",
        ),
        ("split.rank", 30.5, "split.rank is 30.5: give a share below 1, or a whole number of images"),
        ("split.train", 0.5, "split.train: got 0.5, but it must be a whole number or null, without a decimal point"),
        ("split.train", 0, "split.train: 0 is less than the minimum of 1"),
        (
            "training.milestones",
            [0.75, 0.5],
            "training.milestones are 0.75, 0.5, but they have to rise, as in [0.5, 0.75]; sort them",
        ),
        ("training.milestones", [0.5, 0.5], "training.milestones are 0.5, 0.5, but they have to rise"),
        ("training.milestones", [0.5, 1], "training.milestones: 1 is greater than or equal to the maximum of 1"),
        (
            "training.warm_up",
            30,
            "training.warm_up is 30, but training.epochs is 30; set training.warm_up lower, or training.epochs higher",
        ),
        (
            "training.crop",
            16,
            "training.crop is 16, but images have 16 pixels (data.size), and some crops would be black; set training.",
        ),
        ("training.clip", 0, "training.clip: 0 is less than or equal to the minimum of 0"),
        ("training.loss", "cross", 'training.loss is "cross", but must be one of cross_entropy, squared_error'),
        ("model.arguments.head", "compact", "model.arguments.head is no choice of vgg_small; known: widths, hidden"),
        ("model.weights", "imagnet", "did you mean imagenet?"),
        ("data.folder", "mine", "data.folder is for image_folder, but data.source is digits; leave it out"),
        ("data.copy", False, "data.copy: false is for image_folder, but data.source is digits; leave it out"),
        ("readings", {"random": {}}, "readings.random: the name is taken by another criterion"),
        ("readings", {"taylor": {}}, "readings.taylor: the name is taken by another criterion"),
        ("readings", {"mean_abs": {}}, "readings.mean_abs: the name is taken by another criterion"),
        ("readings.thesis.classes", ["7", "cat"], "readings.thesis.classes names cat, which is no class of the images"),
        ("readings.thesis.classes", [10], "names 10, which is no class of the images; numbers go from 0 to 9"),
        (
            "training.seeds",
            [2.0],
            "training.seeds: got 2.0, but it must be a whole number, without a decimal point: wr",
        ),
        ("training.epochs", 1.0, "training.epochs: got 1.0, but it must be a whole number, without a decimal point"),
        ("training.epochs", 1.5, "training.epochs: got 1.5, but it must be a whole number, without a decimal point"),
        ("training.epochs", True, "training.epochs: got true, but it must be a whole number"),
        (
            "criteria.random",
            3.0,
            "criteria.random: got 3.0, but it must be a whole number, without a decimal point: wri",
        ),
        ("threads", 1.0, "threads: got 1.0, but it must be a whole number, without a decimal point: write 1"),
        ("split.rank", math.inf, "split.rank: got Infinity, but it must be a number or null; numbers are finite"),
        ("levels", [math.nan], "levels: got NaN, but a level is the share of units removed, a fraction from 0"),
        ("data.std", [math.inf], "data.std: got Infinity, but it must be a number; numbers are finite"),
        ("data.mean", [math.nan], "data.mean: got NaN, but it must be a number; numbers are finite"),
        (
            "training.learning_rate",
            math.nan,
            "training.learning_rate: got NaN, but it must be a number; numbers a",
        ),
        (
            "training.learning_rate",
            "1e-3",
            "this is text: numbers have no quotes, and powers of ten a decimal point, as",
        ),
        (
            "readings",
            {True: {}},
            "the section readings has the key True, which YAML reads as no text; write it in quotes",
        ),
        (
            "readings.thesis.rule",
            "epsilon=-1",
            "readings.thesis.rule is epsilon=-1, but epsilon must be above 0, as in",
        ),
        ("readings.thesis.rule", "epsilon=0", "readings.thesis.rule is epsilon=0, but epsilon must be above 0, as in"),
        (
            "readings.thesis.rule",
            "epsilon=1e999",
            "'1e999' is no number that a rule can have, as 0.1 or 1e-3 are; epsil",
        ),
        (
            "readings.thesis.rule",
            "epsilon=.5",
            "'.5' is no number that a rule can have, as 0.1 or 1e-3 are; epsilon mus",
        ),
        ("readings.thesis.rule", "epsilon=nan", 'readings.thesis.rule is "epsilon=nan", which names no rule; did you'),
        (
            "readings.thesis.rule",
            "gamma=-0.5",
            "readings.thesis.rule is gamma=-0.5, but gamma must be at least 0, as in",
        ),
        ("readings.thesis.rule", "alpha1.2.3beta1", "'1.2.3' is no number that a rule can have, as 0.1 or 1e-3 are"),
        (
            "readings.thesis.rule",
            [{"to": 0.5, "rule": "zplus"}, {"to": 1, "rule": "gamma=-1"}],
            "readings.thesis.rule is gamma=-1, but gamma must be at least 0, as in gamma=0.25",
        ),
        (
            "readings.thesis.rule",
            [{"to": math.nan, "rule": "zplus"}],
            "readings.thesis.rule.to: got NaN, but it must be",
        ),
        ("device", "gpu", 'device is "gpu", but must be one of cpu, cuda, auto; did you mean cuda?'),
        ("levels", [], "levels: got [], but it needs at least one"),
        ("training.seeds", [], "training.seeds: got [], but it needs at least one"),
        ("sparsity", {"levels": [], "variants": {"a": {}}}, "sparsity.levels: got [], but it needs at least one"),
        ("data.classes", ["0"], 'data.classes: got ["0"], but a task has two classes or more'),
        ("data", "digits", 'data: got "digits", but it must be a section of keys and values'),
        ("levels", 0.5, "levels: got 0.5, but a level is the share of units removed"),
        (
            "study",
            "a/b",
            'study: got "a/b", but a name has small letters, digits, points, underscores and hyphens alone',
        ),
        ("readings", {"A b": {}}, 'readings: got "A b", but a name has small letters, digits and underscores alone'),
        ("model.arguments.widths", [4], "model.arguments.widths: got [4], but it needs at least 6"),
        ("model.arguments.widths", [4] * 7, "4], but it takes 6 at most"),
        ("model.name", "vgg_smal", "names no network; did you mean vgg_small? Known: "),
        ("results", "", 'results: got "", but it needs at least one character'),
        ("results", "  ", "results is '  ', which names nothing; give a path"),
        (
            "results",
            "res{seed}",
            "results is 'res{seed}', in which Snakemake takes braces and angle brackets for names",
        ),
        ("results", "a<logs>", "results is 'a<logs>', in which Snakemake takes braces and angle brackets for names to"),
        ("results", "a\nb", "results is 'a\\nb', which holds a line break or another character that cannot be seen"),
        ("results", "res ", "results is 'res ', which begins or ends with a space; leave it out"),
        ("results", "~/results", "results is '~/results', but ~ stands for no folder here; write the folder in full"),
        ("results", "//", "results is '//', which is the whole file system; name a folder in it"),
        ("results", __file__, "test_settings.py is no folder that can be written to; name another"),
        (
            "data.name",
            "report.html",
            "would write the file results/report.html, where data.name report.html needs a folder",
        ),
        ("readings.thesis.shards", 0, "readings.thesis.shards: 0 is less than the minimum of 1"),
        ("readings.thesis.classes", [], "readings.thesis.classes: got [], but it needs at least one"),
        ("readings.thesis.classes", ["cat", "cat"], 'readings.thesis.classes: ["cat", "cat"] names one value twice'),
        ("readings.thesis.until", {}, "readings.thesis.until: the key stability is missing"),
        ("readings.thesis.until.stability", 1, "readings.thesis.until.stability: 1 is greater than or equal to"),
        (
            "readings.thesis.until",
            {"stabilty": 0.99},
            "unknown key readings.thesis.until.stabilty; did you mean stability? Known here: stability, at_least",
        ),
        (
            "readings.thesis",
            {"until": {"stability": 0.99}, "shards": 2},
            "readings.thesis has until and 2 shards, which would each end on their own; leave one of the two out",
        ),
        (
            "readings.thesis",
            {"until": {"stability": 0.99}, "absolute": "after_mean"},
            "leave until out, or use absolute: before_mean",
        ),
        ("levels", [1], "levels: got 1, but a level is the share of units removed"),
        (
            "evaluation.keep_at_least",
            [0.2],
            "levels: 0.9 removes 475 of vgg_small's 528 units, but evaluation.keep_at_least 0.2 allows only 420 to be "
            "removed; the highest level that is possible is 0.795",
        ),
        ("evaluation.keep_at_least", [1.5], "give a share below 1, or a whole number of channels"),
        (
            "criteria.mixing.readings",
            ["relevanc"],
            "criteria.mixing.readings names relevanc, which is no reading; did you mean relevance?",
        ),
        (
            "criteria.scores",
            ["l3"],
            'criteria.scores names "l3", which is no score; did you mean l2? Known: l1, l2, fpgm',
        ),
        ("criteria.scores", [{"name": "a", "score": "tailor"}], "but must be one of l1, l2, fpgm, bn_scale, taylor,"),
        (
            "criteria.scores",
            [{"name": "a", "score": "l1", "scoop": "layer"}],
            "unknown key criteria.scores.scoop; did you",
        ),
        ("criteria.scores", ["l1", {"name": "l1", "score": "l2"}], "criteria.scores: the name l1 is taken by another"),
        ("criteria.files", {"relevance": "a.csv"}, "criteria.files: the name relevance is taken by another criterion"),
        (
            "criteria.files",
            {"mine": "nowhere.csv"},
            "criteria.files.mine is nowhere.csv, but there is no such file, here",
        ),
        (
            "criteria.mixtures",
            [{"name": "both", "first": "weight.max", "second": "relevance", "deltas": ["0.5"]}],
            "criteria.mixtures: both mixes relevance, which is no criterion of this study; did you mean relevance.",
        ),
        (
            "criteria.mixtures",
            [{"name": "both", "first": "weight.max", "second": "random.0", "deltas": [0.5]}],
            'criteria.mixtures.deltas: got 0.5, but a delta is text with a fraction from 0 to 1: write "0.3"',
        ),
        (
            "verdict",
            {"page": "a.md", "ours": "relevanc"},
            "verdict names relevanc, which is no reading; did you mean relevance?",
        ),
        (
            "verdict",
            {"page": "a.md", "ours": "relevance"},
            "evaluation.choose_on must be rank or validation",
        ),
        (
            "criteria.compared",
            ["relevance", "weight_folded"],
            "criteria.compared names weight_folded, which is none of the readings and weights: relevance, weight",
        ),
        (
            "criteria.mixing.alternate_only",
            ["relevanc"],
            "criteria.mixing.alternate_only names relevanc, which is no reading; did you mean relevance?",
        ),
        (
            "criteria.mixing.alternate_only",
            ["relevance"],
            "criteria.mixing.alternate_only names relevance, which criteria.mixing.readings names as well; leave",
        ),
        (
            "levels",
            [0.1234567891],
            "levels names 0.1234567891, but tables are written with nine significant digits; write it with nine digits",
        ),
        ("evaluation.keep_at_least", [0.01234567891], "evaluation.keep_at_least names 0.01234567891, but tables are"),
        ("figures.confidence", 0.995, "figures.confidence: 0.995 is greater than the maximum of 0.99"),
        ("readings.thesis.target", "a\nb", "readings.thesis.target is 'a\\nb', which holds a line break or another"),
        ("readings.thesis.classes", ["a\u2028b"], "readings.thesis.classes is 'a\\u2028b', which holds a line break"),
        (
            "criteria.mixing.readings",
            ["a\nb"],
            "criteria.mixing.readings is 'a\\nb', which holds a line break or another character",
        ),
        (
            "criteria.mixing.deltas",
            ["0.5\n"],
            "criteria.mixing.deltas is '0.5\\n', which holds a line break or another character",
        ),
        ("model.weights", "a\rb", "model.weights is 'a\\rb', which holds a line break or another character"),
        ("criteria.files", {"mine": "a\nb"}, "criteria.files.mine is 'a\\nb', which holds a line break or another"),
        ("criteria.files", {"a\n": "b"}, "criteria.files has the key 'a\\n', which holds a line break or the like"),
        ("export", [{"criterion": "a\nb", "level": 0.5}], "export.criterion is 'a\\nb', which holds a line break"),
        ("seed", 2**63, "seed: 9223372036854775808 is greater than the maximum of 9223372036854775807"),
        ("seed", -1, "seed: -1 is less than the minimum of 0"),
        ("training.seeds", [2**63], "training.seeds: 9223372036854775808 is greater than the maximum of"),
        ("training.seeds", [-1], "training.seeds: -1 is less than the minimum of 0"),
        ("criteria.random", 1001, "criteria.random: 1001 is greater than the maximum of 1000"),
        ("readings.thesis.shards", 1001, "readings.thesis.shards: 1001 is greater than the maximum of 1000"),
        ("threads", 1025, "threads: 1025 is greater than the maximum of 1024"),
        ("data.size", 4097, "data.size: 4097 is greater than the maximum of 4096"),
        ("training.learning_rate", 1001, "training.learning_rate: 1001 is greater than the maximum of 1000"),
        (
            "retraining",
            {"criteria": ["l1"], "levels": [0.5], "learning_rate": 1001},
            "retraining.learning_rate: 1001 is greater than the maximum of 1000",
        ),
        ("data.std", [1e-7], "data.std: 1e-07 is less than the minimum of 1e-06"),
        ("readings.thesis.rule", "epsilon=1e-31", "readings.thesis.rule is epsilon=1e-31, but epsilon must be above 0"),
        ("readings.thesis.rule", "epsilon=2e6", "as in epsilon=0.1, and from 1e-30 to 1e6"),
        ("readings.thesis.rule", "gamma=2e6", "gamma must be at least 0, as in gamma=0.25, and at most 1e6"),
        ("results", "-r", "results is '-r', which commands would read as an option; write ./ before it"),
        ("results", "s3://a/b", "results is 's3://a/b', in which Snakemake takes :// for storage elsewhere"),
        ("results", "a/" + 256 * "b", "of which one part is longer than the 255 bytes that a name can have; shorten"),
    ],
)
def test_a_mistake_is_one_line_with_the_cause_and_what_would_be_right(path, value, message):
    with pytest.raises(ValueError) as caught:
        settings.checked(changed(path, value))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_holds_no_text_for_a_key_is_refused_but_in_what_a_factory_takes(own_network):
    with pytest.raises(ValueError, match="^the study has the key 1, which YAML reads as no text; write it in quotes$"):
        settings.checked(LEAST | {1: 2})
    model = {"factory": "own_network:make", "arguments": {"widths": {16: 8}}}
    assert settings.checked(REAL | {"model": model})["model"]["arguments"] == {"widths": {16: 8}}


def patterns(rules):
    """Every pattern of the schema."""
    for key, inner in rules.items() if isinstance(rules, dict) else ():
        if key == "pattern" and isinstance(inner, str):
            yield inner
        yield from patterns(inner)


def test_every_pattern_of_the_schema_has_words():
    # Those of rules, scores, deltas, factories, learned criteria and pruning-models have a line of their own.
    own = ("^(alpha", "^(l1|", "^(0(", "^[A-Za-z_]", "^(gates|", "^(mlp|")
    assert {pattern for pattern in patterns(settings.schema()) if not pattern.startswith(own)} == {
        *schema_errors.PATTERNS
    }


def every_place(rules, kind, path=()):
    """The path of every key in the schema, or of an item of its list, that may be of a kind."""
    kinds = rules.get("type", ())
    if kind in ([kinds] if isinstance(kinds, str) else kinds):
        yield path
    for key, inner in rules.get("properties", {}).items():
        yield from every_place(inner, kind, (*path, key))
    if "items" in rules:
        yield from every_place(rules["items"], kind, (*path, 0))
    if isinstance(rules.get("additionalProperties"), dict):
        yield from every_place(rules["additionalProperties"], kind, (*path, "name"))


@pytest.mark.parametrize(
    ("kind", "value"), [("integer", 3.0), ("integer", math.nan), ("number", math.nan), ("number", math.inf)]
)
def test_integers_are_integers_and_numbers_are_finite_in_the_whole_schema(kind, value):
    places = list(every_place(settings.schema(), kind))
    assert len(places) > 10
    for place in places:
        config = copy.deepcopy(LEAST)
        inner = value
        for key in reversed(place):
            inner = [inner] if key == 0 else {key: inner}
        for section, content in inner.items():
            config[section] = config.get(section, {}) | content if isinstance(content, dict) else content
        refused = [tuple(error.path) for error in settings.strict()(settings.schema()).iter_errors(config)]
        assert place in refused
        with pytest.raises(ValueError):
            settings.checked(config)


@pytest.mark.parametrize(
    ("rule", "bias"),
    [
        ("alpha2beta1", False),
        ("zplus", False),
        ("gradient", False),
        ("epsilon=0.1", True),
        ("gamma", True),
        ("epsilon_plus_flat", True),
        ([{"to": 0.3, "rule": "alpha2beta1"}, {"to": 1, "rule": "epsilon"}], True),
        ([{"to": 0.3, "rule": "alpha2beta1"}, {"to": 1, "rule": "zplus"}], False),
    ],
)
def test_the_bias_of_a_reading_follows_its_rule_unless_it_is_given(rule, bias):
    for given, expected in ((None, bias), (True, True), (False, False)):
        config = settings.checked(changed("readings.thesis", {"rule": rule, "bias": given}))
        assert config["readings"]["thesis"]["bias"] is expected
        assert settings.checked(config) == config
    assert settings.checked(changed("readings.thesis.rule", rule))["readings"]["thesis"]["bias"] is bias


def test_networks_without_batchnorm_cannot_be_ranked_by_it():
    for name in architectures.WITHOUT_BATCHNORM:
        with pytest.raises(
            ValueError, match=f"bn_scale, which reads BatchNorm, but {name} has none; leave bn_scale out"
        ):
            settings.checked(
                {
                    "data": REAL["data"] | {"size": 64},
                    "model": {"name": name},
                    "criteria": {"scores": ["bn_scale"]},
                }
            )
    settings.checked(REAL | {"model": {"name": "vgg16_bn"}, "criteria": {"scores": ["bn_scale"]}})
    scored = {"scores": [{"name": "scale", "score": "bn_scale"}]}
    with pytest.raises(ValueError, match="bn_scale"):
        settings.checked(REAL | {"model": {"name": "vgg16"}, "criteria": scored})


def test_recoveries_have_an_order_and_none_is_always_among_them():
    assert settings.checked(LEAST)["evaluation"]["recovery"] == ["none"]
    config = settings.checked(changed("evaluation.recovery", ["batchnorm", "none"]))
    assert config["evaluation"]["recovery"] == ["none", "batchnorm"]
    assert settings.checked(config) == config
    with pytest.raises(ValueError, match="^evaluation.recovery lacks none: choices, verdicts and most .*; add it$"):
        settings.checked(changed("evaluation.recovery", ["batchnorm"]))
    for name in architectures.WITHOUT_BATCHNORM:
        without = {"data": REAL["data"] | {"size": 64}, "model": {"name": name}}
        settings.checked(without)
        with pytest.raises(ValueError, match=f"^evaluation.recovery names batchnorm, but {name} has no BatchNorm; "):
            settings.checked(without | {"evaluation": {"recovery": ["none", "batchnorm"]}})
    single = {"evaluation": {"recovery": ["none", "batchnorm"]}, "training": {"batch_size": 1}}
    with pytest.raises(ValueError, match="but training.batch_size is 1, and a single image has no variance; give 2"):
        settings.checked(LEAST | single)


RETRAINED = {"criteria": ["weight.mean_abs"], "levels": [0.5]}


@pytest.mark.parametrize(
    ("evaluation", "retraining", "count"),
    [(None, None, 1000), (300, None, 300), (None, 200, 200), (300, 300, 300)],
)
def test_one_number_of_images_reestimates_batchnorm_everywhere(evaluation, retraining, count):
    given = {"evaluation": {"batchnorm_images": evaluation}, "retraining": {**RETRAINED, "batch_size": 50}}
    if retraining:
        given["retraining"]["batchnorm_images"] = retraining
    config = settings.checked(LEAST | given)
    assert config["evaluation"]["batchnorm_images"] == config["retraining"]["batchnorm_images"] == count
    assert settings.checked(config) == config
    assert recovery_checks.batchnorm(config) == {"batchnorm_images": count, "batch_size": 50}
    alone = settings.checked(LEAST | {"evaluation": given["evaluation"]})
    batch = alone["training"]["batch_size"]
    assert recovery_checks.batchnorm(alone) == {"batchnorm_images": evaluation or 1000, "batch_size": batch}


def test_two_numbers_of_images_for_one_network_are_refused():
    given = {"evaluation": {"batchnorm_images": 300}, "retraining": {**RETRAINED, "batchnorm_images": 200}}
    with pytest.raises(ValueError, match="^evaluation.batchnorm_images is 300 and retraining.batchnorm_images 200: "):
        settings.checked(LEAST | given)


@pytest.mark.parametrize("name", architectures.ZOO)
def test_the_networks_known_to_have_no_batchnorm_are_those(name):
    norms = [one for one in zoo.build(name, 10).modules() if isinstance(one, torch.nn.BatchNorm2d)]
    assert (name in architectures.WITHOUT_BATCHNORM) == (not norms)


def test_the_folder_of_results_has_no_slashes_too_many():
    assert settings.checked(changed("results", "a//b/"))["results"] == "a/b"
    assert settings.checked(changed("results", "/a/b"))["results"] == "/a/b"


def test_what_is_not_compared_or_only_combined_is_evaluated_by_one_list():
    study = changed("readings", {"relevance": {}, "sum": {"reduce": "sum"}, "clean": {"split": "validation"}})
    study["criteria"] = {
        "compared": ["relevance"],
        "mixing": {"readings": ["relevance"], "alternate_only": ["clean"]},
        "random": 1,
    }
    config = settings.checked(study)
    found = criteria_names.of(config)
    assert len(found["relevance"]) == 6
    assert found["sum"] == ["sum.mean_abs"] and found["weight"] == ["weight.mean_abs"]
    assert found["combined.clean"] == ["combined.clean"]
    assert not [name for name in found if "clean" in name and name not in ("clean", "combined.clean")]
    config["evaluation"]["choose_on"] = "rank"
    assert "combined.clean" not in criteria_names.choosing(config, found)


def test_a_study_to_stand_beside_has_to_be_finished(tmp_path):
    verdict_checks.check_beside(None, "mine", "results")
    wanted = (
        f"verdict.beside names {tmp_path}, which has no tables/verdict.csv; run the study with these results first, or "
        "leave it out of verdict.beside"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(wanted)}$"):
        verdict_checks.check_beside({"beside": [str(tmp_path)]}, "mine", "results")
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "verdict.csv").touch()
    (tmp_path / "tables" / "verdict.json").touch()
    verdict_checks.check_beside({"beside": [str(tmp_path)]}, "mine", "results")


def judged(folder, study):
    """A results folder of a finished study of this name."""
    (folder / "tables").mkdir(parents=True)
    for name in ("verdict.csv", "verdict.json"):
        (folder / "tables" / name).touch()
    (folder / "settings.yaml").write_text(f"study: {study}\n")
    return str(folder)


def test_studies_that_stand_beside_each_other_have_names_of_their_own(tmp_path):
    one, same, other = (judged(tmp_path / name, name[:3]) for name in ("one", "one.2", "two"))
    verdict_checks.check_beside({"beside": [one, other]}, "mine", "results")
    for beside, study, first in (([one], "one", "results"), ([one, other, same], "mine", one)):
        message = (
            f"verdict.beside names {beside[-1]}, whose study is one, as is that of {first}; give one of the two "
            "another name, under study, and run it again"
        )
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            verdict_checks.check_beside({"beside": beside}, study, "results")


@pytest.mark.parametrize("text", [b"\xff\xfe", b"a: 2024-13-45", b"a: [1"])
def test_settings_of_a_study_beside_that_cannot_be_read_are_named(tmp_path, text):
    folder = judged(tmp_path / "one", "one")
    (tmp_path / "one" / "settings.yaml").write_bytes(text)
    message = f"verdict.beside names {folder}, whose settings.yaml cannot be read: this is no YAML: "
    with pytest.raises(Refused, match=re.escape(message)):
        verdict_checks.check_beside({"beside": [folder]}, "mine", "results")


def test_a_study_beside_whose_name_is_no_text_has_none(tmp_path):
    folder = judged(tmp_path / "one", "[1]")
    verdict_checks.check_beside({"beside": [folder]}, "mine", "results")


def with_verdict(results="results", **verdict):
    """A study with a verdict, and readings that could play its parts."""
    study = changed("readings", {"relevance": {}, "thesis": {"pool": "gradient"}, "clean": {"split": "test"}})
    study["readings"] |= {"sum": {"reduce": "sum", "shards": 2}, "two": {"reduce": "sum", "at": "next_input"}}
    given = {"page": "a.md", "ours": "relevance"} | verdict
    return study | {"results": results, "evaluation": {"choose_on": "rank"}, "verdict": given}


@pytest.mark.parametrize(
    ("study", "message"),
    [
        (with_verdict("r1", beside=["./r1"]), "verdict.beside names ./r1, the results of this study itself"),
        (with_verdict("./r1", beside=["r1/"]), "verdict.beside names r1, the results of this study itself"),
        (with_verdict(beside=["r2", "r3/../r2/"]), "verdict.beside names one folder twice: r2, r3/../r2; leave one"),
        (with_verdict(beside=["r2", "r2/"]), "verdict.beside names one folder twice: r2, r2; leave one of them out"),
        (with_verdict(faithful="relevance"), "verdict.ours and verdict.faithful are both relevance; name different"),
        (with_verdict(faithful="thesis", clean="thesis"), "verdict.faithful and verdict.clean are both thesis; name"),
        (with_verdict(clean="clean"), "verdict.clean is clean, which readings.clean.split reads on test, the images"),
        (
            with_verdict(reductions=["relevance", "sum", "two"]),
            "verdict.reductions names two, which differs from relevance (verdict.ours) in at too; name readings that",
        ),
    ],
)
def test_a_verdict_that_would_compare_what_is_not_meant_is_one_line(study, message):
    with pytest.raises(ValueError) as caught:
        settings.checked(study)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_deltas_are_named_by_their_shortest_text():
    config = settings.checked(changed("criteria.mixing.deltas", ["0", "0.50", "0.25", "1"]))
    assert config["criteria"]["mixing"]["deltas"] == ["0.0", "0.5", "0.25", "1.0"]
    assert settings.checked(config) == config


def test_an_alias_that_holds_itself_is_one_line():
    looped, section = [], {}
    looped.append(looped)
    section["a"] = section
    for path, value in (("foo", looped), ("readings.thesis", section), ("model.arguments", {"a": looped})):
        with pytest.raises(ValueError, match="holds itself, by an alias that leads back; write out what it holds$"):
            settings.checked(changed(path, value))
    shared = {"split": "train"}
    settings.checked(changed("readings", {"one": shared, "two": shared}))


def test_a_question_may_have_several_lines():
    assert settings.checked(changed("question", "Which?\nWhy?"))["question"] == "Which?\nWhy?"


def test_a_study_does_not_stand_beside_itself():
    study = changed("verdict", {"page": "a.md", "ours": "relevance", "beside": ["results"]})
    study["evaluation"] = {"choose_on": "rank"}
    with pytest.raises(ValueError, match="^verdict.beside names results, the results of this study itself; name those"):
        settings.checked(study)


def test_a_study_without_images_says_which_key_is_missing():
    with pytest.raises(ValueError, match="^the key data is missing; see config/README.md$"):
        settings.checked({"model": {"name": "vgg16"}})


def leaves(rules, name=""):
    for key, rule in rules.get("properties", {}).items():
        path = f"{name}.{key}" if name else key
        yield path, rule
        yield from leaves(rule, path)
        if isinstance(rule.get("additionalProperties"), dict):
            yield from leaves(rule["additionalProperties"], f"{path}.NAME")


def test_every_key_is_documented_in_the_schema():
    assert [
        path for path, rule in leaves(settings.schema()) if "properties" not in rule and "description" not in rule
    ] == []


def test_the_schema_holds_no_key_that_json_schema_does_not_know():
    known = {"type", "enum", "default", "description", "items", "properties", "additionalProperties", "required"}
    known |= {
        "pattern",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "minLength",
        "minItems",
        "maxItems",
        "multipleOf",
    }
    known |= {"uniqueItems", "minProperties", "propertyNames"}
    assert [(path, set(rule) - known) for path, rule in leaves(settings.schema()) if set(rule) - known] == []


def test_every_default_is_valid():
    once = settings.checked(LEAST)
    assert settings.checked(once) == once


def test_the_defaults_of_an_architecture_are_those_of_its_function():
    found = {
        name: {key: parameter.default for key, parameter in inspect.signature(builder).parameters.items()}
        for name, builder in zoo.ARCHITECTURES.items()
    }
    assert set(found) == set(architectures.ZOO)
    for name, known in architectures.ZOO.items():
        wanted = {key: tuple(value) if isinstance(value, list) else value for key, value in known.arguments.items()}
        assert {key: found[name][key] for key in wanted} == wanted
        assert set(found[name]) - set(wanted) == {"classes", "channels"}


def widths(name, **arguments):
    arguments = architectures.ZOO[name].arguments | arguments
    return list(level_checks.widths_of({"name": name, "factory": None, "arguments": arguments}))


@pytest.mark.parametrize("name", architectures.ZOO)
def test_the_widths_that_floors_are_checked_against_are_the_networks(name):
    choices = [{"shortcut": "A"}, {"shortcut": "B"}] if "shortcut" in architectures.ZOO[name].arguments else [{}]
    for arguments in choices:
        model = zoo.build(name, 10, **arguments).eval()
        assert sum(widths(name, **arguments)) == len(finding.find(model, torch.zeros(1, 3, 32, 32)).units)


def test_the_widths_of_residual_networks_are_those_of_inner_layers_and_of_streams():
    inner = [16] * 3 + [32] * 3 + [64] * 3
    assert widths("resnet20") == [*inner, 64]
    assert widths("resnet20", shortcut="B") == [*inner, 16, 32, 64]
    assert widths("resnet20_wide") == [2 * width for width in [*inner, 16, 32, 64]]
    assert len(widths("resnet56")) == 28 and len(widths("resnet110")) == 55


def test_a_level_that_a_floor_forbids_is_found_for_every_network_whose_widths_are_known(own_network):
    def with_floor(**model):
        config = REAL | {"model": model, "levels": [0.95], "evaluation": {"keep_at_least": [0.2]}}
        return settings.checked(config)

    for name in architectures.ZOO:
        with pytest.raises(ValueError, match=f"{name}'s .* units, but evaluation.keep_at_least 0.2 allows only"):
            with_floor(name=name)
    # Of these, only a look at the network tells; the evaluation refuses.
    with_floor(name="resnet18")
    with_floor(factory="own_network:make")


@pytest.mark.parametrize("name", [*architectures.ZOO, "resnet18", "convnext_tiny"])
def test_every_network_may_be_named(name):
    config = settings.checked(REAL | {"model": {"name": name}})
    assert config["model"]["arguments"] == architectures.of(config["model"]).arguments


def test_images_may_be_as_small_as_the_network_takes_and_gray_where_it_is_for_small_images():
    for name in ("vgg_small", "resnet20", "mobilenet_v1", "densenet40_24"):
        size = architectures.ZOO[name].smallest
        settings.checked({"data": {"source": "digits", "size": size}, "model": {"name": name}})


@pytest.mark.parametrize(
    ("model", "data", "message"),
    [
        (
            {"name": "resnet21"},
            {},
            "model.name is resnet21, which names no network; did you mean resnet",
        ),
        ({"name": "mobilenet"}, {}, "did you mean mobilenet_v"),
        ({"name": "a/b"}, {}, 'model.name: got "a/b", but a name has letters'),
        ({}, {}, "model: the key name is missing, or factory for a network of your own"),
        (
            {"name": "resnet20", "arguments": {"shortcut": "C"}},
            {},
            'model.arguments.shortcut is "C", but must be one of',
        ),
        ({"name": "resnet18", "arguments": {"shortcut": "A"}}, {}, "is no choice of resnet18; it has none"),
        ({"name": "resnet20", "weights": "imagenet"}, {}, "resnet20 has no ImageNet weights; give a file"),
        (
            {"name": "resnet20", "trainable": "head"},
            {},
            "model.trainable is head, but resnet20 has no appended head; use classifier or all",
        ),
        (
            {"factory": "own_network:make", "trainable": "classifier"},
            {},
            "model.trainable is classifier, but own_network.make has no classifier that is known as such; use all",
        ),
        ({"name": "mobilenet_v1"}, {"size": 8}, "which takes images from 16 pixels on; data.size is 8"),
        ({"name": "alexnet"}, {"size": 62}, "model.name is alexnet, which takes images from 63 pixels on"),
        ({"name": "resnet18"}, {"color": "gray"}, "model.name is resnet18, which takes three channels"),
        ({"factory": "own_network"}, {}, 'model.factory: got "own_network", but a factory is a module and a function'),
        ({"factory": "own_networks:make"}, {}, "there is no module own_networks; did you mean own_network?; looked in"),
        ({"factory": "own_network:made"}, {}, "defines no made; did you mean make?; it defines make"),
    ],
)
def test_a_mistake_in_the_network_is_one_line(own_network, model, data, message):
    with pytest.raises(ValueError) as caught:
        settings.checked(REAL | {"model": model, "data": REAL["data"] | data})
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_network_of_the_users_own_has_a_name_for_paths_and_any_arguments(own_network):
    model = {"factory": "own_network:make", "arguments": {"head": 3, "widths": "wide", "anything": {"a": [1]}}}
    checked = settings.checked(REAL | {"model": model})["model"]
    assert checked["name"] == "own_network.make" and checked["arguments"] == model["arguments"]
    assert settings.checked(REAL | {"model": model | {"name": "mine"}})["model"]["name"] == "mine"
    assert settings.checked(settings.checked(REAL | {"model": model}))["model"] == checked
    assert settings.checked(REAL | {"model": {"factory": "own_network:make"}})["model"]["arguments"] == {}


def test_settings_are_checked_without_torch(own_network):
    code = (
        "import sys; from secateur.study import settings; settings.checked({'data': {'source': 'cifar10'}, "
        "'model': {'factory': 'own_network:make'}}); assert not {'torch', 'torchvision'} & set(sys.modules)"
    )
    package = Path(settings.__file__).parents[2]
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": str(package)})
