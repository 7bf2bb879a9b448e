"""Evidence on whole lists: relevance, weights and both in turns against each other, against chance and controls."""

from collections.abc import Callable, Sequence

import pandas

from secateur.analysis import results as analysis_results
from secateur.analysis import wording
from secateur.analysis.paired_tests import Comparison
from secateur.analysis.results import MissingError, Side
from secateur.verdicts import thesis_numbers
from secateur.verdicts.evidence import ALL, LOW, Evidence, Study, against_each, at_each

# The thesis's own "reference accuracy level" of section 5.1.3.
REFERENCE = 0.6
# The thesis's lists by their names in its tables.
COMBINED = "combined.relevance"
WEIGHT = "weight.mean_abs"
RELEVANCE = "relevance.mean_abs"


def combined_at_40(study: Study, reading: str) -> Evidence:
    """Combined against both of its halves, at the one level that the thesis's summary quotes."""
    both = Side(f"combined.{reading}")
    printed = (
        f"combined {study.percent(COMBINED, 0.4)}, weight {study.percent(WEIGHT, 0.4)}, "
        f"relevance {study.percent(RELEVANCE, 0.4)}"
    )
    return Evidence(against_each(both, _halves(study, reading), (0.4,)), printed)


def _halves(study, reading):
    """The two lists that are combined."""
    return study.weight, study.relevance(reading)


def weight_at_40(study: Study, reading: str) -> Evidence:
    """Weight against relevance at the level of the claim above."""
    printed = f"weight {study.percent(WEIGHT, 0.4)}, relevance {study.percent(RELEVANCE, 0.4)} at 40 %"
    return Evidence(at_each(study.weight, study.relevance(reading), (0.4,)), printed)


def weight_early(study: Study, reading: str) -> Evidence:
    """Weight against relevance where the text says that weights are ahead, and the tables do not."""
    return _weight_against_relevance(study, reading, LOW[:3])


def no_winner(study: Study, reading: str) -> Evidence:
    """Weight against relevance at each level up to 40 %, read for a change of sign."""
    return _weight_against_relevance(study, reading, LOW)


def _weight_against_relevance(study, reading, levels):
    pairs = []
    for level in levels:
        both = f"{study.percent(WEIGHT, level)} and {study.percent(RELEVANCE, level)}"
        pairs.append(f"{both} at {wording.percent(level)}")
    printed = f"weight against relevance: {wording.joined(pairs)}"
    return Evidence(at_each(study.weight, study.relevance(reading), levels), printed)


def gradual(study: Study, reading: str) -> Evidence:
    """Combined against both of its halves over all levels, and the level at which each falls below REFERENCE."""
    parts = []
    for word, name in (("combined", COMBINED), ("weight", WEIGHT), ("relevance", RELEVANCE)):
        parts.append(f"{word} keeps {100 * _printed_mean(study, name):.1f} % on average")
    compared = against_each(Side(f"combined.{reading}"), _halves(study, reading), ALL)
    return Evidence(compared, "; ".join(parts), (_last_above(study, reading),))


def _printed_mean(study, criterion):
    """The mean of the printed accuracies over all levels."""
    return sum(_printed(study, criterion)) / len(ALL)


def _printed(study, criterion):
    """The printed accuracies at all levels."""
    return [thesis_numbers.accuracy(study.printed, criterion, level) for level in ALL]


def _last_above(study, reading):
    """The highest level up to which each list stays above REFERENCE, printed and measured."""
    lists = {COMBINED: Side(f"combined.{reading}"), WEIGHT: study.weight, RELEVANCE: study.relevance(reading)}
    above = f"above {wording.percent(REFERENCE)} up to"
    rows = []
    for name, side in lists.items():
        measured = (study.results.accuracy(side, level) for level in ALL)
        row = {"criterion": f"`{side.label}`", f"{above}, printed": _until(_printed(study, name))}
        rows.append(row | {f"{above}, measured": _until(measured)})
    return ("table", pandas.DataFrame(rows))


def _until(accuracies):
    """The last of ALL levels before accuracies fall to REFERENCE or below, in percent."""
    last = 0.0
    for level, accuracy in zip(ALL, accuracies, strict=True):
        if accuracy <= REFERENCE:
            break
        last = level
    return wording.percent(last)


