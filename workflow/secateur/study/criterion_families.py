"""Families of a study's criteria, as a reader sees them: by what decides which unit leaves."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from secateur.study import criteria_names, learned
from secateur.study.vocabulary import IMAGE_SCORES, WEIGHT_SCORES, without_draw

WEIGHTS = "weights"
RANDOM = "random"
CONTROLS = "controls"
# {family: its name in words}, in the order in which a page lists them.
FAMILIES = {
    "relevance": "relevance",
    WEIGHTS: "weights",
    "mixed": "two rankings mixed",
    "image_scores": "scores of images",
    "weight_scores": "scores of weights",
    "learned": "learned",
    "measured": "shared out, or in steps",
    "files": "files",
    RANDOM: "chance",
    CONTROLS: "controls",
}


def of(config: Mapping[str, Any]) -> dict[str, str]:
    """{criterion, draws as one: its family} of a study with every default filled in."""
    criteria, families = config["criteria"], {}
    for names, family in _groups(config, criteria):
        for name in names:
            families[without_draw(name)] = family
    return families


def _groups(config, criteria):
    """(criteria, family), of which a later one wins."""
    by_job = criteria_names.of(config)
    for job, names in by_job.items():
        yield names, _of_job(config, criteria, job)
    # Orders by hand that stand beside a learned criterion are scores too.
    for name, score in criteria_names.ranked_by_score(criteria).items():
        if score["score"] in (*WEIGHT_SCORES, *IMAGE_SCORES):
            yield [name], "weight_scores" if score["score"] in WEIGHT_SCORES else "image_scores"
    everything = list(itertools.chain.from_iterable(by_job.values()))
    yield [name for name in everything if name.startswith(("shuffled.", "uniform."))], CONTROLS


def _of_job(config, criteria, job):
    if job in config["readings"]:
        return "relevance"
    if job in criteria["weights"]:
        return WEIGHTS
    fixed = {
        "scores": "image_scores", "files": "files", "mixtures": "mixed", "allocated": "measured",
        "rescored": "measured", "random": RANDOM,
    }  # fmt: skip
    if job in fixed:
        return fixed[job]
    if job in learned.names(criteria["learned"]):
        return "learned"
    return CONTROLS if job.startswith("controls.") else "mixed"
