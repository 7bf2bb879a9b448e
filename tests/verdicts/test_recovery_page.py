"""The page on recovery: claims judged by paired differences at equal multiply-adds, on results that are given."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from secateur import Refused
from secateur.artifacts import tables
from secateur.figures import documents
from secateur.study.kinds import Cell
from secateur.verdicts import paired, recovery_claims, recovery_page, recovery_study, selection_study
from secateur.verdicts.selection_study import DENSE
from support import recovery_studies

ROOT = Path(__file__).resolve().parents[2]
AT = {0.3: "70 % of the multiply-adds left", 0.5: "50 % of the multiply-adds left"}


def found(folder):
    """(study, {(letter, level in words): Finding})."""
    study = recovery_study.read(folder)
    return study, {(one.claim.key, one.level): one for one in paired.judged(study, recovery_claims.CLAIMS)}


def test_every_claim_is_judged_by_the_networks_that_it_names(tmp_path):
    given = {("l2", "none"): 0.5, ("l2.per_macs", "none"): 0.5, ("l2.per_macs", "reconstructed"): 0.9}
    study, findings = found(recovery_studies.finished(tmp_path / "results", given))
    assert study.criteria == ["weight.mean_abs", "l2", "l2.per_macs", "random"]
    verdicts = {key: findings[key, AT[0.3]].verdict for key in "abcdefg"}
    assert {key: verdicts[key] for key in "abce"} == {"a": "holds", "b": "holds", "c": "fails", "e": "holds"}
    costs = {item.row["compared"]: item for item in findings["d", AT[0.5]].items}
    assert len(costs) == 3
    assert costs["`l2.per_macs`, reconstructed against `l2`, reconstructed"].words == "holds"
    chance = findings["f", AT[0.5]]
    assert [item.words for item in chance.items if "l2" in item.row["compared"]] == ["holds", "holds"]
    trained = findings["h", AT[0.5]]
    assert trained.verdict == "holds" and len(trained.items) == 1
    assert ("h", AT[0.3]) not in findings and ("c", AT[0.5]) not in findings and ("i", AT[0.5]) not in findings


def test_differences_are_those_of_the_tables(tmp_path):
    study, _ = found(recovery_studies.finished(tmp_path / "results"))
    rows = tables.read(study.folder / "tables" / "evaluations.csv")
    rows = rows[rows["criterion"].str.startswith("random") & (rows["level"] == 0.5)]
    means = rows.groupby("recovery")["accuracy"].mean()
    compared = selection_study.compared(study, Cell("random", 0.5, "reconstructed"), Cell("random", 0.5, "none"))
    assert compared.difference.estimate == pytest.approx(means["reconstructed"] - means["none"])
    assert compared.n == "3 draws" and compared.difference.low < compared.difference.estimate
    assert study.left(Cell("l2", 0.3, "none")) == pytest.approx(0.7)


def test_the_page_shows_every_treatment_and_what_was_trained_behind_it(tmp_path):
    folders = [
        recovery_studies.finished(tmp_path / "one"),
        recovery_studies.finished(tmp_path / "three", changes={"study": "of-three", "training": {"seeds": [0, 1, 2]}}),
    ]
    script = ROOT / "docs" / "write_recovery.py"
    done = subprocess.run([sys.executable, script, *folders], capture_output=True, text=True, check=True)
    studies = list(map(recovery_study.read, folders))
    assert done.stdout == documents.as_markdown(recovery_page.blocks(studies))
    page = done.stdout
    for words in (
        "**Pruned.**",
        "**BatchNorm re-estimated.**",
        "**Reconstructed in closed form.**",
        "3 seeds",
        "3 draws",
    ):
        assert words in page, words
    dense = paired.accuracy(studies[0].mean(DENSE, "accuracy"))
    assert f"the dense network has {dense}" in page and "500 steps of sgd" in page
    row = next(line for line in page.splitlines() if line.startswith("| 50 % of the multiply-adds left | `l2` |"))
    assert row.count("[") == 3 and "3,200" in row
    assert not np.isnan(studies[1].mean(Cell("l2", 0.5, "distilled"), "accuracy"))


@pytest.mark.parametrize("evaluation", [{"budget": "units"}, {"recovery": ["none", "batchnorm"]}])
def test_a_study_without_recovery_at_equal_multiply_adds_is_refused(evaluation, tmp_path):
    folder = recovery_studies.finished(tmp_path / "results", changes={"evaluation": evaluation})
    with pytest.raises(Refused, match="is no study of recovery at equal multiply-adds"):
        recovery_study.read(folder)
