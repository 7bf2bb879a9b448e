"""Parts of a study's page: what it is made of, headings, rows, tables and figures as HTML."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from secateur.analysis import answer as answers
from secateur.analysis import intervals, wording
from secateur.study import criterion_families, vocabulary

if TYPE_CHECKING:
    import pandas

    from secateur.analysis.agreement import Rankings
    from secateur.analysis.answer import Chosen, Difference
    from secateur.analysis.results import Results
    from secateur.jobs.runtimes import Runtime
    from secateur.relevance.comparison import Comparison


class Study(NamedTuple):
    """All that a page is made of."""

    config: Mapping[str, Any]
    curves: pandas.DataFrame
    evaluations: pandas.DataFrame
    results: Results
    description: str  # HTML of the page that describes the study
    # {section: HTML of a page, or a table of means} of what only some studies have
    more: Mapping[str, str | pandas.DataFrame]
    rankings: Rankings
    sensitivity: Mapping[str, pandas.DataFrame]  # {criterion: its curves, as `analysis.sensitivity.read` reads them}
    exports: Mapping[str, Mapping[str, Any]]  # {folder of an exported network: its manifest}
    style: str
    script: str
    # HTML sentences on what is missing, of a study that is not finished
    missing: Sequence[str] = ()
    compared: Sequence[Comparison] = ()  # relevance at the input before and after pruning, of each network
    runtimes: Sequence[Runtime] = ()  # of the jobs behind the page

    @property
    def statistic(self) -> str:
        """The statistic by which readings and weights are compared."""
        return self.config["criteria"]["mixing"]["statistic"]

    @property
    def removed(self) -> str:
        """A share of the study's budget in words."""
        return vocabulary.BUDGETS[self.curves["budget"].iloc[0]]

    def difference(self, first: str, second: str, level: float) -> Difference | None:
        """The test accuracy of one criterion minus another's at a level, paired; None where the study lacks one."""
        section = self.config["figures"]
        alpha, resamples = 1 - section["confidence"], section["resamples"]
        return answers.difference(self.results, first, second, level, alpha, resamples, self.config["seed"])


class Heads(NamedTuple):
    """Title, headings, style and script around the sections of a page."""

    title: str
    name: str
    question: str
    style: str
    script: str


HEADINGS = {
    "question": "Question and settings",
    "accuracy": "Accuracy",
    "statistics": "Statistics and deltas",
    "price": "Price",
    "cuts": "Where it cuts",
    "agreement": "Agreement of rankings",
    "looks": "What it looks at",
    "classes": "Per class",
    "recovery": "Recovery",
    "layers": "Levels per layer",
    "learned": "Learned selection",
    "sparsity": "Sparsity",
    "tickets": "Tickets",
    "retraining": "Retraining",
    "verdicts": "Claims and verdicts",
    # Of two studies side by side.
    "differs": "What differs",
    "levels": "Difference at equal levels",
    "cost": "Difference at equal multiply-adds",
    "others": "What only one study has",
    "again": "Provenance",
}
COSTS = {"macs": "multiply-adds", "parameters": "parameters"}


def shares(row: Mapping[str, float], dense: Mapping[str, float], digits: int) -> Iterator[str]:
    """The costs of a row in percent of the dense network's, as text."""
    for key in COSTS:
        yield f"{100 * row[key] / dense[key]:.{digits}f}"


def dense_of(rows: pandas.DataFrame) -> pandas.Series:
    """The row of the dense network: level 0 of any criterion."""
    return rows[rows["level"] == 0].iloc[0]


def at(rows: pandas.DataFrame, name: str, level: float) -> dict[str, Any] | None:
    """The row of a criterion at a level, as a dict; None where there is none."""
    found = rows[(rows["criterion"] == name) & ((rows["level"] - level).abs() < 1e-9)]
    return None if found.empty else found.iloc[0].to_dict()


def shown(row: Mapping[str, float]) -> str:
    """The accuracy of a row with its interval, in percent, as HTML."""
    return _unbroken(intervals.shown(row["accuracy"], row["accuracy_low"], row["accuracy_high"]))


def points(difference: Difference | None) -> str:
    """A difference in points with its interval as HTML, bold where it is told from zero; nothing for None."""
    if difference is None:
        return ""
    text = _unbroken(str(difference))
    return f"<b>{text}</b>" if difference.told else text


