"""The page on tickets: claims judged by paired differences, of weights and of channels, on results that are given."""

import re

import pytest
import yaml

from secateur import Refused
from secateur.artifacts import tables
from secateur.figures import documents
from secateur.study import reinitialisations
from secateur.verdicts import paired, tickets_answers, tickets_claims, tickets_page, tickets_study
from secateur.verdicts.tickets_study import WEIGHTS, Network
from support import pages, ticket_studies
from support.studies import ROOT

SIGNS = dict.fromkeys(("original", "sign", "sign+dist"), 0.85)
PLAIN = {"model": {"name": "vgg_small", "arguments": {"norm": False}}, "study": "plain"}


def found(folder):
    """{(letter, level in words): Finding} of a study."""
    study = tickets_study.read(folder)
    return study, {(one.claim.key, one.level): one for one in paired.judged(study, tickets_claims.CLAIMS)}


def test_signs_that_decide_are_told_from_a_distribution_that_does_not(tmp_path):
    study, findings = found(ticket_studies.finished(tmp_path / "results", SIGNS))
    at = "90 % of weights"
    verdicts = {key: findings[key, at].verdict for key in "abcdefghi"}
    assert verdicts == {
        **{"a": "holds", "b": "fails", "c": "fails", "d": "holds", "e": "holds"},
        **{"f": "cannot be told at this scale", "g": "cannot be told at this scale", "h": "holds", "i": "holds"},
    }
    pair, *others = findings["d", at].items
    assert pair.row["compared"] == "`original` against `abs`" and len(others) == 2
    assert float(pair.row[paired.COULD_BE_SEEN]) < 1
    assert {*study.places} == {(WEIGHTS, 0.8), (WEIGHTS, 0.9), ("l1", 0.5), ("random", 0.5)}
    # The original between two levels is no ticket of its own.
    assert len(study.at((WEIGHTS, 0.9))) == 10 and Network(WEIGHTS, 0.5, "original") not in study.cells


def test_a_distribution_that_is_best_holds(tmp_path):
    _, findings = found(ticket_studies.finished(tmp_path / "results", {"dist": 0.9, "original": 0.9}))
    assert findings["b", "80 % of weights"].verdict == "holds" and findings["c", "80 % of weights"].verdict == "holds"
    assert findings["d", "80 % of weights"].verdict == "fails"


def test_channels_have_the_names_of_retraining_and_are_alike_within_the_margin(tmp_path):
    accuracies = {("l1", "sign"): 0.85, ("l1", "abs"): 0.75, ("l1", "dist"): 0.8075}
    _, findings = found(ticket_studies.finished(tmp_path / "results", accuracies))
    at = "50 % of channels, `l1`"
    alike = findings["j", at]
    rows = {item.row["compared"]: item.words for item in alike.items}
    assert rows["`initial` against `scratch`"] == "holds" and alike.verdict == "fails"
    assert rows["`sign` against `scratch`"] == "fails (ahead)" and rows["`abs` against `scratch`"] == "fails (behind)"
    assert rows["`dist` against `scratch`"].endswith("(ahead, within the margin)")
    assert len(rows) == 7 and "`scratch` against `initial`" not in rows
    assert ("j", "90 % of weights") not in findings and ("h", at) not in findings


