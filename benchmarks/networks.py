"""Networks that benchmarks measure beside the thesis's VGG16."""

import torch
from torch import nn
from torch.nn import functional as F


class BasicBlock(nn.Module):
    """Two convolutions and a shortcut without parameters: every second pixel, padded with empty channels (option A)."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs)
        self.stride, self.extra = stride, (outputs - inputs) // 2

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.stride != 1:
            x = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.extra, self.extra))
        return F.relu(y + x)


class ResNet(nn.Module):
    """He et al. 2016 for CIFAR: three stages of 16, 32 and 64 channels."""

    def __init__(self, blocks, classes=10):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16)
        widths, layers = (16, 16, 32, 64), []
        for stage in range(3):
            for block in range(blocks):
                first = block == 0
                inputs = widths[stage] if first else widths[stage + 1]
                layers.append(BasicBlock(inputs, widths[stage + 1], 2 if first and stage else 1))
        self.layers, self.linear = nn.Sequential(*layers), nn.Linear(64, classes)

    def forward(self, x):
        x = self.layers(F.relu(self.bn1(self.conv1(x))))
        return self.linear(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))


def mobilenet_v1(classes=10):
    """Howard et al. 2017: depthwise and pointwise convolutions in turns, first stride 1 for small images."""
    layers = [nn.Conv2d(3, 32, 3, 1, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU()]
    plan = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]
    inputs = 32
    for outputs, stride in plan:
        layers += [
            nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs, bias=False),
            nn.BatchNorm2d(inputs),
            nn.ReLU(),
        ]
        layers += [nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
        inputs = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1024, classes))


def settled(model, seed=0):
    """A model in eval mode whose BatchNorms have seen some images, so that activations neither die nor explode."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for _ in range(5):
            model.train()(torch.randn(16, 3, 32, 32))
    return model.eval()
