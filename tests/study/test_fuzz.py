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


def each(*names):
    """The jobs of a stage, from the name of what it is made for: one for each of these that the study has."""
    return lambda study: [(one,) for name in names for one in getattr(study, name)]


def rounds(study):
    """The rounds of tickets as paths name them."""
    return [(str(place),) for place in study.rounds]


def sparse(study):
    return [(cell.variant, str(cell.level)) for cell in study.sparse_cells]


def scorers(study):
    return [(name, seed) for name in study.scorers for seed in study.seeds]


# {options or files of a stage: the arguments behind the study of each of its jobs}, as the rules give them.
JOBS = {
    **dict.fromkeys(("explained_images", "relevance", "shards", "extraction", "summary"), each("readings")),
    **dict.fromkeys(("mixed_lists", "mixed_ranking"), each("mixed")),
    "combined_ranking": lambda study: [(reading,) for reading in study.mixing["alternate_only"]],
    **dict.fromkeys(("statistics_ranking", "source_figure", "reading_choices"), each("sources")),
    "curves": lambda study: [("strategies", source) for source in study.sources],
    **dict.fromkeys(("mixture_lists", "mixture_ranking"), each("mixtures")),
    **dict.fromkeys(("scores", "score_ranking"), each("scored")),
    **dict.fromkeys(("start", "learning"), each("gated")),
    "fitting": each("fitted"),
    "scoring": scorers,
    **dict.fromkeys(("shuffled", "shuffled_ranking"), each("entries")),
    **dict.fromkeys(("rescoring", "rescoring_images"), each("rescored")),
    "file_ranking": lambda study: [(name, str(seed)) for name in study.files for seed in study.seeds],
    "evaluation": each("evaluated"),
    "choosing": each("choosing"),
    "ranked_on": each("criteria"),
    "retrained_from": lambda study: [(cell.criterion, cell.kind) for cell in study.cells],
    "retraining": lambda study: [(cell.criterion, cell.kind, str(cell.level)) for cell in study.cells],
    "schedule": lambda study: [(cell.kind, cell.criterion) for cell in study.cells],
    "calibrating_images": each("retrained_kinds"),
    **dict.fromkeys(("exported", "export"), each("exported")),
    **dict.fromkeys(("sparse_training", "sparse_export", "exported_sparse"), sparse),
    "ticket_round": rounds,
    "ticket": lambda study: [(str(cell.place), cell.kind) for cell in study.tickets],
    "controls_curves": each("controlled"),
    "sparsity_figure": each("sparse_figures"),
    "tickets_figure": each("ticket_figures"),
    "units_of_figure": lambda study: [(study.line_widths,)],
    "verdict": lambda study: [({},)] if study.verdict else [],
}
# What the rules ask only of studies that have the section.
SECTIONS = {"tables_of_zeros": "sparsity", "rewinding": "tickets", "ticket_round": "tickets"}


def stages():
    """(name, function) of all options and files of stages that are made from a study."""
    for module in (stage_files, stage_options, page_options):
        for name, function in inspect.getmembers(module, inspect.isfunction):
            own = function.__module__ == module.__name__ and not name.startswith("_")
            if own and [*inspect.signature(function).parameters][:1] == ["study"]:
                yield name, function


def planned(study):
    """Read everything that the rules read of a study."""
    for name, member in inspect.getmembers(type(study)):
        if isinstance(member, (property, functools.cached_property)):
            getattr(study, name)
    for name, function in stages():
        if name not in SECTIONS or study.settings[SECTIONS[name]]:
            for arguments in JOBS.get(name, lambda study: [()])(study):
                # Two stages of one name: the file of a scorer has no seed.
                function(study, *arguments[: len(inspect.signature(function).parameters) - 1])


def test_all_options_and_files_of_stages_are_read():
    for name, function in stages():
        rest = [*inspect.signature(function).parameters.values()][1:]
        needed = [one.name for one in rest if one.default is one.empty]
        assert bool(needed) <= (name in JOBS), name
    assert {*JOBS} <= {name for name, _ in stages()}


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


@FUZZED
@given(st.integers(0, 2**32))
def test_a_mutated_study_is_whole_or_refused_in_one_line(seed):
    chance = random.Random(seed)
    study = mutated(chance.choice(corpus()[0]), chance)
    whole_or_refused(lambda: study)


@FUZZED
@given(st.integers(0, 2**32))
def test_a_garbled_file_is_whole_or_refused_in_one_line(tmp_path_factory, seed):
    chance = random.Random(seed)
    path = tmp_path_factory.getbasetemp() / "garbled.yaml"
    path.write_text(garbled(chance.choice(SHIPPED).read_text(encoding="utf-8"), chance), encoding="utf-8")
    whole_or_refused(lambda: study_file.read(path))
