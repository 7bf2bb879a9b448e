"""The page of a study: its answer first, then what stands behind it, in one file that needs nothing else."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from secateur import Refused
from secateur.analysis import answer, averages, intervals, paired_tests, wording
from secateur.artifacts import evaluation_table, tables
from secateur.figures import html_tables, study_curves
from secateur.study import criterion_families, kinds, vocabulary

if TYPE_CHECKING:
    import pandas

    from secateur.analysis.results import Results

# Chromium shows an item of report.html up to a data URL of 2 MiB, and above it nothing at all.
MOST_BYTES = 1_500_000
# Lines drawn in full, and criteria beside each other where it cuts.
FRONT, BESIDE = 6, 4
# Classes of a table; of more, those that lose most are shown.
CLASSES = 20


class Study(NamedTuple):
    """All that a page is made of."""

    config: Mapping[str, Any]
    curves: pandas.DataFrame
    evaluations: pandas.DataFrame
    results: Results
    description: str  # HTML of the page that describes the study
    style: str
    script: str

    @property
    def statistic(self) -> str:
        """The statistic by which readings and weights are compared."""
        return self.config["criteria"]["mixing"]["statistic"]

    @property
    def weights(self) -> str | None:
        """The criterion of the weights with which others are compared; None where the study has none."""
        sources = self.config["criteria"]["weights"]
        return f"{sources[0]}.{self.statistic}" if sources else None

    @property
    def removed(self) -> str:
        """A share of the study's budget in words."""
        return vocabulary.BUDGETS[self.curves["budget"].iloc[0]]


def written(study: Study) -> str:
    """The page as HTML; Refused, naming the largest part, where it is too large to be shown."""
    of_family = {
        name: family for name, family in criterion_families.of(study.config).items() if study.results.has(name)
    }
    picked = answer.chosen(study.results, of_family, study.config["evaluation"]["choose_on"], _plain(study, of_family))
    rows = averages.on_test(study.curves)
    parts = {
        "answer": _answer(study, picked, rows, of_family),
        "question": _section("question", "Question and settings", [_description(study.description)]),
        "accuracy": _accuracy(study, picked, rows, of_family),
        "price": _price(study, rows, of_family),
        "cuts": _cuts(study, picked),
        "classes": _classes(study, picked),
        "recovery": _recovery(study, picked),
        "again": _again(study),
    }
    shown = {name: text for name, text in parts.items() if text}
    text = _page(study, shown)
    size = len(text.encode())
    if size > MOST_BYTES:
        largest = max(shown, key=lambda name: len(shown[name]))
        raise Refused(
            f"the page of the study has {size:,} bytes, and a report shows {MOST_BYTES:,}; its largest part is "
            f"`{largest}` with {len(shown[largest]):,}: give the study fewer criteria or levels"
        )
    return text


def _plain(study, of_family):
    """The criteria that stand for their families where nothing is chosen: those of the statistic that is compared."""
    named = [name for name in of_family if name.endswith(f".{study.statistic}")]
    others = [name for name, family in of_family.items() if family not in ("relevance", "weights")]
    return [name for name in [*named, *others] if of_family[name] not in ("random", "controls")]


def _page(study, parts):
    title = html.escape(f"{study.config['study']}: a study of channel pruning")
    links = "".join(f'<a href="#{name}">{NAMES[name]}</a>' for name in parts if name != "answer")
    names = json.dumps(criterion_families.FAMILIES).replace("<", "\\u003c")
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{study.style}</style></head><body>\n<header><h1>{html.escape(study.config['study'])}</h1>"
        f'<p class="question">{html.escape(study.config["question"])}</p></header>\n<main>\n'
        f"{parts['answer']}\n<nav>{links}</nav>\n"
        + "\n".join(text for name, text in parts.items() if name != "answer")
        + f"\n</main>\n<script>const names = {names};\n{study.script}</script></body></html>\n"
    )


NAMES = {
    "question": "Question and settings",
    "accuracy": "Accuracy",
    "price": "Price",
    "cuts": "Where it cuts",
    "classes": "Per class",
    "recovery": "Recovery",
    "again": "Provenance",
}


