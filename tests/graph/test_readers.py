"""The table of operations against torch, and the way from a layer to its reader against units and relevance."""

import inspect
import operator

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.modules import activation, dropout

from secateur.criteria import locations
from secateur.graph import operation_kinds as kinds
from secateur.graph import readers, tracing
from secateur.relevance import propagation, unweighted_layers
from secateur.units import coupling, handlers, keeping
from support.networks import small_vgg

# They mix positions or channels, or draw.
NO_ACTIVATIONS = {nn.MultiheadAttention, nn.GLU, nn.Softmax, nn.Softmax2d, nn.Softmin, nn.LogSoftmax}
# Their maps have another rank than those of Conv2d.
OTHER_RANKS = {nn.Dropout3d}


def classes_of(module):
    named = [getattr(module, name) for name in module.__all__]
    return {kind for kind in named if inspect.isclass(kind)}


# ---- the table -----------------------------------------------------------------------------------------------


def test_every_activation_of_torch_is_in_the_table():
    listed = {*kinds.ACTIVATIONS.modules, *kinds.PRELU.modules}
    assert classes_of(activation) - NO_ACTIVATIONS <= listed
    assert classes_of(dropout) - OTHER_RANKS == {*kinds.DROPOUT.modules}


@pytest.mark.parametrize("module", [*kinds.ACTIVATIONS.modules, *kinds.DROPOUT.modules])
def test_every_activation_and_dropout_is_there_as_a_function_too(module):
    name = {nn.LeakyReLU: "leaky_relu", nn.RReLU: "rrelu", nn.SiLU: "silu", nn.LogSigmoid: "logsigmoid"}
    words = name.get(module, module.__name__.lower())
    others = {"featurealphadropout": "feature_alpha_dropout", "alphadropout": "alpha_dropout"}
    assert getattr(F, others.get(words, words)) in kinds.ACTIVATIONS | kinds.DROPOUT


def test_every_activation_that_units_follow_has_a_relevance_rule_or_is_an_exception():
    followed = kinds.ELEMENTWISE | kinds.PRELU | kinds.MOVED
    (elementwise,) = [kind for kind, handler in handlers.OF_KINDS if handler is keeping.elementwise]
    assert elementwise.calls <= followed.calls and {*elementwise.modules} <= {*followed.modules}
    rest = followed - unweighted_layers.PASSED
    assert rest.modules == ()
    assert rest.calls == {torch.exp, "exp", torch.rsqrt, "rsqrt", torch.zeros_like, torch.ones_like}
    assert rest == unweighted_layers.WITHOUT_RULE


def test_every_activation_is_one_for_criteria():
    for module in (*kinds.ACTIVATIONS.modules, nn.PReLU):
        assert module in locations.ACTIVATIONS.modules
    assert kinds.ACTIVATIONS.calls <= locations.ACTIVATIONS.calls


def test_no_operation_is_of_two_kinds_for_units_or_for_relevance():
    for table in (handlers.OF_KINDS, unweighted_layers.RULES):
        calls = [call for kind, *_ in table for call in kind.calls]
        assert len(calls) == len(set(calls))


def test_a_module_with_the_name_of_a_method_is_no_method():
    model = nn.Sequential()
    model.relu = nn.Conv2d(3, 3, 1)
    model.size = nn.Conv2d(3, 3, 1)
    nodes = [node for node in tracing.traced(model).graph.nodes if node.op == "call_module"]
    for node in nodes:
        assert not kinds.ACTIVATIONS.has(node, model.get_submodule(node.target))
        assert not kinds.is_size(node)


def test_operations_out_of_place_leave_their_input_alone():
    for in_place, out_of_place in kinds.OUT_OF_PLACE.items():
        if isinstance(in_place, str):
            assert in_place == f"{out_of_place}_"
            continue
        count = 2 if in_place in (operator.iadd, operator.isub, operator.imul, operator.itruediv) else 1
        values = [torch.linspace(-1, 1, 5), torch.full((5,), 2.0)][:count]
        before = values[0].clone()
        found = out_of_place(*values)
        assert torch.equal(values[0], before)
        assert torch.equal(in_place(*values), found)


# ---- the way to a reader -------------------------------------------------------------------------------------


