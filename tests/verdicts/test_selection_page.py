"""The page on learned selection: every sentence and figure is that of a table, published figures stand apart."""

import dataclasses
import re

import pytest

from secateur.figures import documents
from secateur.study.kinds import Cell
from secateur.verdicts import (
    paired,
    selection_claims,
    selection_method,
    selection_page,
    selection_published,
    selection_study,
    selection_tables,
)
from secateur.verdicts.selection_published import PENDING, PUBLISHED
from secateur.verdicts.selection_study import DENSE
from support.learned_studies import ASKED, LEVEL, Facts, finished
from support.pages import contents, lines, numbers, numbers_of_tables, table_with, written
from support.studies import ROOT

OTHER = {"study": "gates-again", "training": {"seeds": [0, 1, 2]}}
BEHIND = {("gates.mlp", "retrained"): 0.8, ("gates.static", "none"): 0.3}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """One network, and three in which the selection of `gates.mlp` is worse than all others."""
    place = tmp_path_factory.mktemp("studies")
    return [finished(place / "one"), finished(place / "three", Facts(BEHIND), OTHER)]


@pytest.fixture(scope="module")
def studies(folders):
    return list(map(selection_study.read, folders))


@pytest.fixture(scope="module")
def blocks(studies, folders):
    return selection_page.blocks(studies, folders)


def test_every_number_of_a_generated_sentence_is_in_a_table(blocks):
    known = numbers_of_tables(blocks)
    # What a list quotes of how intervals and networks are made are settings and degrees of freedom.
    quoted = ("Intervals (", "weight decay", "re-estimated on")
    generated = [line for line in lines(blocks) if not any(map(line.__contains__, quoted))]
    assert len(generated) > 40
    for line in generated:
        assert numbers(line) <= known, line


def test_the_summary_is_that_of_the_tables_below_it(blocks, studies):
    summary = table_with(blocks, "claim")
    assert len(summary) == len(selection_claims.CLAIMS)
    judged = [table for table in contents(blocks, "table") if "verdict" in table]
    assert len(judged) == len(summary)
    for (_, row), table in zip(summary.iterrows(), judged, strict=True):
        for study in studies:
            verdicts = list(table.loc[table["study"] == study.label, "verdict"])
            verdicts = [word.partition(" (")[0] for word in verdicts]
            counted = [word for word in verdicts if word in paired.WORDS.values()]
            assert f"({counted.count('holds')} of {len(counted)} hold" in row[study.label]
            expected = "fails" if "fails" in counted else "cannot be told at this scale"
            if set(counted) == {"holds"}:
                expected = "holds"
            assert row[study.label].startswith(f"**{expected}**")


def test_the_tally_counts_every_judgement(blocks):
    (text,) = [text for text in contents(blocks, "text") if text.startswith("Of twenty-eight judgements")]
    summary = table_with(blocks, "claim")
    failed = summary.iloc[:, 4].str.startswith("**fails**")
    # `gates.mlp` retrained is worse than four others and than `gates.static`, which is behind `l1` as pruned.
    assert list(summary.loc[failed, ""]) == ["(b)"] * 4 + ["(e)", "(f)"]
    assert not summary.iloc[:, 3].str.startswith("**fails**").any() and "fails: six" in text


def test_a_study_in_which_one_of_two_selections_is_worse_says_so(blocks, studies):
    listed = lines(blocks)
    assert f"{studies[1].label}: **fails**; of two comparisons it holds in one and fails in one." in listed
    (line,) = [line for line in listed if line.startswith("Learned selections less `l1`") and "behind" in line]
    table, found = selection_tables.differences(studies[1], studies[1].entries)
    shown = table.loc[table["less"] == "`l1`"].iloc[:, 2:].to_numpy().flatten()
    lows = [float(re.findall(r"[+-][\d.]+", cell)[1]) for cell in shown]
    assert f"ahead in {['no', 'one', 'two', 'three', 'four'][sum(low > 0 for low in lows)]}" in line
    assert len(found["`l1`"]) == len(shown) == 8


def test_accuracies_of_a_study_are_means_of_its_tables(blocks, studies):
    table = table_with(blocks, "selection", "draws", "continued").set_index("selection")
    study = studies[0]
    expected = study.cells[Cell("gates.mlp", LEVEL, "continued")]["accuracy"].mean()
    assert table.loc["`gates.mlp`", "continued"] == f"{100 * expected:.2f}"
    assert table.loc["`gates.mlp`", "draws"] == "3 (fresh weights 1)"
    assert table.loc["`random`", "draws"] == "3 (retrained 1)"
    assert table.loc["dense network", "pruned"] == f"{100 * study.mean(DENSE, 'accuracy'):.2f}"
    assert table.loc["training images", ["learned", "retrained"]].to_list() == ["2,000", "3,000"]
    assert table.loc["`l1`", "multiply-adds left"] == "62.50 %" and table.loc["`l1`", "learned"] == "-"


def test_unequal_numbers_of_images_are_not_compared_in_the_tables(studies):
    cells = dict(studies[1].cells)
    cell = Cell("l1.gates.mlp", LEVEL, "retrained")
    cells[cell] = cells[cell].assign(trained_images=4000)
    study = dataclasses.replace(studies[1], cells=cells)
    table, found = selection_tables.differences(study, study.entries)
    row = table[table["less"] == "`l1`"].iloc[0]
    assert row["both retrained"] == row["continued, the other retrained"] == "not compared"
    assert len(found["`l1`"]) == 4


