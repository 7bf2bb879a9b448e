"""What pages read of finished studies is kept whole, and pages of kept studies are up to date."""

import shlex
import subprocess
import sys

import pytest

from secateur import Refused
from secateur.artifacts import ledgers
from secateur.figures import documents
from secateur.verdicts import kept_results, recovery_page, recovery_study
from support import recovery_studies
from support.studies import ROOT


def page(folder):
    return documents.as_markdown(recovery_page.blocks([recovery_study.read(folder)]))


@pytest.mark.parametrize("seeds", [[0], [0, 1, 2]])
def test_a_page_of_kept_results_is_that_of_the_results(seeds, tmp_path):
    folder = recovery_studies.finished(tmp_path / "results", changes={"training": {"seeds": seeds}})
    (folder / "trained.pt").touch()
    copy = kept_results.keep(folder, tmp_path / "measured")
    assert page(copy) == page(folder)
    assert not list(copy.rglob("*.pt"))
    (copy / "tables" / "outdated.csv").touch()
    assert kept_results.keep(folder, tmp_path / "measured") == copy
    assert not (copy / "tables" / "outdated.csv").exists()
    assert list(copy.parent.iterdir()) == [copy]


@pytest.mark.parametrize("table", ["evaluations", "retraining"])
def test_a_study_that_has_not_ended_is_not_kept(table, tmp_path):
    folder = recovery_studies.finished(tmp_path / "results")
    (folder / "tables" / f"{table}.csv").unlink()
    with pytest.raises(Refused, match=f"has no tables/{table}.csv; run its study to the end"):
        kept_results.keep(folder, tmp_path / "measured")
    assert not (tmp_path / "measured").exists()


def test_damaged_results_are_not_kept(tmp_path):
    folder = recovery_studies.finished(tmp_path / "results")
    path = folder / "tables" / "evaluations.csv"
    ledgers.note([path])
    path.write_text(path.read_text().replace("0.5", "0.6"))
    with pytest.raises(Refused, match=r"evaluations\.csv is not as it was written"):
        kept_results.keep(folder, tmp_path / "measured")
    assert not (tmp_path / "measured").exists()


def written():
    """(page, command that writes it) of every page of kept studies."""
    for path in sorted((ROOT / "docs").glob("*.md")):
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("python docs/write_") and kept_results.PLACE in line:
                yield pytest.param(path, line, id=path.stem)


@pytest.mark.parametrize(("path", "command"), list(written()))
def test_a_page_is_what_its_command_writes_today(path, command):
    _, *words = shlex.split(command)
    arguments, (arrow, place) = words[:-2], words[-2:]
    assert (arrow, ROOT / place) == (">", path)
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == path.read_text(encoding="utf-8"), f"write it again: {command}"
