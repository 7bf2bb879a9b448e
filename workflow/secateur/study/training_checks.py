"""Checks of a schedule of training: refused in one line, with the key."""

from collections.abc import Mapping
from typing import Any

from secateur import Refused


def check_schedule(section: str, options: Mapping[str, Any], epochs: str, count: int, size: int) -> None:
    """Refused for `options` of a section that do not go together.

    The key `epochs` says that there are `count` of them, and images have `size` pixels.
    """
    _check_milestones(section, options["milestones"])
    # Without epochs nothing is trained.
    if count and options["warm_up"] >= count:
        raise Refused(
            f"{section}.warm_up is {options['warm_up']}, but {epochs} is {count}; set {section}.warm_up lower, or "
            f"{epochs} higher"
        )
    if options["crop"] >= size:
        raise Refused(
            f"{section}.crop is {options['crop']}, but images have {size} pixels (data.size), and some crops would be "
            f"black; set {section}.crop lower"
        )


def _check_milestones(section, milestones):
    if milestones != sorted(set(milestones)):
        listed = ", ".join(map(str, milestones))
        raise Refused(f"{section}.milestones are {listed}, but they have to rise, as in [0.5, 0.75]; sort them")
