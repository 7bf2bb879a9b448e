"""Relevance through tuples, gates, products, normalisation and constants: against twins, autograd and conservation."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torchvision.ops import StochasticDepth

from secateur import statistics
from secateur.relevance import propagation, traced

SIGNED = ("alpha2beta1", "zplus", "gradient")


def seeded(make):
    """A network of double weights and zero biases, in eval mode: nothing but relevance makes its sums."""
    torch.manual_seed(0)
    model = make().double().eval()
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)) and module.bias is not None:
            nn.init.zeros_(module.bias)
        if isinstance(module, nn.BatchNorm2d):
            module.running_var.uniform_(0.5, 2)
    return model


class Net(nn.Module):
    """A stem, something in the middle that a subclass gives, a convolution that reads it, and a head."""

    def __init__(self, width=8, read=8):
        super().__init__()
        self.stem, self.last, self.head = nn.Conv2d(3, width, 3, padding=1), nn.Conv2d(read, 6, 3), nn.Linear(6, 4)

    def forward(self, x):
        x = F.relu(self.last(self.middle(F.leaky_relu(self.stem(x)))))
        return self.head(x.mean((2, 3)))


# ---- tuples --------------------------------------------------------------------------------------------------


class Halves(Net):
    """Two halves of the channels go two ways, as in ShuffleNet; one forward for each way to write it."""

    def __init__(self, halves):
        super().__init__()
        self.halves, self.side = halves, nn.Conv2d(4, 4, 3, padding=1)

    def middle(self, x):
        parts = self.halves(x)
        return torch.cat([parts[0], F.relu(self.side(parts[1]))], 1)


WRITTEN = {
    "chunk": lambda x: x.chunk(2, 1),
    "unbind": lambda x: x.unflatten(1, (2, 4)).unbind(1),
    "torch.chunk": lambda x: torch.chunk(x, 2, dim=1),
    "split": lambda x: x.split(4, 1),
    "torch.split": lambda x: torch.split(x, [4, 4], 1),
    "tensor_split": lambda x: x.tensor_split(2, 1),
    "a slice of a tuple": lambda x: (torch.cat(x.chunk(4, 1)[:2], 1), x.chunk(2, 1)[1]),
}


@pytest.mark.parametrize("rule", SIGNED)
@pytest.mark.parametrize("way", WRITTEN)
def test_a_tuple_passes_what_slices_pass(way, rule, pictures):
    slices = propagation.propagate(seeded(lambda: Halves(lambda x: (x[:, :4], x[:, 4:]))), pictures, rule=rule)
    found = propagation.propagate(seeded(lambda: Halves(WRITTEN[way])), pictures, rule=rule)
    assert slices["stem"].abs().sum() > 0
    for layer, R in slices.items():
        torch.testing.assert_close(found[layer], R, rtol=1e-12, atol=1e-15)


class Whole(Net):
    """All parts of a tuple are read at once."""

    def middle(self, x):
        return torch.cat(x.chunk(4, 1), 1)


class OnePart(Net):
    """A part that nobody reads has no relevance."""

    def __init__(self):
        super().__init__(read=4)

    def middle(self, x):
        return x.chunk(2, 1)[1]


def test_a_tuple_may_be_read_whole_and_a_part_by_nobody(pictures):
    whole = propagation.propagate(seeded(Whole), pictures)["stem"]
    torch.testing.assert_close(whole.sum((1, 2, 3)), torch.ones(8).double())
    part = propagation.propagate(seeded(OnePart), pictures)["stem"]
    torch.testing.assert_close(part[:, 4:].sum((1, 2, 3)), torch.ones(8).double())
    assert not part[:, :4].any()


# ---- gates and products --------------------------------------------------------------------------------------


class Squeezed(Net):
    """Squeeze-and-excitation."""

    def __init__(self, gate=nn.Sigmoid):
        super().__init__()
        self.down, self.up, self.gate = nn.Conv2d(8, 2, 1), nn.Conv2d(2, 8, 1), gate()

    def factor(self, x):
        return self.gate(self.up(F.relu(self.down(F.adaptive_avg_pool2d(x, 1)))))

    def middle(self, x):
        return x * self.factor(x)


@pytest.mark.parametrize("rule", ["alpha2beta1", "zplus", "epsilon", "gamma"])
def test_a_gate_is_a_constant(rule, pictures):
    """For one image, a gate is a factor of the weights that read it: the twin has no gate, but such weights."""
    model, twin, image = seeded(Squeezed), seeded(Net), pictures[:1]
    twin.load_state_dict(model.state_dict(), strict=False)
    twin.middle = lambda x: x
    with torch.no_grad():
        twin.last.weight *= model.factor(F.leaky_relu(model.stem(image))).view(1, -1, 1, 1)
    found, wanted = (propagation.propagate(m, image, rule=rule) for m in (model, twin))
    assert [*found] == ["stem", "last"]
    for layer, R in wanted.items():
        torch.testing.assert_close(found[layer], R, rtol=1e-9, atol=1e-12)


def test_layers_that_only_gate_are_named_and_have_no_relevance(pictures):
    propagator = propagation.Propagator(seeded(Squeezed))
    assert propagator.layers_without((3, 8, 8)) == {"down": [0, 1], "up": [*range(8)]}
    gradient = propagation.Propagator(seeded(Squeezed), "gradient")
    assert gradient.layers_without((3, 8, 8)) == {}
    assert {"down", "up"} <= {*gradient(pictures)[0]}


class Partly(Net):
    """Half of a layer's channels only gate."""

    def __init__(self):
        super().__init__(read=4)
        self.gate = nn.Conv2d(4, 4, 1)

    def middle(self, x):
        one, other = x.chunk(2, 1)
        return other * torch.sigmoid(self.gate(one))


