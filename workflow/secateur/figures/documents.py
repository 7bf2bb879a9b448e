"""A page as a list of (kind, content), written as Markdown and as HTML.

Kinds are title, heading, text, list (of texts), table (a data frame) and code. Text may hold `code`, **bold** and
*italics*.
"""

import html
import re
from collections.abc import Iterable, Sequence
from typing import Any

from secateur.figures import html_tables


def as_markdown(parts: Iterable[tuple[str, Any]]) -> str:
    """Blocks as a Markdown page."""
    write = {
        "title": lambda text: f"# {text}",
        "heading": lambda text: f"## {text}",
        "text": lambda text: text,
        "list": lambda texts: "\n".join(map("- {}".format, texts)),
        "code": lambda text: f"```\n{text}\n```",
        "table": _markdown_table,
    }
    blocks = (write[kind](content) for kind, content in parts)
    return "\n\n".join(blocks) + "\n"


def as_html(parts: Sequence[tuple[str, Any]]) -> str:
    """Blocks as an HTML page of the report; the title is that of the page."""
    write = {
        "title": lambda text: "",
        "heading": lambda text: f"<h2>{_inline(text)}</h2>",
        "text": lambda text: f"<p>{_inline(text)}</p>",
        "list": _html_list,
        "code": lambda text: f"<pre>{html.escape(text)}</pre>",
        "table": _html_table,
    }
    title = next(content for kind, content in parts if kind == "title")
    blocks = (write[kind](content) for kind, content in parts)
    return html_tables.page(title, *blocks)


def _markdown_table(table):
    lines = [_markdown_row(table.columns), _markdown_row(["---"] * len(table.columns))]
    lines += map(_markdown_row, table.itertuples(index=False))
    return "\n".join(lines)


def _markdown_row(values):
    cells = (str(value).replace("|", "\\|") for value in values)
    return f"| {' | '.join(cells)} |"


def _html_list(texts):
    items = (f"<li>{_inline(text)}</li>" for text in texts)
    return f"<ul>{''.join(items)}</ul>"


def _html_table(table):
    head = map(_inline, map(str, table.columns))
    return html_tables.of_cells(head, map(_html_row, table.itertuples(index=False)), ' class="text"')


def _html_row(row):
    return map(_inline, map(str, row))


def _inline(text):
    """Escaped text with `code`, **bold** and *italics* as HTML."""
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text, quote=False))
    text = re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", text)
    return re.sub(r"\*([^*]+)\*", r"<i>\1</i>", text)
