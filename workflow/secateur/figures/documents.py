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
        "list": lambda texts: "\n".join(f"- {text}" for text in texts),
        "code": lambda text: f"```\n{text}\n```",
        "table": _markdown_table,
    }
    return "\n\n".join(write[kind](content) for kind, content in parts) + "\n"


def as_html(parts: Sequence[tuple[str, Any]]) -> str:
    """The same blocks as a page of the report."""
    write = {
        "title": lambda text: "",
        "heading": lambda text: f"<h2>{_inline(text)}</h2>",
        "text": lambda text: f"<p>{_inline(text)}</p>",
        "list": lambda texts: f"<ul>{''.join(f'<li>{_inline(text)}</li>' for text in texts)}</ul>",
        "code": lambda text: f"<pre>{html.escape(text)}</pre>",
        "table": _html_table,
    }
    title = next(content for kind, content in parts if kind == "title")
    return html_tables.page(title, *(write[kind](content) for kind, content in parts))


def _markdown_table(table):
    def line(values):
        return "| " + " | ".join(str(value).replace("|", "\\|") for value in values) + " |"

    return "\n".join(
        [line(table.columns), line("---" for _ in table.columns), *map(line, table.itertuples(index=False))]
    )


def _html_table(table):
    head = "".join(f"<th>{_inline(str(column))}</th>" for column in table.columns)
    body = "".join(
        "<tr>" + "".join(f'<td class="text">{_inline(str(value))}</td>' for value in row) + "</tr>"
        for row in table.itertuples(index=False)
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _inline(text):
    """Escaped text with `code`, **bold** and *italics* as HTML."""
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text, quote=False))
    text = re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", text)
    return re.sub(r"\*([^*]+)\*", r"<i>\1</i>", text)
