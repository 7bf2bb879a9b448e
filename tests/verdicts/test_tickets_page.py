"""The page on tickets: claims judged by paired differences, of weights and of channels, on results that are given."""

import pytest
import yaml

from secateur import Refused
from secateur.artifacts import tables
from secateur.figures import documents
from secateur.verdicts import paired, tickets_claims, tickets_page, tickets_study
from secateur.verdicts.tickets_study import WEIGHTS, Network
from support import ticket_studies

SIGNS = dict.fromkeys(("original", "sign", "sign+dist"), 0.85)


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
    folder = ticket_studies.finished(tmp_path / "results", {("l1", "sign"): 0.85})
    _, findings = found(folder)
    at = "50 % of channels, `l1`"
    alike = findings["j", at]
    rows = {item.row["compared"]: item.words for item in alike.items}
    assert rows["`initial` against `scratch`"] == rows["`scratch` against `initial`"] == "holds"
    assert rows["`scratch` against `sign`"] == "fails" and alike.verdict == "fails" and len(rows) == 14
    assert ("j", "90 % of weights") not in findings and ("h", at) not in findings


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
    plain = ticket_studies.finished(
        tmp_path / "plain", SIGNS, {"model": {"name": "vgg_small", "arguments": {"norm": False}}, "study": "plain"}
    )
    studies = [tickets_study.read(folder), tickets_study.read(plain)]
    page = documents.as_markdown(tickets_page.blocks(studies, [folder, plain]))
    assert "vgg_small with BatchNorm, 8 pixels" in page and "vgg_small without BatchNorm, 8 pixels" in page
    row = next(line for line in page.splitlines() if line.startswith("| `scratch` |"))
    assert "| 40.00 | 75.00 |" in row and row.endswith("| 2.0 |")
    assert "From the highest mean: `" in page and "at the fan-in that is left" in page


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
