"""The question of the page on tickets in short: answers for weights and for channels, with and without BatchNorm.

Every answer is that of findings, by a rule that is the same for every study.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import pandas

from secateur.analysis.paired_tests import FAILS, HOLDS, UNKNOWN
from secateur.analysis.wording import joined
from secateur.verdicts import paired, tickets_claims
from secateur.verdicts.paired import WORDS, Finding
from secateur.verdicts.tickets_study import NORMS, WEIGHTS, Study

# The claims that decide what stands first, and {letter of a claim: the question that it answers}.
BEST, SIGNS = "b", "d"
QUESTIONS = {
    BEST: "is the preserved distribution best?",
    "l": "is it, read as mean and standard deviation?",
    SIGNS: "do signs decide?",
    "k": "do fresh values of equal scale lose?",
}
YES, NO, UNTOLD = "yes", "no", WORDS[UNKNOWN]
NO_TEST = "*no test*"
ANSWERS = {WORDS[HOLDS]: YES, WORDS[FAILS]: NO, WORDS[UNKNOWN]: UNTOLD}
# {(is the distribution best, do signs decide): both answers as one}; of all others it cannot be told.
TOGETHER = {
    (YES, NO): "the distribution is best",
    (YES, UNTOLD): "the distribution is best",
    (NO, YES): "signs decide",
    (UNTOLD, YES): "signs decide",
    (YES, YES): "signs decide, and the distribution is best",
    (NO, NO): "neither is so",
}


class Group(NamedTuple):
    """Weights or channels, with or without BatchNorm."""

    what: str
    norm: str

    @property
    def label(self) -> str:
        """The group in words."""
        return f"{self.what} {self.norm}"

    def has(self, finding: Finding) -> bool:
        """True for a finding on this part of networks, of a study with this norm."""
        of_weights = [tickets_claims.named(place) for place in finding.study.places if place[0] == WEIGHTS]
        return finding.study.norm == self.norm and (finding.level in of_weights) == (self.what == WEIGHTS)


GROUPS = tuple(itertools.starmap(Group, itertools.product((WEIGHTS, "channels"), NORMS)))


def blocks(studies: Sequence[Study], findings: Sequence[Finding]) -> Iterator[tuple[str, Any]]:
    """A paragraph that answers the question, and the answers to its parts as a table."""
    answering = [finding for finding in findings if finding.items and finding.claim.key in QUESTIONS]
    asked = {group: list(filter(group.has, answering)) for group in GROUPS}
    answers = "; ".join(f"{group.label}: {_answer(group, asked[group], studies)}" for group in GROUPS)
    yield (
        "text",
        f"**In short.** Is the distribution best, or do signs decide? By the verdicts on claims ({BEST}) and ({SIGNS}) "
        f"below, {answers}. In the table, *yes* is a claim of which all comparisons hold, and *no* one of which one "
        f"fails; {NO_TEST} is one that was made after the results were known.",
    )
    rows = [{"": group.label, **_row(part)} for group, part in asked.items() if part]
    if rows:
        yield "table", pandas.DataFrame(rows)


def _answer(group, findings, studies):
    """The answers on the distribution and on signs as one, where these are the same at all places."""
    if not any(study.norm == group.norm for study in studies):
        return "no study on this page"
    best, signs = ([finding for finding in findings if finding.claim.key == key] for key in (BEST, SIGNS))
    if not best or not signs:
        return "not asked"
    pairs = [(ANSWERS[one.verdict], ANSWERS[other.verdict]) for one, other in itertools.product(best, signs)]
    together = {TOGETHER.get(pair, UNTOLD) for pair in pairs}
    if len(together) > 1:
        return "not the same at all places"
    (words,) = together
    stays = words == UNTOLD or all(finding.stays for finding in (*best, *signs))
    return f"**{words}**" if stays else f"**{words}** ({paired.NOT_WIDENED})"


def _column(key):
    return f"({key}) {QUESTIONS[key]}"


def _row(findings):
    """The cells of a group: its places, and the answer to each question."""
    by_claim = {key: [finding for finding in findings if finding.claim.key == key] for key in QUESTIONS}
    places = dict.fromkeys(_place(finding) for asked in by_claim.values() for finding in asked)
    cells = {_column(key): _cell(asked, len(places) > 1) for key, asked in by_claim.items()}
    return {"of": "; ".join(places), **cells}


def _place(finding):
    return f"{finding.level} in `{finding.study.settings['study']}`"


def _cell(findings: Sequence[Finding], named: bool) -> str:
    """The answer to one question; places are named where a group has several."""
    by_answer: dict[str, list[str]] = {}
    for finding in findings:
        notes = [f"{finding.judged.count(HOLDS)} of {len(finding.judged)} hold"]
        if not finding.stays:
            notes.append(paired.NOT_WIDENED)
        if not tickets_claims.is_test(finding.claim, finding.study):
            notes.append(NO_TEST)
        words = f"**{ANSWERS[finding.verdict]}** ({', '.join(notes)})"
        by_answer.setdefault(words, []).append(_place(finding))
    if not by_answer:
        return "not asked"
    if not named:
        return next(iter(by_answer))
    return "; ".join(f"{words}: {joined(places)}" for words, places in by_answer.items())
