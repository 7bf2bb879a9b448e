"""One list of every kind of names, and all places that spell them out again: the schema, and tables of functions."""

import re

import pytest

from secateur import ranking
from secateur.criteria import from_images, from_weights
from secateur.evaluation import measuring
from secateur.relevance import propagation, rules
from secateur.study import biases, learned, rule_numbers, settings, vocabulary


@pytest.fixture(scope="module")
def schema():
    return settings.schema()["properties"]


def precision(schema, section):
    return tuple(schema[section]["properties"]["precision"]["enum"])


def test_precisions_of_the_schema_are_those_of_the_vocabulary(schema):
    reading = schema["readings"]["additionalProperties"]["properties"]
    assert tuple(reading["precision"]["enum"]) == vocabulary.RELEVANCE_PRECISIONS
    assert {*propagation.PRECISIONS} == {*measuring.PRECISIONS} == {*vocabulary.RELEVANCE_PRECISIONS}
    assert precision(schema, "training") == precision(schema, "retraining") == vocabulary.TRAINING_PRECISIONS
    assert precision(schema, "evaluation") == vocabulary.EVALUATION_PRECISIONS


def test_statistics_of_the_schema_are_those_of_the_vocabulary(schema):
    criteria = schema["criteria"]["properties"]
    assert tuple(criteria["statistics"]["items"]["enum"]) == vocabulary.STATISTICS
    assert tuple(criteria["mixing"]["properties"]["statistic"]["enum"]) == vocabulary.STATISTICS


def test_scores_of_the_schema_are_those_of_the_vocabulary(schema):
    scores = schema["criteria"]["properties"]["scores"]
    known = (*vocabulary.WEIGHT_SCORES, *vocabulary.IMAGE_SCORES)
    assert tuple(scores["items"]["properties"]["score"]["enum"]) == known
    assert scores["items"]["pattern"] == f"^({'|'.join(known)})$"
    of_weights, of_images = (re.findall("`([a-z0-9_]+)`", part) for part in described(scores))
    assert (tuple(of_weights), tuple(of_images)) == (vocabulary.WEIGHT_SCORES, vocabulary.IMAGE_SCORES)


def described(scores):
    """The scores of weights and those of images, as the description of the key lists them."""
    return re.search("of weights: ([^;]*); of rank images: ([^.]*)\\.", scores["description"]).groups()


def test_scores_with_functions_are_those_of_the_vocabulary():
    assert {*from_weights.OF_WEIGHTS} == {*vocabulary.WEIGHT_SCORES}
    assert {*from_images.OF_IMAGES} == {*vocabulary.IMAGE_SCORES}


def alternatives(pattern):
    """The alternatives of a pattern of the schema, "^(a|b)$"."""
    return re.fullmatch(r"\^\((.*)\)\$", pattern).group(1).split("|")


@pytest.mark.parametrize("band", [False, True])
def test_rules_of_the_schema_are_those_of_the_vocabulary(schema, band):
    rule = schema["readings"]["additionalProperties"]["properties"]["rule"]
    pattern = rule["items"]["properties"]["rule"]["pattern"] if band else rule["pattern"]
    names = vocabulary.BAND_RULES if band else vocabulary.RULES
    for alternative in alternatives(pattern):
        assert any(re.fullmatch(alternative, name) for name in names), alternative
    for name in names:
        assert re.search(pattern, name), name
    for name in {*vocabulary.RULES, *vocabulary.BAND_RULES} - {*names}:
        assert not re.search(pattern, name), name


def test_the_schema_describes_every_composite_and_rule(schema):
    described = schema["readings"]["additionalProperties"]["properties"]["rule"]["description"]
    for name in (*vocabulary.COMPOSITES, "zplus", "epsilon=0.1", "gamma=0.25", "gradient", "gradient_x_input"):
        assert f"`{name}`" in described


