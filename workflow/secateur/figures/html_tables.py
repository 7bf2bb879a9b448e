"""Tables as small HTML pages that stand alone: no script, no font and no picture from elsewhere."""

from __future__ import annotations

import html
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
    head = "".join(f"<th>{html.escape(str(column))}</th>" for column in frame.columns)
    rows = ("".join(f"<td>{_cell(value, digits)}</td>" for value in row) for row in frame.itertuples(index=False))
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(f'<tr>{row}</tr>' for row in rows)}</tbody></table>"


def facts(pairs: dict[str, Any]) -> str:
    """A table of two columns from {name: value}; values may be nested plain data."""
    rows = (
        f'<tr><td>{html.escape(str(name))}</td><td class="text">{html.escape(str(value))}</td></tr>'
        for name, value in flat(pairs).items()
    )
    return f"<table><tbody>{''.join(rows)}</tbody></table>"


def flat(value: Any, name: str = "") -> dict[str, Any]:
    """Nested dicts as one dict with dotted names."""
    if not isinstance(value, dict):
        return {name: value}
    return {k: v for key, inner in value.items() for k, v in flat(inner, f"{name}.{key}" if name else str(key)).items()}


def _cell(value, digits):
    if isinstance(value, float):
        whole = value == value and value == int(value) and abs(value) >= 10**digits
        return "" if value != value else f"{value:.0f}" if whole else f"{value:.{digits}g}"
    return html.escape(str(value))
