"""Checks of learned criteria against a study's other settings: settled in place, or refused in one line."""

import itertools
from collections.abc import Iterable, Mapping, MutableSequence
from pathlib import Path
from typing import Any

from secateur import Refused
from secateur.artifacts import files
from secateur.study import contents, learned, own_network, widths

MODEL = "criteria.learned.model"
# The keys of one kind alone, and of both where they differ, with their defaults.
DEFAULTS = {
    "gates": {"model": "mlp", "budget": "exact", "start": "l1", "weights": "joint"},
    "scorer": {
        "scope": "layer",
        "level": None,
        "fit": "gradient",
        "file": None,
        "at": "trained",
        "gradients": True,
        "loss": "cross_entropy",
        "label_smoothing": 0,
        "gate_gradient": "annealed",
        "weights": "frozen",
    },
}
# Images of `calibration`, where no number is given.
IMAGES = {"gates": 256, "scorer": 1024}
# Learning rates of the gates by Adam: a logit of its own moves by one rate a step, a predicted one by those of all
# weights that predict it.
STATIC_RATE, PREDICTED_RATE = 0.05, 0.001
# Learning rates of a scorer, by its optimiser.
SCORER_RATES = {"adam": 0.01, "sgd": 0.1}


def settle(config: Mapping[str, Any]) -> None:
    """Write every entry of a study's learned criteria with the keys of its kind in order, and with text for widths.

    Refused for an entry that contradicts itself, another, or the rest of the study.
    """
    entries: MutableSequence[dict[str, Any]] = config["criteria"]["learned"]
    seen = set()
    # Snakemake compares options as text, and the order of keys in a study's file has no meaning.
    entries[:] = [{key: entry[key] for key in sorted(entry)} for entry in entries]
    for entry in entries:
        if entry["name"] in seen:
            raise Refused(f"criteria.learned names {entry['name']} twice; one entry has as many draws as `draws` says")
        seen.add(entry["name"])
        _settle(entry, f"criteria.learned: {entry['name']}", config)


def _settle(entry, setting, config):
    _settle_kind(entry, setting)
    entry["calibration"] = dict(sorted(entry["calibration"].items()))
    entry["calibration"]["images"] = entry["calibration"]["images"] or IMAGES[entry["kind"]]
    if entry["kind"] == "scorer":
        _settle_scorer(entry, setting, config)
    else:
        _settle_gates(entry, setting)
    if entry["widths"] is not None:
        entry["widths"] = widths.as_text(entry["widths"], setting)
    if entry["statistics"] == "running" and entry["weights"] == "joint":
        raise Refused(
            f"{setting} has statistics: running, which are those of frozen weights, but weights: joint; take "
            "weights: frozen, or statistics: batch"
        )
    if entry["calibration"]["split"] == "test":
        raise Refused(f"{setting} has calibration.split: test, the images that are reported; take another split")


def _settle_kind(entry, setting):
    """Fill in the kind and its keys; Refused for a key of another kind."""
    named = entry["name"].partition(".")[0]
    if entry["kind"] not in (None, named):
        raise Refused(f"{setting} has kind: {entry['kind']}, but its name begins with {named}; make them one")
    entry["kind"] = named
    known = DEFAULTS[named]
    for kind, keys in DEFAULTS.items():
        for key in keys.keys() - known.keys():
            if entry.pop(key, None) is not None:
                raise Refused(f"{setting} has {key}, which only learned criteria of kind {kind} have; leave it out")
    for key, default in known.items():
        if entry.get(key) is None:
            entry[key] = default


def _settle_gates(entry, setting):
    """Refused unless a budget that is exact has widths, and a free one has none."""
    if entry["budget"] == "exact" and not entry["widths"]:
        raise Refused(f"{setting} has budget: exact, but no widths to meet; give some, as widths: {{16: 8}}")
    if entry["budget"] == "free" and entry["widths"] is not None:
        raise Refused(f"{setting} has budget: free, which finds its own widths, but also widths; leave one of them out")
    if ":" in entry["model"]:
        own_network.check(entry["model"], MODEL)
    entry["gate_learning_rate"] = entry["gate_learning_rate"] or _rate_of_gates(entry)


def _rate_of_gates(entry):
    """The learning rate of the gates where none is given."""
    if entry["gate_optimizer"] == "sgd":
        return entry["learning_rate"]
    return STATIC_RATE if entry["model"] == "static" else PREDICTED_RATE


def _settle_scorer(entry, setting, config):
    entry["gate_learning_rate"] = entry["gate_learning_rate"] or SCORER_RATES[entry["gate_optimizer"]]
    _check_scope(entry, setting, config)
    if entry["at"] == "initial" and config["training"]["epochs"] == 0:
        raise Refused(
            f"{setting} has at: initial, but training.epochs is 0: the given weights are both the first and the last; "
            "train, or take at: trained"
        )
    _check_first(entry, setting)
    _check_fit(entry, setting)
    if entry["file"] is not None:
        _check_file(entry, setting, config["training"]["seeds"])


