"""Layout of the page: sections, wrapped lines, aligned columns, durations and sizes."""

import math
import textwrap
from collections.abc import Callable, Iterable, Sequence

WIDTH = 120
UNITS = ("B", "kB", "MB", "GB", "TB")


def section(title: str, lines: Iterable[str]) -> list[str]:
    """A title and its lines; empty if there are none."""
    lines = list(lines)
    if lines:
        lines.insert(0, title)
    return lines


def wrapped(line: str) -> list[str]:
    """Indented lines of at most WIDTH characters, broken between words."""
    return textwrap.wrap(line, WIDTH, initial_indent="  ", subsequent_indent="      ", break_on_hyphens=False)


def aligned(rows: Sequence[Sequence[str]], justify: Callable[[str, int], str] = str.ljust) -> list[str]:
    """Rows of cells as indented lines; `justify` aligns all columns but the first, which is aligned on the left."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0]), *map(justify, row[1:], widths[1:])]
        lines.append(f"  {'  '.join(cells)}".rstrip())
    return lines


def duration(seconds: float | None) -> str:
    """A duration in seconds, minutes or hours; "-" for None."""
    if seconds is None:
        return "-"
    if 0 < seconds < 1:
        return "< 1 s"
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 6000:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def size(count: float) -> str:
    """A count of bytes with a decimal prefix."""
    scale = min(len(UNITS) - 1, int(math.log10(max(count, 1)) // 3))
    if scale == 0:
        return f"{count:.0f} B"
    return f"{count / 1000**scale:.1f} {UNITS[scale]}"
