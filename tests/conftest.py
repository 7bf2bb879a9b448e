"""What several tests share: small networks and random images in float64."""

import pytest
import torch
from torch import nn


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def small_vgg(generator_seed=0, norm=True):
    """Two convolutions, a pool, one more, a flatten, two linear layers; BatchNorm with statistics of its own."""
    torch.manual_seed(generator_seed)

    def block(inputs, outputs):
        return [
            nn.Conv2d(inputs, outputs, 3, padding=1),
            *([nn.BatchNorm2d(outputs)] if norm else []),
            nn.ReLU(inplace=True),
        ]

    features = nn.Sequential(*block(3, 6), *block(6, 8), nn.MaxPool2d(2), *block(8, 10), nn.MaxPool2d(2))
    classifier = nn.Sequential(nn.Linear(10 * 4, 12), nn.ReLU(), nn.Dropout(0.5), nn.Linear(12, 5))
    model = nn.Sequential()
    model.features, model.flatten, model.classifier = features, nn.Flatten(), classifier
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias)
    return model.double().eval()


@pytest.fixture
def network():
    return small_vgg()


@pytest.fixture
def pictures():
    return torch.randn(8, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
