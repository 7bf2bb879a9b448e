"""Levels and floors against the network: how many channels can be removed, and the terms of a level."""

import math
from collections.abc import Mapping
from typing import Any

from secateur import Refused
from secateur.study import architectures
from secateur.study.levels import highest, removed_at


def check_floors(config: Mapping[str, Any]) -> None:
    """A floor that makes a level impossible, and a level that leaves nothing, before any job."""
    for floor in config["evaluation"]["keep_at_least"]:
        if floor >= 1 and floor != int(floor):
            raise Refused(f"evaluation.keep_at_least is {floor}: give a share below 1, or a whole number of channels")
    widths, level = removable(config), config["levels"][-1]
    if widths is None:
        return
    total = sum(widths)
    count = removed_at(level, total)
    for floor in config["evaluation"]["keep_at_least"]:
        most = highest(widths, floor) if floor else total - 1
        if count > most:
            kept = f"evaluation.keep_at_least {floor} lets only {most} go" if floor else "nothing would be left"
            raise Refused(
                f"levels: {level} removes {count} of {config['model']['name']}'s {total} channels, but {kept}; "
                f"the highest level that is possible is {math.floor(1000 * most / total) / 1000:g}"
            )


def removable(config: Mapping[str, Any]) -> tuple[int, ...] | None:
    """How many units each layer has, or layers that are tied, where levels count these and a name tells; or None."""
    criteria = config["criteria"]
    if config["evaluation"]["budget"] != "units" or (criteria["residual"], criteria["linear"]) != (
        "units",
        "protected",
    ):
        return None
    return widths_of(config["model"])


def widths_of(model: Mapping[str, Any]) -> tuple[int, ...] | None:
    """How many units each layer of a study's network has, or layers that are tied; None if only a look would tell."""
    known = architectures.of(model).widths
    return known(model["arguments"]) if known else None


def terms(evaluation: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What makes a set of units of a level, as `pruning.plan` takes it: {budget, keep_at_least, round_to} by floor."""
    shared = {key: evaluation[key] for key in ("budget", "round_to")}
    return [{"keep_at_least": floor, **shared} for floor in evaluation["keep_at_least"]]