def test_channels_of_a_layer_that_only_gate_are_told_from_those_that_do_not(pictures):
    propagator = propagation.Propagator(seeded(Partly), "zplus")
    without = propagator.layers_without((3, 8, 8))
    assert without == {"stem": [0, 1, 2, 3], "gate": [0, 1, 2, 3]}
    maps = {layer: (R.mean(0).numpy(), R.abs().mean(0).numpy()) for layer, R in propagator(pictures)[0].items()}
    table = statistics.of_relevance(maps, without=without).set_index(["layer", "channel"])["mean_abs"]
    assert table["stem"].isna().tolist() == [True] * 4 + [False] * 4
    assert table["gate"].isna().all() and table["last"].notna().all()


class Weighed(Net):
    """Features weighed by something that is no sigmoid, but one number for all positions."""

    def __init__(self):
        super().__init__()
        self.weigh = nn.Linear(8, 8)

    def middle(self, x):
        return x * F.relu(self.weigh(x.mean((2, 3)))).unsqueeze(-1).unsqueeze(-1)


class Attended(Net):
    """Gates by map, by what is left of a gate, and branches that a softmax weighs."""

    def __init__(self):
        super().__init__()
        self.place, self.choose = nn.Conv2d(8, 1, 1), nn.Conv2d(8, 16, 1)
        self.first, self.second = nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 1)

    def middle(self, x):
        x = x * (1 + torch.sigmoid(self.place(x)))
        branches = torch.stack([F.relu(self.first(x)), F.relu(self.second(x))], 1)
        share = self.choose(F.adaptive_avg_pool2d(branches.sum(1), 1)).view(-1, 2, 8, 1, 1).softmax(1)
        return (branches * share).sum(1)


class Inverted(Net):
    """An inverted residual with Hardswish, BatchNorm and a hard gate, as in MobileNetV3."""

    def __init__(self):
        super().__init__()
        self.wide, self.norm = nn.Conv2d(8, 12, 1, bias=False), nn.BatchNorm2d(12)
        self.deep = nn.Conv2d(12, 12, 3, padding=1, groups=12)
        self.down, self.up, self.narrow = nn.Conv2d(12, 4, 1), nn.Conv2d(4, 12, 1), nn.Conv2d(12, 8, 1)

    def middle(self, x):
        y = F.hardswish(self.deep(F.hardswish(self.norm(self.wide(x)))))
        y = F.hardsigmoid(self.up(F.relu(self.down(F.adaptive_avg_pool2d(y, 1))))) * y
        return x + self.narrow(y)


