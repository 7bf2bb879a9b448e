"""A study that is killed again and again ends with the tables of one that was not, and computes nothing twice.

`make chaos CHAOS=100` kills as often, each study anew; `CHAOS_SEED` chooses other moments. Without CHAOS nothing runs:
the study is run twice at least, by interpreters of its own, which takes minutes.
"""

import os

import pytest
import yaml

from support import chaos
from support.studies import EVERYTHING, Workflow

KILLS, SEED = int(os.environ.get("CHAOS", "0")), int(os.environ.get("CHAOS_SEED", "0"))

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.study,
    pytest.mark.skipif(not KILLS, reason="takes minutes; run by make chaos"),
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The study, run to its end at once."""
    workflow = Workflow(tmp_path_factory.mktemp("undisturbed"), yaml.safe_dump(EVERYTHING, sort_keys=False))
    workflow.run("--cores", "2", "all")
    return workflow


@pytest.fixture(scope="module")
def undisturbed(whole):
    """The tables of the study."""
    found = chaos.tables(whole)
    assert len(found) > 20
    return found


def test_a_study_whose_disk_was_full_ends_with_the_same_tables(whole, undisturbed, tmp_path):
    """A disk of half the size that it needs, and then a larger one."""
    workflow = Workflow(tmp_path / "study", yaml.safe_dump(EVERYTHING, sort_keys=False))
    results = workflow.folder / "results"
    with chaos.small_disk(results, chaos.size(whole.folder / "results") // 2) as grow:
        text = workflow.run("--cores", "2", "all", check=False)
        assert "no space left on the disk" in text and not list(results.rglob("*.writing"))
        grow()
        text = workflow.run("--cores", "2", "all")
        assert not [word for word in chaos.LOST if word in text]
        assert chaos.tables(workflow) == undisturbed


def test_a_study_that_is_killed_ends_with_the_same_tables(undisturbed, tmp_path):
    met, study = 0, 0
    while met < KILLS:
        workflow = Workflow(tmp_path / str(study), yaml.safe_dump(EVERYTHING, sort_keys=False))
        killed = chaos.Killed(workflow, f"{SEED}.{study}")
        met += killed.until_whole(KILLS - met)
        print(f"study {study}: {killed.ended}", flush=True)
        assert chaos.tables(workflow) == undisturbed
        study += 1