class Between(nn.Module):
    """A convolution, an operation, the layer that reads it, and a head."""

    def __init__(self, between, layer=None, reader=None):
        super().__init__()
        self.conv = layer or nn.Conv2d(3, 6, 3, padding=1)
        self.between = between
        self.reader, self.head = reader or nn.Conv2d(6, 4, 3, padding=1), nn.Linear(4, 3)

    def forward(self, x):
        x = self.reader(self.between(self.conv(x)))
        return self.head(x.mean((2, 3)) if isinstance(self.reader, nn.Conv2d) else x)


def chain(between, **layers):
    torch.manual_seed(0)
    return Between(between, **layers).double().eval()


def in_words(call):
    return call if isinstance(call, str) else f"{call.__module__}.{call.__name__}"


MADE = {nn.Threshold: lambda: nn.Threshold(0.1, -0.2), nn.ConstantPad2d: lambda: nn.ConstantPad2d(1, 0.5)}
ARGUMENTS = {
    **{F.threshold: (0.1, -0.2), F.prelu: (torch.tensor([0.3]).double(),)},
    **{torch.clamp: (-0.5, 0.5), torch.clip: (-0.5, 0.5), "clamp": (-0.5, 0.5), "clip": (-0.5, 0.5)},
    **{"clamp_": (-0.5, 0.5), "to": (torch.float64,), "type": (torch.float64,)},
}
# Of negative numbers they have no value, or relevance has no rule for them; they change the type of the weights, or
# take other ranks than those of maps.
UNUSUAL = {torch.sqrt, "sqrt", *unweighted_layers.WITHOUT_RULE.calls, "float", "half", "bfloat16", F.dropout1d}


def applied(call):
    arguments = ARGUMENTS.get(call, ())
    if isinstance(call, str):
        return lambda x: getattr(x, call)(*arguments)
    if call in kinds.DROPOUT or call is F.rrelu:
        return lambda x: call(x, training=False)
    return lambda x: call(x, *arguments)


ELEMENTWISE = {
    **{
        kind.__name__: MADE.get(kind, kind)
        for kind in (*kinds.ELEMENTWISE.modules, nn.PReLU)
        if kind is not nn.Dropout1d
    },
    **{
        in_words(call): lambda call=call: applied(call)
        for call in sorted((kinds.ELEMENTWISE | kinds.PRELU | kinds.MOVED).calls - UNUSUAL, key=in_words)
    },
}
OVER_POSITIONS = {
    "max pool": lambda: nn.MaxPool2d(2),
    "average pool": lambda: nn.AvgPool2d(2),
    "adaptive pool": lambda: nn.AdaptiveAvgPool2d(3),
    "pool as a function": lambda: lambda x: F.max_pool2d(x, 2),
    "resized": lambda: nn.Upsample(scale_factor=2),
    "padded": lambda: nn.ConstantPad2d(1, 0.5),
    "padded as a function": lambda: lambda x: F.pad(x, (1, 2, 0, 1)),
    "instance norm": lambda: nn.InstanceNorm2d(6, affine=True, track_running_stats=True),
    "times a number": lambda: lambda x: 0.5 * x,
    "added to itself": lambda: lambda x: x + x,
    "several": lambda: nn.Sequential(nn.Identity(), nn.SiLU(), nn.Dropout(), nn.MaxPool2d(2), nn.GELU()),
    "asked for its size": lambda: lambda x: F.relu(x).view(x.shape[0], x.size(1), 4, 16),
}
FLAT = {
    "flatten": lambda: nn.Flatten(),
    "torch.flatten": lambda: lambda x: torch.flatten(F.silu(x), 1),
    "x.flatten": lambda: lambda x: x.relu().flatten(1),
    "view": lambda: lambda x: x.view(x.size(0), -1),
    "reshape": lambda: lambda x: F.max_pool2d(x, 2).reshape(x.shape[0], -1),
    "mean": lambda: lambda x: F.hardswish(x).mean((2, 3)),
    "mean of one dimension after the other": lambda: lambda x: x.mean(-1).mean(-1),
    "a pool squeezed": lambda: lambda x: F.adaptive_avg_pool2d(x, 1).squeeze(-1).squeeze(-1),
}


