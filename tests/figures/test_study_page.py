"""The page of a study says what its tables say, whatever stands in names."""

import json
import re
from html import unescape

import pandas
import pytest
import yaml

from secateur import ranking
from secateur.analysis import agreement, answer, averages, sensitivity
from secateur.analysis.results import Results
from secateur.artifacts import files, machines, stamps, tables
from secateur.figures import page_parts, study_answer, study_curves, study_page, study_sections
from secateur.images import store
from secateur.jobs import records, runtimes
from secateur.relevance import comparison
from support.studies import ROOT

pytestmark = pytest.mark.study


@pytest.fixture(scope="module")
def study(tiny_study):
    """What the page of the small study is made of."""
    results = tiny_study.folder / "results"
    evaluations = pandas.read_csv(results / "tables/evaluations.csv")
    notes = tiny_study.folder / records.FOLDER
    made_of = records.made("results/figures/study.html", notes)["input"]
    return page_parts.Study(
        yaml.safe_load((results / "settings.yaml").read_text()),
        tables.read(results / "tables/curves.csv"),
        evaluations,
        Results(evaluations, {}),
        (results / "tables/description.html").read_text(),
        {"verdicts": (results / "tables/verdict.html").read_text()},
        agreement.Rankings(sorted(results.glob("digits/vgg_small/*/ranking/*.csv")), ranking.order),
        {},
        {},
        (ROOT / "report/study.css").read_text(),
        (ROOT / "report/study.js").read_text(),
        compared=[
            comparison.read(results / f"digits/vgg_small/{seed}/relevance/at_input/compared.h5") for seed in (0, 1)
        ],
        runtimes=runtimes.behind(made_of, notes),
    )


def test_the_page_of_the_workflow_is_made_again_to_the_byte(study, tiny_study):
    page = study_page.written(study)
    assert page == (tiny_study.folder / "results/figures/study.html").read_text()
    assert page == study_page.written(study) and len(page) < 1_200_000
    assert not re.search(r"(src|href)=\"(?!#|data:)", page) and "url(http" not in page


def _rows(page, section):
    """{criterion: cells as text} of the first table of a section."""
    part = page[page.index(f'<section id="{section}"') :].partition("</table>")[0]
    rows = {}
    for name, cells in re.findall(r'<tr data-c="([^"]*)"[^>]*>(.*?)</tr>', part):
        rows[name] = [unescape(re.sub("<[^>]+>", "", cell)) for cell in re.findall("<td>(.*?)</td>", cells)]
    return rows


def test_the_answer_is_that_of_the_tables(study):
    """Recomputed by plain pandas from the evaluations of single networks."""
    page = study_page.written(study)
    table = study.evaluations[study.evaluations["keep_at_least"] == 0]
    choosing = table[table["split"] == "validation"]
    dense = choosing[choosing["level"] == 0].groupby("criterion")["accuracy"].mean().iloc[0]
    means = choosing[choosing["level"] > 0].groupby(["level", "criterion"])[["accuracy", "loss"]].mean().reset_index()
    near = means[means["accuracy"] >= dense - 0.05]
    level = near["level"].max() if len(near) else means["level"].min()
    at = means[means["level"] == level].sort_values(["accuracy", "loss"], ascending=[False, True])
    leader = at["criterion"].iloc[0]
    assert f"<b><code>{leader}</code></b>" in page
    rows = _rows(page, "answer")
    tested = table[(table["split"] == "test") & (table["level"] == level)]
    own = tested[tested["criterion"] == leader].set_index("seed")["accuracy"]
    chance = tested[tested["criterion"].str.startswith("random")].groupby("seed")["accuracy"].mean()
    best = at.loc[at["criterion"].str.startswith("weight."), "criterion"].iloc[0]
    weights = tested[tested["criterion"] == best].set_index("seed")["accuracy"]
    cells = rows[leader]
    assert float(cells[2].split()[0]) == pytest.approx(100 * own.mean(), abs=0.051)
    assert float(cells[3].split()[0]) == pytest.approx(100 * (own - chance).mean(), abs=0.051)
    assert f"Weights: <code>{best}</code>." in page
    if leader != best:
        assert float(cells[4].split()[0]) == pytest.approx(100 * (own - weights).mean(), abs=0.051)
    assert float(rows["random"][2].split()[0]) == pytest.approx(100 * chance.mean(), abs=0.051)


