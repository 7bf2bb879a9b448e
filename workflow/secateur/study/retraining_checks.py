"""Retraining and export against levels and criteria: settled in place, or refused in one line."""

from collections.abc import Mapping, Sequence
from typing import Any

from secateur import Refused
from secateur.study import kinds, training_checks
from secateur.study.levels import fraction


def of(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The settings of retraining; without criteria and levels where nothing is retrained."""
    return config["retraining"] or {"criteria": [], "levels": []}


def _of_levels(level, levels, what, remedy):
    """The study's level that is the same fraction; Refused where there is none."""
    for known in levels:
        if fraction(known) == fraction(level):
            return known
    raise Refused(
        f"{what} is none of the study's levels ({', '.join(map(str, levels))}); add it to levels, or {remedy}"
    )


def settle_export(config: Mapping[str, Any]) -> None:
    """Settle the level and kind of every exported network; Refused unless it is evaluated, and named once."""
    named = set()
    for entry in config["export"]:
        described = f"level {entry['level']} of {entry['criterion']}"
        kind = entry.setdefault("kind", kinds.NONE.name)
        entry["level"] = _of_levels(entry["level"], config["levels"], f"export: {described}", "export one of these")
        if exported(entry) in named:
            raise Refused(f"export names {described} twice")
        named.add(exported(entry))
        if kind != kinds.NONE.name:
            _check_retrained(entry, described, of(config))


def _check_retrained(entry, described, retraining):
    """Refused for an exported network of a kind that retraining does not make."""
    kind = entry["kind"]
    if entry["criterion"] not in retraining["criteria"] or entry["level"] not in retraining["levels"]:
        raise Refused(
            f"export asks for {described} as {kind}, but retraining does not name this criterion and level; add them "
            "there, or leave kind out"
        )
    if kind not in kinds.asked_for(retraining):
        setting = kinds.KINDS[kind].setting
        raise Refused(f"export asks for {described} as {kind}, but retraining.{setting} is false; turn it on")


def exported(entry: Mapping[str, Any]) -> str:
    """The name of an exported network, criterion/level; a retrained one's ends in its kind."""
    name = f"{entry['criterion']}/{entry['level']}"
    return name if entry["kind"] == kinds.NONE.name else f"{name}.{entry['kind']}"


def settle_retraining(retraining: dict[str, Any] | None, training: Mapping[str, Any], levels: Sequence[float]) -> None:
    """Fill in the schedule from that of training, and add the random control that every comparison needs."""
    if retraining is None:
        return
    settled = set()
    for level in retraining["levels"]:
        settled.add(_of_levels(level, levels, f"retraining.levels names {level}, which", "retrain at one of these"))
    retraining["levels"] = sorted(settled)
    if not any(name.startswith("random.") for name in retraining["criteria"]):
        retraining["criteria"] = [*retraining["criteria"], "random.0"]
    for key, value in training.items():
        if key != "seeds":
            retraining.setdefault(key, value)
    if retraining["epochs"] == 0:
        raise Refused("retraining.epochs is missing, and training.epochs, which stands for it, is 0; give one")
    retraining["scratch_epochs"] = retraining["scratch_epochs"] or training["epochs"] or None
    if retraining["scratch"] and retraining["scratch_epochs"] is None:
        raise Refused(
            "retraining.scratch trains from fresh weights by the schedule of training, whose epochs are 0; "
            "give retraining.scratch_epochs, or scratch: false"
        )


def check_schedules(config: Mapping[str, Any]) -> None:
    """Refused for a schedule of retraining, or from fresh weights, whose settings do not go together."""
    retraining, training, size = config["retraining"], config["training"], config["data"]["size"]
    if retraining is None:
        return
    training_checks.check_schedule("retraining", retraining, "retraining.epochs", retraining["epochs"], size)
    if retraining["scratch"]:
        # From fresh weights the schedule of training is taken, over epochs that may be fewer.
        epochs = retraining["scratch_epochs"]
        training_checks.check_schedule("training", training, "retraining.scratch_epochs", epochs, size)
