"""The network of TorchLRP's own output, a fixture; see tests/data/README.md."""

from pathlib import Path

import torch
from torch import nn

ORACLE = Path(__file__).resolve().parents[1] / "data" / "oracle_torchlrp.npz"


def oracle_network(oracle):
    """The network of the oracle file; see tests/data/README.md."""
    model = nn.Sequential()
    model.conv1, model.relu1 = nn.Conv2d(3, 6, 3, padding=1), nn.ReLU()
    model.conv2, model.relu2, model.pool2 = nn.Conv2d(6, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)
    model.conv3, model.relu3, model.pool3 = nn.Conv2d(8, 10, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)
    model.flatten, model.fc1, model.relu4, model.fc2 = (
        nn.Flatten(),
        nn.Linear(160, 12),
        nn.ReLU(),
        nn.Linear(12, 5),
    )
    model.double().load_state_dict({key: torch.from_numpy(oracle[key]) for key in model.state_dict()})
    return model.eval()