def test_channels_left_and_accuracy_of_classes_are_those_of_the_evaluations(study):
    page = study_page.written(study)
    table = study.evaluations[(study.evaluations["keep_at_least"] == 0) & (study.evaluations["split"] == "test")]
    at = table[(table["level"] == 0.75) & table["criterion"].str.startswith("random")]
    for section, column in (("cuts", "removed.features.0"), ("classes", "accuracy.3")):
        part = page[page.index(f'<section id="{section}"') :]
        part = part[part.index('data-level="0.75"') :].partition("</table>")[0]
        names = re.findall("<th>(.*?)</th>", part)
        name = column.split(".", 1)[1]
        row = next(cells for cells in re.findall("<tr>(.*?)</tr>", part) if f">{name}<" in cells)
        cells = [re.sub("<[^>]+>", "", cell) for cell in re.findall("<td>(.*?)</td>", row)]
        value = at.groupby("seed")[column].mean().mean()
        wanted = 100 * (1 - value if section == "cuts" else value)
        assert float(cells[names.index("random")].split()[0]) == pytest.approx(wanted, abs=0.51)


def test_units_that_two_criteria_take_first_are_counted_from_their_rankings(study, tiny_study):
    page = study_page.written(study)
    part = page[page.index('<section id="agreement"') :]
    part = part[part.index('data-level="0.75"') :].partition("</table>")[0]
    names = re.findall("<th>(.*?)</th>", part)
    row = next(cells for cells in re.findall("<tr>(.*?)</tr>", part) if cells.startswith("<td><code>weight.mean_abs<"))
    cells = [re.sub("<[^>]+>", "", cell) for cell in re.findall("<td>(.*?)</td>", row)]
    shares = []
    for folder in sorted((tiny_study.folder / "results/digits/vgg_small").glob("*/ranking")):
        first = set(pandas.read_csv(folder / "weight.mean_abs.csv", comment="#")["unit"].head(27))
        for draw in (0, 1):
            shares.append(
                len(first & set(pandas.read_csv(folder / f"random.{draw}.csv", comment="#")["unit"].head(27)))
            )
    # 36 units, of which 75 % are 27.
    assert float(cells[names.index("random")].split()[0]) == pytest.approx(100 * sum(shares) / 4 / 27, abs=0.051)


def test_what_layers_can_lose_and_what_was_timed_are_shown_where_they_are(study):
    assert 'id="layers"' not in study_page.written(study) and "Measured, not counted" not in study_page.written(study)
    rows = []
    for seed in (0, 1):
        rows.append((sensitivity.WHOLE, "", 0, 0, seed, 0.0, 0.9))
        for removed, accuracy in ((4, 0.895), (6, 0.5)):
            rows.append(("features.0", "features.0", 8, removed, seed, removed / 8, accuracy))
        rows.append(("<b>last", "<b>last", 8, 4, seed, 0.5, 0.3))
    columns = ["group", "layers", "units", "removed", "seed", "share", "accuracy"]
    curves = pandas.DataFrame(rows, columns=columns).assign(loss=1.0)
    timed = {"batch": 32, "threads": 1, "clock": "processor time", "pairs": 15}
    timed |= {"ratio": 2.0, "ratio_low": 1.6, "ratio_high": 2.5}
    export = {
        "criterion": "weight.max", "level": 0.5, "kind": "retrained", "seed": 1, "processor": "a <b>CPU",
        "latency": [timed], "dense": {"macs": 200}, "smaller": {"macs": 60, "accuracy": 0.75},
    }  # fmt: skip
    page = study_page.written(study._replace(sensitivity={"l1": curves}, exports={"results/<i>x": export}))
    assert (
        "By l1, features.0 can lose 50 % of its units for less than a point of accuracy, and &lt;b&gt;last 0 %" in page
    )
    part = page[page.index("Measured, not counted") : page.index('<section id="cuts"')]
    assert "<td>50.0 [40.0, 62.5]</td><td>30.0</td><td>75.0</td>" in part
    assert "a &lt;b&gt;CPU, 1 thread(s)" in part and "results/&lt;i&gt;x" in part and study_curves.TIMED in page


def test_what_networks_look_at_is_compared_at_the_level_and_of_the_criteria_of_the_answer(study, tiny_study):
    page = study_page.written(study)
    level, leader = re.search(r"(?:Up to <b>|at the lowest, )(\d+) %.*?<code>(.*?)</code>", page).groups()
    network = tiny_study.folder / "results/digits/vgg_small/1/relevance/at_input"
    manifest = json.loads((network / "compared.json").read_text())
    assert manifest["level"] == float(level) / 100 and manifest["images"] == 120
    weights = re.search(r"Weights: <code>(.*?)</code>", page)[1]
    assert manifest["criteria"] == list(dict.fromkeys([leader, weights, "random.0"]))
    rows, filled = _rows(page, "looks"), 0
    for name in manifest["criteria"]:
        cells = rows["random" if name == "random.0" else name]
        values = [one.cosines(name).mean() for one in study.compared if len(one.cosines(name))]
        if not values:
            assert cells[1] == "none" and name in manifest["constant"]
            continue
        filled += 1
        assert float(cells[1].split()[0]) == pytest.approx(sum(values) / len(values), abs=6e-4)
    assert filled
    assert '<section id="looks">' not in study_page.written(study._replace(compared=[]))