def test_units_in_common_are_counted_beside_those_of_chance(studies):
    for study in studies:
        rows = selection_tables.overlaps(study, study.entries).to_dict("records")
        # The orders of support.learned_studies: draws 0, 1, 2 of the first entry remove units from 0, 1, 2 on, and
        # `taylor_activation` beside it those from 4 on; the second entry has all of these 5 units further.
        assert [row["selection"] for row in rows] == ["`gates.mlp`", "`gates.static`"]
        assert {row["removed"] for row in rows} == {str(ASKED)}
        assert [row["with `l1`"] for row in rows] == [f"{ASKED - 1:.1f}", f"{ASKED - 6:.1f}"]
        assert {row["with `taylor_activation`"] for row in rows} == {f"{ASKED - 3:.1f}"}
        assert {row["by chance"] for row in rows} == {f"{3 * 8**2 / 16 + 3 * 12**2 / 32:.1f}"}


def test_what_holds_by_construction_says_so(blocks):
    texts = contents(blocks, "text")
    for key, words in selection_page.BY_CONSTRUCTION.items():
        claim = next(place for place, text in enumerate(texts) if text.startswith(f"**({key})"))
        assert texts[claim + 1] == words


# ---- the published table -------------------------------------------------------------------------------------


def test_published_rows_come_first_and_are_marked(studies):
    table = selection_published.table(studies)
    published = table.iloc[: len(PUBLISHED)]
    assert set(published["origin"]) == {"*published*"} and not set(table["origin"][len(PUBLISHED) :]) & {"*published*"}
    source = published.iloc[0]
    assert [source[column] for column in ("before, %", "after, %", "change, points")] == ["93.53", "92.84", "-0.69"]
    assert [source["parameters"], source["multiply-adds"]] == ["-33.23 %", "-38.23 %"]
    for row in PUBLISHED:
        assert row.source in selection_published.sources()


def test_rows_measured_here_say_the_network_the_images_and_n(studies):
    table = selection_published.table(studies)
    row = table[table["method"] == "`gates.mlp`: gates, then retrained"].iloc[1]
    study = studies[1]
    compared = selection_study.compared(study, Cell("gates.mlp", LEVEL, "continued"), DENSE)
    assert row["after, %"] == f"{100 * compared.first:.2f}" and row["n"] == "3 seeds"
    assert row["change, points"] == paired.points(compared.difference)
    assert (row["network"], row["images"], row["parameters"]) == ("ResNet-20", "8 pixels", "-33.33 %")
    assert row["origin"] == "*measured here*, `gates-again`"


def test_what_is_not_measured_says_so(studies):
    study = studies[0]
    cells = {cell: rows for cell, rows in study.cells.items() if cell.kind != "scratch"}
    table = selection_published.table([dataclasses.replace(study, cells=cells)])
    missing = table[table["after, %"] == PENDING]
    assert list(missing["network"]) == ["ResNet-20", "ResNet-110"]
    assert selection_published.pending(table) == (
        "Beside the published rows seven rows are measured here; not measured yet: one of ResNet-20 and one of "
        "ResNet-110."
    )


def test_a_study_at_full_size_leaves_nothing_to_be_measured(studies):
    settings = studies[0].settings
    full = {"model": {**settings["model"], "name": "resnet110"}, "data": {**settings["data"], "size": 32}}
    full["training"] = {**settings["training"], "epochs": 200}
    table = selection_published.table([dataclasses.replace(studies[0], settings={**settings, **full})])
    assert (table["after, %"] != PENDING).all() and "ResNet-110" in set(table["network"][len(PUBLISHED) :])
    assert selection_published.pending(table).endswith("eight rows are measured here, and none is missing.")


def test_other_networks_do_not_stand_beside_the_published_ones(studies):
    settings = {**studies[0].settings, "model": {**studies[0].settings["model"], "name": "vgg16"}}
    table = selection_published.table([dataclasses.replace(studies[0], settings=settings)])
    assert len(table) == len(PUBLISHED) + 1


def test_no_measured_figure_is_written_into_the_code():
    modules = sorted((ROOT / "workflow" / "secateur" / "verdicts").glob("selection_*.py"))
    assert len(modules) > 6
    for path in modules:
        if path.name != "selection_published.py":
            assert re.findall(r"\b\d\d\.\d", path.read_text(encoding="utf-8")) == [], path.name


# ---- words ---------------------------------------------------------------------------------------------------


def test_the_statistics_with_which_gates_were_trained_are_named(studies):
    first, second, *others = studies[0].settings["criteria"]["learned"]
    entries = [first, {**second, "weights": "frozen", "statistics": "running"}, *others]
    settings = {**studies[0].settings, "criteria": {**studies[0].settings["criteria"], "learned": entries}}
    text = selection_method.statistics(dataclasses.replace(studies[0], settings=settings))
    assert "those of the batch (`gates.mlp`) and the running ones (`gates.static`)" in text
    assert "trained together with `gates.mlp` are not in these networks" in text
    frozen = {**settings["criteria"], "learned": [{**first, "weights": "frozen"}, *entries[1:]]}
    text = selection_method.statistics(dataclasses.replace(studies[0], settings={**settings, "criteria": frozen}))
    assert "are not in these networks" not in text


def test_the_method_names_the_images_of_each_purpose(studies):
    lines = [line for kind, lines in selection_method.method(studies) if kind == "list" for line in lines]
    assert any("`taylor_activation` read the split `rank`, carved out of the training images" in line for line in lines)
    assert any("reported are 2,000 images of the split `test`" in line for line in lines)


def test_the_command_writes_the_page(folders, blocks):
    text = written("write_selection", folders)
    assert text == documents.as_markdown(blocks)
    assert f"python docs/write_selection.py {folders[0]} {folders[1]} > docs/selection-results.md" in text
