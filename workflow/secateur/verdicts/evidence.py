"""What the tables of a study say to each claim of the thesis: comparisons of test accuracies."""

import dataclasses
import re
from collections.abc import Callable, Sequence
from typing import Any

import pandas

from secateur.analysis import paired_tests, wording
from secateur.analysis import results as analysis_results
from secateur.analysis.paired_tests import Comparison, Shift
from secateur.analysis.results import MissingError, Results, Side
from secateur.verdicts import thesis_numbers

LOW = (0.1, 0.2, 0.3, 0.4)
BLENDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
ALL = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
# What counts as the same accuracy where a claim says that two lists agree: one point.
SAME = 0.01
# The thesis's own "reference accuracy level" of section 5.1.3.
REFERENCE = 0.6


@dataclasses.dataclass(frozen=True)
class Study:
    """What a study measured, what the thesis printed, and which reading plays which part; a part may be empty."""

    results: Results
    printed: pandas.DataFrame
    ours: str
    faithful: str = ""
    clean: str = ""
    reductions: tuple[str, ...] = ()
    choose_on: str = "rank"
    mixes: str = "mean_abs"
    weights: tuple[str, ...] = ("weight",)
    deltas: tuple[str, ...] = ()
    statistics: tuple[str, ...] = ("mean", "mean_abs", "max", "min", "max_abs", "min_abs")

    @property
    def proper(self) -> tuple[str, ...]:
        """The deltas that blend two lists: 0 is the weight list alone, and 1 the relevance list."""
        return tuple(delta for delta in self.deltas if 0 < float(delta) < 1)

    @property
    def readings(self) -> list[str]:
        """The readings for which the thesis's claims are judged."""
        return [name for name in dict.fromkeys((self.ours, self.faithful)) if name]

    def relevance(self, reading: str) -> Side:
        """The criterion of a reading alone."""
        return Side(f"{reading}.{self.mixes}")

    @property
    def weight(self) -> Side:
        """The weights' own criterion."""
        return Side(f"{self.weights[0]}.{self.mixes}")

    def percent(self, criterion: str, level: float) -> str:
        """A printed accuracy in percent, as text."""
        return f"{100 * thesis_numbers.accuracy(self.printed, criterion, level):.2f} %"


@dataclasses.dataclass(frozen=True)
class Evidence:
    """What a claim is judged by: comparisons, what the thesis printed in words, and tables to show beside."""

    comparisons: tuple[Comparison | Shift, ...]
    printed: str
    extra: tuple[tuple[Any, ...], ...] = ()


@dataclasses.dataclass(frozen=True)
class Claim:
    """A sentence that can be true or false, where it comes from, and the function that finds its evidence.

    `rule` makes one verdict of those of the comparisons. A claim `by_reading` is judged for each reading.
    """

    sentence: str
    source: str
    evidence: Callable[..., Evidence]
    by_reading: bool = True
    rule: Callable[[Sequence[str]], str] | None = None


def combined_at_40(study: Study, reading: str) -> Evidence:
    """Combined against both of its halves, at the one level that the thesis's summary quotes."""
    both = Side(f"combined.{reading}")
    printed = (
        f"combined {study.percent('combined.relevance', 0.4)}, weight {study.percent('weight.mean_abs', 0.4)}, "
        f"relevance {study.percent('relevance.mean_abs', 0.4)}"
    )
    return Evidence(
        (Comparison(both, study.weight, (0.4,)), Comparison(both, study.relevance(reading), (0.4,))), printed
    )


def weight_at_40(study: Study, reading: str) -> Evidence:
    """Weight against relevance at the level of the claim above."""
    printed = (
        f"weight {study.percent('weight.mean_abs', 0.4)}, relevance {study.percent('relevance.mean_abs', 0.4)} at 40 %"
    )
    return Evidence((Comparison(study.weight, study.relevance(reading), (0.4,)),), printed)


def weight_early(study: Study, reading: str) -> Evidence:
    """Weight against relevance where the text says that weights are ahead, and the tables do not."""
    levels = (0.1, 0.2, 0.3)
    compared = tuple(Comparison(study.weight, study.relevance(reading), (level,)) for level in levels)
    return Evidence(compared, f"weight against relevance: {_printed_pairs(study, levels)}")


def no_winner(study: Study, reading: str) -> Evidence:
    """The same at each level up to 40 %, read for a change of sign."""
    compared = tuple(Comparison(study.weight, study.relevance(reading), (level,)) for level in LOW)
    return Evidence(compared, f"weight against relevance: {_printed_pairs(study, LOW)}")


