"""The verdict page: findings in, the blocks of a page out."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas

from secateur.analysis import paired_tests, wording
from secateur.analysis.paired_tests import Shift
from secateur.verdicts import (
    beside,
    blend_evidence,
    evidence,
    judging,
    page_method,
    page_opening,
    phrases,
    recovered_verdicts,
    thesis_claims,
)
from secateur.verdicts.findings import Judged

FEW = 3


def blocks(
    study: evidence.Study,
    findings: Sequence[judging.Finding],
    facts: Mapping[str, Any],
    others: Sequence[Judged] = (),
    recovered: Mapping[str, Sequence[judging.Finding]] | None = None,
) -> list[tuple[str, Any]]:
    """The page as a list of (kind, content): title, heading, text, table, code.

    `others` are the findings of other studies (findings.Judged), to stand beside; `recovered` those of the same study
    after each recovery, {recovery: findings}.
    """
    tested = [finding for finding in findings if not finding.missing]
    page = [("title", "What of the thesis holds here"), *page_opening.opening(study, facts, others)]
    page.append(("heading", "Verdicts"))
    if others:
        page += beside.summary(beside.own(study, findings, facts), others)
    else:
        page += _summary(study, tested)
    page += recovered_verdicts.blocks(study, findings, recovered or {})
    page += [("heading", "How it was judged"), *page_method.method(study, tested, facts)]
    by_claim = {}
    for finding in tested:
        by_claim.setdefault(finding.name, []).append(finding)
    for name in thesis_claims.CLAIMS:
        page += _section(study, by_claim.get(name))
    return [*page, *_untested(findings), *_closing(facts, others)]


def _summary(study, tested):
    if not tested:
        yield "text", "No claim could be tested with what this study measured."
        return
    networks = len(study.results.seeds)
    percent = "percent"
    if networks > 1:
        percent += f", means over the {networks} networks"
    yield (
        "text",
        f"Of {phrases.counted(tested)}. Accuracies in {percent}, differences in points with their intervals.",
    )
    yield "table", pandas.DataFrame(map(_verdict, tested))


def _verdict(finding):
    return {
        "claim": finding.claim.sentence,
        "reading": phrases.reading(finding.reading),
        "thesis": finding.printed,
        "measured": phrases.measured(finding.items),
        "verdict": f"**{finding.verdict}**",
    }


# ---- a claim ---------------------------------------------------------------------------------------------


def _section(study, findings):
    """The section of one claim; nothing where it could not be tested."""
    if not findings:
        return
    claim = findings[0].claim
    yield "heading", claim.sentence.rstrip(".")
    prints = "" if "our question" in claim.source else " prints"
    yield "text", f"Source: {claim.source}. The thesis{prints}: {findings[0].printed}."
    for finding in findings:
        yield from _judged(study, finding)


def _judged(study, finding):
    """The blocks of a claim for one reading."""
    subject = f"Reading `{finding.reading}`: " if finding.reading else ""
    yield "text", f"{subject}**{finding.verdict}**."
    yield "table", pandas.DataFrame([_item(item, study.results) for item in finding.items])
    if finding.by_level is not None:
        yield "text", "Level by level, each interval taken alone (they decide nothing):"
        yield "table", pandas.DataFrame(map(_at_level, finding.by_level.itertuples()))
    yield from finding.extra
    if finding.empty:
        yield "text", _collapse(finding.empty, len(study.results.seeds))


def _item(item, results):
    """A row of a claim's table of comparisons."""
    row = _of_shift(item) if isinstance(item.comparison, Shift) else _of_accuracies(item)
    row["n"] = _sizes(item.comparison, results)
    row["p"] = "below 0.0001" if item.p < 1e-4 else f"{item.p:.2g}"
    row |= {"Holm's level": f"{item.alpha:.2g}", "verdict": item.verdict}
    if item.note:
        row["verdict"] += f" ({item.note})"
    return row


def _of_shift(item):
    """Levels, both sides and the difference of two chosen deltas."""
    blend = f"best blend of `mixed.{item.comparison.reading}`"
    first, second = map(wording.percent, item.comparison.levels)
    return {
        "pruned": f"{first}, {second}",
        "first": f"{blend} at {first}: delta {item.first:.2g}",
        "second": f"{blend} at {second}: delta {item.second:.2g}",
        "difference": phrases.shift(item),
    }


def _of_accuracies(item):
    """Levels, both sides and the difference of two accuracies."""
    compared = item.comparison
    return {
        "pruned": phrases.levels(compared.levels),
        "first": f"{_side(compared.first, compared.levels)}: {100 * item.first:.2f} %",
        "second": f"{_side(compared.second, compared.levels)}: {100 * item.second:.2f} %",
        "difference": wording.interval(item.difference, item.low, item.high),
    }


def _sizes(comparison, results):
    """The counts of images, of networks, and of draws of a control."""
    images = f"{phrases.count(results.images())} images"
    if isinstance(comparison, Shift):
        images = f"{phrases.count(results.images(comparison.split))} images of {comparison.split}"
    networks = len(results.seeds)
    sizes = f"{images}, {networks} {phrases.agree(networks, 'networks', 'network')}"
    draws = paired_tests.drawn(results, comparison)
    if draws:
        sizes += f", {draws} {phrases.agree(draws, 'draws', 'draw')}"
    return sizes


def _side(side, levels):
    """A side by name; where it was chosen at one level, with the criteria that were chosen."""
    if not side.chosen:
        return phrases.code(side.label)
    if len(levels) > 1:
        return side.label
    names = []
    for name, seeds in blend_evidence.picks(side, levels[0]).items():
        words = f"`{name}`"
        if seeds:
            words += f" for {seeds}"
        names.append(words)
    return f"{side.label} ({', '.join(names)})"


def _at_level(row):
    return {
        "first": phrases.code(row.first),
        "second": phrases.code(row.second),
        "pruned": wording.percent(row.level),
        "first keeps": f"{100 * row.a:.1f} %",
        "second keeps": f"{100 * row.b:.1f} %",
        "difference": wording.interval(row.difference, row.low, row.high),
    }


def _collapse(empty, networks):
    """A paragraph: the lists that lose whole layers, and the levels at which they do."""
    by_label = {}
    for label, level, layers in empty:
        named = ", ".join(map("`{}`".format, layers[:FEW]))
        if len(layers) > FEW:
            named += f" and {len(layers) - FEW} more"
        by_label.setdefault(label, []).append(f"{wording.percent(level)} ({named})")
    lists = []
    for label, levels in by_label.items():
        lists.append(f"{phrases.code(label)} at {', '.join(levels)}")
    where = " in any of the networks" if networks > 1 else ""
    return (
        "Layer collapse: a network with an empty layer gives every image the same answer, whatever was removed "
        f"elsewhere. Empty layers{where}: {'; '.join(lists)}."
    )


# ---- the end ---------------------------------------------------------------------------------------------


def _untested(findings):
    rows = []
    for finding in findings:
        if finding.missing:
            reading = phrases.reading(finding.reading)
            rows.append({"claim": finding.claim.sentence, "reading": reading, "why": finding.missing})
    if rows:
        yield "heading", "Not tested"
        yield "table", pandas.DataFrame(rows)


def _closing(facts, others):
    yield "heading", "How to make this page again"
    commands = [judged.about["command"] for judged in others]
    yield "code", "\n".join([*commands, facts["command"]])
    digests = ", ".join(f"`{name}` {digest}" for name, digest in facts["digests"].items())
    yield "text", f"Digests (the first 16 digits of SHA-256) of the tables behind it: {digests}."
