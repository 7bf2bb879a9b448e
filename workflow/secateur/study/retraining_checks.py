"""Retraining and export against levels and criteria: settled in place, or refused in one line."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from secateur import Refused
from secateur.study import kinds
from secateur.study.levels import fraction


def _of_levels(level, levels, what, remedy):
    """The study's level that is the same number; Refused where there is none."""
    known = {fraction(one): one for one in levels}
    if fraction(level) not in known:
        raise Refused(
            f"{what} is none of the study's levels ({', '.join(map(str, levels))}); add it to levels, or {remedy}"
        )
    return known[fraction(level)]


def settle_export(
    exports: Iterable[dict[str, Any]], levels: Sequence[float], retraining: Mapping[str, Any] | None
) -> None:
    """What is exported has been evaluated, and is named once."""
    named = set()
    for entry in exports:
        what, kind = f"level {entry['level']} of {entry['criterion']}", entry.setdefault("kind", kinds.NONE.name)
        entry["level"] = _of_levels(entry["level"], levels, f"export: {what}", "export one of these")
        if (entry["criterion"], entry["level"], kind) in named:
            raise Refused(f"export names {what} twice")
        named.add((entry["criterion"], entry["level"], kind))
        if kind == kinds.NONE.name:
            continue
        retrained = retraining or {"criteria": [], "levels": []}
        if entry["criterion"] not in retrained["criteria"] or entry["level"] not in retrained["levels"]:
            raise Refused(
                f"export asks for {what} as {kind}, but retraining does not name this criterion and level; add them "
                "there, or leave kind out"
            )
        if kind not in kinds.asked_for(retrained):
            raise Refused(f"export asks for {what} as {kind}, but retraining.{kind} is false; turn it on")


def exported(entry: Mapping[str, Any]) -> str:
    """The name of an exported network, criterion/level; a retrained one's also says how it was retrained."""
    kind = "" if entry["kind"] == kinds.NONE.name else f".{entry['kind']}"
    return f"{entry['criterion']}/{entry['level']}{kind}"


def settle_retraining(retraining: dict[str, Any] | None, training: Mapping[str, Any], levels: Sequence[float]) -> None:
    """The whole schedule, and the control that no comparison goes without."""
    if retraining is None:
        return
    retraining["levels"] = sorted(
        {
            _of_levels(level, levels, f"retraining.levels names {level}, which", "retrain at one of these")
            for level in retraining["levels"]
        }
    )
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