def gradual(study: Study, reading: str) -> Evidence:
    """Combined against both of its halves over all levels, and where each falls below the thesis's mark."""
    both, alone = Side(f"combined.{reading}"), (study.weight, study.relevance(reading))
    printed = "; ".join(
        f"{word} keeps {100 * _printed_mean(study, name, ALL):.1f} % on average"
        for word, name in (
            ("combined", "combined.relevance"),
            ("weight", "weight.mean_abs"),
            ("relevance", "relevance.mean_abs"),
        )
    )
    return Evidence(tuple(Comparison(both, side, ALL) for side in alone), printed, (_last_above(study, reading),))


def neither_extreme(study: Study, reading: str) -> Evidence:
    """The blend chosen on other images, against the two lists alone."""
    best = _chosen_blend(study, reading)
    ends = tuple(Comparison(best, Side(f"mixed.{reading}.{delta}"), BLENDS) for delta in _ends(study))
    return Evidence(ends, _printed_deltas(study, BLENDS), (("table", _blend_rows, reading),))


def blend_over_turns(study: Study, reading: str) -> Evidence:
    """The blend chosen on other images, against taking turns."""
    best = _chosen_blend(study, reading)
    compared = Comparison(best, Side(f"combined.{reading}"), BLENDS)
    return Evidence((compared,), _printed_deltas(study, BLENDS), (("text", _picked(best)),))


def delta_moves(study: Study, reading: str) -> Evidence:
    """How far the best blend's delta moves between 10 and 60 %."""
    levels = (0.1, 0.6)
    best = _chosen_blend(study, reading, levels)
    if len(study.proper) < 2:
        raise MissingError(f"the study has one delta between 0 and 1, {study.proper[0]}, which cannot move")
    first, last = (thesis_numbers.best_blend(study.printed, level) for level in levels)
    printed = f"best blend at delta {first} at 10 %, {last} at 60 %, among 0.1 to 0.7"
    return Evidence((Shift(reading, study.proper, levels, study.choose_on),), printed, (("text", _picked(best)),))


def mean_abs_best(study: Study, reading: str) -> Evidence:
    """mean_abs against the best of the other statistics, chosen on other images at each level."""
    ours = Side(f"{reading}.mean_abs")
    others = [f"{reading}.{name}" for name in study.statistics if name != "mean_abs"]
    if not others:
        raise MissingError("the study has no other statistic than mean_abs")
    compared = []
    for level in LOW:
        best = analysis_results.chosen(
            study.results, f"{reading}, best other statistic", others, (level,), study.choose_on
        )
        compared.append(Comparison(ours, best, (level,)))
    return Evidence(tuple(compared), _printed_statistics(study))


def turns_like_half(study: Study, reading: str) -> Evidence:
    """Combined starts each turn with relevance, delta 0.5 with the weights; the lists are otherwise the same."""
    half = Side(f"mixed.{reading}.0.5")
    compared = tuple(Comparison(Side(f"combined.{reading}"), half, (level,), SAME) for level in LOW)
    gaps = [
        thesis_numbers.accuracy(study.printed, "combined.relevance", level)
        - thesis_numbers.accuracy(study.printed, "mixed.relevance.0.5", level)
        for level in LOW
    ]
    return Evidence(
        compared, "differences " + wording.joined(f"{100 * gap:+z.2f}" for gap in gaps) + " points at 10 to 40 %"
    )


def last_deltas_alike(study: Study, reading: str) -> Evidence:
    """Delta 0.8 and 0.9 against 1.0 at the level at which the thesis contradicts itself, and the lists' accuracies."""
    ends = tuple(
        Comparison(Side(f"mixed.{reading}.{delta}"), Side(f"mixed.{reading}.1.0"), (0.3,), SAME)
        for delta in ("0.8", "0.9")
    )
    rows = study.printed[(study.printed["table"] == "B.5") & (study.printed["distrust"] != "")]
    row = rows[rows["level"] == 0.3]["accuracy"].iloc[0]
    printed = (
        f"all three {100 * row:.2f} % at 30 %, where table B.1 has {study.percent('relevance.mean_abs', 0.3)} for the "
        "relevance list, which is delta 1.0; these rows cannot be data"
    )
    return Evidence(ends, printed, (("table", _last_rows, reading),))


def better_than_random(study: Study, reading: str) -> Evidence:
    """The control that the thesis draws in figure 5.1 and prints in no table."""
    return Evidence(
        (Comparison(study.relevance(reading), Side("random"), LOW),), "drawn in figure 5.1, no numbers printed"
    )