def _section(name, heading, parts, headline=""):
    """A section with a heading; a headline states the result."""
    lead = f"<p><b>{headline}</b></p>" if headline else ""
    return f'<section id="{name}"><h2>{html.escape(heading)}</h2>{lead}{"".join(parts)}</section>'


def _description(page):
    """The body of a page that stands alone, its headings one step lower, folded."""
    body = re.search(r"<h1>.*?</h1>\n?(.*)</body>", page, flags=re.S)
    text = body[1] if body else page
    text = re.sub(r"<(/?)h2>", r"<\1h3>", text)
    text = text.replace("<table>", '<div class="scroll"><table>').replace("</table>", "</table></div>")
    return f"<details><summary>Images, readings, networks, every setting, and versions</summary>{text}</details>"


# ---- the answer -----------------------------------------------------------------------------------------------


def _answer(study, picked, rows, of_family):
    warnings = "".join(map("<li>{}</li>".format, _warnings(study, picked, rows)))
    warned = f'<div class="warnings"><ul>{warnings}</ul></div>' if warnings else ""
    compared = {name: _versus(study, name, picked.level) for name in picked.of_families.values()}
    sentences = _chosen_words(study, picked, rows, compared) if picked.leader else _open_words(study, picked, compared)
    text = "".join(map('<p class="answer">{}</p>'.format, sentences))
    return f'<section id="answer">{warned}{text}{_answer_table(study, picked, rows, compared, of_family)}</section>'


def _versus(study, name, level):
    """{reference: the Difference of a criterion to it, or None} at a level."""
    section = study.config["figures"]
    alpha, resamples = 1 - section["confidence"], section["resamples"]
    found = {}
    for reference in filter(None, ("random", study.weights)):
        if name != reference:
            seed = study.config["seed"]
            found[reference] = answer.difference(study.results, name, reference, level, alpha, resamples, seed)
    return found


def _at(rows, name, level):
    """The row of a criterion at a level, as a dict; None where there is none."""
    found = rows[(rows["criterion"] == name) & ((rows["level"] - level).abs() < 1e-9)]
    return None if found.empty else found.iloc[0].to_dict()


def _shown(row):
    return intervals.shown(row["accuracy"], row["accuracy_low"], row["accuracy_high"])


def _name(criterion):
    return f"<code>{html.escape(criterion)}</code>"


def _chosen_words(study, picked, rows, compared):
    """Three sentences: the best criterion, whether it is ahead, and what is left."""
    row = _at(rows, picked.leader, picked.level)
    share, split = wording.percent(picked.level), picked.split
    leader = f"<b>{_name(picked.leader)}</b>"
    dense = f"{100 * study.results.dense():.1f}"
    on_choosing = f"{100 * picked.accuracy:.1f} of {100 * picked.dense:.1f} % on the {split} images that choose"
    reported = f"On the test images it keeps <b>{_shown(row)}</b> of {dense} %."
    if picked.near:
        yield (
            f"Up to <b>{share} of the {study.removed}</b> can be removed with a loss within five points, by {leader} "
            f"({on_choosing}). {reported}"
        )
    else:
        yield (
            f"No criterion stays within five points of the dense network at any level of this study; at the lowest, "
            f"{share} of the {study.removed}, {leader} is the most accurate ({on_choosing}). {reported}"
        )
    yield _ahead(picked.leader, compared[picked.leader], study)
    yield _left(study, row, _at(rows, "random", picked.level))


def _ahead(name, differences, study):
    """A sentence on a criterion beside chance and beside the weights."""
    words = {"random": "chance", study.weights: f"the weights ({_name(study.weights)})" if study.weights else ""}
    parts = []
    for reference, difference in differences.items():
        parts.append(_told(difference, words[reference]))
    text = f"There it is {wording.joined(parts)}."
    if name == study.weights:
        text += " It is itself the ranking by weights."
    return text


def _told(difference, reference):
    if difference is None:
        return f"not compared with {reference}"
    if not difference.told:
        return f"not told from {reference} ({difference} points)"
    side = "ahead of" if difference.estimate > 0 else "behind"
    return f"<b>{side} {reference}</b> ({difference} points)"


