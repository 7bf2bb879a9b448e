"""The answer of a study in sentences and one table, by the rules of `analysis.answer`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from secateur.analysis import wording
from secateur.figures import page_parts
from secateur.study import criterion_families

if TYPE_CHECKING:
    import pandas

    from secateur.analysis.answer import Chosen
    from secateur.figures.page_parts import Study

# What a difference says: its interval holds no zero, does, or there is none.
AHEAD, BEHIND, UNTESTED = "is ahead of", "is behind", "has no interval against"
UNTOLD = "cannot be told from"
# Random channels, as many of each layer as a criterion removes.
OWN_WIDTHS = "shuffled.{0}"
OF_WIDTHS = "random channels, as many of each layer; only criteria with such controls have a number there."
# Shares of the multiply-adds that differ by more are no equal price.
UNLIKE = 0.02


def answer(study: Study, picked: Chosen, rows: pandas.DataFrame, of_family: Mapping[str, str]) -> str:
    """The section of the answer: what limits it, three sentences, and a table."""
    warned = warned_of(warnings(study, picked, rows))
    compared = _compared(study, picked, picked.level)
    sentences = _chosen_words(study, picked, rows, compared) if picked.leader else _open_words(study, picked, compared)
    text = "".join(map('<p class="answer">{}</p>'.format, sentences))
    table = _table(study, picked, rows, of_family, compared, picked.level)
    return f'<section id="answer">{warned}{text}{table}{_note(picked, compared)}</section>'


def at_level(study: Study, picked: Chosen, rows: pandas.DataFrame, of_family: Mapping[str, str], level: float) -> str:
    """The table of the answer at another level, of the same criteria."""
    return _table(study, picked, rows, of_family, _compared(study, picked, level), level)


def warned_of(sentences: Iterable[str]) -> str:
    """Sentences on what limits an answer, as HTML; nothing without any."""
    items = "".join(map("<li>{}</li>".format, sentences))
    return f'<div class="warnings"><ul>{items}</ul></div>' if items else ""


def _compared(study, picked, level):
    """{criterion that stands for its family: {reference: its Difference to it, or None}} at a level."""
    return {name: _versus(study, name, picked, level) for name in picked.of_families.values()}


def _versus(study, name, picked, level):
    """{reference: the Difference of a criterion to it, or None}."""
    references = [reference for reference in ("random", picked.weights) if reference not in (name, None)]
    own = OWN_WIDTHS.format(name)
    if study.results.has(own):
        references.append(own)
    return {reference: study.difference(name, reference, level) for reference in references}


def _chosen_words(study, picked, rows, compared):
    """Three sentences: the best criterion, whether it is ahead, and what is left."""
    row = page_parts.at(rows, picked.leader, picked.level) or {}
    share, split = wording.percent(picked.level), picked.split
    leader = f"<b>{page_parts.name_of(picked.leader)}</b>"
    dense = f"{100 * study.results.dense():.1f}"
    on_choosing = f"{100 * picked.accuracy:.1f} of {100 * picked.dense:.1f} % on the {split} images that choose"
    reported = f"On the test images it keeps <b>{page_parts.shown(row)}</b> of {dense} %."
    if picked.near:
        yield (
            f"Up to <b>{share} of the {study.removed}</b> can be removed with a loss of at most five points of "
            f"accuracy, by {leader} (the most accurate there, {on_choosing}). {reported}"
        )
    else:
        yield (
            "No criterion stays within five points of the dense network's accuracy at any level of this study; at the "
            f"lowest, {share} of the {study.removed}, {leader} is the most accurate ({on_choosing}). {reported}"
        )
    yield _ahead(picked, compared[picked.leader])
    yield _left(page_parts.dense_of(rows), row, page_parts.at(rows, "random", picked.level))


def _ahead(picked, differences):
    """A sentence on the leader beside chance and beside the best of the weights."""
    words = {"random": "chance"}
    if picked.weights:
        words[picked.weights] = f"the best of the weights, {page_parts.name_of(picked.weights)}"
    parts = []
    words[OWN_WIDTHS.format(picked.leader)] = "random channels at its own widths"
    for reference, difference in differences.items():
        parts.append(_told(difference, words[reference]))
    text = f"There it {'; it '.join(parts)}."
    if picked.leader == picked.weights:
        text += " It is itself a ranking by weights."
    return text


def _told(difference, reference):
    if difference is None:
        return f"is not compared with {reference}"
    if not difference.tested:
        return f"is not tested against {reference}, of which one draw or one network gives no interval ({difference})"
    text = f"{_side(difference)} {reference}"
    return f"<b>{text}</b>: {difference} points" if difference.told else f"{text}: {difference} points"


def _side(difference):
    if not difference.tested:
        return UNTESTED
    if not difference.told:
        return UNTOLD
    return AHEAD if difference.estimate > 0 else BEHIND


def _left(dense, row, chance):
    """Sentences on the price of a row, and on that of random channels where it is another."""
    text = f"What is left has {wording.joined(_costs(row, dense))}."
    if chance is not None and abs(chance["macs"] - row["macs"]) > UNLIKE * dense["macs"]:
        others = _costs(chance, dense)
        text += f" Random channels leave {wording.joined(others)} at this level, so chance is compared at another cost."
    if row["collapsed"] > 0:
        text += " A layer is left without channels in at least one network."
    return text


def _costs(row, dense):
    """The shares of the dense network's costs in words."""
    return map("{} % of the {}".format, page_parts.shares(row, dense, 0), page_parts.COSTS.values())