def clean_split(study: Study) -> Evidence:
    """The faithful reading against the same one on images that are not reported."""
    _needs(study, "faithful", "clean")
    pairs = [(study.relevance(study.faithful), study.relevance(study.clean))]
    pairs.append((Side(f"combined.{study.faithful}"), Side(f"combined.{study.clean}")))
    return Evidence(tuple(Comparison(*pair, LOW) for pair in pairs), "ranks on the test images that it reports")


def reductions(study: Study) -> Evidence:
    """Our reading against the same one with other reductions over positions."""
    others = [name for name in study.reductions if name != study.ours]
    if not others:
        raise MissingError("the study names no readings with other reductions")
    compared = tuple(Comparison(study.relevance(study.ours), study.relevance(name), LOW) for name in others)
    return Evidence(compared, "reduces by the mean, and compares with nothing else")


def raw_weights(study: Study) -> Evidence:
    """Filters as they are against filters after folding BatchNorm."""
    if len(study.weights) < 2:
        raise MissingError("the study reads the weights in one way only")
    others = (Side(f"{name}.{study.mixes}") for name in study.weights[1:])
    return Evidence(tuple(Comparison(study.weight, other, LOW) for other in others), "has no BatchNorm to fold")


def which_channels(study: Study) -> Evidence:
    """Each criterion against chance within its own widths."""
    return _controlled(study, "shuffled", lambda name: (Side(name), Side(f"shuffled.{name}")))


def how_many(study: Study) -> Evidence:
    """Each criterion against its own order at uniform widths."""
    return _controlled(study, "uniform", lambda name: (Side(name), Side(f"uniform.{name}")))


def order_within(study: Study) -> Evidence:
    """Each criterion's order within layers against chance, both at uniform widths."""
    return _controlled(study, "uniform", lambda name: (Side(f"uniform.{name}"), Side("uniform.random")))


def pointwise(
    results: Results, first: Side, second: Side, level: float, alpha: float, resamples: int, seed: int
) -> dict[str, Any]:
    """One level of two sides: accuracies, difference, and an interval that takes no account of other comparisons."""
    one = Comparison(first, second, (level,))
    test = paired_tests.test(results, one, resamples, seed)
    low, high = test.interval(alpha)
    a, b = paired_tests.sides(results, one)
    names = (first.label, second.label)
    shown = dict(zip(("first", "second"), names, strict=True))
    return {**shown, "level": level, "a": a, "b": b, "difference": test.estimate, "low": low, "high": high}


def _needs(study, *parts):
    for part in parts:
        if not getattr(study, part):
            raise MissingError(f"the study names no reading as `{part}`")


def _ends(study):
    if not {"0.0", "1.0"} <= set(study.deltas):
        raise MissingError("the study lacks delta 0.0 or 1.0")
    return ("0.0", "1.0")


def _chosen_blend(study, reading, levels=BLENDS):
    """At each level and for each seed the best of the lists with a delta between 0 and 1."""
    if not study.proper:
        given = f"of its deltas, {', '.join(study.deltas)}, none lies" if study.deltas else "it has no deltas, so none"
        raise MissingError(f"the study has no blend: {given} between 0 and 1")
    names = [f"mixed.{reading}.{delta}" for delta in study.proper]
    return analysis_results.chosen(study.results, f"mixed.{reading}, chosen blend", names, levels, study.choose_on)


def picks(side: Side, level: float) -> dict[str, str]:
    """What was chosen at a level, with the seeds of each choice where they differ."""
    by_name = {}
    for (at, seed), name in side.chosen:
        if at == level:
            by_name.setdefault(name, []).append(seed)
    if len(by_name) == 1:
        return dict.fromkeys(by_name, "")
    return {name: f"seed{'s' * (len(seeds) > 1)} {wording.joined(map(str, seeds))}" for name, seeds in by_name.items()}


def _picked(side):
    """A sentence: which delta was chosen at each level."""
    levels = dict.fromkeys(level for (level, _), _ in side.chosen)
    return f"Chosen delta: {wording.joined(f'{_deltas(side, level)} at {wording.percent(level)}' for level in levels)}."


def _deltas(side, level):
    """The deltas chosen at a level, as text."""
    found = {name.split(".", 2)[2]: seeds for name, seeds in picks(side, level).items()}
    return ", ".join(f"{delta} ({seeds})" if seeds else delta for delta, seeds in found.items())


