"""A study whose ranking empties a residual branch: pruned, retrained and exported like any other network."""

import json

import pandas
import pytest
import torch

from secateur.models import zoo
from secateur.pruning import stored
from secateur.units import finding
from support.studies import Workflow

EMPTIED = "layer1.0.conv1"
STUDY = """
study: branches
question: "What if a branch has nothing left?"
data: {source: digits, size: 16}
split: {rank: 60, validation: 60, test: 120}
model: {name: resnet20}
training: {seeds: [0], epochs: 1}
criteria: {statistics: [mean_abs], mixing: {deltas: []}, random: 1, files: {branch: branch.csv}}
levels: [0, 0.1]
retraining: {criteria: [branch], levels: [0.1], epochs: 1, scratch: false, batchnorm: false}
export: [{criterion: branch, level: 0.1}, {criterion: branch, level: 0.1, kind: retrained}]
"""


@pytest.mark.study
def test_a_study_that_empties_a_branch_is_retrained_and_exported(tmp_path):
    study = Workflow(tmp_path, STUDY)
    order = finding.table(finding.find(zoo.build("resnet20", 10, channels=1), torch.zeros(1, 1, 16, 16)))
    rest = order["layer"] != EMPTIED
    pandas.concat([order[~rest], order[rest][::-1]])[["layer", "channel"]].to_csv(tmp_path / "branch.csv", index=False)
    network = tmp_path / "results" / "digits" / "resnet20" / "0"
    cards = [f"results/digits/resnet20/0/export/branch/{name}/card.html" for name in ("0.1", "0.1.retrained")]
    study.run("--cores", "2", "--", *cards)
    (row,) = pandas.read_csv(network / "retraining" / "branch" / "0.1" / "retrained.csv").to_dict("records")
    assert EMPTIED in row["empty"].split() and 0 < row["accuracy"] <= 1
    for name in ("0.1", "0.1.retrained"):
        place = network / "export" / "branch" / name
        facts = json.loads((place / "manifest.json").read_text())
        assert facts["widths"][EMPTIED] == [16, 0] and facts["widths"]["layer3.2.conv1"] == [64, 40]
        assert facts["agreeing"] == facts["images"] == 120
        assert stored.load(place)(torch.zeros(2, 1, 16, 16)).shape == (2, 10)