class Normalised(Net):
    """A block of ConvNeXt: depthwise, LayerNorm of channels, GELU, a scale, stochastic depth; then GroupNorm."""

    def __init__(self):
        super().__init__()
        self.deep, self.norm = nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.LayerNorm(8)
        self.up, self.down, self.drop = nn.Linear(8, 16), nn.Linear(16, 8), StochasticDepth(0.5, "row")
        self.scale, self.group = nn.Parameter(torch.full((8, 1, 1), 0.5)), nn.GroupNorm(2, 8)

    def middle(self, x):
        y = self.down(F.gelu(self.up(self.norm(self.deep(x).permute(0, 2, 3, 1)))))
        return self.group(x + self.drop(self.scale * y.permute(0, 3, 1, 2)))


class Functional(Net):
    """Activations as functions, a product of two signals, differences, quotients, and a softmax at the end."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)

    def middle(self, x):
        y = F.mish(self.first(x)) * F.softplus(self.second(x))
        y = F.selu(y) - F.celu(x) / (1 + x.mean((2, 3), keepdim=True))
        return F.interpolate(F.dropout(y, 0.5, self.training), scale_factor=2)

    def forward(self, x):
        return super().forward(x).log_softmax(1)


class InPlace(Net):
    """Products and sums in place, and numbers of either sign."""

    def middle(self, x):
        y = x.clone()
        y += x
        y *= 0.5
        return y.sub(-0.5).add_(-0.25).mul(-1).neg()


BLOCKS = {
    **{"halves": lambda: Halves(lambda x: x.chunk(2, 1)), "squeezed": Squeezed, "weighed": Weighed},
    **{"attended": Attended, "inverted": Inverted, "normalised": Normalised, "functional": Functional},
    **{"in place": InPlace, "hard gate": lambda: Squeezed(nn.Hardsigmoid)},
}


@pytest.mark.parametrize("block", BLOCKS)
def test_every_block_conserves_to_the_stem(block, pictures):
    """Without biases, epsilon passes on all that it gets: what was sent arrives."""
    found = propagation.propagate(seeded(BLOCKS[block]), pictures, rule="epsilon=1e-12", bias=False)
    torch.testing.assert_close(found["stem"].sum((1, 2, 3)), torch.ones(8).double(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("block", BLOCKS)
def test_the_gradient_of_every_block_is_autograds(block, pictures):
    model = traced.without_inplace(seeded(BLOCKS[block]))
    outputs = {}

    def keep(name):
        def hook(module, inputs, output):
            output.retain_grad()
            outputs[name] = output
            return output.clone()

        return hook

    layers = {name: layer for name, layer in model.named_modules() if isinstance(layer, nn.Conv2d)}
    found = propagation.propagate(model, pictures, rule="gradient")
    handles = [layer.register_forward_hook(keep(name)) for name, layer in layers.items()]
    logits = model.head.register_forward_hook(keep("head"))
    model(pictures)
    outputs["head"].gather(1, outputs["head"].argmax(1, keepdim=True)).sum().backward()
    for handle in (*handles, logits):
        handle.remove()
    assert {*found} == {*layers}
    norms = {"wide": model.norm} if block == "inverted" else {}
    for layer, R in found.items():
        wanted = outputs[layer].grad
        if layer in norms:
            # BatchNorm is folded: its scale stands in front of the gradient.
            wanted = wanted * (norms[layer].running_var + norms[layer].eps).sqrt().view(1, -1, 1, 1)
        torch.testing.assert_close(R, wanted, rtol=1e-9, atol=1e-12)


def test_a_softmax_at_the_end_is_left_out(pictures):
    plain = seeded(Net)
    plain.middle = lambda x: x
    ended = nn.Sequential()
    ended.body, ended.softmax = plain, nn.Softmax(1)
    ended.eval()
    found = propagation.propagate(ended, pictures, start="logit")
    for layer, R in propagation.propagate(plain, pictures, start="logit").items():
        torch.testing.assert_close(found[f"body.{layer}"], R)


class Doubled(Net):
    def middle(self, x):
        return x + x


def test_an_operand_that_is_added_to_itself_keeps_all(pictures):
    found = propagation.propagate(seeded(Doubled), pictures, rule="epsilon=1e-30", bias=False)
    torch.testing.assert_close(found["stem"].sum((1, 2, 3)), torch.ones(8).double())


class Scaled(Net):
    def forward(self, x, scale=2.0):
        return self.head(F.relu(self.last(F.relu(self.stem(x)) * scale)).mean((2, 3)))


class Sized(Net):
    """A layer with the name of a method that gives sizes."""

    def __init__(self):
        super().__init__()
        self.size = nn.Conv2d(8, 8, 3, padding=1)

    def middle(self, x):
        return x + F.relu(self.size(x))


class Twice(Net):
    def __init__(self):
        super().__init__()
        self.again = nn.Conv2d(8, 8, 3, padding=1)

    def middle(self, x):
        return F.max_pool2d(F.relu(self.again(F.relu(self.again(x)))), 2)


@pytest.mark.parametrize("network", [Scaled, Sized, Twice])
def test_defaults_names_of_layers_and_second_uses_change_nothing(network, pictures):
    model = seeded(network)
    found = propagation.propagate(model, pictures, rule="epsilon=1e-30", bias=False)
    torch.testing.assert_close(found["stem"].sum((1, 2, 3)), torch.ones(8).double())
    times = propagation.propagate(model, pictures, rule="gradient_x_input")
    assert {*found} == {*times}
    outputs = {}
    handle = model.stem.register_forward_hook(lambda module, inputs, output: outputs.setdefault("stem", output))
    with torch.no_grad():
        model(pictures)
    handle.remove()
    gradient = propagation.propagate(model, pictures, rule="gradient")
    torch.testing.assert_close(times["stem"], gradient["stem"] * outputs["stem"])


# ---- constants -----------------------------------------------------------------------------------------------


class Shifted(Net):
    """A number is added to every channel, by an addition or by a depthwise convolution that does nothing else."""

    def __init__(self, by):
        super().__init__()
        self.by = by
        if by is None:
            self.shift = nn.Conv2d(8, 8, 1, groups=8)

    def middle(self, x):
        return self.shift(x) if self.by is None else x + self.by


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("by", [-0.5, 0.5])
def test_an_added_number_is_a_bias(by, bias, pictures):
    model, twin = seeded(lambda: Shifted(by)), seeded(lambda: Shifted(None))
    twin.load_state_dict(model.state_dict(), strict=False)
    nn.init.ones_(twin.shift.weight)
    nn.init.constant_(twin.shift.bias, by)
    found, wanted = (propagation.propagate(m, pictures, rule="epsilon=1e-12", bias=bias) for m in (model, twin))
    torch.testing.assert_close(found["stem"], wanted["stem"], rtol=1e-4, atol=1e-6)


# ---- what cannot be explained --------------------------------------------------------------------------------


class Exponential(Net):
    def middle(self, x):
        return x.exp()


class Mixed(Net):
    def middle(self, x):
        flat = x.flatten(2)
        return (flat @ (flat.transpose(1, 2) @ flat).softmax(1)).view_as(x)


class Inverse(Net):
    def middle(self, x):
        return 1 / (1 + x)


class Constant(Net):
    """The classes do not depend on the images."""

    def __init__(self):
        super().__init__()
        self.constant = nn.Parameter(torch.ones(1, 8, 8, 8))

    def middle(self, x):
        return self.constant.expand(x.shape[0], -1, -1, -1)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (Exponential, r"^no relevance rule for the layer exp \(exp\); the rules gradient and gradient_x_input"),
        (Mixed, r"^no relevance rule for the layer matmul_1 \(matmul\)"),
        (Inverse, r"^no relevance rule for the layer truediv \(truediv\), which divides a number by what depends"),
        (Constant, r"^relevance would get lost at the layer mean \(mean\), which passes it to nothing"),
    ],
)
def test_what_would_lose_relevance_is_named(network, message, pictures):
    with pytest.raises(ValueError, match=message):
        propagation.propagate(seeded(network), pictures)


class Overwritten(Net):
    """What an operation in place makes is read through the name of what it overwrote."""

    def __init__(self, way):
        super().__init__()
        self.way, self.active = way, nn.ReLU(inplace=True)

    def middle(self, x):
        y = x - 0.1
        self.way(self, y)
        return y


WAYS = {
    "relu_": lambda net, y: y.relu_(),
    "add_": lambda net, y: y.add_(1.0),
    "a function": lambda net, y: F.relu(y, inplace=True),
    "a layer": lambda net, y: net.active(y),
}


@pytest.mark.parametrize("way", WAYS)
def test_what_is_done_in_place_and_read_again_is_refused(way, pictures):
    with pytest.raises(ValueError, match=r"^the graph that is followed answers otherwise than the model .* in place"):
        propagation.propagate(seeded(lambda: Overwritten(WAYS[way])), pictures)


class OfBatch(nn.BatchNorm2d):
    def forward(self, x):
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, True, 0.0, self.eps)


class Batch(Net):
    def __init__(self):
        super().__init__()
        self.norm = OfBatch(8)

    def middle(self, x):
        return self.norm(x)


def test_a_batchnorm_of_the_batch_is_not_made_one_of_running_statistics(pictures):
    model = seeded(Batch)
    propagator = propagation.Propagator(model)
    with torch.no_grad():
        values = propagator.forward(pictures).values
        torch.testing.assert_close(values[propagator.graph.logits], model(pictures))


@pytest.mark.parametrize("network", [Exponential, Mixed, Inverse])
def test_gradients_take_any_layer(network, pictures):
    assert propagation.propagate(seeded(network), pictures, rule="gradient")["stem"].abs().sum() > 0


@pytest.mark.parametrize("rule", ["epsilon", "gamma=0.1", "epsilon_gamma_flat", {0.5: "zplus", 1: "epsilon"}])
def test_the_bias_follows_the_rule(rule, network, pictures):
    found, wanted = (propagation.propagate(network, pictures, rule=rule, **o) for o in ({}, {"bias": True}))
    for layer, R in wanted.items():
        torch.testing.assert_close(found[layer], R, rtol=0, atol=0)


# ---- layers that are called as functions -----------------------------------------------------------------------


class Padding(nn.Conv2d):
    """A convolution that pads by itself, as timm's Conv2dSame."""

    def forward(self, x):
        return F.conv2d(F.pad(x, [1, 1, 1, 1]), self.weight, self.bias, self.stride, (0, 0), self.dilation, self.groups)


class Active(nn.BatchNorm2d):
    """BatchNorm with an activation, as timm's BatchNormAct2d."""

    def forward(self, x):
        x = F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.1, self.eps)
        return F.relu(x)


class Own(Net):
    def __init__(self, own):
        super().__init__()
        self.wide = (Padding if own else nn.Conv2d)(8, 8, 3, stride=2, padding=0 if own else 1)
        self.norm = Active(8) if own else nn.BatchNorm2d(8)
        self.own = own

    def middle(self, x):
        x = self.norm(self.wide(x))
        return x if self.own else F.relu(x)


@pytest.mark.parametrize("rule", SIGNED)
def test_functions_with_weights_of_a_layer_are_that_layer(rule, pictures):
    own, plain = seeded(lambda: Own(True)), seeded(lambda: Own(False))
    plain.load_state_dict(own.state_dict())
    found, wanted = (propagation.propagate(m, pictures, rule=rule) for m in (own, plain))
    assert [*found] == [*wanted] == ["stem", "wide", "last"]
    for layer, R in wanted.items():
        torch.testing.assert_close(found[layer], R, rtol=1e-9, atol=1e-12)
