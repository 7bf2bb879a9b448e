"""Counts of what a sparse network has left, against counts by hand."""

import torch
from torch import nn

from secateur.sparsity import remaining


def test_counts_are_those_of_the_tensors():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3, stride=2, groups=4),
        nn.Flatten(), nn.Linear(4 * 3 * 3, 5),
    )  # fmt: skip
    with torch.no_grad():
        model[0].weight[:, 0] = 0
        model[3].weight.zero_()
        model[5].weight[2, 7:] = 0
    left = remaining.counted(model, torch.zeros(1, 3, 8, 8))
    assert left.by_layer == {"0.weight": (108, 72), "3.weight": (36, 0), "5.weight": (180, 151)}
    assert (left.weights, left.zeros) == (324, 36 + 36 + 29) and left.empty == ["3.weight"]
    assert left.macs == 108 * 64 + 36 * 9 + 180 and left.macs_left == 72 * 64 + 151
    assert left.parameters == 324 + 4 + 8 + 4 + 5
