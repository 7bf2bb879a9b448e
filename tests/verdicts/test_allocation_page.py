"""The page on allocation: claims judged at equal multiply-adds, and what the search cost, on results that are given."""

import json
import subprocess
import sys
from fractions import Fraction

import pandas
import pytest

from secateur import Refused
from secateur.analysis import sensitivity
from secateur.artifacts import tables
from secateur.figures import documents
from secateur.verdicts import allocation_claims, allocation_page, allocation_study, kept_results, paired
from support import recovery_studies
from support.studies import ROOT

STEPS = [{"criterion": "l2", "steps": 2}, {"criterion": "l2", "steps": 2, "against": "before"}]
CHANGES = {"criteria": {"allocated": ["l2"], "rescored": STEPS, "controls": ["l2.allocated"]}}
GIVEN = {
    ("l2.allocated", "reconstructed"): 0.86,
    ("l2.rescored", "reconstructed"): 0.82,
    ("l2.rescored_before", "reconstructed"): 0.7,
    ("uniform.l2.allocated", "reconstructed"): 0.83,
    ("shuffled.l2.allocated", "reconstructed"): 0.6,
}


def finished(folder, given=None):
    recovery_studies.finished(folder, GIVEN | (given or {}), CHANGES)
    place = folder / "digits" / "resnet20" / "0"
    curve = pandas.DataFrame(
        [
            (sensitivity.WHOLE, "", 0, 0, 10, 10, 50, 0.5, 0.9),
            ("a", "a", 4, 2, 8, 8, 50, 0.5, 0.9),
            ("a", "a", 4, 3, 6, 6, 50, 0.6, 0.85),
            ("b + 1", "b c", 4, 2, 8, 8, 50, 0.9, 0.7),
        ],
        columns=list(sensitivity.COLUMNS),
    )
    tables.write(curve, place / "sensitivity" / "l2.csv")
    facts = {"measured": {"networks": 4, "measured_now": 3, "images": 50, "cpu_seconds": 12.4}}
    (place / "sensitivity" / "l2.json").write_text(json.dumps(facts))
    (place / "ranking").mkdir(exist_ok=True)
    for name in ("l2.rescored", "l2.rescored_before"):
        (place / "ranking" / f"{name}.json").write_text(json.dumps({"rescored": {"cpu_seconds": 3.2}}))
    return folder


def test_allocations_and_steps_are_judged_beside_the_rankings_they_come_from(tmp_path):
    study = allocation_study.read(finished(tmp_path / "results"))
    findings = paired.judged(study, allocation_claims.CLAIMS)
    rows = {}
    for finding in findings:
        for item in finding.items:
            if "reconstructed" in item.row["compared"] and finding.level.startswith("50 %"):
                rows[finding.claim.key, item.row["compared"]] = item.words
    assert rows["a", "`l2.allocated`, reconstructed against `l2`, reconstructed"] == "holds"
    assert rows["b", "`l2.allocated`, reconstructed against `l2.per_macs`, reconstructed"] == "holds"
    assert rows["c", "`l2.allocated`, reconstructed against `uniform.l2.allocated`, reconstructed"] == "holds"
    assert ("d", "`l2.allocated`, reconstructed against `shuffled.l2.allocated`, reconstructed") in rows
    assert rows["e", "`l2.rescored`, reconstructed against `l2`, reconstructed"] == "holds"
    assert rows["e", "`l2.rescored_before`, reconstructed against `l2`, reconstructed"] == "fails"
    assert rows["f", "`l2.rescored`, reconstructed against `l2.rescored_before`, reconstructed"] == "holds"
    assert study.global_rankings == ["weight.mean_abs", "l2", "l2.per_macs"]


def test_the_page_says_what_it_cost_and_whether_it_pays(tmp_path):
    folder = kept_results.keep(finished(tmp_path / "results"), tmp_path / "measured")
    script = ROOT / "docs" / "write_allocation.py"
    done = subprocess.run([sys.executable, script, folder], capture_output=True, text=True, check=True)
    study = allocation_study.read(folder)
    assert done.stdout == documents.as_markdown(allocation_page.blocks([study]))
    page = done.stdout
    assert (
        "| `l2.allocated` | 4 networks on 50 images | 12 for 3 of them |" in page
        and "| `l2.rescored` | steps | 3 |" in page
    )
    assert "| `a` | 4 | 50 % | 85 % |" in page and "| `b + 1` | 4 | 0 % | 70 % |" in page
    (sentence,) = [line for line in page.splitlines() if line.startswith("- `l2.allocated` with 50 %")]
    assert "pruned:" in sentence and "BatchNorm:" in sentence and sentence.endswith("of it): it pays.")
    assert "`uniform.l2.allocated`" in page and "`shuffled.l2.allocated`" in page


@pytest.mark.parametrize(("goal", "word"), [(Fraction(9, 10), "reached"), (Fraction(1, 10), "missed")])
def test_goals_are_said_to_be_reached_or_missed(goal, word, tmp_path, monkeypatch):
    monkeypatch.setattr(allocation_page, "GOALS", {("resnet20", 0.5): goal, ("resnet56", 0.5): goal})
    page = documents.as_markdown(allocation_page.blocks([allocation_study.read(finished(tmp_path / "results"))]))
    (sentence,) = [line for line in page.splitlines() if line.startswith("- The goal with ")]
    assert f"was {goal} of the loss" in sentence and "`l2.allocated`, loses" in sentence and f"): {word}." in sentence


def test_a_study_without_allocation_is_refused(tmp_path):
    with pytest.raises(Refused, match="is no study of allocation"):
        allocation_study.read(recovery_studies.finished(tmp_path / "results"))