# What a scorer of first weights cannot have, and why.
NOT_AT_FIRST = {
    "loss": ("distillation", "asks the dense network, which is not trained yet"),
    "statistics": ("running", "are those of BatchNorm before any training"),
    "scope": ("layer", "ranks channels of one layer, which are alike before training"),
}


def _check_first(entry, setting):
    """Refused for a scorer of first weights that asks for a network which was trained."""
    if entry["at"] != "initial":
        return
    for key, (value, reason) in NOT_AT_FIRST.items():
        if entry[key] == value:
            raise Refused(f"{setting} has at: initial, but {key}: {value}, which {reason}; take another {key}")
    if entry["select"] != "last":
        raise Refused(
            f"{setting} has at: initial, but select: {entry['select']}: validation computes with the statistics of "
            "BatchNorm before any training; take select: last"
        )


# Settings of a fit by gradients that others do not have, with their defaults.
OF_GRADIENTS = {
    "loss": "cross_entropy",
    "label_smoothing": 0,
    "gate_gradient": "annealed",
    "gate_optimizer": "adam",
    "weights": "frozen",
}
# The words for a scorer that is not fitted here by gradients, and the settings that count all the same.
OTHER_FITS = {
    "evolution": ("fit: evolution, which has no gradients and minimises the cross-entropy", ("label_smoothing",)),
    "none": ("fit: none, so that nothing is fitted", ()),
    "file": ("a file, so that nothing is fitted here", ()),
}


def _check_fit(entry, setting):
    """Refused for settings of a fit that would change nothing, or that its loss does not have."""
    fit = "file" if entry["file"] is not None else entry["fit"]
    if fit in OTHER_FITS:
        words, counting = OTHER_FITS[fit]
        for key, default in OF_GRADIENTS.items():
            if key not in counting and entry[key] != default:
                raise Refused(f"{setting} has {words}, but {key}: {entry[key]}; leave {key} out")
    if entry["loss"] == "distillation" and entry["label_smoothing"]:
        raise Refused(
            f"{setting} has loss: distillation, whose targets are the dense network's answers, but label_smoothing: "
            f"{entry['label_smoothing']}; leave one of them out"
        )


def _check_scope(entry, setting, config):
    """Refused unless a scorer within layers has widths, and one over all layers a level of the study."""
    if entry["scope"] == "layer":
        if not entry["widths"]:
            raise Refused(f"{setting} has scope: layer, but no widths to meet; give some, as widths: {{16: 8}}")
        if entry["level"] is not None:
            raise Refused(f"{setting} has a level, but scope: layer, which meets widths; leave level out")
        return
    if entry["widths"] is not None:
        raise Refused(f"{setting} has scope: global, which finds its own widths, but also widths; leave them out")
    if config["evaluation"]["round_to"] > 1:
        raise Refused(f"{setting} has scope: global, whose widths are not rounded, but evaluation.round_to is above 1")
    known = config["levels"]
    if entry["level"] not in known:
        given = "no level" if entry["level"] is None else f"level: {entry['level']}"
        raise Refused(
            f"{setting} has scope: global and {given}; name one of the study's levels, for which it is fitted: "
            f"{', '.join(str(level) for level in known if level)}"
        )


def _check_file(entry, setting, seeds):
    """Refused for a scorer's file that is missing, or that several draws would share."""
    if entry["fit"] != DEFAULTS["scorer"]["fit"]:
        raise Refused(
            f"{setting} has a file, which is not fitted again, but fit: {entry['fit']}; leave one of them out"
        )
    if entry["draws"] > 1 and "{draw}" not in entry["file"]:
        raise Refused(f"{setting} has {entry['draws']} draws of one file, all alike; take draws: 1, or name {{draw}}")
    for seed, draw in itertools.product(seeds, range(entry["draws"])):
        path = learned.file_of(entry, seed, draw)
        if not Path(files.found(path)).is_file():
            raise Refused(
                f"{setting} has the file {path}, but there is no such file, here or in the folder that SECATEUR_DATA "
                "names; run the study that fits it first"
            )


def code_of(entry: Mapping[str, Any]) -> dict[str, str]:
    """{"factory": digest} of a pruning-model of the user's own; nothing for the others."""
    return {"factory": own_network.digest_of(entry["model"], MODEL)} if ":" in entry.get("model", "") else {}


def contents_of(entry: Mapping[str, Any], seeds: Iterable[int]) -> dict[str, str]:
    """{path of a scorer's file, as the settings name it: digest} of all training seeds and draws."""
    paths = [learned.file_of(entry, seed, draw) for seed, draw in itertools.product(seeds, range(entry["draws"]))]
    return {path: contents.of(files.found(path)) for path in sorted({*paths})}
