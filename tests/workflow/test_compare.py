"""Two studies side by side: the numbers are those of their tables, and what cannot be compared is refused."""

import re
import shutil
from html import unescape

import h5py
import numpy as np
import pandas
import pytest
from scipy import stats

import compare_studies
import secateur.results
from secateur import Refused
from secateur.analysis import two_studies as analysis
from secateur.artifacts import correctness
from secateur.figures import compared_answer
from secateur.results import comparing
from support import two_studies
from support.studies import ROOT

pytestmark = pytest.mark.study


@pytest.fixture(scope="module")
def first(tiny_study):
    return tiny_study.folder / "results"


@pytest.fixture(scope="module")
def second(first, tmp_path_factory):
    """The small study with another training, and more images right."""
    settings = {"study": "better", "training": {"epochs": 3}}
    return two_studies.copied(first, tmp_path_factory.mktemp("two") / "better", settings, two_studies.more_right)


@pytest.fixture(scope="module")
def page(first, second, tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    paths = folder / "compared.html", folder / "compared.csv"
    compare_studies.compare_studies(first, second, *paths, ROOT / "report")
    return paths


def reported(folder, seed=None):
    """Test rows as pruned, of the first floor."""
    table = pandas.read_csv(folder / "tables/evaluations.csv", keep_default_na=False)
    rows = table[(table["split"] == "test") & (table["keep_at_least"] == 0)]
    return rows if seed is None else rows[rows["seed"] == seed]


def test_the_table_is_that_of_the_evaluations(page, first, second):
    table = pandas.read_csv(page[1])
    assert len(table) > 20
    for name, level in (("relevance.max", 0.5), ("relevance.mean_abs", 0.75), ("random", 0.5)):
        sides = []
        for folder in (first, second):
            rows = reported(folder)
            rows = rows[rows["criterion"].str.fullmatch(rf"{name}(\.\d)?") & (rows["level"] == level)]
            sides.append(rows.groupby("seed")[["accuracy", "macs"]].mean())
        row = table[(table["criterion"] == name) & (table["equal"] == "level") & (table["level"] == level)].iloc[0]
        differences = sides[1]["accuracy"] - sides[0]["accuracy"]
        assert row["difference"] == pytest.approx(differences.mean(), abs=1e-8)
        assert (row["accuracy_a"], row["macs_a"]) == pytest.approx(tuple(sides[0].mean()))
        if name == "random":
            assert row["ahead"] == "equal"
        else:
            low, high = stats.t.interval(0.95, 1, differences.mean(), stats.sem(differences))
            assert (row["low"], row["high"]) == pytest.approx((max(low, -1), min(high, 1)))
            assert row["ahead"] == ("B" if low > 0 else "cannot be told")


def test_the_page_says_what_the_table_says_and_is_the_same_again(page, first, second, tmp_path):
    text = page[0].read_text()
    table = pandas.read_csv(page[1])
    shown = text[text.index('<section id="levels"') :].partition("</section>")[0]
    shown = shown[shown.index('data-level="0.5"') :].partition("</table>")[0]
    cells = {}
    for name, row in re.findall(r'<tr data-c="([^"]*)"[^>]*>(.*?)</tr>', shown):
        cells[name] = [unescape(re.sub("<[^>]+>", "", cell)) for cell in re.findall("<td>(.*?)</td>", row)]
    at = table[(table["equal"] == "level") & (table["level"] == 0.5) & (table["family"] != "controls")]
    assert set(cells) == set(at["criterion"])
    for row in at.to_dict("records"):
        own = cells[row["criterion"]]
        assert [float(own[1]), float(own[2])] == pytest.approx(
            [100 * row["accuracy_a"], 100 * row["accuracy_b"]], abs=0.051
        )
        wanted = "equal" if row["ahead"] == "equal" else f"{100 * row['difference']:+.1f}"
        assert own[3].startswith(wanted)
    settings = text[text.index('<section id="differs"') :].partition("</section>")[0]
    assert re.findall(r"<code>(.*?)</code>", settings) == ["training.epochs"]
    assert "Paired by training seed" in text and not re.search(r"(src|href)=\"(?!#|data:)", text)
    again = tmp_path / "compared.html"
    compare_studies.compare_studies(first, second, again, tmp_path / "compared.csv", ROOT / "report")
    assert again.read_bytes() == page[0].read_bytes()


def test_the_table_of_the_answer_and_both_figures_show_the_same_criteria(page):
    text = page[0].read_text()
    answer = text[text.index('<section id="answer"') :].partition("</section>")[0]
    accuracy = text[text.index('<section id="accuracy"') :].partition("</section>")[0]
    figures = accuracy.partition('id="difference-figure"')
    named = {*re.findall(r'<tr data-c="([^"]+)"', answer)}
    # The other lines of the second figure are faded, and have no name in its legend.
    assert {*re.findall(r">\s*[AB]: ([a-z][^<]*?)\s*<", figures[0])} == named
    assert {*re.findall(r">\s*(random|[a-z_]+\.[a-z_.0-9]+)\s*</text>", figures[2])} == named
    assert len(named) > 2


def test_equal_studies_have_an_axis_in_points_and_no_word_on_chance(first, tmp_path):
    same = two_studies.copied(first, tmp_path / "same", {"study": "same"})
    path = tmp_path / "compared.html"
    compare_studies.compare_studies(first, same, path, tmp_path / "compared.csv", ROOT / "report")
    text = path.read_text()
    assert "The two studies are equal at their chosen points" in text and "equal points" not in text
    assert "would be told by chance" not in text
    two = comparing.opened(first, same)
    chosen = compared_answer.picked(two)
    told = chosen._replace(rows=chosen.rows.assign(ahead="A"))
    assert "would be told by chance" in compared_answer.answer(two, told)
    figure = text[text.index('id="difference-figure"') :].partition("</svg>")[0]
    ticks = re.findall(r">\s*([+−]?[\d.]+)\s*</text>", figure)
    assert ticks[0] == "−1" and ticks[-1] == "+1" and ticks.count("0") == 1 and len({*ticks}) == len(ticks)
    assert "points of accuracy" in figure


def test_single_networks_are_compared_image_by_image(first, tmp_path):
    folders = []
    for seed in (0, 1):
        settings = {"training": {"seeds": [seed]}}
        folders.append(two_studies.copied(first, tmp_path / str(seed), settings, two_studies.of_seed(seed)))
    assert comparing.opened(*folders).pairing == analysis.IMAGES
    table = secateur.results.compare(*folders)
    right = []
    for seed, folder in enumerate(folders):
        place = next(folder.glob(f"*/*/{seed}/evaluation")) / "weight"
        rows = pandas.read_csv(place.with_suffix(".csv"))
        wanted = (rows["criterion"] == "weight.mean_abs") & (rows["level"] == 0.5) & (rows["keep_at_least"] == 0)
        right.append(correctness.read(place.with_suffix(".h5"), len(rows))[np.flatnonzero(wanted)[0]].astype(float))
    row = table[(table["criterion"] == "weight.mean_abs") & (table["level"] == 0.5)].iloc[0]
    difference = right[1] - right[0]
    assert row["difference"] == pytest.approx(difference.mean())
    # Of 120 images the bootstrap's ends are those of the normal distribution to within two images.
    assert row["low"] == pytest.approx(difference.mean() - 1.96 * stats.sem(difference), abs=0.02)


def refused(first, second, words):
    with pytest.raises(Refused, match=words) as error:
        secateur.results.compare(first, second)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_what_cannot_be_compared_is_refused_in_one_line(first, tmp_path):
    refused(first, first / "tables" / "..", "are one folder; name the results of two studies")
    refused(first, tmp_path, "is no folder of a study's results: it has no settings.yaml")
    budget = two_studies.copied(first, tmp_path / "budget", {"evaluation": {"budget": "macs"}})
    refused(first, budget, r"remove shares of different things \(evaluation.budget: units; multiply-adds\)")
    more = two_studies.copied(first, tmp_path / "more", {"criteria": {"statistics": ["max", "mean", "mean_abs"]}})
    refused(first, more, "is unfinished: tables/evaluations.csv has no relevance.mean, which its settings name")
    (more / "tables/curves.csv").unlink()
    refused(more, first, "is unfinished: it has no tables/curves.csv")
    old = two_studies.copied(first, tmp_path / "old", table=lambda rows: rows.drop(columns="macs"))
    refused(first, old, "has results of another version: tables/evaluations.csv has no column macs")
    edited = two_studies.copied(first, tmp_path / "edited")
    with (edited / "tables/evaluations.csv").open("a") as file:
        file.write("\n")
    refused(first, edited, "is not as it was written")


def test_other_test_images_are_refused_and_another_normalisation_is_not(first, tmp_path):
    other = two_studies.copied(first, tmp_path / "other")
    path = next(other.glob("*/images/test.h5"))
    with h5py.File(path, "a") as file:
        file.attrs["mean"] = file.attrs["mean"] + 0.1
    refused(first, other, "images/test.h5 is not as it was written")
    path.with_name(".sha256").unlink()
    assert len(secateur.results.compare(first, other)) > 20
    with h5py.File(path, "a") as file:
        file.attrs["pixels_sha256"] = "0" * 64
    text = refused(first, other, "have other test images .*they differ in the pixels of their images, or their order")
    assert str(first) in text and str(other) in text
    with h5py.File(path, "a") as file:
        file["labels"][0] = (file["labels"][0] + 1) % 10
    refused(first, other, "they differ in the labels of their images")
    path.unlink()
    refused(first, other, "images/test.h5, by which its test images are known")


def test_the_rule_compares_and_says_what_is_missing(tiny_study, second, tmp_path):
    shutil.copytree(second, tiny_study.folder / "better", dirs_exist_ok=True)
    config = tmp_path / "compare.yaml"
    config.write_text("compare: {a: results, b: better, results: both}\n")
    before = (tiny_study.folder / "results/settings.yaml").read_bytes()
    text = tiny_study.run("--cores", "1", "compare", "--configfile", config)
    assert re.search(r"^compare_studies +1$", text, flags=re.M) and "train_model" not in text
    assert "better" in (tiny_study.folder / "both/compared.html").read_text()
    assert (tiny_study.folder / "results/settings.yaml").read_bytes() == before
    given = "compare={a: results, b: better, results: both}"
    assert "Nothing to be done" in tiny_study.run("-n", "compare", "--config", given)
    assert "name two results folders to compare" in tiny_study.run("-n", "compare", check=False)
    same = "compare={a: results, b: ./results, results: same}"
    text = tiny_study.run("--cores", "1", "compare", "--config", same, check=False)
    assert "are one folder; name the results of two studies" in text
    assert not (tiny_study.folder / "same/compared.html").exists()
    # Snakemake would remove the page of the earlier comparison before a job that refuses.
    for folder, words in (("config", "is no folder of a study's results"), ("none", "there is no folder none; name")):
        given = f"compare={{a: results, b: {folder}, results: both}}"
        text = tiny_study.run("--cores", "1", "compare", "--config", given, check=False)
        assert words in text and "Job stats" not in text and "config/settings.yaml" not in text
        assert "better" in (tiny_study.folder / "both/compared.html").read_text()
    # No other target looks at the two folders.
    assert "Nothing to be done" in tiny_study.run("-n", "all", "--config", "compare={a: none, b: config}")


@pytest.mark.browser
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_opens_without_a_request_or_a_fault(page, watched, width):
    shown = watched(page[0].as_uri(), width)
    assert shown.evaluate("document.documentElement.scrollWidth") <= width
    shown.locator("#levels tr[data-c='relevance.max']:visible").first.click()
    # Lines of both figures, in both panels; the first has one for each study.
    assert shown.locator("g.line.lit").count() >= 2 and shown.locator("tr.lit").count() > 1
    shown.get_by_label("removed:").select_option("0.75")
    assert {part.get_attribute("data-level") for part in shown.locator(".at:visible").all()} == {"0.75"}
