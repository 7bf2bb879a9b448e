"""Tables as small HTML pages that stand alone: no script, no font and no picture from elsewhere."""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from secateur import Refused

if TYPE_CHECKING:
    import pandas

STYLE = """
body { font: 14px/1.45 system-ui, sans-serif; margin: 1.2rem; color: #222; background: #fff; }
table { border-collapse: collapse; margin: 0.6rem 0 1.4rem; }
th, td { padding: 0.25rem 0.6rem; border-bottom: 1px solid #e3e3e3; text-align: right; white-space: nowrap; }
th { background: #f4f4f4; position: sticky; top: 0; }
th:first-child, td:first-child { text-align: left; }
td.text { text-align: left; white-space: normal; }
small { color: #666; }
"""
# An item of the report beyond this is a blank page in Chromium: a data URL ends at 2 MiB.
MOST_BYTES = 1_200_000


def page(title: str, *parts: str) -> str:
    """A page from a title and parts of HTML."""
    body = "\n".join(parts)
    text = (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{STYLE}</style></head><body>\n<h1>{html.escape(title)}</h1>\n{body}\n</body></html>\n"
    )
    if len(text.encode()) > MOST_BYTES:
        raise Refused(f"the page {title!r} has {len(text.encode())} bytes; the report shows at most {MOST_BYTES}")
    return text


def table(frame: pandas.DataFrame, digits: int = 6) -> str:
    """A data frame as an HTML table, numbers with so many significant digits."""
    head = map(_escaped, frame.columns)
    rows = []
    for row in frame.itertuples(index=False):
        rows.append([_cell(value, digits) for value in row])
    return of_cells(head, rows)


def of_cells(head: Iterable[str], rows: Iterable[Iterable[str]], attributes: str = "") -> str:
    """An HTML table from a head and rows of cells that are HTML; `attributes` are those of every cell."""
    body = (f"<tr>{_row('td', row, attributes)}</tr>" for row in rows)
    return f"<table><thead><tr>{_row('th', head)}</tr></thead><tbody>{''.join(body)}</tbody></table>"


def _row(tag, cells, attributes=""):
    return "".join(f"<{tag}{attributes}>{cell}</{tag}>" for cell in cells)


def facts(pairs: dict[str, Any]) -> str:
    """A table of two columns from {name: value}; values may be nested plain data."""
    rows = []
    for name, value in flat(pairs).items():
        rows.append(f'<tr><td>{_escaped(name)}</td><td class="text">{_escaped(value)}</td></tr>')
    return f"<table><tbody>{''.join(rows)}</tbody></table>"


def flat(value: Any, name: str = "") -> dict[str, Any]:
    """Nested dicts as one dict with dotted names."""
    if not isinstance(value, dict) or not value:
        return {name: value}
    named = {}
    for key, inner in value.items():
        named |= flat(inner, f"{name}.{key}".removeprefix("."))
    return named


def _escaped(value):
    return html.escape(str(value))


def _cell(value, digits):
    if not isinstance(value, float):
        return _escaped(value)
    if value != value:
        return ""
    # A large count is printed in full, not in scientific notation.
    if value == int(value) and abs(value) >= 10**digits:
        return f"{value:.0f}"
    return f"{value:.{digits}g}"