def test_names_keep_their_digits_and_differences_without_an_interval_are_no_tests(study):
    """A delta of three decimals, and one draw of chance beside one network."""
    curves = study.curves.replace({"criterion": {"mixed.relevance.0.5": "mixed.relevance.0.125"}})
    lines = {"mixed.relevance.0.125": "mixed", "random": "random"}
    svg = study_curves.accuracy(averages.on_test(curves), lines, [*lines], 0.5, 0.1)
    assert svg.count('class="line" data-c="mixed.relevance.0.125"') == 2 and ">mixed.relevance.0.125<" in svg
    assert " d=" in svg and not re.search(r' d="[^"]*\.[0-9]{3}', svg)
    untested = answer.Difference(0.2, float("nan"), float("nan"))
    assert study_answer._told(untested, "chance").startswith("is not tested against chance")
    assert study_answer._side(answer.Difference(0.2, 0.1, 0.3)) == study_answer.AHEAD


NASTY = "<script>alert(1)</script>\"'& \u05e9\u05dc\u05d5\u05dd " + "x" * 60


def test_names_are_text_whatever_stands_in_them(study):
    config = study.config | {"study": NASTY, "question": NASTY}
    renamed = study.evaluations.rename(columns={"accuracy.3": f"accuracy.{NASTY}"})
    page = study_page.written(study._replace(config=config, evaluations=renamed))
    assert "<script>alert" not in page and page.count("&lt;script&gt;alert(1)") > 3


def test_a_page_that_no_report_could_show_is_refused_by_its_largest_part(study, monkeypatch):
    monkeypatch.setattr(study_page, "MOST_BYTES", 50_000)
    with pytest.raises(ValueError, match=r"^the page of the study has [\d,]+ bytes, .* its largest part is `accuracy`"):
        study_page.written(study)


def test_a_study_without_images_that_choose_names_no_winner(study):
    config = study.config | {"evaluation": study.config["evaluation"] | {"choose_on": None}}
    page = study_page.written(study._replace(config=config))
    assert "so no level and no criterion is chosen" in page and "found on the test images themselves" in page


def test_what_limits_the_answer_stands_above_it(study):
    page = study_page.written(study)
    assert page.index("ranked on the test images") < page.index('class="answer"')
    config = study.config | {"model": study.config["model"] | {"weights": "given.pt"}}
    assert "start from weights made elsewhere" in study_page.written(study._replace(config=config))


def test_provenance_names_digests_machine_and_the_time_of_the_jobs(study, tiny_study):
    page = unescape((tiny_study.folder / "results/figures/study.html").read_text())
    with store.opened(tiny_study.folder / "results/digits/images/test.h5") as images:
        assert f"<td>{images.identity}</td>" in page
    trained = tiny_study.folder / "results/digits/vgg_small/1/training/trained.pt"
    assert f"<td>{files.digest(trained)}</td><td>{machines.described()}</td>" in page
    assert f"digest {stamps.digest(study.config)}" in page
    # Two networks, and of the jobs that run beside the page none.
    assert "<td>train_model</td><td>2</td>" in page and "<td>tabulate_accuracy</td>" not in page
    assert re.search(r"<summary>\d+ jobs took [\d,]+ s, added up</summary>", page)


def test_a_level_that_nothing_stays_close_at_is_called_the_lowest(study):
    page = study_page.written(study)
    assert ("as none does here, the lowest" in page) == ("No criterion stays within five points" in page)
    # Every criterion far below the dense network, or all alike.
    pruned = (study.evaluations["level"] > 0) & (study.evaluations["split"] == "validation")
    for accuracy, said in ((0.1, True), (1.0, False)):
        table = study.evaluations.assign(accuracy=study.evaluations["accuracy"].mask(pruned, accuracy))
        page = study_page.written(study._replace(evaluations=table, results=Results(table, {})))
        assert ("as none does here, the lowest" in page) == said
        # The words on the leader stand once, and no criterion is given the dense network.
        assert page.partition('id="question"')[0].count("most accurate") == 1
        assert ("no pruned network is at most five points" in page) == said


def test_classes_that_lose_as_much_are_counted_and_none_is_named_where_nothing_is_lost():
    means = pandas.DataFrame(
        {"accuracy.a": [0.9, 0.5, 0.9], "accuracy.b": [1.0, 0.6, 1.0], "accuracy.c": [0.8, 0.7, 0.9]},
        index=pandas.MultiIndex.from_tuples([("l1", 0.0), ("l1", 0.5), ("l1", 0.1)]),
    )
    said = {}
    for level in (0.1, 0.5):
        lost = study_sections._lost(means, "l1", "l1", level)
        said[level] = re.sub("<[^>]+>", "", study_sections._most_lost(means, "l1", "l1", lost))
    assert said == {
        0.1: "l1 loses nothing on any class.",
        0.5: "l1 loses most on class a: from 90.0 to 50.0 %, and as much on 1 other.",
    }
