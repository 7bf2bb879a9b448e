"""The findings of several studies side by side: the networks of each, and the verdicts that differ."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pandas

from secateur.analysis import wording
from secateur.analysis.paired_tests import FAILS, HOLDS
from secateur.verdicts import findings, phrases
from secateur.verdicts.evidence import Study
from secateur.verdicts.findings import Judged
from secateur.verdicts.judging import Finding

# The table of networks: {property: its text, from a study's facts about itself}.
SAID = {
    "network": lambda about: f"`{about['model']['name']}`, {phrases.origin(about)}",
    "trainings": lambda about: _trainings(about),
    "epochs": lambda about: str(about["epochs"]),
    "images": lambda about: f"{about['data']['name']}, {about['data']['size']} pixels",
    "accuracy before pruning": lambda about: f"{100 * about['dense']:.2f} %",
    "test images": lambda about: phrases.count(about["images"]["test"]),
    "rank images": lambda about: phrases.RANK_FROM[about["rank_from"]],
    "what ranked": lambda about: "; ".join(map(_reading, sorted(about["readings"].items()))),
    "chosen on": lambda about: f"{about['choose_on']}, {phrases.count(about['images'][about['choose_on']])} images",
    "intervals": lambda about: _intervals(about),
    "levels": lambda about: ", ".join(map(_hundredths, about["levels"])) + " %",
    "deltas": lambda about: ", ".join(about["deltas"]),
    "statistics": lambda about: ", ".join(about["statistics"]),
    "draws of a random control": lambda about: str(about["random"]),
    "at chance": lambda about: f"{100 * about['chance']:g} %",
    "sections": lambda about: f"`{about['page']}`",
}
# Properties that may well differ between any two studies; a difference in any other is pointed at.
OWN = ("network", "trainings", "epochs", "accuracy before pruning", "intervals", "sections")
TAKEN = ("study", "model", "epochs", "seeds", "data", "rank_from", "readings", "command")


def about(study: Study, facts: Mapping[str, Any]) -> dict[str, Any]:
    """A study's facts about itself for the page of another, as plain data."""
    results = study.results
    taken = {key: facts[key] for key in TAKEN}
    return {
        **taken,
        "choose_on": study.choose_on,
        "dense": results.dense(),
        "images": {"test": results.images(), study.choose_on: results.images(study.choose_on)},
        "levels": list(map(float, results.levels(study.weight.label))),
        "deltas": list(study.deltas),
        "statistics": list(study.statistics),
        "random": facts["random"],
        "chance": results.chance,
        "page": facts["verdict"]["page"],
    }


def own(study: Study, found: Iterable[Finding], facts: Mapping[str, Any]) -> Judged:
    """This study in the form of the others."""
    return Judged(about(study, facts), findings.by_part(found, study))


def networks(studies: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Any]]:
    """The blocks on the networks of each study, and on the other properties in which the studies differ."""
    columns = {"": list(SAID)}
    for about in studies:
        columns[f"`{about['study']}`: {kind(about)}"] = [say(about) for say in SAID.values()]
    table = pandas.DataFrame(columns)
    yield "table", table
    values = table.set_index("")
    alike = values.eq(values.iloc[:, 0], axis=0).all(axis=1)
    differing = [name for name in SAID if name not in OWN and not alike[name]]
    if differing:
        yield (
            "text",
            f"The studies also differ in their {wording.joined(differing)}: verdicts may differ for that, too.",
        )


def kind(about: Mapping[str, Any]) -> str:
    """A network or several, and whose, in a few words."""
    count = len(about["seeds"])
    if not about["epochs"]:
        return "one foreign network"
    return f"{count} own {phrases.agree(count, 'trainings', 'training')}"


def summary(first: Judged, others: Iterable[Judged]) -> Iterator[tuple[str, Any]]:
    """The blocks on all verdicts: their counts, those that differ, and each with its measurements."""
    studies = [first, *others]
    counts = ". ".join(map(_counted, studies))
    yield "text", f"{counts}. Each study's comparisons are a family of their own."
    yield from _differing(studies)
    yield (
        "text",
        "All verdicts. Accuracies in percent, of several trainings their means, differences in points with their "
        "intervals.",
    )
    rows = []
    for key in _keys(studies):
        for judged in studies:
            rows.append(_row(judged, key, first))
    yield "table", pandas.DataFrame(rows)


def _counted(judged):
    return f"`{judged.about['study']}` ({kind(judged.about)}): of {phrases.counted(judged.tested.values())}"


def _keys(studies):
    """Every (claim, part) that any of the studies could test, in the order of the first that names it."""
    keys = {}
    for judged in studies:
        keys |= dict.fromkeys(judged.tested)
    return keys


def _differing(studies):
    """The claims on which the verdicts are not the same, with the way in which they differ."""
    rows = []
    for key in _keys(studies):
        verdicts = {}
        for judged in studies:
            verdicts[f"`{judged.about['study']}`"] = _verdict(judged, key)
        if len({*verdicts.values()}) > 1:
            rows.append({**_claim(studies, key), **verdicts, "": _how(verdicts.values())})
    if not rows:
        yield "text", "All studies come to the same verdict on every claim."
        return
    table = pandas.DataFrame(rows)
    opposite = int(table[""].eq("opposite").sum())
    yield (
        "text",
        f"{len(rows)} of {len(_keys(studies))} judgements differ, {opposite} of them "
        f"{phrases.agree(opposite, 'are', 'is')} opposite:",
    )
    yield "table", table


def _claim(studies, key):
    """The claim and the reading in the words of the first study that has it."""
    finding = next(judged.findings[key] for judged in studies if key in judged.findings)
    return {"claim": finding.claim.sentence, "reading": phrases.reading(finding.reading)}


def _verdict(judged, key):
    return judged.tested[key].verdict if key in judged.tested else "not tested"


def _how(verdicts):
    if {HOLDS, FAILS} <= set(verdicts):
        return "opposite"
    return "only one was tested" if "not tested" in verdicts else "not all can tell"


def _row(judged, key, first):
    """A study's verdict on a claim; the thesis's printed numbers stand once, with the study whose page this is."""
    row = {**_claim([judged, first], key), "networks": kind(judged.about), "thesis": "", "measured": ""}
    finding = judged.tested.get(key)
    if finding:
        row["measured"] = phrases.measured(finding.items)
        if judged is first:
            row["thesis"] = finding.printed
    return row | {"verdict": f"**{_verdict(judged, key)}**"}


def _trainings(about):
    return str(len(about["seeds"])) if about["epochs"] else "none, the weights are given"


def _intervals(about):
    return "over test images" if len(about["seeds"]) == 1 else "Student's, over trainings"


def _hundredths(level):
    return f"{100 * level:g}"


def _reading(pair):
    name, about = pair
    return f"`{name}` on {about['split']}, at {about['at']}, {about['absolute']}, {about['reduce']}"
