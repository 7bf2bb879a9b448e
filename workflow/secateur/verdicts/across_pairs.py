"""Sections on pairs of criteria that differ in one thing, over all networks and levels."""

from collections.abc import Iterator, Sequence
from typing import Any

import pandas

from secateur.analysis.wording import percent
from secateur.verdicts import across, across_families, across_words
from secateur.verdicts.across import AHEAD, RELEVANCE, WEIGHT, Study

DIVISIONS = {
    "layer_share": "shares of their layer",
    "sum": "plain sums",
    "mean": "means over positions or weights",
}
Pairs = Sequence[tuple[str, str]]


def with_statistics(studies: Sequence[Study]) -> Iterator[tuple[str, Any]]:
    """Relevance beside every statistic of the weights."""
    weights = across_families.statistics_of_weights(studies[0])
    pairs = across.shared(studies, [(RELEVANCE, name) for name in weights])
    if not pairs:
        return
    yield "heading", "Relevance and the statistics of the weights"
    yield "text", "Test accuracy of relevance less that of each statistic of the weights, in points."
    yield "table", _table(studies, pairs)
    yield "list", [headline(studies, pairs), *_sentences(studies, pairs)]


def headline(studies: Sequence[Study], pairs: Pairs) -> str:
    """A sentence: whether relevance is ahead of all statistics of the weights, over every network and level."""
    differences = []
    for pair in pairs:
        differences += [cell.difference for cell in across.cells(studies, *pair)]
    opponents = f"{across_words.in_words(len(pairs))} statistics of the weights"
    reach = f"differences go from {across_words.span(differences)}"
    if across_words.tally(differences)[AHEAD] == len(differences):
        return f"Relevance is ahead of all {opponents}, in every network and at every level shown: {reach}."
    return f"Relevance is not ahead of all {opponents} everywhere: {across_words.of_all(differences)}; {reach}."


def divided_alike(studies: Sequence[Study]) -> Iterator[tuple[str, Any]]:
    """Sums of absolute values of relevance and of weights, divided alike; scores with and without a division."""
    pairs = _alike(studies)
    if pairs:
        yield "heading", "Like with like: divided by the layer, or not"
        yield (
            "text",
            "`mean_abs` of relevance is a share of its layer, `mean_abs` of weights is not. Here both are divided "
            f"alike: {_explained(pairs)}. (Largest and smallest values are divided in neither.)",
        )
        yield "table", _table(studies, list(pairs.values()))
        sentences = []
        for how, pair in pairs.items():
            sentences.append(f"As {DIVISIONS[how]}: {across_words.against(studies, *pair)}")
        yield "list", sentences
    scores = across.shared(studies, across_families.divided(studies[0]))
    if scores:
        yield "text", "Scores as shares of their layer, less the same scores as they are:"
        yield "table", _table(studies, scores)
        yield "list", _sentences(studies, scores)


def _alike(studies):
    """{how both are divided: pair} of the pairs that all studies have."""
    first, *others = map(across_families.alike, studies)
    common = {}
    for how, pair in first.items():
        if all(pairs.get(how) == pair for pairs in others):
            common[how] = pair
    return common


def _explained(pairs):
    parts = []
    for how, pair in pairs.items():
        parts.append("as {}, `{}` and `{}`".format(DIVISIONS[how], *pair))
    return "; ".join(parts)


def in_turns(studies: Sequence[Study]) -> Iterator[tuple[str, Any]]:
    """Both lists in turns, beside either."""
    first = "combined." + RELEVANCE.partition(".")[0]
    pairs = across.shared(studies, [(first, RELEVANCE), (first, WEIGHT)])
    if pairs:
        yield "heading", "Relevance and weights in turns"
        yield "table", _table(studies, pairs)
        yield "list", _sentences(studies, pairs)


def _table(studies: Sequence[Study], pairs: Pairs) -> pandas.DataFrame:
    """A row for each pair of criteria, a column for each network and level."""
    rows = []
    for first, second in pairs:
        row = {"": f"`{first}` less `{second}`"}
        for cell in across.cells(studies, first, second):
            row[f"{cell.study.label}, {percent(cell.level)}"] = across_words.points(cell.difference)
        rows.append(row)
    return pandas.DataFrame(rows)


def _sentences(studies, pairs):
    return [across_words.against(studies, *pair) for pair in pairs]
