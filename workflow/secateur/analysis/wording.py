"""Numbers as words: an interval, a percentage, a list."""

from collections.abc import Iterable


def interval(difference: float, low: float, high: float) -> str:
    """A difference and its interval in points."""
    if low != low:
        return f"{100 * difference:+z.1f} (no interval)"
    return f"{100 * difference:+z.1f} [{100 * low:+z.1f}, {100 * high:+z.1f}]"


def percent(level: float) -> str:
    """A level in percent, as text."""
    return f"{100 * level:g} %"


def joined(parts: Iterable[str]) -> str:
    """Words with commas and a last *and*."""
    *first, last = parts
    if not first:
        return last
    return f"{', '.join(first)} and {last}"


def dagger(collapsed: float) -> str:
    """The mark of a cell of which a network has an empty layer."""
    return " †" if collapsed > 0 else ""