def images():
    return torch.randn(4, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def gradient_at_the_reader(model, pixels):
    """(input of the reader, gradient of the largest logit there) by autograd."""
    read = []

    def keep(module, inputs):
        read.append(inputs[0].detach().requires_grad_())
        return (read[0],)

    handle = model.reader.register_forward_pre_hook(keep)
    logits = model(pixels)
    handle.remove()
    logits.max(1).values.sum().backward()
    return read[0].detach(), read[0].grad


@pytest.mark.parametrize("name", [*ELEMENTWISE, *OVER_POSITIONS])
def test_a_convolution_behind_any_operation_of_one_channel_reads_its_relevance(name):
    model, pixels = chain((ELEMENTWISE | OVER_POSITIONS)[name]()), images()
    x, gradient = gradient_at_the_reader(model, pixels)
    found = propagation.propagate(model, pixels, "gradient_x_input", at="next_input")
    torch.testing.assert_close(found["conv"], x * gradient)
    assert found["conv"].any()
    # Epsilon of one layer alone: R_in = x W^T [R / (z + epsilon sign z)].
    R, z = propagation.propagate(model, pixels, "epsilon=0.1")["reader"], model.reader(x)
    pulled = F.conv_transpose2d(R / (z + 0.1 * z.sign()), model.reader.weight, padding=1)
    found = propagation.propagate(model, pixels, "epsilon=0.1", at="next_input")
    torch.testing.assert_close(found["conv"], x * pulled)


@pytest.mark.parametrize("name", FLAT)
def test_positions_are_summed_where_a_linear_layer_reads_all_of_them(name):
    between, pixels = FLAT[name](), images()
    width = between(nn.Conv2d(3, 6, 3, padding=1).double()(pixels)).shape[1]
    model = chain(between, reader=nn.Linear(width, 4))
    x, gradient = gradient_at_the_reader(model, pixels)
    wanted = (x * gradient).reshape(4, 6, -1).sum(2)[:, :, None, None]
    found = propagation.propagate(model, pixels, "gradient_x_input", at="next_input")["conv"]
    torch.testing.assert_close(found, wanted)
    # Without a channel, the reader's outputs change by what is read of it.
    masked = x.reshape(4, 6, -1).clone()
    masked[:, 2] = 0
    change = model.head(model.reader(x)) - model.head(model.reader(masked.reshape(x.shape)))
    chosen = model(pixels).argmax(1, keepdim=True)
    torch.testing.assert_close(found[:, 2, 0, 0], change.gather(1, chosen)[:, 0])


@pytest.mark.parametrize("name", [*ELEMENTWISE, *OVER_POSITIONS, *FLAT])
def test_the_reader_is_that_which_units_find(name):
    """The inputs of the reader are the channels of the layer, each as often as it has positions there."""
    between, layers = (ELEMENTWISE | OVER_POSITIONS | FLAT)[name](), {}
    if name in FLAT:
        layers = {"reader": nn.Linear(between(nn.Conv2d(3, 6, 3, padding=1).double()(images())).shape[1], 4)}
    model = chain(between, **layers)
    (link,) = readers.links(tracing.traced(model).graph.nodes, dict(model.named_modules()), ["conv"])
    assert link.reader.target == "reader"
    found = coupling.followed(model, images())
    if name.endswith("prelu") and name != "PReLU":
        # Units keep apart parameters that a function is given.
        return
    outputs, inputs = found.outputs["conv"], found.inputs["reader"]
    if name == "asked for its size" or name not in FLAT:
        assert np.array_equal(inputs, outputs)
    else:
        assert np.array_equal(inputs, np.repeat(outputs, len(inputs) // len(outputs)))


def test_links_follow_channels_to_their_reader(network):
    graph = tracing.traced(network).graph
    modules = dict(network.named_modules())
    layers = [name for name, module in modules.items() if isinstance(module, nn.Conv2d)]
    link = readers.links(graph.nodes, modules, layers)[2]
    between = [node.target for node in link.between]
    assert (link.node.target, between[0], link.reader.target) == ("features.7", "features.8", "classifier.0")


def test_grouped_convolutions_read_and_are_read():
    model = chain(nn.ReLU6(), layer=nn.Conv2d(3, 6, 3, groups=3, padding=1), reader=nn.Conv2d(6, 6, 3, groups=6))
    model.head = nn.Linear(6, 3).double()
    pixels = images()
    x, gradient = gradient_at_the_reader(model, pixels)
    found = propagation.propagate(model, pixels, "gradient_x_input", at="next_input")
    torch.testing.assert_close(found["conv"], x * gradient)


class Branched(nn.Module):
    def __init__(self, way):
        super().__init__()
        self.conv, self.other, self.way = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(3, 6, 3, padding=1), way
        self.reader, self.second, self.head = nn.Conv2d(6, 4, 1), nn.Conv2d(6, 4, 1), nn.Linear(4, 3)

    def forward(self, x):
        return self.head(self.way(self, self.conv(x), x).mean((2, 3)))


REFUSED = {
    "several layers": (lambda net, y, x: net.reader(y) + net.second(y), "is read by 2 others (reader, second)"),
    "several behind an activation": (
        lambda net, y, x: net.reader(F.gelu(y)) + F.relu(y)[:, :4],
        "is read by 2 others (gelu, relu)",
    ),
    "an addition": (lambda net, y, x: net.reader(y + net.other(x)), "reach add (add)"),
    "a concatenation": (lambda net, y, x: net.reader(torch.cat([y[:, :3], net.other(x)[:, :3]], 1)), "reach getitem ("),
    "a softmax": (lambda net, y, x: net.reader(y.softmax(1)), "reach softmax (softmax)"),
    "no layer": (lambda net, y, x: F.relu(y)[:, :4], "reach getitem (getitem)"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_channels_that_no_single_layer_reads_are_refused_with_a_remedy(name):
    way, why = REFUSED[name]
    torch.manual_seed(0)
    model = Branched(way).double().eval()
    with pytest.raises(ValueError) as raised:
        propagation.propagate(model, images(), "gradient", at="next_input")
    assert str(raised.value).startswith(("the channels of layer conv reach", "the output of layer conv is read by"))
    assert why in str(raised.value)
    assert str(raised.value).endswith("read relevance at the layers' own outputs instead (at: output)")


def test_the_last_layer_is_read_by_no_other(network, pictures):
    with pytest.raises(ValueError, match=r"^the output of layer classifier.3 is read by no other layer, not by a sing"):
        propagation.propagate(network, pictures, at="next_input", linear=["classifier.3"])


@pytest.mark.parametrize(
    "between",
    [
        lambda x: x.view(x.shape[0], 3, 16, 8),
        lambda x: x.mean(1, keepdim=True).view(x.shape[0], 1, 8, 8),
        lambda x: F.avg_pool2d(x.view(x.shape[0], 3, 16, 8), 2).view(x.shape[0], 6, 4, 4),
        lambda x: x.flatten(2).mean(1).view(x.shape[0], 1, 8, 8),
    ],
)
def test_channels_in_another_layout_are_refused(between):
    pixels = images()
    width = between(torch.zeros(4, 6, 8, 8)).shape[1]
    model = chain(between, reader=nn.Conv2d(width, 4, 3, padding=1))
    with pytest.raises(ValueError, match=r"^the channels of layer conv do not lie side by side where reader reads the"):
        propagation.propagate(model, pixels, "gradient", at="next_input")


def test_features_at_several_positions_are_read_at_the_next_linear_layer():
    class Rows(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.wide, self.reader = nn.Conv2d(3, 4, 1), nn.Linear(4, 6), nn.Linear(6, 3)

        def forward(self, x):
            return self.reader(F.gelu(self.wide(self.conv(x).permute(0, 2, 3, 1)))).mean((1, 2))

    torch.manual_seed(0)
    model, pixels = Rows().double().eval(), images()
    with pytest.raises(ValueError, match=r"^the channels of layer conv reach permute \(permute\), behind which"):
        propagation.propagate(model, pixels, "gradient", at="next_input")
    with torch.no_grad():
        x = F.gelu(model.wide(model.conv(pixels).permute(0, 2, 3, 1)))
    rows = {**propagation.propagate(model, pixels, "gradient", linear=["wide", "reader"])}["reader"]
    assert rows.shape == (4, 3, 64, 1)
    layers = propagation.Propagator(model, "gradient_x_input", linear=["wide"])
    layers.read, layers.at = ["wide"], "next_input"
    layers.links = readers.links(layers.graph.nodes, layers.graph.modules, ["wide"])
    chosen = model(pixels).argmax(1)
    wanted = x.flatten(1, 2).transpose(1, 2) * model.reader.weight[chosen][:, :, None] / 64
    torch.testing.assert_close(layers(pixels)[0]["wide"][..., 0], wanted)


def test_only_readers_end_where_a_value_has_several():
    nodes = list(tracing.traced(small_vgg()).graph.nodes)
    assert list(readers.only_readers(nodes[0])) == nodes[1:]
    assert list(readers.only_readers(nodes[0], ignored=[nodes[3]])) == nodes[1:3]
