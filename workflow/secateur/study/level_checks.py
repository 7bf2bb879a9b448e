"""Levels and floors against the network: how many units can be removed, and the terms of a level."""

import math
from collections.abc import Mapping
from typing import Any

from secateur import Refused
from secateur.study import architectures
from secateur.study.levels import highest, removed_at


def check_floors(config: Mapping[str, Any]) -> None:
    """Refused for a floor that is no share and no count, and for a level that a floor or the network forbids."""
    floors = config["evaluation"]["keep_at_least"]
    for floor in floors:
        if floor >= 1 and floor != int(floor):
            raise Refused(f"evaluation.keep_at_least is {floor}: give a share below 1, or a whole number of channels")
    widths = removable(config)
    if widths is None:
        return
    for floor in floors:
        _check_highest(config["levels"][-1], floor, widths, config["model"]["name"])


def _check_highest(level, floor, widths, network):
    """Refused for a level that removes more units than one floor allows, or all of them."""
    total = sum(widths)
    count = removed_at(level, total)
    most = total - 1
    reason = "nothing would be left"
    if floor:
        most = highest(widths, floor)
        reason = f"evaluation.keep_at_least {floor} allows only {most} to be removed"
    if count > most:
        raise Refused(
            f"levels: {level} removes {count} of {network}'s {total} units, but {reason}; "
            f"the highest level that is possible is {math.floor(1000 * most / total) / 1000:g}"
        )


def removable(config: Mapping[str, Any]) -> tuple[int, ...] | None:
    """The count of units of each layer, or of each set of coupled layers, that a level of units can remove.

    None where levels count parameters or multiply-adds, where settings change what is a unit, or where only the network
    itself tells.
    """
    criteria = config["criteria"]
    of_units = config["evaluation"]["budget"] == "units"
    plain = (criteria["residual"], criteria["linear"]) == ("units", "protected")
    if not of_units or not plain:
        return None
    return widths_of(config["model"])


def widths_of(model: Mapping[str, Any]) -> tuple[int, ...] | None:
    """The count of units of each layer of a study's network, or of each set of coupled layers.

    None where only the network itself tells.
    """
    known = architectures.of(model).widths
    return known(model["arguments"]) if known else None


def terms(evaluation: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The terms of a level, as `pruning.plan` takes them: {budget, keep_at_least, round_to}, once for each floor."""
    shared = {key: evaluation[key] for key in ("budget", "round_to")}
    return [{"keep_at_least": floor, **shared} for floor in evaluation["keep_at_least"]]