def test_rows_say_where_kinds_differ_in_scale_or_biases(tmp_path):
    _, findings = found(ticket_studies.finished(tmp_path / "results"))
    said = {}
    for key in "abdfgjkmn":
        for level in ("90 % of weights", "50 % of channels, `l1`"):
            for item in findings.get((key, level), paired.Finding(tickets_claims.CLAIMS[0], None, ())).items:
                said[item.row["compared"]] = item.row[tickets_claims.SCALES]
    assert said == {
        "`original` against `random`": "scale differs",
        "`initial` against `scratch`": "scale and biases differ",
        "`dist` against `sign`": "scale differs",
        "`dist` against `abs`": "equal",
        "`original` against `abs`": "equal",
        "`initial` against `abs`": "equal",
        "`sign` against `random`": "equal",
        "`sign` against `scratch`": "biases differ",
        "`sign+dist` against `dist`": "equal",
        "`random_scaled` against `random`": "scale differs",
        "`dist` against `random_scaled`": "equal",
        **{f"`{kind}` against `scratch`": "scale and biases differ" for kind in ("dist", "dist_normal", "abs")},
        **{f"`{kind}` against `scratch`": "scale and biases differ" for kind in ("sign+dist", "random_scaled")},
        "`original` against `random_scaled`": "equal",
        "`initial` against `random_scaled`": "equal",
        "`sign+dist` against `sign`": "scale differs",
        "`sign+dist` against `original`": "equal",
        "`sign+dist` against `initial`": "equal",
    }


def test_first_weights_of_channels_are_compared_with_fresh_ones_at_equal_scale(tmp_path):
    accuracies = {("l1", "original"): 0.85, ("l1", "random_scaled"): 0.85}
    _, findings = found(ticket_studies.finished(tmp_path / "results", accuracies))
    at = "50 % of channels, `l1`"
    assert findings["a", at].verdict == "holds" and findings["k", at].verdict == "cannot be told at this scale"


def test_magnitudes_under_first_signs_and_both_forms_of_a_distribution_are_asked(tmp_path):
    accuracies = {"original": 0.9, "sign+dist": 0.9, "sign": 0.85, "dist_normal": 0.9}
    _, findings = found(ticket_studies.finished(tmp_path / "results", accuracies))
    at = "90 % of weights"
    verdicts = {key: findings[key, at].verdict for key in "blmn"}
    assert verdicts == {"b": "fails", "l": "holds", "m": "holds", "n": "holds"}
    compared = [item.row["compared"] for item in findings["l", at].items]
    assert compared == ["`dist_normal` against `sign`", "`dist_normal` against `abs`"]


def test_claims_made_after_results_were_known_are_no_test_of_these(tmp_path):
    known = {"study": "vgg_small-cifar10-tickets"}
    folders = [ticket_studies.finished(tmp_path / "known", SIGNS, known), ticket_studies.finished(tmp_path / "new")]
    blocks = tickets_page.blocks(list(map(tickets_study.read, folders)), folders)
    marked = [line for line in pages.lines(blocks) if "no test" in line]
    assert marked and all("(`vgg_small-cifar10-tickets`) at " in line for line in marked)
    made = pages.table_with(blocks, "claim", "made by").set_index("")["made by"]
    assert made["(m)"] == made["(n)"] == "this project, after the results of `vgg_small-cifar10-tickets` were known"
    assert (made["(a)"], made["(c)"]) == ("the source, which says *may*", "a reading of the source")
    assert made["(l)"].startswith("a reading of the source, after") and made["(d)"] == "this project"


# ---- answers in short ------------------------------------------------------------------------------------------


def answers(tmp_path, accuracies, changes=None):
    """(the paragraph, {weights or channels with or without BatchNorm: row of the table}) of one study."""
    study = tickets_study.read(ticket_studies.finished(tmp_path / "results", accuracies, changes))
    findings = paired.marked(paired.judged(study, tickets_claims.CLAIMS))
    (_, paragraph), *more = tickets_answers.blocks([study], findings)
    return paragraph, {row[""]: row for _, table in more for row in table.to_dict("records")}


@pytest.mark.parametrize(
    ("accuracies", "words"),
    [
        (SIGNS, "**signs decide**"),
        (dict.fromkeys(SIGNS, 0.81), "**signs decide** (not when widened)"),
        ({"original": 0.85, "sign+dist": 0.85, "random": 0.75}, "**signs decide**"),
        ({"dist": 0.9}, "**the distribution is best**"),
        ({"dist": 0.9, "sign+dist": 0.9}, "**the distribution is best**"),
        ({"abs": 0.9}, "**neither is so**"),
        ({}, "**cannot be told at this scale**"),
        ({(3, kind): value for kind, value in SIGNS.items()}, "not the same at all places"),
    ],
)
def test_the_question_is_answered_by_the_verdicts(tmp_path, accuracies, words):
    paragraph, _ = answers(tmp_path, accuracies)
    assert f"weights with BatchNorm: {words};" in paragraph
    assert "weights without BatchNorm: no study on this page; " in paragraph


