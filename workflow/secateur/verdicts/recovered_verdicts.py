"""The claims judged again after each recovery, beside the verdicts as pruned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas

from secateur.analysis.wording import joined
from secateur.study.kinds import EPOCH, KINDS, NONE
from secateur.verdicts import evidence, judging, phrases

Blocks = Iterator[tuple[str, Any]]


def blocks(
    study: evidence.Study, findings: Sequence[judging.Finding], recovered: Mapping[str, Sequence[judging.Finding]]
) -> Blocks:
    """The section on recoveries, {recovery: findings of the same study}; nothing without any."""
    if not recovered:
        return
    treatments = {NONE.name: findings, **recovered}
    yield "heading", "After recovery"
    counts = [f"{KINDS[name].label}: of {phrases.counted(_tested(found))}" for name, found in treatments.items()]
    named = joined(f"`{name}`" for name in recovered)
    yield (
        "text",
        f"The same claims of the same networks after {named}{_without_training(recovered)}: each a family of its own. "
        f"{'; '.join(counts)}. What had to be chosen, deltas among it, was chosen on the split `{study.choose_on}` "
        "after the same recovery. Accuracies in percent, differences in points with their intervals.",
    )
    rows = list(map(dict, _rows(treatments)))
    changed = sum(len({*_verdicts(row, treatments)}) > 1 for row in rows)
    yield (
        "text",
        f"Of {len(rows)} judgements {changed} {phrases.agree(changed, 'change', 'changes')} with the recovery:",
    )
    yield "table", pandas.DataFrame(rows)


def _without_training(recovered):
    """The words for recoveries none of which trains a weight."""
    trained = [name for name in recovered if KINDS[name].trains == EPOCH.trains]
    return "" if trained else ", without training a weight"


def _tested(findings):
    return [finding for finding in findings if not finding.missing]


def _rows(treatments):
    """A row for each claim and reading that was tested after any recovery: its verdicts, then what was measured."""
    by_key = {name: {(one.name, one.reading): one for one in _tested(found)} for name, found in treatments.items()}
    for key in dict.fromkeys(key for found in by_key.values() for key in found):
        first = next(found[key] for found in by_key.values() if key in found)
        row = {"claim": first.claim.sentence, "reading": phrases.reading(first.reading)}
        for name, found in by_key.items():
            row[KINDS[name].column] = f"**{found[key].verdict}**" if key in found else "not tested"
        for name, found in by_key.items():
            if name != NONE.name:
                measured = phrases.measured(found[key].items) if key in found else ""
                row[f"measured after {KINDS[name].column}"] = measured
        yield row


def _verdicts(row, treatments):
    return [row[KINDS[name].column] for name in treatments]
