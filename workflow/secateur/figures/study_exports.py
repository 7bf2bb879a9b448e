"""The measured part of a study's price: exported networks, whose latency was timed beside the dense network."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from secateur.analysis import wording
from secateur.figures import page_parts
from secateur.study import criterion_families, vocabulary
from secateur.study.kinds import KINDS, NONE

if TYPE_CHECKING:
    from secateur.figures.page_parts import Study


def table(study: Study) -> str:
    """Every exported network with its accuracy, counted costs and timed latency; nothing without any."""
    if not study.exports:
        return ""
    rows, machines = [], {}
    for folder, manifest in study.exports.items():
        for timed in manifest["latency"]:
            rows.append(page_parts.row_of("", _cells(folder, manifest, timed)))
            machine = f"{manifest['processor']}, {timed['threads']} thread(s), {timed['clock']}, {timed['pairs']} pairs"
            machines[machine] = None
    note = (
        '<p class="method">Measured, not counted: of exported networks, both run in turns on '
        f"{html.escape('; '.join(machines))}. The median of the latency as a share of the dense network's, and its "
        "quartiles. Accuracy and latency are of the one training.</p>"
    )
    head = ["exported network", "training seed", "batch", "latency, % of dense", "multiply-adds left, %"]
    return note + page_parts.table_of([*head, "test accuracy, %"], rows)


def points(study: Study) -> list[tuple[str, str, float, float]]:
    """(criterion, family, share of the dense network's latency, accuracy) of every export, by its largest batch."""
    of_family, found = criterion_families.of(study.config), []
    for manifest in study.exports.values():
        timed = max(manifest["latency"], key=lambda one: one["batch"])
        # Networks that were trained to be sparse have no ranking.
        family = of_family.get(vocabulary.without_draw(manifest["criterion"]), "files")
        found.append((manifest["criterion"], family, shares(timed)[0], manifest["smaller"]["accuracy"]))
    return found


def shares(timed: Mapping[str, float]) -> tuple[float, float, float]:
    """(median, low, high) of the latency as a share of the dense network's: the ratios are dense to smaller."""
    return 1 / timed["ratio"], 1 / timed["ratio_high"], 1 / timed["ratio_low"]


def _cells(folder, manifest: Mapping[str, Any], timed):
    kind = manifest["kind"]
    words = f", {KINDS[kind].label}" if kind in KINDS and kind != NONE.name else ""
    link = f"{page_parts.name_of(manifest['criterion'])} at {wording.percent(manifest['level'])}{words}"
    median, low, high = shares(timed)
    macs = manifest["smaller"]["macs"] / manifest["dense"]["macs"]
    return [
        f"{link}<br><small>{html.escape(folder)}</small>", str(manifest["seed"]), str(timed["batch"]),
        f"{100 * median:.1f} [{100 * low:.1f}, {100 * high:.1f}]", f"{100 * macs:.1f}",
        f"{100 * manifest['smaller']['accuracy']:.1f}",
    ]  # fmt: skip