def test_every_rule_of_a_layer_has_one_function():
    of_patterns = []
    for pattern in rules.RULES:
        matched = [rule for rule, texts in vocabulary.LAYER_RULES.items() if re.fullmatch(pattern, texts[0])]
        assert len(matched) == 1, pattern
        of_patterns += matched
    assert sorted(of_patterns) == sorted(vocabulary.LAYER_RULES)
    for texts in vocabulary.LAYER_RULES.values():
        assert all(map(callable, map(rules.named, texts)))


def test_parameters_and_biases_name_rules_of_the_vocabulary():
    names = {*vocabulary.LAYER_RULES}
    assert {*rule_numbers.POSSIBLE} < names and {*biases.NEEDING} < names
    parsed = {rule_numbers.parsed(text)[0] for texts in vocabulary.LAYER_RULES.values() for text in texts}
    assert parsed == names
    of_composites = {rule_numbers.parsed(rule)[0] for parts in vocabulary.COMPOSITES.values() for rule in parts}
    assert of_composites <= names


@pytest.mark.parametrize(
    ("criterion", "name"),
    [
        ("random.2", "random"),
        ("uniform.random.11", "uniform.random"),
        ("shuffled.relevance.mean_abs.0", "shuffled.relevance.mean_abs"),
        ("gates.mlp.1", "gates.mlp"),
        ("uniform.gates.mlp.1", "uniform.gates.mlp"),
        ("shuffled.gates.mlp.0", "shuffled.gates.mlp"),
        ("shuffled.l1.gates.mlp.0", "shuffled.l1.gates.mlp"),
        # Neither deltas nor names without a draw lose anything; of a control of a mixture, only the draw.
        ("mixed.x.0.5", "mixed.x.0.5"),
        ("both.0.5", "both.0.5"),
        ("uniform.both.0.5", "uniform.both.0.5"),
        ("uniform.mixed.x.1.0", "uniform.mixed.x.1.0"),
        ("shuffled.both.0.5.3", "shuffled.both.0.5"),
        ("gates.mlp", "gates.mlp"),
        ("l1.gates.mlp", "l1.gates.mlp"),
        ("uniform.relevance.mean_abs", "uniform.relevance.mean_abs"),
        ("random", "random"),
    ],
)
def test_draws_of_a_criterion_have_one_name(criterion, name):
    assert vocabulary.without_draw(criterion) == name


@pytest.mark.parametrize(
    ("first", "second", "alike"),
    [
        ("random", "shuffled.relevance.mean_abs", True),
        ("uniform.random", "random", True),
        ("gates.mlp", "random", False),
        ("shuffled.gates.mlp", "gates.mlp", False),
        ("shuffled.gates.mlp", "random", True),
        ("gates.mlp", "gates.linear", False),
        ("uniform.gates.mlp", "gates.mlp", True),
    ],
)
def test_draws_by_chance_are_paired_with_each_other_and_learned_ones_with_their_own(first, second, alike):
    assert vocabulary.draws_alike(first, second) == vocabulary.draws_alike(second, first) == alike


def test_what_the_schema_says_of_learned_criteria_is_what_the_vocabulary_knows(schema):
    entry = schema["criteria"]["properties"]["learned"]["items"]["properties"]
    assert tuple(entry["kind"]["enum"]) == (*vocabulary.LEARNED, None)
    for kind in vocabulary.LEARNED:
        assert re.search(entry["name"]["pattern"], f"{kind}.a_1") and not re.search(
            entry["name"]["pattern"], f"{kind}.1"
        )
    assert tuple(entry["start"]["enum"]) == (learned.ZERO, *vocabulary.WEIGHT_SCORES, *vocabulary.IMAGE_SCORES, None)
    assert (
        entry["calibration"]["properties"]["split"]["enum"]
        == schema["readings"]["additionalProperties"]["properties"]["split"]["enum"]
    )
    assert {*learned.BESIDE} <= {*vocabulary.WEIGHT_SCORES, *vocabulary.IMAGE_SCORES}
    scopes = schema["criteria"]["properties"]["scores"]["items"]["properties"]["scope"]["enum"]
    assert tuple(scopes) == ranking.SCOPES and [*ranking.SCOPES] == [
        *schema["criteria"]["properties"]["scope"]["enum"],
        "widths",
    ]