def _left(study, row, chance):
    """Sentences on the price of a row, and on that of random channels where it is another."""
    dense = averages.on_test(study.curves)
    dense = dense[dense["level"] == 0].iloc[0]
    shares = map("{} % of the {}".format, _shares(row, dense, 0), COSTS.values())
    text = f"What is left has {wording.joined(shares)}."
    if chance is not None and abs(chance["macs"] - row["macs"]) > UNLIKE * dense["macs"]:
        (others, _) = _shares(chance, dense, 0)
        text += f" Random channels leave {others} % of the multiply-adds at this level: another price."
    if row["collapsed"] > 0:
        text += " A layer is left without channels in at least one network."
    return text


# Shares of the multiply-adds that differ by more are no equal price.
UNLIKE = 0.02
COSTS = {"macs": "multiply-adds", "parameters": "parameters"}


def _shares(row, dense, digits):
    """The costs of a row in percent of the dense network's, as text."""
    for key in COSTS:
        yield f"{100 * row[key] / dense[key]:.{digits}f}"


def _open_words(study, picked, compared):
    """Sentences where nothing was chosen: every family's representative beside chance, at the level in the middle."""
    share = f"{wording.percent(picked.level)} of the {study.removed}"
    yield (
        "No images beside the test images were evaluated (<code>evaluation.choose_on</code>), so no level and no "
        f"criterion is chosen. At {share}, the level in the middle, the table has one criterion of each family."
    )
    told = {"ahead of": [], "behind": [], "not told from": []}
    for name, differences in compared.items():
        difference = differences.get("random")
        if difference is not None:
            side = "ahead of" if difference.estimate > 0 else "behind"
            told[side if difference.told else "not told from"].append(_name(name))
    sentences = [f"{wording.joined(names)}: {side} chance" for side, names in told.items() if names]
    if sentences:
        yield "; ".join(sentences) + "."


def _answer_table(study, picked, rows, compared, of_family):
    head = [
        "criterion",
        "family",
        f"test accuracy at {wording.percent(picked.level)}, %",
        "minus chance",
        "minus weights",
    ]
    head += ["multiply-adds left", "parameters left"]
    dense = rows[rows["level"] == 0].iloc[0]
    cells = [_row("", ["dense network", "", f"{100 * study.results.dense():.1f}", "", "", "100 %", "100 %"])]
    for name in [*picked.of_families.values(), "random"]:
        row = _at(rows, name, picked.level)
        if row is None:
            continue
        differences = compared.get(name, {})
        texts = [_points(differences.get("random")), _points(differences.get(study.weights))]
        shares = map("{} %".format, _shares(row, dense, 0))
        family = criterion_families.FAMILIES[of_family[name]]
        shown = _shown(row) + wording.dagger(row["collapsed"])
        cells.append(_row(name, [_name(name), family, shown, *texts, *shares], of_family[name]))
    note = (
        "<small>In points, with intervals as <i>Question and settings</i> says; bold where zero is outside. "
        "† a layer is without channels in at least one network. "
        + (f"Chosen on the {picked.split} images: the level, and each family's criterion." if picked.leader else "")
        + "</small>"
    )
    return _table(head, cells) + note


def _points(difference):
    if difference is None:
        return ""
    return f"<b>{difference}</b>" if difference.told else str(difference)


def _row(criterion, cells, family=""):
    """A row of a table; one of a criterion is marked by it, and by its family."""
    marks = f' data-c="{html.escape(criterion)}" data-f="{family}"' if criterion else ""
    return f"<tr{marks}>{''.join(map('<td>{}</td>'.format, cells))}</tr>"


