"""Checks of learned criteria against a study's other settings: settled in place, or refused in one line."""

from collections.abc import Mapping, MutableSequence
from typing import Any

from secateur import Refused
from secateur.study import own_network, widths

MODEL = "criteria.learned.model"
# Learning rates of the gates by Adam: a logit of its own moves by one rate a step, a predicted one by those of all
# weights that predict it.
STATIC_RATE, PREDICTED_RATE = 0.05, 0.001


def settle(entries: MutableSequence[dict[str, Any]]) -> None:
    """Write every entry with its keys in order, and its widths with text for keys.

    Refused for an entry that contradicts itself or another.
    """
    seen = set()
    # Snakemake compares options as text, and the order of keys in a study's file has no meaning.
    entries[:] = [{key: entry[key] for key in sorted(entry)} for entry in entries]
    for entry in entries:
        if entry["name"] in seen:
            raise Refused(f"criteria.learned names {entry['name']} twice; one entry has as many draws as `draws` says")
        seen.add(entry["name"])
        _settle(entry, f"criteria.learned: {entry['name']}")


def _settle(entry, setting):
    _settle_widths(entry, setting)
    entry["calibration"] = dict(sorted(entry["calibration"].items()))
    if entry["statistics"] == "running" and entry["weights"] == "joint":
        raise Refused(
            f"{setting} has statistics: running, which are those of frozen weights, but weights: joint; take "
            "weights: frozen, or statistics: batch"
        )
    if entry["calibration"]["split"] == "test":
        raise Refused(f"{setting} has calibration.split: test, the images that are reported; take another split")
    if ":" in entry["model"]:
        own_network.check(entry["model"], MODEL)
    entry["gate_learning_rate"] = entry["gate_learning_rate"] or _rate_of_gates(entry)


def _rate_of_gates(entry):
    """The learning rate of the gates where none is given."""
    if entry["gate_optimizer"] == "sgd":
        return entry["learning_rate"]
    return STATIC_RATE if entry["model"] == "static" else PREDICTED_RATE


def _settle_widths(entry, setting):
    """Refused unless a budget that is exact has widths, and a free one has none."""
    if entry["budget"] == "exact" and not entry["widths"]:
        raise Refused(f"{setting} has budget: exact, but no widths to meet; give some, as widths: {{16: 8}}")
    if entry["budget"] == "free" and entry["widths"] is not None:
        raise Refused(f"{setting} has budget: free, which finds its own widths, but also widths; leave one of them out")
    if entry["widths"] is not None:
        entry["widths"] = widths.as_text(entry["widths"], setting)


def code_of(entry: Mapping[str, Any]) -> dict[str, str]:
    """{"factory": digest} of a pruning-model of the user's own; nothing for the others."""
    return {"factory": own_network.digest_of(entry["model"], MODEL)} if ":" in entry["model"] else {}
