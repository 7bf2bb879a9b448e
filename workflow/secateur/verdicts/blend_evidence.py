"""Evidence on blends: mixed lists with a delta between 0, the weight list alone, and 1, the relevance list alone."""

import pandas

from secateur.analysis import results as analysis_results
from secateur.analysis import wording
from secateur.analysis.paired_tests import Comparison, Shift
from secateur.analysis.results import MissingError, Side
from secateur.verdicts import thesis_numbers
from secateur.verdicts.evidence import ALL, LOW, SAME, Evidence, Study, against_each, at_each, mixed, pointwise

BLENDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
LAST = ("0.8", "0.9", "1.0")


def neither_extreme(study: Study, reading: str) -> Evidence:
    """The blend chosen on other images, against the two lists alone."""
    best = _chosen_blend(study, reading)
    if not {"0.0", "1.0"} <= set(study.deltas):
        raise MissingError("the study lacks delta 0.0 or 1.0")
    ends = map(Side, mixed(reading, ("0.0", "1.0")))
    return Evidence(against_each(best, ends, BLENDS), _printed_deltas(study), (("table", _blend_rows, reading),))


def blend_over_turns(study: Study, reading: str) -> Evidence:
    """The blend chosen on other images, against taking turns."""
    best = _chosen_blend(study, reading)
    compared = Comparison(best, Side(f"combined.{reading}"), BLENDS)
    return Evidence((compared,), _printed_deltas(study), (("text", _picked(best)),))


def delta_moves(study: Study, reading: str) -> Evidence:
    """The move of the best blend's delta between 10 and 60 %."""
    levels = (0.1, 0.6)
    best = _chosen_blend(study, reading, levels)
    if len(study.proper) == 1:
        raise MissingError(f"the study has one delta between 0 and 1, {study.proper[0]}, which cannot move")
    first = thesis_numbers.best_blend(study.printed, levels[0])
    last = thesis_numbers.best_blend(study.printed, levels[1])
    printed = f"best blend at delta {first} at 10 %, {last} at 60 %, among 0.1 to 0.7"
    return Evidence((Shift(reading, study.proper, levels, study.choose_on),), printed, (("text", _picked(best)),))


def turns_like_half(study: Study, reading: str) -> Evidence:
    """Combined starts each turn with relevance, delta 0.5 with the weights; the lists are otherwise the same."""
    turns, half = Side(f"combined.{reading}"), Side(f"mixed.{reading}.0.5")
    gaps = []
    for level in LOW:
        combined = thesis_numbers.accuracy(study.printed, "combined.relevance", level)
        gap = combined - thesis_numbers.accuracy(study.printed, "mixed.relevance.0.5", level)
        gaps.append(f"{100 * gap:+z.2f}")
    printed = f"differences {wording.joined(gaps)} points at 10 to 40 %"
    return Evidence(at_each(turns, half, LOW, SAME), printed)


def last_deltas_alike(study: Study, reading: str) -> Evidence:
    """Delta 0.8 and 0.9 against 1.0 at the level at which the thesis contradicts itself, and the lists' accuracies."""
    *blends, relevance = map(Side, mixed(reading, LAST))
    compared = tuple(Comparison(blend, relevance, (0.3,), SAME) for blend in blends)
    rows = study.printed[(study.printed["table"] == "B.5") & (study.printed["distrust"] != "")]
    row = rows[rows["level"] == 0.3]["accuracy"].iloc[0]
    printed = (
        f"all three {100 * row:.2f} % at 30 %, where table B.1 has {study.percent('relevance.mean_abs', 0.3)} for the "
        "relevance list, which is delta 1.0; these rows cannot be data"
    )
    return Evidence(compared, printed, (("table", _last_rows, reading),))


def _printed_deltas(study):
    parts = []
    for level in BLENDS:
        parts.append(f"{thesis_numbers.best_blend(study.printed, level)} at {wording.percent(level)}")
    return f"best blend at delta {wording.joined(parts)}"


# ---- the best blend --------------------------------------------------------------------------------------


def _chosen_blend(study, reading, levels=BLENDS):
    """At each level and for each seed the best of the lists with a delta between 0 and 1."""
    if not study.proper:
        deltas = "it has no deltas, so none"
        if study.deltas:
            deltas = f"of its deltas, {', '.join(study.deltas)}, none lies"
        raise MissingError(f"the study has no blend: {deltas} between 0 and 1")
    names = mixed(reading, study.proper)
    label = f"mixed.{reading}, chosen blend"
    return analysis_results.chosen(study.results, label, names, levels, study.choose_on)


def picks(side: Side, level: float) -> dict[str, str]:
    """{criterion chosen at a level: its seeds in words}; no seeds where all have chosen the same."""
    by_name = {}
    for place, name in side.chosen:
        at, seed = place
        if at == level:
            by_name.setdefault(name, []).append(str(seed))
    if len(by_name) == 1:
        return dict.fromkeys(by_name, "")
    return {name: _seeds(seeds) for name, seeds in by_name.items()}


def _seeds(seeds):
    return f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {wording.joined(seeds)}"


def _picked(side):
    """A sentence: the delta chosen at each level."""
    parts = {}
    for place, _ in side.chosen:
        level, _ = place
        parts[level] = f"{_deltas(side, level)} at {wording.percent(level)}"
    return f"Chosen delta: {wording.joined(parts.values())}."


def _deltas(side, level):
    """The deltas chosen at a level, as text."""
    parts = []
    for name, seeds in picks(side, level).items():
        text = name.split(".", 2)[2]
        if seeds:
            text += f" ({seeds})"
        parts.append(text)
    return ", ".join(parts)


# ---- tables beside the comparisons -----------------------------------------------------------------------


def _blend_rows(study, reading, alpha, resamples, seed):
    """The blend chosen at each level, its test accuracy, and its difference to other lists."""
    known = study.results.levels(f"mixed.{reading}.{study.proper[0]}")
    levels = [level for level in ALL if level in known]
    best = _chosen_blend(study, reading, levels)
    others = _others(study, reading)
    rows = []
    for level in levels:
        row = {
            "pruned": wording.percent(level),
            "best blend, printed": thesis_numbers.best_blend(study.printed, level),
            "chosen delta": _deltas(best, level),
            "test accuracy": f"{100 * study.results.accuracy(best, level):.1f} %",
        }
        for word, side in others.items():
            point = pointwise(study.results, best, side, level, alpha, resamples, seed)
            row[f"against {word}"] = wording.interval(point["difference"], point["low"], point["high"])
        rows.append(row)
    return pandas.DataFrame(rows)


def _others(study, reading):
    """{words: the list} of both ends of the range and of taking turns, where the study has them."""
    ends = {"delta 0.0": f"mixed.{reading}.0.0", "delta 1.0": f"mixed.{reading}.1.0"}
    lists = ends | {"combined": f"combined.{reading}"}
    return {words: Side(name) for words, name in lists.items() if study.results.has(name)}


def _last_rows(study, reading, *_):
    """Accuracy of the last three deltas, and of the relevance list, at each level."""
    names = mixed(reading, LAST)
    known = study.results.levels(names[0])
    rows = []
    for name in [*names, study.relevance(reading).label]:
        row = {"criterion": f"`{name}`"}
        for level in ALL:
            if level in known:
                row[wording.percent(level)] = f"{100 * study.results.accuracy(Side(name), level):.1f}"
        rows.append(row)
    return pandas.DataFrame(rows)
