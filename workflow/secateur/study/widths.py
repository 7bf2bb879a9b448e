"""Widths of `scope: widths`: the units that each layer keeps, and the level at which so many are removed.

In settings a width stands for a layer, by its name, or for all layers of one width, the count of their units. Plain
data: neither torch nor pandas is needed, so that widths are resolved by whoever has the counts of the units.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from typing import Any

from secateur import Refused
from secateur.study import vocabulary
from secateur.study.levels import removed_at

# The paths of settings whose keys may be whole numbers, which stand for layers of that width.
PATHS = ("criteria.scores.widths", "criteria.learned.widths")
# Levels have at most nine digits.
DIGITS = 9


def as_text(widths: Mapping[Any, int], setting: str) -> dict[str, int]:
    """Widths with text for keys, in order: JSON and digests know no other keys.

    Refused, with `setting` at the beginning, for one key twice, and for a layer that would keep no unit.
    """
    named = {}
    for key, kept in widths.items():
        if str(key) in named:
            raise Refused(f"{setting} names the width {key} twice, as a number and as text; keep one of them")
        named[str(key)] = kept
    refuse_none(named, setting)
    return {key: named[key] for key in sorted(named)}


def given(criteria: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """{the setting and name of a criterion: its widths} of the settings `criteria`."""
    widths = {}
    for section, entry in _entries(criteria):
        if entry.get("widths"):
            widths[f"criteria.{section}: {entry['name']}"] = entry["widths"]
    return widths


def _entries(criteria) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for section in ("scores", "learned"):
        for entry in criteria[section]:
            yield section, entry


def refuse_none(widths: Mapping[str, int], setting: str) -> None:
    """Refused for a layer that would keep no unit; `setting` begins the message."""
    for key, kept in widths.items():
        if kept < 1:
            raise Refused(f"{setting} keeps {kept} of {_named(key)}; keep 1 or more")


def resolved(widths: Mapping[str, int], counts: Mapping[str, int], setting: str) -> dict[str, int]:
    """{layer: the count of units that it keeps} of all layers in {layer: count of units}.

    A name wins over a width, also where it is a number, and layers that are not named keep all. Refused, with `setting`
    at the beginning, for a layer or a width that is not there, for a layer that keeps none or more than it has, and
    where nothing is removed.
    """
    refuse_none(widths, setting)
    for key in widths:
        _refuse_unknown(key, counts, setting)
    of_width = {key: number for key, number in widths.items() if key not in counts}
    left = {}
    for layer, count in counts.items():
        left[layer] = widths.get(layer, of_width.get(str(count), count))
        if left[layer] > count:
            raise Refused(f"{setting} keeps {left[layer]} of the {count} units of {layer}; keep {count} or fewer")
    if left == counts:
        raise Refused(f"{setting} keeps all units of every layer; keep fewer of some, or leave it out")
    return left


def _refuse_unknown(key, counts, setting):
    """Refused for a key that is neither the name of a layer with units nor the width of one."""
    present = list(map(str, sorted(set(counts.values()))))
    if key in counts or key in present:
        return
    if key.isdecimal():
        raise Refused(f"{setting} names layers of {key} units, but there are none; layers have {', '.join(present)}")
    raise Refused(
        f"{setting} names the layer {key}, in which no unit is counted{vocabulary.nearest(key, counts)}; a unit of "
        f"several layers counts in the first of them"
    )


def _named(key):
    """A key of widths in words."""
    return f"layers of {key} units" if key.isdecimal() else key


def removed(left: Mapping[str, int], counts: Mapping[str, int]) -> int:
    """The count of units that are removed where every layer keeps what `resolved` says."""
    return sum(counts.values()) - sum(left.values())


def level(count: int, units: int) -> str:
    """The shortest decimal that, as a level, removes `count` of `units` units: 702 of 2,016 are 0.348.

    Of several the nearest to the exact share.

    Raises Refused where none of at most DIGITS digits does.
    """
    share = Fraction(count, units)
    for digits in range(1, DIGITS + 1):
        below = math.floor(share * 10**digits)
        texts = [f"{candidate / 10**digits:.{digits}f}" for candidate in (below, below + 1)]
        for text in sorted(texts, key=lambda text: abs(Fraction(text) - share)):
            if removed_at(text, units) == count:
                return text
    raise Refused(f"no level of {DIGITS} digits removes {count} of {units} units; keep more or fewer")


def met_by(levels: Iterable[float], count: int, units: int, setting: str) -> float:
    """The level that removes exactly `count` of `units` units; Refused, with the one to add, where none does."""
    for known in levels:
        if removed_at(known, units) == count:
            return known
    raise Refused(
        f"{setting} removes {count:,} of {units:,} units, which none of the study's levels does; levels: add "
        f"{level(count, units)}"
    )
