"""The page on sparse training: every sentence and figure is that of a table, and the command writes it."""

import re

import pytest

from secateur.analysis.wording import percent
from secateur.artifacts import tables
from secateur.figures import documents
from secateur.verdicts import across_words, paired, sparsity_claims, sparsity_method, sparsity_page, sparsity_study
from support.pages import contents, lines, numbers, numbers_of_tables, table_with, written
from support.sparse_studies import finished
from support.studies import ROOT

ONE = {"study": "sparse-again", "training": {"seeds": [3]}}
EMPTY = {("masked", 0.995, 0): "layer1.0.conv1 fc", ("masked", 0.995, 2): "fc"}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Three networks, of which some have collapsed, and one network."""
    place = tmp_path_factory.mktemp("studies")
    return [
        finished(place / "three", {"dropped_1": 0.7, "dynamic": 0.85}, EMPTY),
        finished(place / "one", {"adaptive": 0.75}, changes=ONE),
    ]


@pytest.fixture(scope="module")
def studies(folders):
    return list(map(sparsity_study.read, folders))


@pytest.fixture(scope="module")
def blocks(studies, folders):
    return sparsity_page.blocks(studies, folders)


def test_every_number_of_a_generated_sentence_is_in_a_table(blocks):
    known = numbers_of_tables(blocks)
    constant = (*sparsity_method.OF_THE_SOURCE, *sparsity_method.OF_THIS_PROJECT)
    generated = [line for line in lines(blocks) if line not in constant]
    assert len(generated) > 30
    for line in generated:
        assert numbers(line) <= known, line


def test_the_summary_is_that_of_the_tables_below_it(blocks, studies):
    summary = table_with(blocks, "claim")
    below = [table for table in contents(blocks, "table") if "verdict" in table]
    assert list(summary[""]) == ["(a)", "(b)", "(c)", "(d)", "(e)", "(f)"] and len(below) == 6
    found = set()
    for (_, row), table in zip(summary.iterrows(), below, strict=True):
        for study in studies:
            parts = []
            for level, rows in table[table["study"] == study.label].groupby("level", sort=False):
                words = [word.removesuffix(f" ({paired.BEHIND})") for word in rows["verdict"]]
                counted = [word for word in words if word in paired.WORDS.values()]
                expected = "fails" if "fails" in counted else "cannot be told at this scale"
                expected = "holds" if set(counted) == {"holds"} else expected
                cell = f"{level}: **{expected}** ({counted.count('holds')} of {len(counted)} hold"
                parts.append(cell if counted else "not measured")
                found.add(expected)
            cells = row[study.label].split("; ")
            assert len(cells) == len(parts) and all(map(str.startswith, cells, parts))
    assert found == {"holds", "fails", "cannot be told at this scale"}


def test_the_tally_counts_every_judgement_by_whose_it_is(blocks):
    summary = table_with(blocks, "claim").set_index("")
    for letters, whose in (
        (["a", "b", "d"], "the source"),
        (["e"], "a question of the source"),
        (["f"], "this project"),
    ):
        own = summary.loc[[f"({letter})" for letter in letters]]
        cells = [cell for row in own.iloc[:, 2:].to_numpy().flat for cell in row.split("; ") if cell != "not asked"]
        (line,) = [line for line in lines(blocks) if f", of {whose}: of " in line]
        assert f"of {across_words.in_words(len(cells))} judgements, one for each claim, study and level" in line
        assert set(own["made by"]) == {whose}


def test_intervals_widened_for_their_number_decide_less(blocks, studies):
    (line,) = [line for line in lines(blocks) if "Bonferroni" in line]
    assert line.startswith(studies[0].label)
    rows = [row for table in contents(blocks, "table") if "verdict" in table for row in table.to_dict("records")]
    decided = {row["compared"] for row in rows if row["verdict"].partition(" (")[0] in ("holds", "fails")}
    stay = re.findall(r"\([a-f]\) (.*?) at ", line.partition("these stay so: ")[2])
    assert stay and {*stay} < decided


def test_tables_of_a_study_are_those_of_its_means(blocks, studies, folders):
    accuracies = [table for table in contents(blocks, "table") if "accuracy" in table]
    costs = [table for table in contents(blocks, "table") if "gradient density" in table]
    for folder, shown, cost in zip(folders, accuracies, costs, strict=True):
        means = tables.read(folder / "tables" / "sparsity.means.csv").set_index(["variant", "level"])
        shown, cost = (table.set_index(["level", "variant"]) for table in (shown, cost))
        for (variant, level), row in means.iterrows():
            name = f"`{variant}` †" if row["collapsed"] else f"`{variant}`"
            place = ("-" if variant == "dense" else percent(level), name)
            text = f"{100 * row['accuracy']:.2f}"
            if variant != "dense":
                text += f" [{100 * row['accuracy_low']:.2f}, {100 * row['accuracy_high']:.2f}]"
                ends = [100 * row[f"versus_dense{end}"] for end in ("", "_low", "_high")]
                assert shown.loc[place, "less `dense`"] == "{:+z.2f} [{:+z.2f}, {:+z.2f}]".format(*ends)
            assert shown.loc[place, "accuracy"] == text
            assert cost.loc[place, "zeros"] == f"{row['zeros']:,.0f} of 100,000"
            assert cost.loc[place, "bytes, packed"] == f"{row['bytes_compressed']:,.0f}"
        assert len(means) == len(shown) == len(cost)


def test_collapsed_networks_are_named_and_others_are_not(blocks, studies):
    (line,) = [line for line in lines(blocks) if line.startswith("Collapsed")]
    assert line.startswith("Collapsed: `masked` at 99.5 % has a layer without weights in two of three networks (")
    assert line.endswith("(`layer1.0.conv1` and `fc`).")
    compared = [row for table in contents(blocks, "table") if "compared" in table for row in table["compared"]]
    assert compared.count("`feather` against `masked` †") == 1 and "`feather` against `masked`" in compared


def test_lines_of_a_claim_say_what_could_have_been_seen(blocks, studies):
    found = [found for study in studies for found in paired.judged(study, sparsity_claims.CLAIMS)]
    for finding in found:
        differences = [item.compared.difference for item in finding.items if item.compared]
        if len(differences) == 1:
            half = 50 * (differences[0].high - differences[0].low)
            ending = f"measured: {100 * differences[0].estimate:+z.2f} points"
            ending += f"; the smallest that could have been seen: {half:.2f} points."
            line = f"{finding.place}: {finding.sentence}; {ending}"
            assert line in lines(blocks)


def test_variants_stand_with_their_kind_and_their_settings(blocks):
    table = table_with(blocks, "kind").set_index("variant")
    assert (
        table.loc["`feather`", "kind"].iloc[0] == "Feather"
        and table.loc["`softer`", "kind"].iloc[0] == "other, no claim"
    )
    settings = table["settings that differ from Feather"]
    assert settings.loc["`dynamic`"].iloc[0] == "`kappa: 20`, `scale: power`"
    assert settings.loc["`feather`"].iloc[0] == "-"


def test_no_measured_figure_is_written_into_the_code():
    modules = sorted((ROOT / "workflow" / "secateur" / "verdicts").glob("sparsity_*.py"))
    assert len(modules) > 5
    for path in modules:
        assert re.findall(r"\b\d\d\.\d", path.read_text(encoding="utf-8")) == [], path.name


def test_the_command_writes_the_page(folders, blocks):
    text = written("write_sparsity", folders)
    assert text == documents.as_markdown(blocks)
    assert f"python docs/write_sparsity.py {folders[0]} {folders[1]} > docs/sparsity-results.md" in text
