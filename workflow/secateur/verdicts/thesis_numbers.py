"""The numbers that the thesis prints, beside ours."""

import html
from collections.abc import Sequence
from pathlib import Path

import pandas

from secateur.analysis import intervals, wording
from secateur.artifacts import evaluation_table, tables

COLUMNS = ("table", "criterion", "level", "class", "accuracy", "loss", "distrust")
PRUNING = ("B.1", "B.2", "B.3", "B.5")


def read(path: Path | str) -> pandas.DataFrame:
    """The typed numbers, one row for each printed one; `distrust` says why a row cannot be data, or is empty."""
    printed = tables.read(path, *COLUMNS).assign(level=lambda table: table["level"].round(9))
    return printed.assign(distrust=printed["distrust"].fillna(""), **{"class": printed["class"].fillna("")})


def accuracy(printed: pandas.DataFrame, criterion: str, level: float) -> float:
    """The printed accuracy as a fraction, or NaN where none is printed or the row is distrusted."""
    rows = _trusted(printed, criterion)
    return float(rows.loc[rows["level"] == round(level, 9), "accuracy"].mean())


def dense(printed: pandas.DataFrame) -> tuple[float, float]:
    """(accuracy, loss) of the thesis's network before pruning."""
    row = printed[printed["table"] == "B"].iloc[0]
    return float(row["accuracy"]), float(row["loss"])


def best_blend(printed: pandas.DataFrame, level: float) -> str:
    """The printed delta between 0 and 1 with the highest accuracy at a level, as text; empty where none is printed.

    Rows that cannot be data are left out.
    """
    rows = printed[(printed["table"] == "B.5") & (printed["distrust"] == "") & (printed["level"] == round(level, 9))]
    rows = rows[~rows["criterion"].isin(["mixed.relevance.0.0", "mixed.relevance.1.0"])]
    if rows.empty:
        return ""
    return rows.loc[rows["accuracy"].idxmax(), "criterion"].removeprefix("mixed.relevance.")


def ours(criterion: str, reading: str, weight: str = "weight") -> str:
    """Our name of a printed criterion: `reading` stands for relevance and `weight` for the parameters."""
    family, _, rest = criterion.partition(".")
    if family == "weight":
        return f"{weight}.{rest}"
    if family == "relevance":
        return f"{reading}.{rest}"
    return ".".join([family, reading, *rest.split(".", 1)[1:]])


def beside(
    printed: pandas.DataFrame,
    curves: pandas.DataFrame,
    table: str,
    readings: Sequence[str],
    weights: Sequence[str] = ("weight",),
) -> pandas.DataFrame:
    """A printed table with our curves beside it: one row for each criterion and source, one column for each level.

    A long table criterion, source, level, accuracy, low, high, collapsed, distrust. The source `printed` is the
    thesis; all others are our criteria, of each reading and of each way to read weights, where the row is about them.
    Fractions.
    """
    rows = printed[printed["table"] == table]
    parts = []
    for criterion in rows["criterion"].unique():
        parts.append(rows[rows["criterion"] == criterion].assign(source="printed"))
        for name in _all_ours(criterion, readings, weights):
            parts.append(_measured(curves, name).assign(criterion=criterion))
    columns = ["criterion", "source", "level", "accuracy", "low", "high", "collapsed", "distrust"]
    return pandas.concat(parts, ignore_index=True).reindex(columns=columns)


def _all_ours(criterion, readings, weights):
    """Our names of a printed criterion by every reading and every way to read weights, each once."""
    names = {}
    for reading in readings:
        names |= dict.fromkeys(ours(criterion, reading, weight) for weight in weights)
    return list(names)


def by_class(printed: pandas.DataFrame, evaluations: pandas.DataFrame) -> pandas.DataFrame:
    """Accuracy of the dense network for each class, printed and ours (the mean over seeds)."""
    rows = printed[printed["class"] != ""]
    # Level 0 of every criterion is the same network.
    dense = evaluations[evaluations["level"] == 0].drop_duplicates("seed")
    dense = dense.reindex(columns=evaluation_table.OF_CLASS + rows["class"])
    measured = [dense[column].mean() for column in dense]
    return pandas.DataFrame({"class": rows["class"], "printed": rows["accuracy"], "measured": measured})


def grid(table: pandas.DataFrame) -> str:
    """The rows of `beside` as an HTML table; distrusted rows are grey, with their reason below."""
    levels = sorted(table["level"].unique())
    head = _cells("th", ["criterion", "", *map(wording.percent, levels)])
    body = []
    for names, part in table.groupby(["criterion", "source"], sort=False):
        criterion, source = names
        body.append(_row(criterion, source, part, levels))
    notes = []
    for reason in table["distrust"].fillna("").unique():
        if reason:
            notes.append(f"<p><small>Grey: {html.escape(reason)}.</small></p>")
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>{''.join(notes)}"


def _cells(tag, texts):
    return "".join(f"<{tag}>{text}</{tag}>" for text in texts)


def _row(criterion, source, part, levels):
    cells = part.set_index("level")
    texts = ["", html.escape(source)]
    style = ""
    if source == "printed":
        texts[0], style = html.escape(criterion), ' style="background:#f7f7f7"'
    if part["distrust"].fillna("").ne("").any():
        style = ' style="color:#a5a5a5"'
    for level in levels:
        text = ""
        if level in cells.index:
            text = _cell(cells.loc[level])
        texts.append(text)
    return f"<tr{style}>{_cells('td', texts)}</tr>"


def _cell(row):
    if row["source"] == "printed":
        return f"{100 * row['accuracy']:.2f}"
    return intervals.cell(row.name, row["accuracy"], row["low"], row["high"], row["collapsed"])


def _measured(curves, criterion):
    rows = curves[curves["criterion"] == criterion]
    return pandas.DataFrame(
        {
            "source": criterion,
            "level": rows["level"].round(9),
            "accuracy": rows["accuracy"],
            "low": rows["accuracy_low"],
            "high": rows["accuracy_high"],
            "collapsed": rows["collapsed"],
            "distrust": "",
        }
    )


def _trusted(printed, criterion):
    return printed[(printed["criterion"] == criterion) & (printed["distrust"] == "") & (printed["class"] == "")]
