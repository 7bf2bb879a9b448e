"""The user's own commands, with conda: through a stand-in for its command line over a real solver."""

import os

import pytest

from support import conda_standin
from support.studies import ON_DIGITS, ROOT, Workflow

# Every job starts an interpreter in an environment, so that the study has few of each environment's.
SMALL = f"""
study: conda
question: "Do the environments run?"
{ON_DIGITS}"""
SMALL += """\
training: {seeds: [0], epochs: 1, batch_size: 32}
readings: {relevance: {}}
criteria: {statistics: [mean_abs], mixing: {deltas: ["0.5"]}, controls: false, random: 2}
levels: [0, 0.5]
evaluation: {together: true}
"""

pytestmark = [pytest.mark.conda, pytest.mark.study]


@pytest.fixture(scope="module")
def with_conda(tmp_path_factory):
    """A workflow, and an environment in which `conda` is the stand-in."""
    folder = tmp_path_factory.mktemp("conda")
    channel = folder / "channel"
    conda_standin.channel(channel, sorted((ROOT / "envs").glob("*.yaml")), folder / "study" / "workflow")
    place = conda_standin.command(folder / "prefix", channel.as_uri())
    workflow = Workflow(folder / "study", SMALL)
    workflow.environment |= {"PATH": f"{place}:{os.environ['PATH']}", "XDG_CACHE_HOME": str(folder / "cache")}
    return workflow


def test_the_users_own_two_commands_run_and_do_not_invalidate_each_other(with_conda):
    done = with_conda.run("--cores", "1", "--use-conda", "all", cold=True)
    assert "Creating conda environment" in done
    assert with_conda.planned("--use-conda", "all") == {}
    # The name that stays; it takes several values, so the target comes first.
    assert with_conda.planned("all", "--sdm", "conda") == {}
    assert with_conda.planned("all") == {}
    assert with_conda.planned("report") == {"report": 1}
    with_conda.run("report")
    assert (with_conda.folder / "results/report.html").stat().st_size > 10**6
    assert with_conda.planned("--use-conda", "all", "report") == {}
