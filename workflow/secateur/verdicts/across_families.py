"""Families of criteria in finished studies, the best of each, and pairs of criteria that differ in one thing."""

from __future__ import annotations

from collections.abc import Sequence

from secateur.analysis import results as analysis_results
from secateur.study import criteria_names, vocabulary
from secateur.verdicts.across import RELEVANCE, WEIGHT, Study

DIVIDED = {
    "none": "as they are",
    "layer_share": "shares of their layer",
    "sum": "plain sums over positions",
    "mean": "means over positions",
    "layer_relative": "divided by their layer's mean",
}


def families_of(study: Study) -> dict[str, list[str]]:
    """{family in words: its criteria}: those of a family are read from one source and divided in one way."""
    families = {}
    for words, beginnings in _beginnings(study.settings):
        families[words] = _beginning_with(study, beginnings)
    for score in study.settings["criteria"]["scores"]:
        families.setdefault(_family_of_score(score), []).append(score["name"])
    return {words: criteria for words, criteria in families.items() if criteria}


def _beginnings(settings):
    """(family in words, beginnings of its criteria's names) of all families but those of scores."""
    for name, reading in settings["readings"].items():
        yield f"relevance, {DIVIDED[reading['reduce']]} (`{name}`)", (f"{name}.",)
    for source in settings["criteria"]["weights"]:
        yield f"statistics of the weights, as they are (`{source}`)", (f"{source}.",)
    for reading in settings["criteria"]["mixing"]["readings"]:
        yield f"`{reading}` and weights mixed", (f"mixed.{reading}.", f"combined.{reading}")


def _family_of_score(score):
    source = "images" if score["score"] in vocabulary.IMAGE_SCORES else "weights"
    how = DIVIDED.get(score["normalise"], f"divided by `{score['normalise']}`")
    family = f"scores of {source}, {how}"
    if score["scope"] == "global":
        return family
    return f"{family}, within a {score['scope']}"


def chosen(study: Study, criteria: Sequence[str], level: float) -> str:
    """The criterion with the highest accuracy on the choosing images at a level; on ties the lower loss, then the
    first."""
    split = study.settings["evaluation"]["choose_on"]
    (best,) = analysis_results.best(study.results, criteria, level, split).values()
    return best


def choosable(study: Study) -> list[str]:
    """The criteria that were measured on the choosing images."""
    split = study.settings["evaluation"]["choose_on"]
    table = study.results.table
    known = set(table.loc[table["split"] == split, "criterion"])
    return [name for name in study.criteria if name in known]


# ---- pairs that differ in one thing --------------------------------------------------------------------------


def statistics_of_weights(study: Study) -> list[str]:
    """The criteria that are a statistic of the weights as they are."""
    return _beginning_with(study, ("weight.",))


def _beginning_with(study, beginnings):
    return [name for name in study.criteria if name.startswith(beginnings)]


def alike(study: Study) -> dict[str, tuple[str, str]]:
    """{how both are divided: (criterion of relevance, criterion of weights)}, both of absolute values.

    The L1 norm is the sum of what `weight.mean_abs` is the mean of, so its share of the layer is that of either.
    """
    relevance = _by_division(study)
    weights = {"mean": WEIGHT}
    for score in study.settings["criteria"]["scores"]:
        if score["score"] == "l1" and score["scope"] == "global":
            how = "sum" if score["normalise"] == "none" else score["normalise"]
            weights[how] = score["name"]
    pairs = {}
    for how in ("layer_share", "sum", "mean"):
        if how in relevance and how in weights:
            pairs[how] = (relevance[how], weights[how])
    return pairs


def _by_division(study):
    """{division: criterion} of the readings that take their numbers from the relevance of the first."""
    readings = study.settings["readings"]
    first = criteria_names.relevance_of(readings)
    ours = RELEVANCE.partition(".")[0]
    criteria = {}
    for name, reading in readings.items():
        if first[name] == first[ours]:
            criteria[reading["reduce"]] = f"{name}.mean_abs"
    return criteria


def divided(study: Study) -> list[tuple[str, str]]:
    """[(score as a share of its layer, the score as it is), ...]."""
    by_score = {}
    for score in study.settings["criteria"]["scores"]:
        if score["scope"] == "global":
            by_score.setdefault(score["score"], {})[score["normalise"]] = score["name"]
    pairs = []
    for names in by_score.values():
        if names.get("layer_share") and names.get("none"):
            pairs.append((names["layer_share"], names["none"]))
    return pairs