def test_answers_are_those_of_weights_and_of_channels(tmp_path):
    of_channels = {(name, kind): 0.9 for name in ("l1", "random.0") for kind in SIGNS}
    paragraph, rows = answers(tmp_path, of_channels, PLAIN)
    assert "weights without BatchNorm: **cannot be told at this scale**" in paragraph
    assert "; channels without BatchNorm: **signs decide**" in paragraph
    assert {*rows} == {"weights without BatchNorm", "channels without BatchNorm"}
    row = rows["channels without BatchNorm"]
    assert row["of"] == "50 % of channels, `l1` in `plain`; 50 % of channels, `random` in `plain`"
    assert row["(d) do signs decide?"].startswith("**yes** (3 of 3 hold): 50 % of channels, `l1` in `plain` and ")
    of_weights = rows["weights without BatchNorm"]["(d) do signs decide?"]
    assert of_weights.startswith(
        "**cannot be told at this scale** (0 of 3 hold): 80 % of weights in `plain` and 90 % of weights in "
    )


def test_what_no_study_asks_has_no_answer(tmp_path):
    asked = {
        "tickets": {"kinds": ["original", "random"]},
        "retraining": {"criteria": [{"criterion": "l1", "kinds": ["scratch", "initial"]}]},
    }
    paragraph, rows = answers(tmp_path, {"original": 0.85}, asked)
    assert "weights with BatchNorm: not asked; " in paragraph and rows == {}


# ---- tables ----------------------------------------------------------------------------------------------------


def test_differences_are_those_of_the_tables(tmp_path):
    folder = ticket_studies.finished(tmp_path / "results", SIGNS)
    study = tickets_study.read(folder)
    rows = tables.read(folder / "tables" / "tickets.csv").query("round == 3").set_index(["kind", "seed"])["accuracy"]
    first, second = (Network(WEIGHTS, 0.9, kind) for kind in ("sign", "abs"))
    difference = tickets_study.compared(study, first, second).difference
    by_hand = rows["sign"] - rows["abs"]
    assert difference.estimate == pytest.approx(by_hand.mean(), abs=1e-8)
    half = 4.302653 * by_hand.std() / 3**0.5
    assert difference.high - difference.estimate == pytest.approx(half, rel=1e-4)


def test_one_training_is_judged_over_its_test_images(tmp_path):
    study, findings = found(ticket_studies.finished(tmp_path / "results", SIGNS, {"training": {"seeds": [0]}}))
    assert study.n == "1 network" and findings["a", "90 % of weights"].verdict == "holds"
    (item,) = findings["b", "90 % of weights"].items[:1]
    assert item.words == "fails" and item.row["n"] == "1 network"


def test_the_page_shows_the_course_and_says_which_networks_have_batchnorm(tmp_path):
    folder = ticket_studies.finished(tmp_path / "results", SIGNS)
    plain = ticket_studies.finished(tmp_path / "plain", SIGNS, PLAIN)
    studies = [tickets_study.read(folder), tickets_study.read(plain)]
    blocks = tickets_page.blocks(studies, [folder, plain])
    page = documents.as_markdown(blocks)
    assert "vgg_small with BatchNorm, 8 pixels" in page and "vgg_small without BatchNorm, 8 pixels" in page
    assert "| BatchNorm | yes | no |" in page and "fan-in" not in page
    row = next(line for line in page.splitlines() if line.startswith("| `scratch` |"))
    assert "| 40.00 | 75.00 |" in row and row.endswith("| 2.0 |")
    assert "From the highest mean: `" in page and "the root of inputs before over inputs left" in page
    assert "minus first weights" in page and "`random` channels are drawn over the whole network" in page
    assert len([content for content in pages.contents(blocks, "table") if "round 1" in content]) == 2


