"""Networks that several tests prune, explain and evaluate."""

import torch
from torch import nn
from torch.nn import functional as F

LABELS = torch.tensor([0, 1, 2, 3, 4, 0, 1, 2])


def stirred(model, seed=0):
    """The model in float64 and eval mode, with values of BatchNorm and biases that zero no channel by chance."""
    generator = torch.Generator().manual_seed(seed)
    for layer in model.modules():
        if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d)):
            layer.running_mean.normal_(0, 0.2, generator=generator)
            layer.running_var.uniform_(0.5, 2, generator=generator)
            if layer.affine:
                nn.init.uniform_(layer.weight, 0.5, 1.5, generator=generator)
                nn.init.normal_(layer.bias, 0, 0.3, generator=generator)
    return model.double().eval()


def pixels(channels=3, size=16, count=2):
    return torch.randn(count, channels, size, size, dtype=torch.float64, generator=torch.Generator().manual_seed(9))


class Small(nn.Module):
    """The stem and the head of the networks below."""

    def __init__(self, outputs=8, features=None):
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.head = nn.Linear(features or outputs, 5)

    def start(self, x):
        return F.relu(self.norm(self.stem(x)))

    def end(self, x):
        return self.head(x.mean((2, 3)))


class Branching(Small):
    """Two branches joined by concatenation, one addition, a pool between."""

    def __init__(self):
        super().__init__(features=14)
        self.one, self.two = nn.Conv2d(8, 6, 1), nn.Conv2d(8, 8, 3, padding=1)
        self.norms = nn.ModuleList([nn.BatchNorm2d(14), nn.BatchNorm2d(14)])
        self.last = nn.Conv2d(14, 14, 1)

    def forward(self, x):
        x = self.start(x)
        x = torch.cat([self.one(F.max_pool2d(x, 2)), F.avg_pool2d(x + self.two(x), 2)], 1)
        # One channel, normalised twice.
        return self.end(F.relu(self.norms[0](x)) + self.last(F.relu(self.norms[1](x))))


class Excited(Small):
    """Squeeze and excitation by linear layers and views."""

    def __init__(self):
        super().__init__()
        self.squeeze, self.excite = nn.Linear(8, 3), nn.Linear(3, 8)
        self.last = nn.Conv2d(8, 8, 3)

    def forward(self, x):
        x = self.start(x)
        b, c, _, _ = x.size()
        gate = F.adaptive_avg_pool2d(x, 1).view(b, c)
        gate = torch.sigmoid(self.excite(F.relu(self.squeeze(gate)))).view(b, c, 1, 1)
        return self.end(F.relu(self.last(x * gate.expand_as(x))))


class Sigmoids(Small):
    """Activations that are not zero at zero; BatchNorm without weights."""

    def __init__(self):
        super().__init__()
        self.last, self.plain = nn.Conv2d(8, 8, 3), nn.BatchNorm2d(8, affine=False)

    def forward(self, x):
        return self.end(torch.sigmoid(self.plain(self.last(torch.sigmoid(self.stem(x))) + 1)))


class Grouped(Small):
    def __init__(self):
        super().__init__()
        self.wide, self.groups, self.last = nn.Conv2d(8, 12, 1), nn.Conv2d(12, 6, 3, groups=3), nn.Conv2d(6, 8, 1)
        self.each = nn.Conv2d(8, 16, 3, groups=8)
        self.narrow = nn.Conv2d(16, 8, 1)

    def forward(self, x):
        x = F.relu(self.last(F.relu(self.groups(F.relu(self.wide(self.start(x)))))))
        return self.end(F.relu(self.narrow(F.relu(self.each(x)))))


class Twice(Small):
    """One layer and one BatchNorm, called twice."""

    def __init__(self):
        super().__init__()
        self.again, self.last = nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 1)

    def forward(self, x):
        x = self.start(x)
        x = F.relu(self.norm(self.again(x)))
        return self.end(self.last(F.relu(self.norm(self.again(x)))))


class Padded(nn.Module):
    """He's option A as it is often written: a function that hides the width it pads with."""

    def __init__(self):
        super().__init__()
        self.first, self.norm = nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.second, self.third = nn.Conv2d(4, 8, 3, 2, 1), nn.Conv2d(8, 8, 3, padding=1)
        self.shortcut = lambda x: F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 8 // 4, 8 // 4), "constant", 0)
        self.head = nn.Linear(8, 5)

    def forward(self, x):
        x = F.relu(self.norm(self.first(x)))
        x = F.relu(self.third(F.relu(self.second(x))) + self.shortcut(x))
        return self.head(F.avg_pool2d(x, x.size()[3]).view(x.size(0), -1))