def _unbroken(text):
    """A text whose intervals are not broken between lines."""
    return re.sub(r"\[[^]]+\]", r'<span class="interval">\g<0></span>', text)


def name_of(criterion: str) -> str:
    """A name of a study as HTML."""
    return f"<code>{html.escape(criterion)}</code>"


def section(name: str, parts: Iterable[str], headline: str = "") -> str:
    """A section of HEADINGS; a headline states the result."""
    lead = f"<p><b>{headline}</b></p>" if headline else ""
    return f'<section id="{name}"><h2>{HEADINGS[name]}</h2>{lead}{"".join(parts)}</section>'


def row_of(criterion: str, cells: Iterable[str], family: str = "") -> str:
    """A row of a table; one of a criterion is marked by it, and by its family."""
    marks = f' data-c="{html.escape(criterion)}" data-f="{family}"' if criterion else ""
    return f"<tr{marks}>{''.join(map('<td>{}</td>'.format, cells))}</tr>"


def table_of(head: Iterable[str], rows: Iterable[str]) -> str:
    """A table that scrolls by itself where the window is narrow; `rows` are HTML, the head is text."""
    titles = "".join(map("<th>{}</th>".format, map(html.escape, head)))
    return (
        f'<div class="scroll"><table class="sort"><thead><tr>{titles}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def whole(heads: Heads, parts: Mapping[str, str]) -> str:
    """A page of sections, {name of HEADINGS: HTML}; the answer stands before the links to all others."""
    links = "".join(f'<a href="#{name}">{HEADINGS[name]}</a>' for name in parts if name != "answer")
    names = json.dumps(criterion_families.FAMILIES).replace("<", "\\u003c")
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(heads.title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{heads.style}</style></head><body>\n<header><h1>{html.escape(heads.name)}</h1>"
        f'<p class="question" dir="auto">{html.escape(heads.question)}</p></header>\n<main>\n'
        f"{parts['answer']}\n<nav>{links}</nav>\n"
        + "\n".join(text for name, text in parts.items() if name != "answer")
        + f"\n</main>\n<script>const names = {names};\n{heads.script}</script></body></html>\n"
    )


def figure_of(name: str, svg: str, title: str, caption: str, csv: str, method: str) -> str:
    """A figure with its title and its description, which has numbers; its method and data stand in a fold."""
    described = html.escape(caption)
    words = f'<title id="{name}-title">{html.escape(title)}</title><desc id="{name}-desc">{described}</desc>'
    named = f'<svg role="img" aria-labelledby="{name}-title" aria-describedby="{name}-desc" '
    svg = re.sub(r"<svg ([^>]*>)", lambda match: f"{named}{match[1]}{words}", svg, count=1)
    data = base64.b64encode(csv.encode()).decode()
    return (
        f'<figure id="{name}">{svg}<figcaption>{described}</figcaption></figure>'
        f'<details><summary>Method and data</summary><p class="method">{html.escape(method)}</p>'
        f'<p><a download="{name}.csv" href="data:text/csv;base64,{data}">{name}.csv</a></p></details>'
    )


def at_levels(study: Study, picked: Chosen, table_at: Callable[[float], str]) -> list[str]:
    """A fold for each level with what `table_at` says of it, that of the answer open."""
    levels = [level for level in sorted(study.curves["level"].unique()) if level > 0]
    return [level_fold(level, picked.level, f" of the {study.removed}", table_at(level)) for level in levels]


def level_fold(level: float, shown: float, of_what: str, text: str) -> str:
    """A fold of a level, which is open where it is the one that is shown first."""
    opened = " open" if abs(level - shown) < 1e-9 else ""
    summary = f"{wording.percent(level)}{of_what} removed"
    return f'<details class="at" data-level="{level:g}"{opened}><summary>{summary}</summary>{text}</details>'


def fold(summary: str, page: str, kind: str = "") -> str:
    """The body of a page that stands alone, its headings one step lower, in a fold; `kind` is its class."""
    body = re.search(r"<h1>.*?</h1>\n?(.*)</body>", page, flags=re.S)
    text = re.sub(r"<(/?)h2>", r"<\1h3>", body[1] if body else page)
    text = text.replace("<table>", '<div class="scroll"><table>').replace("</table>", "</table></div>")
    marked = f' class="{kind}"' if kind else ""
    return f"<details{marked}><summary>{html.escape(summary)}</summary>{text}</details>"