def mean_abs_best(study: Study, reading: str) -> Evidence:
    """mean_abs against the best of the other statistics, chosen on other images at each level."""
    others = [f"{reading}.{name}" for name in study.statistics if name != "mean_abs"]
    if not others:
        raise MissingError("the study has no other statistic than mean_abs")
    compared = []
    for level in LOW:
        label = f"{reading}, best other statistic"
        best = analysis_results.chosen(study.results, label, others, (level,), study.choose_on)
        compared.append(Comparison(Side(f"{reading}.mean_abs"), best, (level,)))
    return Evidence(tuple(compared), _printed_statistics(study))


def _printed_statistics(study):
    """The statistic that is ahead at each level in the thesis's own table."""
    rows = study.printed[study.printed["table"] == "B.1"]
    parts = []
    for level in LOW:
        ahead = rows[rows["level"] == level].sort_values("accuracy").iloc[-1]
        name = ahead["criterion"].removeprefix("relevance.")
        accuracies = f"{100 * ahead['accuracy']:.2f} % (mean_abs {study.percent(RELEVANCE, level)})"
        parts.append(f"{name} with {accuracies} at {wording.percent(level)}")
    return "ahead in table B.1: " + wording.joined(parts)


def better_than_random(study: Study, reading: str) -> Evidence:
    """Relevance against chance, which the thesis draws in figure 5.1 and prints in no table."""
    comparison = Comparison(study.relevance(reading), Side("random"), LOW)
    return Evidence((comparison,), "drawn in figure 5.1, no numbers printed")


# ---- questions of our own --------------------------------------------------------------------------------


def clean_split(study: Study) -> Evidence:
    """The faithful reading against the one that differs only in its images, which are not reported."""
    faithful, clean = study.reading_of("faithful"), study.reading_of("clean")
    compared = (
        Comparison(study.relevance(faithful), study.relevance(clean), LOW),
        Comparison(Side(f"combined.{faithful}"), Side(f"combined.{clean}"), LOW),
    )
    return Evidence(compared, "ranks on the test images that it reports")


def reductions(study: Study) -> Evidence:
    """Our reading against those that differ only in their reduction over positions."""
    others = [name for name in study.reductions if name != study.ours]
    if not others:
        raise MissingError("the study names no readings with other reductions")
    compared = against_each(study.relevance(study.ours), map(study.relevance, others), LOW)
    return Evidence(compared, "reduces by the mean, and compares with nothing else")


def raw_weights(study: Study) -> Evidence:
    """Filters as they are against filters after folding BatchNorm."""
    if len(study.weights) < 2:
        raise MissingError("the study reads the weights in one way only")
    others = [Side(f"{name}.{study.mixes}") for name in study.weights[1:]]
    return Evidence(against_each(study.weight, others, LOW), "has no BatchNorm to fold")


def which_channels(study: Study) -> Evidence:
    """Each criterion against random channels at its own widths."""
    return _controlled(study, "shuffled", lambda name: Comparison(Side(name), Side(f"shuffled.{name}"), LOW))


def how_many(study: Study) -> Evidence:
    """Each criterion against its own order at uniform widths."""
    return _controlled(study, "uniform", lambda name: Comparison(Side(name), Side(f"uniform.{name}"), LOW))


def order_within(study: Study) -> Evidence:
    """Each criterion's order within layers against chance, both at uniform widths."""
    chance = Side("uniform.random")
    return _controlled(study, "uniform", lambda name: Comparison(Side(f"uniform.{name}"), chance, LOW))


def _controlled(study, control, compared: Callable[[str], Comparison]):
    """Comparisons of the main criteria that have this control; MissingError where none has."""
    names = [name for name in _main(study) if study.results.has(f"{control}.{name}")]
    if not names:
        raise MissingError(f"the study has no `{control}` controls of these criteria")
    return Evidence(tuple(map(compared, names)), "has no such control")


def _main(study) -> Sequence[str]:
    names = [study.relevance(study.ours).label, study.weight.label, f"combined.{study.ours}"]
    if study.faithful:
        names.append(study.relevance(study.faithful).label)
    return list(dict.fromkeys(names))