class Written(Small):
    """Sizes written into the code: views, slices, splits, zeros."""

    def __init__(self):
        super().__init__(features=8 * 4)
        self.one, self.two = nn.Conv2d(3, 3, 1), nn.Conv2d(5, 5, 1)

    def forward(self, x):
        x = self.start(x)
        x = torch.cat([self.one(x[:, :3]), self.two(x[:, 3:8])], 1)
        first, second = torch.split(x, [4, 4], dim=1)
        x = torch.cat([second, first], 1) + torch.cat([x[:, 0:6], x.new_zeros(x.shape[0], 2, 16, 16)], 1)
        return self.head(F.adaptive_avg_pool2d(x, 2).view(-1, 32))


class Shuffled(Small):
    """ShuffleNet's halves and shuffles."""

    def __init__(self):
        super().__init__()
        self.branch, self.last = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(8, 8, 1)

    def forward(self, x):
        one, two = self.start(x).chunk(2, dim=1)
        x = torch.cat((one, F.relu(self.branch(two))), dim=1)
        b, c, h, w = x.size()
        x = x.view(b, 2, c // 2, h, w).transpose(1, 2).contiguous().view(b, c, h, w)
        return self.end(F.relu(self.last(x)))


class Scaled(Small):
    """Parameters of the network's own for each channel."""

    def __init__(self):
        super().__init__()
        self.scale, self.shift = nn.Parameter(torch.rand(8)), nn.Parameter(torch.randn(1, 8, 1, 1))
        self.act, self.last = nn.PReLU(8), nn.Conv2d(8, 8, 1)

    def forward(self, x):
        x = self.act(self.start(x) * self.scale.view(1, -1, 1, 1) + self.shift)
        return self.end(F.relu(self.last(x)))


def separable():
    """Depthwise and pointwise in turns, BatchNorm between, a flatten of 2x2 maps."""

    def step(inputs, outputs):
        depthwise = nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs, bias=False)
        return [depthwise, nn.BatchNorm2d(inputs), nn.ReLU6(), nn.Conv2d(inputs, outputs, 1), nn.BatchNorm2d(outputs)]

    steps = [*step(3, 8), nn.ReLU6(inplace=True), *step(8, 6), nn.Hardswish(), nn.AdaptiveAvgPool2d(2), nn.Flatten()]
    return nn.Sequential(*steps, nn.Linear(24, 12), nn.BatchNorm1d(12), nn.ReLU(), nn.Linear(12, 5))


class Same(nn.Conv2d):
    """A layer of the user's own, as timm has them: torch traces into it."""

    def forward(self, x):
        return F.conv2d(F.pad(x, (1, 1, 1, 1)), self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


class NormAct(nn.BatchNorm2d):
    def forward(self, x):
        return F.relu(F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps))


class Subclassed(Small):
    def __init__(self):
        super().__init__()
        self.one, self.norm1, self.each = Same(8, 6, 3), NormAct(6), Same(6, 6, 3, groups=6)
        self.two, self.norm2 = Same(6, 8, 3), NormAct(8)
        self.padded = lambda x: F.pad(x, (0, 0, 0, 0, 1, 1))

    def forward(self, x):
        x = self.start(x)
        narrow = self.each(self.norm1(self.one(x)))
        return self.end(self.norm2(self.two(narrow)) + x * 0.5 + self.padded(narrow))


class Selective(Small):
    """Two kernels of which each channel takes its share, by a softmax over them (SKNet); values are moved about."""

    def __init__(self):
        super().__init__(features=6)
        self.kernels = nn.ModuleList([nn.Conv2d(8, 6, size, padding=size // 2) for size in (1, 3)])
        self.reduce, self.choose = nn.Conv2d(6, 4, 1), nn.Conv2d(4, 12, 1)

    def forward(self, x):
        x = self.start(x)
        branches = torch.stack([F.relu(kernel(x)) for kernel in self.kernels], 1)
        every = branches.sum(1).mean((2, 3), keepdim=True)
        shares = self.choose(F.relu(self.reduce(every))).view(-1, 2, 6, 1, 1).softmax(1)
        return self.end((branches * shares).sum(1).to(device=x.device, dtype=x.dtype))


class Elsewhere(Small):
    """What cannot be followed is laid out by the number of channels of something else, which can lose some."""

    def __init__(self):
        super().__init__()
        self.two, self.group = nn.Conv2d(8, 8, 1), nn.GroupNorm(2, 8)

    def forward(self, x):
        x = self.start(x)
        count, channels, height, width = x.shape
        y = self.group(self.two(x)).flatten(2).transpose(1, 2)
        return self.end(y.transpose(1, 2).reshape(count, channels, height, width))


OWN = [Subclassed, Branching, Excited, Sigmoids, Grouped, Twice, Padded, Written, Shuffled, Scaled, separable]


OWN += [Selective, Elsewhere]


def small_vgg(generator_seed=0, norm=True):
    """Two convolutions, a pool, one more, a flatten, two linear layers; BatchNorm with statistics of its own."""
    torch.manual_seed(generator_seed)

    def block(inputs, outputs):
        layers = [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(inplace=True)]
        if norm:
            layers.insert(1, nn.BatchNorm2d(outputs))
        return layers

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