def _controlled(study, control, pair):
    """Pairs for the main criteria that have this control."""
    mains = [f"{study.ours}.{study.mixes}", study.weight.label, f"combined.{study.ours}"]
    mains += [f"{study.faithful}.{study.mixes}"] if study.faithful else []
    known = set(study.results.table["criterion"])
    having = [name for name in dict.fromkeys(mains) if _has(known, f"{control}.{name}")]
    if not having:
        raise MissingError(f"the study has no `{control}` controls of these criteria")
    return Evidence(tuple(Comparison(*pair(name), LOW) for name in having), "has no such control")


def _has(known, name):
    return name in known or any(re.fullmatch(re.escape(name) + r"\.\d+", other) for other in known)


def _printed_pairs(study, levels):
    names = ("weight.mean_abs", "relevance.mean_abs")
    weight, relevance = ([study.percent(name, level) for level in levels] for name in names)
    return wording.joined(
        f"{a} and {b} at {wording.percent(level)}" for a, b, level in zip(weight, relevance, levels, strict=True)
    )


def _printed_mean(study, criterion, levels):
    return sum(thesis_numbers.accuracy(study.printed, criterion, level) for level in levels) / len(levels)


def _printed_deltas(study, levels):
    return "best blend at delta " + wording.joined(
        f"{thesis_numbers.best_blend(study.printed, level)} at {wording.percent(level)}" for level in levels
    )


def _printed_statistics(study):
    """The statistic that the thesis's own table has ahead at each level."""
    rows = study.printed[study.printed["table"] == "B.1"]
    parts = []
    for level in LOW:
        ahead = rows[rows["level"] == level].sort_values("accuracy").iloc[-1]
        name = ahead["criterion"].removeprefix("relevance.")
        accuracy = study.percent("relevance.mean_abs", level)
        parts.append(f"{name} with {100 * ahead['accuracy']:.2f} % (mean_abs {accuracy}) at {wording.percent(level)}")
    return "ahead in table B.1: " + wording.joined(parts)


def _last_above(study, reading):
    """The highest level up to which each list stays above the thesis's mark, printed and measured."""
    names = ["combined.relevance", "weight.mean_abs", "relevance.mean_abs"]
    sides = [Side(f"combined.{reading}"), study.weight, study.relevance(reading)]
    rows = []
    for name, side in zip(names, sides, strict=True):
        printed = _until(lambda level, name=name: thesis_numbers.accuracy(study.printed, name, level))
        measured = _until(lambda level, side=side: study.results.accuracy(side, level))
        rows.append({"criterion": f"`{side.label}`", "printed": printed, "measured": measured})
    table = pandas.DataFrame(rows)
    columns = {name: f"above {wording.percent(REFERENCE)} up to, {name}" for name in ("printed", "measured")}
    return ("table", table.rename(columns=columns))


def _until(accuracy):
    kept = 0.0
    for level in ALL:
        if accuracy(level) <= REFERENCE:
            break
        kept = level
    return wording.percent(kept)


def _blend_rows(study, reading, alpha, resamples, seed):
    """Which blend was chosen at each level, what it keeps on the test images, and against what."""
    levels = [level for level in ALL if level in study.results.levels(f"mixed.{reading}.{study.proper[0]}")]
    best = _chosen_blend(study, reading, levels)
    others = {
        "delta 0.0": f"mixed.{reading}.0.0",
        "delta 1.0": f"mixed.{reading}.1.0",
        "combined": f"combined.{reading}",
    }
    known = set(study.results.table["criterion"])
    others = {word: name for word, name in others.items() if name in known}
    rows = []
    for level in levels:
        row = {
            "pruned": wording.percent(level),
            "best blend, printed": thesis_numbers.best_blend(study.printed, level),
            "chosen delta": _deltas(best, level),
            "test accuracy": f"{100 * study.results.accuracy(best, level):.1f} %",
        }
        for word, name in others.items():
            one = pointwise(study.results, best, Side(name), level, alpha, resamples, seed)
            row[f"against {word}"] = wording.interval(one["difference"], one["low"], one["high"])
        rows.append(row)
    return pandas.DataFrame(rows)


def _last_rows(study, reading, *_):
    """Accuracy of the last three deltas, and of the relevance list, at each level."""
    names = [*(f"mixed.{reading}.{delta}" for delta in ("0.8", "0.9", "1.0")), study.relevance(reading).label]
    levels = [level for level in ALL if level in study.results.levels(names[0])]
    rows = [
        {"criterion": f"`{name}`"}
        | {wording.percent(level): f"{100 * study.results.accuracy(Side(name), level):.1f}" for level in levels}
        for name in names
    ]
    return pandas.DataFrame(rows)
