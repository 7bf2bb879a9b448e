"""What several studies found, side by side: which networks each is about, and where their verdicts differ."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pandas

from secateur.analysis import wording
from secateur.analysis.paired_tests import FAILS, HOLDS
from secateur.verdicts import findings, phrases
from secateur.verdicts.evidence import Study
from secateur.verdicts.findings import Judged
from secateur.verdicts.judging import Finding

# What is said of each study in the table of networks: {property: how it reads, from what a study says of itself}.
SAID = {
    "network": lambda about: f"`{about['model']['name']}`, {phrases.origin(about)}",
    "trainings": lambda about: str(len(about["seeds"])) if about["epochs"] else "none, the weights are given",
    "epochs": lambda about: str(about["epochs"]),
    "images": lambda about: f"{about['data']['name']}, {about['data']['size']} pixels",
    "accuracy before pruning": lambda about: f"{100 * about['dense']:.2f} %",
    "test images": lambda about: phrases.count(about["images"]["test"]),
    "rank images": lambda about: f"carved out of the {FROM[about['rank_from']]} images",
    "what ranked": lambda about: "; ".join(_reading(*pair) for pair in sorted(about["readings"].items())),
    "chosen on": lambda about: f"{about['choose_on']}, {phrases.count(about['images'][about['choose_on']])} images",
    "intervals": lambda about: "over test images" if len(about["seeds"]) == 1 else "Student's, over trainings",
    "levels": lambda about: _numbers(f"{100 * level:g}" for level in about["levels"]) + " %",
    "deltas": lambda about: _numbers(about["deltas"]),
    "statistics": lambda about: _numbers(about["statistics"]),
    "draws of a random control": lambda about: str(about["random"]),
    "at chance": lambda about: f"{100 * about['chance']:g} %",
    "sections": lambda about: f"`{about['page']}`",
}
# What may well differ between any two studies; of all else a difference is pointed at.
OWN = ("network", "trainings", "epochs", "accuracy before pruning", "intervals", "sections")
FROM = {"train": "training", "test": "test"}


def about(study: Study, facts: Mapping[str, Any]) -> dict[str, Any]:
    """What a study says of itself to the page of another, as plain data."""
    results = study.results
    chosen = {
        key: facts[key] for key in ("study", "model", "epochs", "seeds", "data", "rank_from", "readings", "command")
    }
    return {
        **chosen,
        "choose_on": study.choose_on,
        "dense": results.dense(),
        "images": {split: results.images(split) for split in dict.fromkeys(("test", study.choose_on))},
        "levels": [float(level) for level in results.levels(study.weight.label)],
        "deltas": list(study.deltas),
        "statistics": list(study.statistics),
        "random": facts["random"],
        "chance": results.chance,
        "page": facts["verdict"]["page"],
    }


def own(study: Study, found: Iterable[Finding], facts: Mapping[str, Any]) -> Judged:
    """This study as the others are read."""
    return Judged(about(study, facts), findings.by_part(found, study))


def networks(studies: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Any]]:
    """The blocks that say which study is about which networks, and what else is not the same."""
    columns = {f"`{one['study']}`: {kind(one)}": [say(one) for say in SAID.values()] for one in studies}
    yield "table", pandas.DataFrame({"": list(SAID), **columns})
    differing = [name for name, say in SAID.items() if name not in OWN and len({say(one) for one in studies}) > 1]
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
    """The blocks of all verdicts: how many, where they differ, and each with what was measured."""
    studies = [first, *others]
    counts = (f"`{one.about['study']}` ({kind(one.about)}): of {phrases.counted(_tested(one))}" for one in studies)
    yield "text", f"{'. '.join(counts)}. Each study's comparisons are a family of their own."
    yield from _differing(studies)
    yield (
        "text",
        "All verdicts. Accuracies in percent, of several trainings their means, differences in points with their "
        "intervals.",
    )
    yield "table", pandas.DataFrame(_row(one, key, first) for key in _keys(studies) for one in studies)


def _tested(judged):
    return [finding for finding in judged.findings.values() if not finding.missing]


def _keys(studies):
    """Every (claim, part) that any of the studies could test, in the order of the first that names it."""
    return dict.fromkeys(key for one in studies for key, found in one.findings.items() if not found.missing)


def _differing(studies):
    """The claims on which the verdicts are not the same, with how they differ."""
    rows = [
        {**_claim(studies, key), **{_column(one): _verdict(one, key) for one in studies}, "": _how(studies, key)}
        for key in _keys(studies)
        if len({_verdict(one, key) for one in studies}) > 1
    ]
    if not rows:
        yield "text", "All studies come to the same verdict on every claim."
        return
    opposite = sum(row[""] == "opposite" for row in rows)
    yield (
        "text",
        f"{len(rows)} of {len(_keys(studies))} judgements differ, {opposite} of them "
        f"{phrases.agree(opposite, 'are', 'is')} opposite:",
    )
    yield "table", pandas.DataFrame(rows)


def _column(judged):
    return f"`{judged.about['study']}`"


def _claim(studies, key):
    found = next(one.findings[key] for one in studies if key in one.findings)
    return {"claim": found.claim.sentence, "reading": f"`{found.reading}`" if found.reading else ""}


def _verdict(judged, key):
    found = judged.findings.get(key)
    return "not tested" if found is None or found.missing else found.verdict


def _how(studies, key):
    verdicts = {_verdict(one, key) for one in studies}
    if {HOLDS, FAILS} <= verdicts:
        return "opposite"
    return "only one was tested" if "not tested" in verdicts else "not all can tell"


def _row(judged, key, first):
    """A study's verdict on a claim; what the thesis printed stands once, with the study whose page this is."""
    found = judged.findings.get(key)
    tested = found is not None and not found.missing
    return {
        **_claim([judged, first], key),
        "networks": kind(judged.about),
        "thesis": found.printed if tested and judged is first else "",
        "measured": phrases.measured(found.items) if tested else "",
        "verdict": f"**{_verdict(judged, key)}**",
    }


def _numbers(parts):
    return ", ".join(parts)


def _reading(name, about):
    return f"`{name}` on {about['split']}, at {about['at']}, {about['absolute']}, {about['reduce']}"
