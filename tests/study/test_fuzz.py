"""Mutated studies: each is a whole plan, or one line that says what is wrong.

`FUZZED=10000 pytest tests/study/test_fuzz.py` tries as many, with other seeds each time.
"""

import copy
import functools
import inspect
import os
import random

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secateur import Refused
from secateur.study import page_options, stage_files, stage_options, study_file
from secateur.study.study import Study
from support.studies import ROOT

TRIED = int(os.environ.get("FUZZED", "120"))
FUZZED = settings(
    max_examples=TRIED,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize="FUZZED" not in os.environ,
)
SHIPPED = [ROOT / "config/config.yaml", *sorted((ROOT / "config/studies").glob("*.yaml"))]
ODD = [
    *(None, True, False, 0, 1, 2, -1, 0.5, 1.5, -0.0, 10**9, 10**30, 1e-300, 1e300, float("nan"), float("inf")),
    *("", " ", "a", "0.5", "1e3", "~", "on", "{seed}", "../up", "/abs", "a/b", "a.b", "*", "[", "\n", "\x00", "\u202e"),
    *("é", "a" * 300, "random", "weight", "relevance", "random.0", "l1", "rank", "test", "train", "none", "retrained"),
    *([], {}, [[]], [{}], [None], {"": 1}, {"a": 1}, {1: 2}, {None: None}, ["a", "a"], [0, 0.5, 1]),
]  # fmt: skip


@functools.cache
def corpus():
    """The shipped studies, and every value that stands anywhere in them."""
    studies = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in SHIPPED]
    return studies, [value for study in studies for *_, value in places(study)]


def places(value):
    """(section or list, key or index, value) of all that a study holds, at any depth."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in list(items):
        yield value, key, inner
        if isinstance(inner, (dict, list)):
            yield from places(inner)


def mutated(study, chance):
    """A copy of a study with one to four changes."""
    study = copy.deepcopy(study)
    for _ in range(chance.choice([1, 1, 1, 2, 3, 4])):
        found = list(places(study))
        if found:
            _change(*chance.choice(found), chance)
    return study


def _change(holder, key, value, chance):
    """Change what stands in a section or a list in one of eight ways; some do not fit every value, and do nothing."""
    other = copy.deepcopy(chance.choice(ODD) if chance.random() < 0.6 else chance.choice(corpus()[1]))
    change = chance.choice(["set", "set", "delete", "wrap", "text", "rename", "inside", "inside"])
    if change in ("set", "wrap", "text"):
        holder[key] = {"set": other, "wrap": [value], "text": str(value)}[change]
    elif change == "delete":
        del holder[key]
    elif change == "rename" and isinstance(holder, dict):
        holder[f"{key}"[:-1] or "x"] = holder.pop(key)
    elif isinstance(value, dict):
        value[chance.choice([key, "name", "level", "extra", "criterion"])] = other
    elif isinstance(value, list):
        value[len(value) :] = chance.choice([[other], copy.deepcopy(value)])


def garbled(text, chance):
    """A text with some characters lost, doubled or replaced."""
    characters = list(text)
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(characters))
        characters[place] = chance.choice(["", characters[place] * 2, *":-{}[]#&*!|>'\"%@`,? \t\n0a"])
    return "".join(characters)


def names(study):
    """{parameter of a stage's options or files: the values that the rules give it}."""
    return {
        "reading": study.readings, "criterion": study.criteria, "family": study.families, "source": study.sources,
        "entry": study.entries, "mixture": study.mixtures, "variant": study.variants, "place": map(str, study.rounds),
        "seed": study.seeds, "name": study.exported, "figure": study.sparse_figures, "scope": stage_files.CLASSES,
        "kind": sorted({cell.kind for cell in study.cells}), "level": map(str, study.settings["levels"]),
    }  # fmt: skip


def gates(study):
    """The learned criteria that are no scorers."""
    return [name for name in study.learned if name not in study.scorers]


# Stages of some of the study's criteria alone.
OF_CRITERIA = {
    **dict.fromkeys(("learning", "start"), gates),
    **dict.fromkeys(("fitting", "scoring"), lambda study: study.scorers),
    **dict.fromkeys(("scores", "score_ranking"), lambda study: study.scored),
    **dict.fromkeys(("rescoring", "rescoring_images"), lambda study: study.rescored),
    "file_ranking": lambda study: study.files,
    "statistics_ranking": lambda study: study.sources,
    "choosing": lambda study: study.choosing,
    "evaluation": lambda study: study.evaluated,
}


def planned(study):
    """Read everything that the rules read of a study."""
    for name, member in inspect.getmembers(type(study)):
        if isinstance(member, (property, functools.cached_property)):
            getattr(study, name)
    for module in (stage_files, stage_options, page_options):
        for name, function in inspect.getmembers(module, inspect.isfunction):
            if function.__module__ == module.__name__ and name not in BY_CELLS:
                for arguments in calls(study, name, function):
                    function(study, *arguments)
    for cell in study.cells:
        stage_options.retraining(study, cell.criterion, cell.kind, str(cell.level))
        stage_options.schedule(study, cell.kind, cell.criterion)
        stage_files.retrained_from(study, cell.criterion, cell.kind)


def calls(study, name, function):
    """The arguments behind the study of all calls of a stage's options or files: none, or one for each of its jobs."""
    first, *rest = [*inspect.signature(function).parameters.values(), None]
    rest = [one for one in rest if one and one.default is one.empty]
    if name.startswith("_") or not first or first.name != "study" or len(rest) > 1:
        return []
    if not rest:
        return [()]
    if name in OF_CRITERIA:
        return zip(OF_CRITERIA[name](study))
    return zip(names(study).get(rest[0].name, ()))


# Called for cells, or by words of their own.
BY_CELLS = {"retraining", "schedule", "calibrating_images", "sparse_training", "sparse_export", "ticket", "export",
            "exported", "tickets_figure", "sparsity_figure", "source_figure", "controls_curves"}  # fmt: skip


def whole_or_refused(read):
    """Plan a study; what is wrong with it has to be one line without odd characters."""
    try:
        planned(Study.of(read()))
    except Refused as error:
        text = str(error)
        assert text and text.isprintable() and len(text) < 1500, text
        return text
    return None


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_studies_are_whole_or_lack_a_file(path):
    refused = whole_or_refused(lambda: study_file.read(path))
    assert refused is None or "no such file" in refused or "run the study with these results first" in refused, refused


@settings(
    max_examples=TRIED, deadline=None, suppress_health_check=list(HealthCheck), derandomize="FUZZED" not in os.environ
)
@given(st.integers(0, 2**32))
def test_a_mutated_study_is_whole_or_refused_in_one_line(seed):
    chance = random.Random(seed)
    study = mutated(chance.choice(corpus()[0]), chance)
    whole_or_refused(lambda: study)


@settings(
    max_examples=TRIED, deadline=None, suppress_health_check=list(HealthCheck), derandomize="FUZZED" not in os.environ
)
@given(st.integers(0, 2**32))
def test_a_garbled_file_is_whole_or_refused_in_one_line(tmp_path_factory, seed):
    chance = random.Random(seed)
    path = tmp_path_factory.getbasetemp() / "garbled.yaml"
    path.write_text(garbled(chance.choice(SHIPPED).read_text(encoding="utf-8"), chance), encoding="utf-8")
    whole_or_refused(lambda: study_file.read(path))
