"""The page of a study that is not as one would wish: readable, or refused in one line."""

import re
from html import unescape

import pytest

from secateur import Refused
from secateur.analysis import collected
from secateur.artifacts import tables
from secateur.figures import study_page
from secateur.study.study import Study
from support.page_inputs import evaluations, page_inputs, settings

NASTY = "<script>alert(1)</script>\"'& \u05e9\u05dc\u05d5\u05dd " + "x" * 60
ALONE = {"statistics": ["mean_abs"], "random": 1, "controls": False}


def cells_of(page, section):
    """The rows of the first table of a section, each its cells as text."""
    part = page[page.index(f'<section id="{section}"') :].partition("</table>")[0]
    rows = re.findall("<tr[^>]*>(.*?)</tr>", part)[1:]
    return [[unescape(re.sub("<[^>]+>", "", cell)) for cell in re.findall("<td>(.*?)</td>", row)] for row in rows]


def test_names_of_classes_and_layers_are_text_whatever_stands_in_them():
    page = study_page.written(page_inputs(classes=[f"{NASTY}{place}" for place in range(10)], layers=[NASTY, "plain"]))
    assert "<script>alert" not in page and page.count("<script>") == 1
    assert cells_of(page, "classes")[3][0] == f"{NASTY}3"
    assert cells_of(page, "cuts")[0][0] == NASTY
    # A name from the right to the left does not turn what stands beside it.
    assert f"<bdi>{NASTY[:1].replace('<', '&lt;')}script" in page


@pytest.mark.parametrize("seeds", [[0], [0, 1, 2]])
def test_one_criterion_beside_chance_is_a_page(seeds):
    page = study_page.written(page_inputs(settings(training={"seeds": seeds}, readings={}, criteria=ALONE)))
    names = [row[0] for row in cells_of(page, "answer")]
    assert names == ["dense network", "weight.mean_abs", "random"]
    assert ("All is of one network" in page) == (len(seeds) == 1)
    assert "It is itself a ranking by weights." in page and 'id="statistics"' not in page


def test_two_hundred_criteria_are_a_page_of_six_full_lines():
    deltas = [f"{place / 190:.4f}" for place in range(190)]
    criteria = {"statistics": ["mean_abs", "max"], "random": 2, "controls": False, "mixing": {"deltas": deltas}}
    study = page_inputs(settings(training={"seeds": [0, 1]}, levels=[0, 0.5], criteria=criteria))
    page = study_page.written(study)
    assert study.curves["criterion"].nunique() > 190 and len(page.encode()) < 1_200_000
    lines = re.findall(r'<g class="line" data-c="([^"]*)"[^>]*>\n<path[^>]*style="([^"]*)"', page)
    full = {name for name, style in lines if "stroke-opacity" not in style}
    assert len(lines) == 2 * 196 and 2 <= len(full) <= 6
    # The many hide less than a few would.
    (faded,) = set(re.findall(r"stroke-opacity: ([\d.]+)", " ".join(style for _, style in lines)))
    assert float(faded) < 0.1


def test_of_a_thousand_classes_those_that_lose_most_and_least_stand_in_front_of_all():
    study = page_inputs(settings(training={"seeds": [0, 1]}), classes=[f"class {place}" for place in range(1000)])
    page = study_page.written(study)
    assert len(page.encode()) < 1_200_000 and page.count("<summary>All 1,000 classes</summary>") == 1
    front = cells_of(page, "classes")
    leader = re.search("<b><code>(.*?)</code></b>", page)[1]
    rows = study.evaluations[(study.evaluations["split"] == "test") & (study.evaluations["criterion"] == leader)]
    levels = rows.groupby("level")[[f"accuracy.class {place}" for place in range(1000)]].mean()
    opened = float(re.search('data-level="([^"]*)" open', page)[1])
    # The first fold is that of the lowest level, which is the one of the answer here.
    assert opened == min(level for level in levels.index if level)
    lost = (levels.loc[0] - levels.loc[opened]).sort_values(ascending=False)
    assert [f"accuracy.{row[0]}" for row in front] == [*lost.index[:10], *lost.index[-10:]]


def test_a_class_without_test_images_is_neither_among_the_worst_nor_among_the_best():
    table = evaluations(Study.of(settings()), classes=[f"class {place}" for place in range(30)])
    table["accuracy.class 7"] = float("nan")
    page = study_page.written(page_inputs(table=table))
    names = [row[0] for row in cells_of(page, "classes")]
    assert len(names) == 20 and "class 7" not in names and "<bdi>class 7</bdi>" in page


def test_an_accuracy_that_is_no_number_is_refused_by_its_place(tmp_path):
    """A mean would leave it out, and be of fewer networks than it says."""
    study = Study.of(settings())
    table = evaluations(study)
    path = tmp_path / "0" / "evaluation" / "weight.csv"
    path.parent.mkdir(parents=True)
    table = table[(table["seed"] == 0) & (table["split"] == "test")].drop(columns=["seed", "split"])
    table.loc[(table["criterion"] == "weight.max") & (table["level"] == 0.5), "accuracy"] = float("nan")
    tables.write(table, path)
    with pytest.raises(
        Refused, match=r"weight.csv: an accuracy or a loss of weight.max at level 0.5 \(recovery none\)"
    ):
        collected.collected([path], [], [], {"seeds": [0, 1]})


def test_a_criterion_that_lacks_a_level_has_empty_cells():
    table = evaluations(Study.of(settings()))
    table = table[(table["criterion"] != "weight.max") | (table["level"] != 0.75)]
    page = study_page.written(page_inputs(table=table))
    whole = page[page.index("<summary>Every criterion at every level") :]
    row = next(row for row in cells_of(f'<section id="accuracy">{whole}', "accuracy") if row[0] == "weight.max")
    assert row[-1] == "" and row[1] != ""