def _table(head, rows):
    titles = "".join(map("<th>{}</th>".format, map(html.escape, head)))
    return (
        f'<div class="scroll"><table class="sort"><thead><tr>{titles}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _warnings(study, picked, rows):
    """Sentences on what limits the answer."""
    networks = len(study.results.seeds)
    if networks == 1:
        yield "One network was trained: intervals are of this network, and another training may rank otherwise."
    elif networks == 2:
        yield "Two networks were trained: intervals over two are wide, and say little."
    if study.config["model"]["weights"] is not None:
        yield (
            "The networks start from weights made elsewhere, which may have seen images of every split; of the test "
            "images nobody here can tell."
        )
    ranked = [name for name, reading in study.config["readings"].items() if reading["split"] == "test"]
    if ranked:
        names = wording.joined(map(_name, ranked))
        yield f"{names}: ranked on the test images that are reported, which flatters it."
    collapsed = rows[(rows["collapsed"] > 0) & ((rows["level"] - picked.level).abs() < 1e-9)]
    named = list(filter(set(picked.of_families.values()).__contains__, collapsed["criterion"]))
    if named:
        yield f"At this level {wording.joined(map(_name, named))} leaves a layer without channels in some network."


# ---- accuracy and price ---------------------------------------------------------------------------------------


def _front(picked, study, of_family):
    """The criteria that are drawn in full: the leader, the representatives of other families, and chance."""
    names = [picked.leader] if picked.leader else []
    # A dict, because the leader is one of the representatives.
    known = list(filter(of_family.__contains__, dict.fromkeys([*names, *picked.of_families.values()])))
    return [*known[: FRONT - 1], "random"]


def _accuracy(study, picked, rows, of_family):
    lines = {name: family for name, family in of_family.items() if family != "controls"}
    front = _front(picked, study, of_family)
    svg = study_curves.accuracy(rows, lines, front, picked.level, study.results.chance)
    levels = sorted(rows["level"].unique())
    table = _by_level(rows, lines, levels)
    parts = [
        _figure("accuracy-figure", svg, _described(rows, front, picked), _csv(rows, lines), _method(study)),
        f"<details><summary>Every criterion at every level</summary>{table}</details>",
    ]
    return _section("accuracy", NAMES["accuracy"], parts, _headline(study, picked, rows))


def _headline(study, picked, rows):
    """The result in one sentence: the leader's accuracy, or without one the span of all families' representatives."""
    chance = _at(rows, "random", picked.level)
    names = [picked.leader] if picked.leader else list(picked.of_families.values())
    found = rows[rows["criterion"].isin(names) & ((rows["level"] - picked.level).abs() < 1e-9)]["accuracy"]
    if found.empty or chance is None:
        return ""
    who = _name(names[0]) if len(names) == 1 else "one criterion of each family"
    low, high = f"{100 * found.min():.1f}", f"{100 * found.max():.1f}"
    share = low if low == high else f"{low} to {high}"
    return (
        f"With {wording.percent(picked.level)} of the {study.removed} removed, {who} keeps {share} % and chance "
        f"{100 * chance['accuracy']:.1f} % of the test images right; the dense network "
        f"{100 * study.results.dense():.1f} %."
    )


def _described(rows, front, picked):
    """The figure in words, with numbers."""
    parts = []
    for name in front:
        row = _at(rows, name, picked.level)
        if row is not None:
            parts.append(f"{name} {100 * row['accuracy']:.1f} %")
    return f"Test accuracy by the share removed, and by the cost left. At the thin line: {', '.join(parts)}."


def _method(study):
    single = len(study.results.seeds) == 1
    over = "the test images of the one network" if single else "the trained networks"
    return (
        f"Means over {len(study.results.seeds)} network(s); draws are averaged first. Bands are the intervals of the "
        f"change against the dense network, over {over} ({100 * study.config['figures']['confidence']:g} %). Lines in "
        "full: the most accurate criterion of each family on the images that choose, if some did, and chance; the "
        "others are faded. All networks are as pruned, without recovery."
    )


def _figure(name, svg, caption, csv, method):
    described = html.escape(caption)
    svg = svg.replace("<svg ", f'<svg role="img" aria-label="{described}" ', 1)
    data = base64.b64encode(csv.encode()).decode()
    return (
        f'<figure id="{name}">{svg}<figcaption>{described}</figcaption></figure>'
        f'<details><summary>Method and data</summary><p class="method">{html.escape(method)}</p>'
        f'<p><a download="{name}.csv" href="data:text/csv;base64,{data}">{name}.csv</a></p></details>'
    )


COLUMNS = ("criterion", "level", "macs", "parameters", "accuracy", "accuracy_low", "accuracy_high")


def _csv(rows, lines):
    return rows[rows["criterion"].isin(list(lines))][list(COLUMNS)].round(5).to_csv(index=False, lineterminator="\n")


def _by_level(rows, lines, levels):
    cells = []
    for name, family in lines.items():
        own = rows[rows["criterion"] == name].set_index("level")
        if own.empty:
            continue
        texts = []
        for level in levels:
            texts.append(_cell(own.loc[level]) if level in own.index else "")
        cells.append(_row(name, [_name(name), *texts], family))
    return _table(["criterion", *map(wording.percent, levels)], cells)


def _cell(row):
    return f"{100 * row['accuracy']:.1f}{wording.dagger(row['collapsed'])}"


def _price(study, rows, of_family):
    """The points that no other beats, on the images that choose where there are some, with their test accuracy."""
    split = study.config["evaluation"]["choose_on"]
    known = [name for name, family in of_family.items() if family not in ("random", "controls")]
    points = rows[rows["criterion"].isin(known)].copy()
    column, how = "accuracy", "found on the test images themselves, so it describes and does not choose"
    if split:
        means = _means_on(study, split)
        keys = zip(points["criterion"], points["level"].round(9), strict=True)
        points["choosing"] = list(map(means.get, keys))
        points = points.dropna(subset=["choosing"])
        column, how = "choosing", f"found on the {split} images; the test accuracy is reported"
    front = answer.front(points, "macs", column)
    dense = rows[rows["level"] == 0].iloc[0]
    cells = []
    # Networks at chance are cheap, and of no use.
    told = front[front["accuracy"] > study.results.chance + paired_tests.NEAR_CHANCE]
    for row in told.to_dict("records"):
        name = row["criterion"]
        shares = _shares(row, dense, 1)
        level = wording.percent(row["level"])
        label = _name(name) if row["level"] else "dense network"
        cells.append(_row(name if row["level"] else "", [label, level, *shares, _shown(row)], of_family[name]))
    head = ["criterion", "removed", "multiply-adds left, %", "parameters left, %", "test accuracy, %"]
    note = (
        f'<p class="method">Each row is beaten by no other at its price or below: {how}. Multiply-adds are counted.</p>'
    )
    return _section("price", NAMES["price"], [note, _table(head, cells)])


def _means_on(study, split):
    """{(criterion, level): accuracy}, means over draws, then networks, on the images of a split that choose."""
    rows = tables.first_floor(study.evaluations[study.evaluations["split"] == split])
    rows = rows.assign(criterion=rows["criterion"].map(vocabulary.without_draw), level=rows["level"].round(9))
    by_seed = rows.groupby(["criterion", "level", "seed"])["accuracy"].mean()
    return by_seed.groupby(["criterion", "level"]).mean().to_dict()


# ---- at one level -----------------------------------------------------------------------------------------------


def _at_levels(study, picked, table_at):
    """A fold for each level, that of the answer open."""
    levels = [level for level in sorted(study.curves["level"].unique()) if level > 0]
    parts = []
    for level in levels:
        opened = " open" if abs(level - picked.level) < 1e-9 else ""
        parts.append(
            f'<details class="at" data-level="{level:g}"{opened}><summary>{wording.percent(level)} of the '
            f"{study.removed} removed</summary>{table_at(level)}</details>"
        )
    return parts


def _beside(picked):
    names = list(picked.of_families.values())
    if picked.leader in names:
        names.insert(0, names.pop(names.index(picked.leader)))
    return [*names[: BESIDE - 1], "random"]


def _means_of(study, columns):
    """The first floor's rows on test images as pruned: means over draws, then networks, by criterion and level."""
    rows = averages.on_test(study.evaluations)
    rows = rows.assign(criterion=rows["criterion"].map(vocabulary.without_draw), level=rows["level"].round(9))
    by_seed = rows.groupby(["criterion", "level", "seed"], sort=False)[columns].mean()
    return by_seed.groupby(["criterion", "level"], sort=False).mean()


def _cuts(study, picked):
    columns = evaluation_table.of_layers(study.evaluations)
    means, names = _means_of(study, columns), _beside(picked)

    def table_at(level):
        rows = []
        for column in columns:
            layer = column.removeprefix(evaluation_table.OF_LAYER)
            cells = [_bar(means, name, level, column) for name in names]
            rows.append(f"<tr><td>{_name(layer)}</td>{''.join(cells)}</tr>")
        return _table(["layer, channels left", *names], rows)

    return _section("cuts", NAMES["cuts"], _at_levels(study, picked, table_at), _emptied(study, picked, names))


def _bar(means, name, level, column):
    key = (name, round(level, 9))
    if key not in means.index or means.at[key, column] != means.at[key, column]:
        return "<td></td>"
    left = 1 - means.at[key, column]
    empty = ' class="empty"' if left <= 0 else ""
    return f'<td><span class="bar"><i{empty} style="width:{100 * left:.0f}%"></i></span>{100 * left:.0f} %</td>'


def _emptied(study, picked, names):
    """A sentence on the layers that are empty at the level of the answer."""
    rows = averages.on_test(study.evaluations)
    rows = rows[((rows["level"] - picked.level).abs() < 1e-9) & rows["empty"].fillna("").ne("")]
    parts = []
    for name in names:
        own = rows[rows["criterion"].map(vocabulary.without_draw) == name]
        layers = sorted(set(" ".join(own["empty"]).split()))
        if layers:
            parts.append(f"{_name(name)} empties {wording.joined(map(_name, layers))} in some network or draw")
    share = wording.percent(picked.level)
    if not parts:
        return f"At {share}, none of these criteria leaves a layer without channels."
    return f"At {share}, {'; '.join(parts)}."


def _classes(study, picked):
    columns = evaluation_table.of_classes(study.evaluations)
    means, names = _means_of(study, columns), _beside(picked)
    first = (names[0], 0.0)

    def table_at(level):
        rows, order = [], columns
        if len(columns) > CLASSES:
            lost = means.loc[first] - means.loc[(names[0], round(level, 9))]
            order = list(lost.sort_values(ascending=False, kind="stable").index[:CLASSES])
        for column in order:
            label = html.escape(column.removeprefix(evaluation_table.OF_CLASS))
            cells = [f"<td>{label}</td><td>{_percent(means, first, column)}</td>"]
            cells += [f"<td>{_percent(means, (name, round(level, 9)), column)}</td>" for name in names]
            rows.append(f"<tr>{''.join(cells)}</tr>")
        return _table(["class, test accuracy in %", "dense network", *names], rows)

    note = f"The {CLASSES} classes that {names[0]} loses most of." if len(columns) > CLASSES else ""
    return _section("classes", NAMES["classes"], _at_levels(study, picked, table_at), html.escape(note))


def _percent(means, key, column):
    if key not in means.index or means.at[key, column] != means.at[key, column]:
        return ""
    return f"{100 * means.at[key, column]:.1f}"


def _recovery(study, picked):
    """Accuracy by recovery; nothing for a study without any."""
    names = list(study.curves["recovery"].unique())
    if len(names) < 2:
        return ""
    by_recovery = {name: tables.first_floor(study.curves, name) for name in names}
    criteria = [*picked.of_families.values(), "random"]

    def table_at(level):
        rows = []
        for criterion in criteria:
            texts = []
            for name in names:
                cell = _at(by_recovery[name], criterion, level)
                texts.append(_shown(cell) if cell else "")
            family = criterion_families.of(study.config).get(criterion, "")
            rows.append(_row(criterion, [_name(criterion), *texts], family))
        return _table(["criterion, test accuracy in %", *(kinds.KINDS[name].label for name in names)], rows)

    return _section("recovery", NAMES["recovery"], _at_levels(study, picked, table_at))


# ---- provenance -----------------------------------------------------------------------------------------------


def _again(study):
    facts = {
        "the study again": "snakemake --cores all all report --configfile settings.yaml",
        "its settings": f"{study.config['results']}/settings.yaml, which has every default",
        "training seeds": ", ".join(map(str, study.config["training"]["seeds"])),
        "seed of everything else": study.config["seed"],
        "how to cite": "CITATION.cff of secateur, and the source of the images",
    }
    table = f'<div class="scroll">{html_tables.facts(facts)}</div>'
    return _section("again", NAMES["again"], [table])