def test_kinds_that_only_guess_are_named(tmp_path):
    folder = ticket_studies.finished(tmp_path / "results", {(3, "random"): 0.1, (3, "sign"): 0.1})
    study = tickets_study.read(folder)
    blocks = tickets_page.blocks([study], [folder])
    (line,) = [line for line in pages.lines(blocks) if "of a guess" in line]
    assert re.search(r"; within 2 points of a guess: `(random|sign)`, `(random|sign)`\.$", line)
    findings = {(one.claim.key, one.level): one for one in paired.judged(study, tickets_claims.CLAIMS)}
    item = findings["d", "90 % of weights"].items[1]
    assert item.row["compared"] == "`sign` against `random`" and item.row["n"] == "3 seeds, at chance"
    assert item.words == "cannot be told at this scale"


def test_weights_left_are_the_means_of_the_masks_by_layer_and_round(tmp_path):
    folder = ticket_studies.finished(tmp_path / "results", SIGNS)
    blocks = tickets_page.blocks([tickets_study.read(folder)], [folder])
    table = pages.table_with(blocks, "layer", "round 1").set_index("layer")
    assert list(table.columns) == ["round 1", "round 2", "round 3"] and list(table.index)[-1] == "all"
    for place, name in enumerate(table.columns, 1):
        for layer, share in ticket_studies.LEFT.items():
            assert table.loc[f"`{layer}`", name] == f"{100 * (share / place + 0.01):.1f}"
    assert (table.loc["all", "round 2"], table.loc["all", "round 3"]) == ("20.0", "10.0")
    text = next(text for text in pages.contents(blocks, "text") if "**Weights left" in text)
    assert text.endswith("the mean over 3 seeds; two seeds are at most 2.0 points apart.")


def test_kinds_have_what_they_keep_and_whose_they_are(tmp_path):
    folder = ticket_studies.finished(tmp_path / "results", SIGNS)
    blocks = tickets_page.blocks([tickets_study.read(folder)], [folder])
    kinds = pages.table_with(blocks, "proposed by").set_index("of weights")
    assert kinds.loc["`mask_shuffled`", "keeps"] == "the first values of other weights, as many in each layer"
    whose = {name: kinds.loc[f"`{name}`", "proposed by"] for name in reinitialisations.BY_NAME}
    assert [name for name in whose if whose[name] == "the source"] == ["sign", "dist", "abs"]
    assert whose["original"] == whose["random"] == "Frankle and Carbin (2019)"
    assert whose["sign+dist"] == "Zhou et al. (2019)" and whose["random_scaled"] == "this project"


def test_intervals_of_the_prose_stand_on_the_page():
    prose, page = ((ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("tickets.md", "tickets-results.md"))
    intervals = re.findall(r"[+-]\d+\.\d\d \[[^\]]*\]", prose)
    assert len(intervals) > 2
    for interval in intervals:
        assert f"| {interval} |" in page, interval


def test_studies_that_cannot_be_read_are_refused(tmp_path):
    folder = ticket_studies.finished(tmp_path / "results")
    path = folder / "tables" / "tickets.csv"
    table = tables.read(path)
    tables.write(table.query("seed != 2"), path)
    with pytest.raises(Refused, match="is no finished study: its tables lack networks of original; run it to its end"):
        tickets_study.read(folder)
    path.unlink()
    with pytest.raises(Refused, match="no finished study: it has no tables/tickets.csv"):
        tickets_study.read(folder)
    settings = yaml.safe_load((folder / "settings.yaml").read_text())
    (folder / "settings.yaml").write_text(yaml.safe_dump(settings | {"tickets": None}))
    with pytest.raises(Refused, match="has no tickets, and this page is about those"):
        tickets_study.read(folder)
