"""Words that all cards share: shares, counts, and sentences on accuracy and speed."""

import math
from typing import Any

from secateur.export.card_facts import Facts


def percent(share: float) -> str:
    """A share as text: 0.305 is 30.5 %."""
    if math.isnan(share):
        return "no image"
    return f"{100 * share:.4g} %"


def points(share: float) -> str:
    """A difference of shares in percentage points, with its sign."""
    return f"{100 * share:+z.2f}"


def grouped(count: int | None) -> str:
    """A count with its digits in groups of three; nothing where it is not known."""
    return "" if count is None else f"{count:,}"


def confidence(facts: Facts) -> str:
    """The confidence of all intervals."""
    return f"{100 * facts.accuracy.confidence:g} %"


def compared(facts: Facts) -> str:
    """A sentence on the accuracy beside that of the dense network."""
    change = facts.accuracy.change
    return (
        f"Test accuracy is {percent(facts.smaller.accuracy)} where the dense network has "
        f"{percent(facts.dense.accuracy)}: {points(change.value)} points, {confidence(facts)} interval "
        f"{points(change.low)} to {points(change.high)}."
    )


def ratios(facts: Facts) -> str:
    """The dense network's time as a multiple of the other's, for each batch size."""
    return " and ".join(f"{row.ratio:.2f} at batch {row.batch}" for row in facts.latency)


def shrunk(dense: int | None, smaller: int | None) -> dict[str, Any]:
    """Columns of a table of sizes: both counts, and the share that is left."""
    assert dense and smaller is not None
    return {"dense": grouped(dense), "this one": grouped(smaller), "left": percent(smaller / dense)}


def made_by(facts: Facts) -> str:
    """A sentence on the study that made the network."""
    return (
        f"Made by secateur {facts.secateur} in the study `{facts.study}`; settings, code and versions are in "
        "`manifest.json`."
    )