def _open_words(study, picked, compared):
    """Sentences where nothing was chosen: every family's representative beside chance, at the level in the middle."""
    share = f"{wording.percent(picked.level)} of the {study.removed}"
    yield (
        "No images beside the test images were evaluated (<code>evaluation.choose_on</code>), so no level and no "
        f"criterion is chosen. At {share}, the level in the middle, the table has one criterion of each family."
    )
    told = {AHEAD: [], BEHIND: [], UNTOLD: [], UNTESTED: []}
    for name, differences in compared.items():
        difference = differences.get("random")
        if difference is not None:
            told[_side(difference)].append(page_parts.name_of(name))
    sentences = [f"{side} chance: {wording.joined(names)}" for side, names in told.items() if names]
    if sentences:
        yield f"What {'; what '.join(sentences)}."


def _table(study, picked, rows, of_family, compared, level):
    head = [
        "criterion",
        "family",
        f"test accuracy at {wording.percent(level)}, %",
        "minus chance",
        "minus weights",
    ]
    controls = _controlled(compared)
    if controls:
        head.append("minus chance at its widths")
    head += ["multiply-adds left", "parameters left"]
    dense = page_parts.dense_of(rows)
    cells = [
        page_parts.row_of(
            "", ["dense network", "", f"{100 * study.results.dense():.1f}", "", "", *[""] * controls, "100 %", "100 %"]
        )
    ]
    for name in [*picked.of_families.values(), "random"]:
        row = page_parts.at(rows, name, level)
        if row is None:
            continue
        differences = compared.get(name, {})
        texts = [page_parts.points(differences.get("random")), page_parts.points(differences.get(picked.weights))]
        if controls:
            texts.append(page_parts.points(differences.get(OWN_WIDTHS.format(name))))
        shares = map("{} %".format, page_parts.shares(row, dense, 0))
        family = criterion_families.FAMILIES[of_family[name]]
        shown = page_parts.shown(row) + wording.dagger(row["collapsed"])
        cells.append(
            page_parts.row_of(name, [page_parts.name_of(name), family, shown, *texts, *shares], of_family[name])
        )
    return page_parts.table_of(head, cells)


def _controlled(compared):
    """True where some criterion has random channels at its own widths beside it."""
    return any(OWN_WIDTHS.format(name) in differences for name, differences in compared.items())


def _note(picked, compared):
    return (
        "<small>Differences in points, with intervals as <i>Question and settings</i> says; bold where zero is "
        "outside. The interval of an accuracy is that of its change against the dense network. "
        "† a layer is without channels in at least one network. "
        + (f"Its widths: {OF_WIDTHS} " if _controlled(compared) else "")
        + (f"Chosen on the {picked.split} images: the level, and each family's criterion. " if picked.leader else "")
        + (f"Weights: {page_parts.name_of(picked.weights)}." if picked.weights else "")
        + "</small>"
    )


def warnings(study: Study, picked: Chosen, rows: pandas.DataFrame) -> Iterator[str]:
    """Sentences on what limits the answer."""
    yield from study.missing
    networks = len(study.results.seeds)
    if networks == 1:
        yield "All is of one network: intervals are of this network, and another training may rank otherwise."
    elif networks == 2:
        yield "All is of two networks: intervals over two are wide, and say little."
    if study.config["model"]["weights"] is not None:
        yield (
            "The networks start from weights made elsewhere, which may have seen images of every split; of the test "
            "images nobody here can tell."
        )
    ranked = [name for name, reading in study.config["readings"].items() if reading["split"] == "test"]
    if ranked:
        names = wording.joined(map(page_parts.name_of, ranked))
        yield f"{names}: ranked on the test images that are reported, which flatters it and what is made of it."
    collapsed = rows[(rows["collapsed"] > 0) & ((rows["level"] - picked.level).abs() < 1e-9)]
    named = list(filter(set(picked.of_families.values()).__contains__, collapsed["criterion"]))
    if named:
        names = wording.joined(map(page_parts.name_of, named))
        yield f"At this level a layer is without channels in at least one network by {names}."
