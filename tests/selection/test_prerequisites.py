"""Learned criteria that cannot be: refused by what only the network tells, before any long job."""

import sys

import pytest
import torch

from secateur import Refused
from secateur.models import zoo
from secateur.pruning.equal_widths import Met
from secateur.selection import prerequisites, scoring_network
from secateur.units import finding

OWN = """
import torch
from torch import nn


class OfMeans(nn.Module):
    def __init__(self, units, outputs):
        super().__init__()
        self.linear = nn.Linear(units, outputs)

    def forward(self, outputs):
        return self.linear(outputs.mean((0, 2, 3)))


def fits(units):
    return OfMeans(units, units)


def too_small(units):
    return OfMeans(units, units - 1)


def no_module(units):
    return lambda outputs: outputs.mean((0, 2, 3))


def too_large(units):
    return nn.Conv2d(units, units, 9)


def broken(units):
    raise ValueError("no such thing")
"""


@pytest.fixture
def units():
    return finding.find(zoo.build("vgg_small", 2, channels=1), torch.zeros(1, 1, 8, 8))


@pytest.fixture(autouse=True)
def own(tmp_path, monkeypatch):
    (tmp_path / "own_pruning.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "own_pruning", raising=False)


def test_a_pruning_model_of_the_users_own_is_tried_on_every_layer(units):
    prerequisites.refuse_unlearnable(units, [{"model": "mlp"}, {"model": "own_pruning:fits"}])
    with pytest.raises(Refused, match=r"pruning-model of features.0 gives \(23,\), but the layer has 24 units"):
        prerequisites.refuse_unlearnable(units, [{"model": "own_pruning:too_small"}])
    with pytest.raises(Refused, match="pruning-model of features.0 is a function; it has to be a torch.nn.Module"):
        prerequisites.refuse_unlearnable(units, [{"model": "own_pruning:no_module"}])
    with pytest.raises(Refused, match=r"of features.0 fails on outputs \(2, 24, 8, 8\): RuntimeError: .*Kernel size"):
        prerequisites.refuse_unlearnable(units, [{"model": "own_pruning:too_large"}])
    with pytest.raises(Refused, match="criteria.learned.model own_pruning:broken failed: .*no such thing"):
        prerequisites.refuse_unlearnable(units, [{"model": "own_pruning:broken"}])


def test_learned_weights_are_asked_for_at_their_own_level_alone():
    met = {"criteria.learned: gates.mlp": Met({}, 0.348, 702, 2016)}
    prerequisites.refuse_other_levels({"gates.mlp": [0.348]}, met)
    with pytest.raises(Refused, match=r"weights of gates.mlp at level 0.5, but they were learned for level 0.348"):
        prerequisites.refuse_other_levels({"gates.mlp": [0.348, 0.5]}, met)
    with pytest.raises(Refused, match="weights of gates.free, but its budget is free"):
        prerequisites.refuse_other_levels({"gates.free": [0.348]}, met)


def test_a_scorers_file_is_read_before_anything_is_trained(units, tmp_path):
    path = str(tmp_path / "scorer.pt")
    state = scoring_network.state_of(scoring_network.scorer(), scoring_network.Facts(True, "layer"))
    moved = {"name": "scorer.moved", "files": {path: "digest"}, "gradients": True, "scope": "layer"}
    torch.save(state, path)
    prerequisites.refuse_unlearnable(units, [moved])
    unlike = {
        "gradients": (False, r"scorer with gradients: true, but the criterion .* gradients: false; set gradients: tru"),
        "scope": ("global", "was fitted with scope: layer, whose scores do not compare units of different layers"),
    }
    for key, (value, message) in unlike.items():
        with pytest.raises(Refused, match=message):
            prerequisites.refuse_unlearnable(units, [moved | {key: value}])
    torch.save(state | {"scope": "global"}, path)
    prerequisites.refuse_unlearnable(units, [moved])
    weights = state["scorer"]
    broken = {
        "no whole scorer": [
            {key: value for key, value in state.items() if key != "gradients"},
            state | {"scorer": {key: value for key, value in weights.items() if key != "0.bias"}},
            state | {"scorer": weights | {"0.bias": torch.zeros(3)}},
        ],
        "not finite": [state | {"scorer": weights | {"0.bias": weights["0.bias"] * float("nan")}}],
        "its own are none": [[1, 2], torch.zeros(3)],
    }
    for message, contents in broken.items():
        for content in contents:
            torch.save(content, path)
            with pytest.raises(Refused, match=rf"scorer.pt .*{message}"):
                prerequisites.refuse_unlearnable(units, [moved])
    torch.save(state | {"descriptors": ["mean_abs"]}, path)
    with pytest.raises(
        Refused, match=r"scorer.pt is no scorer that reads the descriptors .*; its own are mean_abs: fit"
    ):
        prerequisites.refuse_unlearnable(units, [moved])
    (tmp_path / "scorer.pt").write_bytes(b"nothing")
    with pytest.raises(Refused, match="scorer.pt is no checkpoint of torch"):
        prerequisites.refuse_unlearnable(units, [moved])
