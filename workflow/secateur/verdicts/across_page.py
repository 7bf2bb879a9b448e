"""The page on finished studies side by side: every sentence is decided by a table beside it, by a fixed rule.

An accuracy is called ahead of another where the interval of their difference leaves out zero. Nothing is said of a
criterion that the rule does not also ask of all others of its kind.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas

from secateur.analysis import intervals
from secateur.analysis.wording import interval, joined, percent
from secateur.study.kinds import KINDS
from secateur.verdicts import across
from secateur.verdicts.across import AHEAD, BEHIND, EQUAL, LEVELS, MIDDLE, RANDOM, RELEVANCE, UNTOLD, WEIGHT, WITHOUT

COMMAND = "python docs/write_resnets.py"
RUN = "SECATEUR_DATA=FOLDER snakemake --cores 2 all report --configfile"
DIVISIONS = {
    "layer_share": "shares of their layer",
    "sum": "plain sums",
    "mean": "means over positions or weights",
}
ONES = (
    *("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")


def blocks(studies: Sequence[across.Study], folders: Iterable[Path | str]) -> list[tuple[str, Any]]:
    """The page as a list of (kind, content), from finished studies and the folders of their results."""
    labels = [study.label for study in studies]
    return [
        ("title", f"{joined(labels)}: every criterion of the studies"),
        *_opening(studies, folders),
        *_statistics(studies),
        *_families(studies),
        *_alike(studies),
        *_mixed(studies),
        *_every(studies),
        *_equal(studies),
        *_controls(studies),
        *_retraining(studies),
    ]


# ---- words ---------------------------------------------------------------------------------------------------


def in_words(count: int) -> str:
    """A count in words, so that every digit of the text is a number of a table."""
    if count < len(ONES):
        return ONES[count]
    tens, ones = divmod(count, 10)
    return f"{TENS[tens]}-{ONES[ones]}" if ones else TENS[tens]


def points(found: across.Difference | None) -> str:
    """A Difference in points with its interval, or a dash."""
    return "-" if found is None else interval(found.estimate, found.low, found.high)


def accuracy(value: float | None) -> str:
    """An accuracy in percent."""
    return "-" if value is None or value != value else f"{100 * value:.1f}"


def tally(found: Iterable[across.Difference]) -> dict[str, int]:
    """How often the Differences are ahead, behind, not told apart, and without an interval: {verdict: number}."""
    verdicts = [one.verdict for one in found]
    return {verdict: verdicts.count(verdict) for verdict in (AHEAD, BEHIND, UNTOLD, WITHOUT)}


def of_all(found: Sequence[across.Difference]) -> str:
    """The tally in words: ahead in four of six comparisons, behind in two."""
    counts = tally(found)
    shown = [f"{verdict} in {in_words(counts[verdict])}" for verdict in counts if counts[verdict]]
    return f"of {in_words(len(found))} comparisons {joined(shown)}"


def _named(found, verdict):
    """Every cell of that verdict: ResNet-20 at 20 % by +1.0 [...]."""
    return [
        f"{study.label} at {percent(level)} by {points(one)}" for study, level, one in found if one.verdict == verdict
    ]


def against(studies: Sequence[across.Study], first: str, second: str) -> str:
    """A sentence on two criteria over all networks and levels, with every cell where the first is behind."""
    found = across.cells(studies, first, second)
    text = f"`{first}` against `{second}`: {of_all([one for *_, one in found])}"
    behind = _named(found, BEHIND)
    return f"{text} ({'; '.join(behind)})." if behind else f"{text}."


def _range(found):
    """The smallest and the largest of some differences, in points."""
    estimates = [one.estimate for one in found]
    return f"{100 * min(estimates):+z.1f} to {100 * max(estimates):+z.1f} points"


# ---- the studies ---------------------------------------------------------------------------------------------


def _opening(studies, folders):
    yield (
        "text",
        f"Written by `{COMMAND}` from the tables of finished studies: every number is a cell of a table here, and "
        "every sentence follows from the tables by a rule that is the same for every study. To make it again:",
    )
    runs = [f"{RUN} config/studies/{study.settings['study']}.yaml" for study in studies]
    yield "code", "\n".join([*runs, f"{COMMAND} {' '.join(map(str, folders))} > docs/resnets.md"])
    yield "table", pandas.DataFrame([_facts(study) for study in studies]).set_index("").T.reset_index(names="")
    yield (
        "text",
        "There is one network of each kind: what follows holds for these weights, and says nothing of other trainings. "
        "Brackets are intervals of paired differences over test images; against the random control its draws count "
        "too. Each stands for itself, none is widened for how many there are. One criterion is called *ahead* of "
        "another where the interval leaves out zero, and *not told apart* from it where it does not.",
    )
    yield (
        "text",
        "A level is a share of the *units*, and criteria spend it on units of unlike cost: read accuracy together "
        "with the multiply-adds that are left. † a layer is empty.",
    )


def _facts(study):
    settings, results = study.settings, study.results
    dense, images = results.dense(), results.images("test")
    cell = study.cell(study.criteria[0], 0)
    chance = [intervals.wilson(p * images, images, study.confidence) for p in (dense, 0.5)]
    return {
        "": study.label,
        "study": f"`{settings['study']}`",
        "images": f"`{settings['data']['name']}`",
        "weights": f"`{settings['model']['weights']}`" if settings["model"]["weights"] else "trained in the study",
        "parameters": f"{cell['parameters']:,.0f}",
        "multiply-adds": f"{cell['macs']:,.0f}",
        "test accuracy before pruning, %": f"{100 * dense:.2f}",
        "test images": f"{images:,}",
        "what chance in these images does to an accuracy: of the dense network / of 50 %": " / ".join(
            f"{100 * low:.1f} to {100 * high:.1f} %" for low, high in chance
        ),
        "images that rank": _ranking_images(study),
        "images that choose the best of a family": settings["evaluation"]["choose_on"] or "none",
        "readings": joined(_reading(*pair) for pair in settings["readings"].items())
        if settings["readings"]
        else "none",
        "evaluated in": settings["evaluation"]["precision"],
        "criteria below, draws as one": str(len(study.criteria)),
        "draws of each random control": str(settings["criteria"]["random"]),
        "intervals": percent(study.confidence),
        "floor of a layer": joined(str(floor) for floor in settings["evaluation"]["keep_at_least"][:1]),
    }


def _ranking_images(study):
    split = study.settings["split"]
    carved = "the test images" if split["rank_from"] == "test" else "the training images"
    number = study.results.images("rank") or split["rank"]
    return f"{number:,}, carved out of {carved}, not reported"


def _reading(name, reading):
    return f"`{name}` ({reading['rule']}, {across.DIVIDED[reading['reduce']]})"


# ---- tables of differences -----------------------------------------------------------------------------------


def _differences(studies, pairs):
    """A row for each pair of criteria, a column for each network and level."""
    rows = []
    for first, second in pairs:
        row = {"": f"`{first}` less `{second}`"}
        for study, level, one in across.cells(studies, first, second):
            row[f"{study.label}, {percent(level)}"] = points(one)
        rows.append(row)
    return pandas.DataFrame(rows)


def _all(studies, pairs):
    """The Differences of all pairs, networks and levels."""
    return [one for pair in pairs for *_, one in across.cells(studies, *pair)]


def _of_each(studies, table, note=lambda study: ""):
    """A table of each study, under its name and a note."""
    for study in studies:
        yield "text", f"**{study.label}**{note(study)}"
        yield "table", table(study)


def _statistics(studies):
    """Relevance beside every statistic of the weights."""
    pairs = [(RELEVANCE, name) for name in across.statistics_of_weights(studies[0]) if name != RELEVANCE]
    pairs = across.shared(studies, pairs)
    if not pairs:
        return
    yield "heading", "Relevance and the statistics of the weights"
    yield "text", "Test accuracy of relevance less that of each statistic of the weights, in points."
    yield "table", _differences(studies, pairs)
    yield "list", [headline(studies, pairs), *(against(studies, *pair) for pair in pairs)]


def headline(studies: Sequence[across.Study], pairs: Sequence[tuple[str, str]]) -> str:
    """Whether relevance is ahead of all statistics of the weights, over every network and level."""
    found, opponents = _all(studies, pairs), f"{in_words(len(pairs))} statistics of the weights"
    reach = f"differences go from {_range(found)}"
    if tally(found)[AHEAD] == len(found):
        return f"Relevance is ahead of all {opponents}, in every network and at every level shown: {reach}."
    return f"Relevance is not ahead of all {opponents} everywhere: {of_all(found)}; {reach}."


def _families(studies):
    """The best of each family, chosen on images that are not reported."""
    if not all(study.settings["evaluation"]["choose_on"] for study in studies):
        return
    yield "heading", "The best of each family"
    yield (
        "text",
        "The rule: at each level the criterion of a family with the highest accuracy on the images that choose; "
        "on ties the lower loss there, then the order of the study. Its test accuracy is shown, in percent.",
    )
    best = {study.label: _best(study) for study in studies}
    yield from _of_each(studies, lambda study: _family_table(study, best[study.label]))
    yield "list", [_between_families(study, best[study.label]) for study in studies]


def _best(study):
    """{family: {level: the criterion chosen}}, of families that were measured on the images that choose."""
    known, found = across.choosable(study), {}
    for family, criteria in across.families_of(study).items():
        named = [name for name in criteria if name in known]
        if named:
            found[family] = {level: across.chosen(study, named, level) for level in LEVELS}
    return found


def _family_table(study, best):
    rows = []
    for family, by_level in best.items():
        row = {"family": family}
        for level, name in by_level.items():
            row[percent(level)] = f"{accuracy(study.cell(name, level)['accuracy'])} `{name}`"
        row[f"multiply-adds left at {percent(MIDDLE)}"] = _share(study, by_level[MIDDLE])
        rows.append(row)
    return pandas.DataFrame(rows)


def _share(study, criterion, level=MIDDLE):
    return f"{100 * study.macs(criterion, level):.0f} %"


def _between_families(study, best):
    """Which family the choosing images put first at each level, and which has most on the test images."""
    parts = []
    for level in LEVELS:
        names_of = {family: by_level[level] for family, by_level in best.items()}
        first = across.chosen(study, list(names_of.values()), level)
        tested = {name: study.cell(name, level)["accuracy"] for name in names_of.values()}
        most = max(tested, key=tested.get)
        text = f"at {percent(level)} `{first}` ({accuracy(tested[first])} % of the test images"
        text += (
            ", the most of these families"
            if tested[first] == tested[most]
            else f"; `{most}` has {accuracy(tested[most])} %"
        )
        parts.append(f"{text})")
    return f"{study.label}: of all families the images that choose put first {joined(parts)}."


def _alike(studies):
    """Sums of absolute values of relevance and of weights, divided alike; scores with and without a division."""
    by_study = [across.alike(study) for study in studies]
    pairs = {how: pair for how, pair in by_study[0].items() if all(one.get(how) == pair for one in by_study)}
    if pairs:
        yield "heading", "Like with like: divided by the layer, or not"
        yield (
            "text",
            "`mean_abs` of relevance is a share of its layer, `mean_abs` of weights is not. Here both are divided "
            f"alike: {_explained(pairs)}. (Largest and smallest values are divided in neither.)",
        )
        yield "table", _differences(studies, list(pairs.values()))
        yield "list", [f"As {DIVISIONS[how]}: {against(studies, *pair)}" for how, pair in pairs.items()]
    scores = across.shared(studies, across.divided(studies[0]))
    if scores:
        yield "text", "Scores as shares of their layer, less the same scores as they are:"
        yield "table", _differences(studies, scores)
        yield "list", [against(studies, *pair) for pair in scores]


def _explained(pairs):
    return "; ".join(f"as {DIVISIONS[how]}, `{first}` and `{second}`" for how, (first, second) in pairs.items())


def _mixed(studies):
    """Both lists in turns, beside either."""
    first = "combined." + RELEVANCE.partition(".")[0]
    pairs = across.shared(studies, [(first, RELEVANCE), (first, WEIGHT)])
    if pairs:
        yield "heading", "Relevance and weights in turns"
        yield "table", _differences(studies, pairs)
        yield "list", [against(studies, *pair) for pair in pairs]


# ---- every criterion -----------------------------------------------------------------------------------------


def _every(studies):
    yield "heading", "Every criterion"
    yield (
        "text",
        f"Test accuracy in percent, highest at {percent(MIDDLE)} first; then, at {percent(MIDDLE)}, the "
        "multiply-adds that are left and the accuracy less that of the dense network, of random units, and of the "
        "mean absolute weight.",
    )
    yield from _of_each(studies, _table)
    yield "list", [line for study in studies for line in _sentences(study)]


def _by_accuracy(study):
    return sorted(study.criteria, key=lambda name: -study.cell(name, MIDDLE)["accuracy"])


def _table(study):
    return pandas.DataFrame([_row(study, name) for name in _by_accuracy(study)])


def _row(study, name):
    row = {"criterion": f"`{name}`"}
    for level in LEVELS:
        cell = study.cell(name, level)
        row[percent(level)] = f"{accuracy(cell['accuracy'])}{' †' if cell['collapsed'] > 0 else ''}"
    row["multiply-adds left"] = _share(study, name)
    for reference, words in REFERENCES.items():
        found = None if reference == name else _reference(study, name, reference)
        row[f"less {words}"] = points(found)
    return row


REFERENCES = {"dense": "dense", RANDOM: "`random`", WEIGHT: f"`{WEIGHT}`"}


def _reference(study, name, reference):
    known = reference == "dense" or across.has(study, reference)
    return across.difference(study, name, reference, MIDDLE) if known else None


def _sentences(study):
    """How many criteria are ahead of chance and of the mean absolute weight, and which are behind chance."""
    for reference in (RANDOM, WEIGHT):
        others = [name for name in study.criteria if name != reference]
        if not across.has(study, reference):
            continue
        found = {name: _reference(study, name, reference) for name in others}
        counts = tally(found.values())
        shown = [f"{in_words(counts[verdict])} {verdict}" for verdict in counts if counts[verdict]]
        where = f"{study.label} at {percent(MIDDLE)}"
        text = f"{where}: of {in_words(len(others))} criteria against `{reference}`, {joined(shown)}"
        behind = [f"`{name}` by {points(one)}" for name, one in found.items() if one.verdict == BEHIND]
        yield f"{text}; behind: {', '.join(behind)}." if behind and reference == RANDOM else f"{text}."


# ---- equal cost ----------------------------------------------------------------------------------------------


def _equal(studies):
    yield "heading", "At equal multiply-adds"
    yield (
        "text",
        "Test accuracy in percent where this share of the dense network's multiply-adds is left: on the straight "
        "line between the two neighbouring levels of each criterion, draws averaged first; a dash where no level "
        f"goes so far. The last column is relevance less the criterion at {percent(EQUAL[1])}, image by image "
        "along the same lines.",
    )
    yield from _of_each(studies, _equal_table)
    yield "list", [line for study in studies for line in _equal_sentences(study)]


def _equal_table(study):
    rows = [_equal_row(study, name) for name in _by_accuracy(study)]
    reached = [row for row in rows if row[percent(EQUAL[1])] != "-"]
    beyond = [row for row in rows if row[percent(EQUAL[1])] == "-"]
    return pandas.DataFrame(sorted(reached, key=lambda row: -float(row[percent(EQUAL[1])])) + beyond)


def _equal_row(study, name):
    row = {"criterion": f"`{name}`"}
    for share in EQUAL:
        right = across.between(study, name, share)
        row[percent(share)] = accuracy(None if right is None else right.mean())
    if across.has(study, RELEVANCE):
        row[f"`{RELEVANCE}` less it"] = points(_equal_difference(study, name))
    return row


def _equal_difference(study, name):
    return None if name == RELEVANCE else across.at_equal_cost(study, RELEVANCE, name, EQUAL[1])


def _equal_sentences(study):
    """Relevance against all others at equal cost, and against the statistics of the weights alone."""
    if not across.has(study, RELEVANCE):
        return
    others = {name: _equal_difference(study, name) for name in study.criteria if name != RELEVANCE}
    others = {name: one for name, one in others.items() if one is not None}
    weights = {name: others[name] for name in across.statistics_of_weights(study) if name in others}
    for words, found in (("the other criteria", others), ("the statistics of the weights", weights)):
        if found:
            behind = [f"`{name}` by {points(one)}" for name, one in found.items() if one.verdict == BEHIND]
            where = f"{study.label} with {percent(EQUAL[1])} left"
            text = f"{where}, `{RELEVANCE}` against {words}: {of_all([*found.values()])}"
            yield f"{text}; behind {', '.join(behind)}." if behind and found is weights else f"{text}."


# ---- controls ------------------------------------------------------------------------------------------------


def _controls(studies):
    rows = [row for study in studies if _controlled(study) for row in _control_rows(study)]
    if not rows:
        return
    yield "heading", "Which channels, or how many of each layer"
    yield (
        "text",
        "`shuffled` has random channels at the criterion's shares of the layers, `uniform` the criterion's "
        "channels at equal shares of all layers. Test accuracy in percent; last, the criterion less its control.",
    )
    yield "table", pandas.DataFrame(rows)
    yield "list", [_control_sentence(study, name) for study in studies for name in _controlled(study)]


def _controlled(study):
    return [name for name in study.criteria if across.has(study, f"uniform.{name}", f"shuffled.{name}")]


def _control_rows(study):
    """Every controlled criterion above its two controls; chance and chance at equal shares of all layers come last."""
    for name in _controlled(study):
        yield _control_row(study, name, None)
        for control in (f"shuffled.{name}", f"uniform.{name}"):
            yield _control_row(study, control, across.difference(study, name, control, MIDDLE))
    for name in ("uniform.random", RANDOM):
        yield _control_row(study, name, None)


def _control_row(study, name, difference):
    row = {"network": study.label, "criterion": f"`{name}`"}
    row |= {percent(level): accuracy(study.cell(name, level)["accuracy"]) for level in LEVELS}
    return row | {f"criterion less control at {percent(MIDDLE)}": points(difference)}


def _control_sentence(study, name):
    """Both, one or neither of the two parts of a ranking matters, by whether it is ahead of what lacks that part.

    A part of which the control has one draw is not told.
    """
    parts = {"which channels": f"shuffled.{name}", "how many of each layer": f"uniform.{name}"}
    found = {words: across.difference(study, name, control, MIDDLE) for words, control in parts.items()}
    matter = [words for words, one in found.items() if one.verdict == AHEAD]
    unknown = [f"of {words} {WITHOUT}" for words, one in found.items() if one.verdict == WITHOUT]
    shown = [f"{words} by {points(found[words])}" for words in matter] + unknown
    told = joined(shown) if shown else "neither by its interval"
    return f"{study.label}, `{name}` at {percent(MIDDLE)}, ahead of what lacks it: {told}."


# ---- retraining ----------------------------------------------------------------------------------------------

SCHEDULE = ("epochs", "optimizer", "learning_rate", "schedule", "batch_size", "precision")


def _retraining(studies):
    having = [study for study in studies if study.retrained is not None]
    if not having:
        return
    yield "heading", "After retraining"
    yield (
        "text",
        "Test accuracy in percent of the same pruned networks: as they are, with the statistics of BatchNorm "
        "measured anew, and retrained. Then the multiply-adds that are left, and the retrained network less the "
        "pruned one, less random units retrained alike, and less the dense network.",
    )
    yield from _of_each(having, _retrained_table, lambda study: f": {_schedule(study.settings['retraining'])}")
    yield "list", [line for study in having for line in _retrained_sentences(study)]


def _schedule(retraining):
    chosen = [f"{key.replace('_', ' ')} `{retraining[key]}`" for key in SCHEDULE]
    return f"{', '.join(chosen)}."


def _retrained_table(study):
    rows = []
    for level, part in study.retrained.groupby("level", sort=True):
        by_kind = {kind: rows.set_index("criterion") for kind, rows in part.groupby("kind", sort=False)}
        order = by_kind["retrained"].sort_values("accuracy", ascending=False, kind="stable").index
        rows += [_retrained_row(study, level, name, by_kind) for name in order]
    return pandas.DataFrame(rows)


def _retrained_row(study, level, name, by_kind):
    last = by_kind["retrained"].loc[name]
    row = {"level": percent(level), "criterion": f"`{name}`{' †' if last['collapsed'] > 0 else ''}"}
    row |= {kind.column: accuracy(by_kind[k].loc[name, "accuracy"]) for k, kind in KINDS.items() if k in by_kind}
    row["multiply-adds left"] = f"{100 * last['macs'] / study.cell(study.criteria[0], 0)['macs']:.0f} %"
    for reference, words in {"none": "pruned", "random": "`random`", "dense": "dense"}.items():
        row[f"less {words}"] = "-" if (name, reference) == (RANDOM, RANDOM) else points(_versus(last, reference))
    return row


def _versus(row, reference):
    found = across.Difference(*(row[f"versus_{reference}{end}"] for end in ("", "_low", "_high")))
    return None if found.estimate != found.estimate else found


def _retrained_sentences(study):
    """How far criteria lie apart before and after, who is behind chance, and what is lost at least."""
    for level, part in study.retrained.groupby("level", sort=True):
        kinds = {kind: rows.set_index("criterion") for kind, rows in part.groupby("kind", sort=False)}
        after, where = kinds["retrained"].drop(RANDOM, errors="ignore"), f"{study.label} at {percent(level)}"
        spans = [
            f"{accuracy(rows['accuracy'].min())} to {accuracy(rows['accuracy'].max())} % {words}"
            for words, rows in (("as pruned", kinds["none"].drop(RANDOM, errors="ignore")), ("retrained", after))
        ]
        yield f"{where}, the criteria lie at {joined(spans)}."
        versus = {name: _versus(row, "random") for name, row in after.iterrows()}
        versus = {name: one for name, one in versus.items() if one is not None}
        if versus:
            text = (
                f"{where}, retrained, against random units: {of_all([*versus.values()])}; {_range([*versus.values()])}"
            )
            behind = [f"`{name}` by {points(one)}" for name, one in versus.items() if one.verdict == BEHIND]
            yield f"{text}; behind: {', '.join(behind)}." if behind else f"{text}."
        nearest = after["versus_dense"].idxmax()
        lost = points(_versus(after.loc[nearest], "dense"))
        yield f"{where}, retrained, the nearest to the dense network is `{nearest}`: {lost}."
