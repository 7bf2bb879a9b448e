"""Criteria: one score for every channel of a network, from its weights alone or from images too.

The higher a score, the later its channel is removed. Where each comes from and what it costs: docs/criteria.md.
"""

import contextlib
import dataclasses
import itertools
import operator
from collections.abc import Callable

import torch
from torch import fx, nn
from torch.nn import functional as F

from secateur import graph, modes, passing, shapes, sums

# ---- from weights ----------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Layer:
    """A layer's filters (C, ...), and the weights (C,) of the BatchNorm behind it or None; both in float64.

    A feature of a linear layer is a channel, and its row of weights the filter.
    """

    name: str
    filters: torch.Tensor
    scale: torch.Tensor | None


def l1(layer):
    """(C,): the sum of a filter's absolute weights (Li et al., ICLR 2017)."""
    return layer.filters.flatten(1).abs().sum(1)


def l2(layer):
    """(C,): the Euclidean norm of a filter (He et al., IJCAI 2018)."""
    return layer.filters.flatten(1).norm(dim=1)


def fpgm(layer):
    """(C,): the sum of a filter's distances to all filters of its layer, small near their median (He et al., 2019)."""
    filters = layer.filters.flatten(1)
    # Products would be faster, but two equal filters would lie 1e-8 apart.
    return torch.cdist(filters, filters, compute_mode="donot_use_mm_for_euclid_dist").sum(1)


def bn_scale(layer):
    """(C,): the absolute weight of the BatchNorm behind the convolution (Liu et al., ICCV 2017)."""
    if layer.scale is None:
        raise ValueError(
            f"bn_scale needs a BatchNorm with weights right behind every layer, and {layer.name} has none; "
            "leave bn_scale out of criteria.scores"
        )
    return layer.scale.abs()


OF_WEIGHTS = {"l1": l1, "l2": l2, "fpgm": fpgm, "bn_scale": bn_scale}


@torch.no_grad()
def of_weights(model, name, layers=None):
    """{layer: scores (C,) in float64} of one of OF_WEIGHTS, for these layers or for all convolutions.

    Raises ValueError that names the layer for which the score is not defined.
    """
    modules = dict(model.named_modules())
    found = {}
    for layer, nodes in _calls(graph.traced(model), modules, layers).items():
        norm = _norm(nodes[0], modules)
        scale = None if norm is None or modules[norm.target].weight is None else modules[norm.target].weight.double()
        found[layer] = OF_WEIGHTS[name](Layer(layer, modules[layer].weight.double(), scale)).numpy()
    return found


# ---- from images -----------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class OfImages:
    """A score of images: the mean over them of `function(values, gradients)`, which gives (N, C) from two (N, C, P).

    `values` are a channel's at P positions: `at` the "output" of its convolution, "product" (the same less the bias)
    or "activation". `gradients` are those of each image's own loss there, None unless `gradient`.
    """

    function: Callable
    at: str
    gradient: bool


def squared_first_order(values, gradients):
    """(sum of value x gradient)^2: the squared change of the loss, to first order, without these values."""
    return (values * gradients).sum(2, dtype=torch.float64).square()


def mean_gradient(values, gradients):
    """The mean absolute gradient."""
    return gradients.abs().mean(2, dtype=torch.float64)


def mean_activation(values, gradients):
    """The mean absolute activation: behind a ReLU, its mean."""
    return values.abs().mean(2, dtype=torch.float64)


def share_of_positive(values, gradients):
    """One less the share of positions at which a ReLU leaves zero."""
    return (values > 0).mean(2, dtype=torch.float64)


OF_IMAGES = {
    # A convolution is linear in its filter, so the sum over weights of weight x gradient is that over positions of
    # (output - bias) x gradient: no gradient of any weight is needed to have it for every image.
    "taylor": OfImages(squared_first_order, at="product", gradient=True),
    "taylor_activation": OfImages(squared_first_order, at="activation", gradient=True),
    "gradient": OfImages(mean_gradient, at="output", gradient=True),
    "activation": OfImages(mean_activation, at="activation", gradient=False),
    "apoz": OfImages(share_of_positive, at="activation", gradient=False),
}


def of_images(model, name, batches, layers=None, kept=None):
    """{layer: scores (C,) in float64} of one of OF_IMAGES, for these layers or for all convolutions.

    `batches` yields images (N, C, H, W), normalised as the model expects, and labels (N,): gradients are those of
    each image's cross-entropy. The model is in eval mode meanwhile, and is left as it was. Only sums are kept, so
    memory grows with the batch and not with the number of images; with `kept`, a `sums.Sums`, a killed job goes on from
    them: then `batches` begins after the images that they hold.
    """
    score, kept = OF_IMAGES[name], sums.Sums() if kept is None else kept
    batches = iter(batches)
    first = list(itertools.islice(batches, 1))
    answers = [_answers(model, pixels) for pixels, _ in first]
    with _undisturbed(model):
        reader = _Reader(model, score.at, layers)
        for (pixels, _), wanted in zip(first, answers, strict=True):
            graph.refuse_another(reader.answers(pixels), wanted, reader.overwriting)
        for pixels, labels in itertools.chain(first, batches):
            values, gradients = reader.read(pixels, labels, score.gradient)
            found = {layer: score.function(seen, gradients.get(layer)).sum(0) for layer, seen in values.items()}
            kept.add(found, len(labels))
    if not kept.images:
        raise ValueError(f"there are no images from which to take the score {name}")
    return kept.means()


@torch.no_grad()
def _answers(model, pixels):
    """What a model answers in eval mode; its forward may overwrite what it is given."""
    with modes.evaluating(model):
        return model(pixels.detach().clone())


class _Reader:
    """Runs a traced model and gives what its layers' channels are at one place, and the gradients there."""

    def __init__(self, model, at, layers):
        self.at, self.modules = at, dict(model.named_modules())
        traced = graph.traced(model)
        self.overwriting = graph.in_place(traced.graph.nodes)
        self.traced = _apart(traced)
        calls = _calls(self.traced, self.modules, layers)
        self.nodes = {layer: [self._place(node) for node in nodes] for layer, nodes in calls.items()}

    def _place(self, node):
        return _activation(node, self.modules) if self.at == "activation" else node

    @torch.no_grad()
    def answers(self, pixels):
        return _Run(self.traced, ()).run(pixels)

    def read(self, pixels, labels, gradient):
        """({layer: values (N, C, P)}, {layer: gradients (N, C, P)}); the second is empty unless `gradient`."""
        with torch.set_grad_enabled(gradient):
            # Gradients reach the first layer only if something before it asks for one.
            run = _Run(self.traced, {node for nodes in self.nodes.values() for node in nodes})
            logits = run.run(pixels.detach().requires_grad_(gradient))
            gradients = {}
            if gradient:
                loss, nodes = F.cross_entropy(logits, labels, reduction="sum"), list(run.seen)
                found = torch.autograd.grad(loss, [run.seen[node] for node in nodes], materialize_grads=True)
                gradients = self._by_layer(dict(zip(nodes, found, strict=True)))
        values = {node: value.detach() for node, value in run.seen.items()}
        return self._by_layer(values, without_bias=self.at == "product"), gradients

    def _by_layer(self, seen, without_bias=False):
        """A layer that is used twice has the positions of both uses."""
        found = {}
        for layer, nodes in self.nodes.items():
            module = self.modules[layer]
            laid_out = _positions if isinstance(module, nn.Conv2d) else graph.features
            parts = [laid_out(seen[node]) for node in nodes]
            if without_bias and module.bias is not None:
                parts = [part - module.bias.detach()[:, None] for part in parts]
            found[layer] = torch.cat(parts, 2)
        return found


def _positions(values):
    """Maps (N, C, H, W) of a convolution: (N, C, positions)."""
    return values.flatten(2)


class _Run(fx.Interpreter):
    """Runs a traced model and keeps what some of its nodes gave."""

    def __init__(self, traced, wanted):
        super().__init__(traced)
        self.wanted, self.seen = wanted, {}

    def run_node(self, node):
        value = super().run_node(node)
        if node in self.wanted:
            self.seen[node] = value
        return value


@contextlib.contextmanager
def _undisturbed(model):
    """Eval mode, and no activation that overwrites its input; afterwards every module is as it was."""
    inplace = [module for module in model.modules() if getattr(module, "inplace", False)]
    try:
        for module in inplace:
            module.inplace = False
        with modes.evaluating(model):
            yield
    finally:
        for module in inplace:
            module.inplace = True


def _apart(traced):
    """The same traced model with functions that leave their input alone."""
    for node in traced.graph.nodes:
        if node.op in ("call_function", "call_method"):
            node.target = APART.get(node.target, node.target)
        if node.op == "call_function" and node.target in ACTIVATION_FUNCTIONS:
            # Given by place, `inplace` is the last argument and the only one that is True or False.
            node.args = tuple(False if argument is True else argument for argument in node.args)
            node.kwargs = {key: False if key == "inplace" else value for key, value in node.kwargs.items()}
    return traced


# ---- where a channel is found ----------------------------------------------------------------------------------

ACTIVATIONS = (
    *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU, nn.Mish, nn.Softplus),
    *(nn.Hardswish, nn.Hardtanh, nn.Hardsigmoid, nn.Sigmoid, nn.Tanh),
)
ACTIVATION_FUNCTIONS = (
    *(
        torch.relu,
        torch.relu_,
        F.relu,
        F.relu6,
        F.leaky_relu,
        F.elu,
        F.selu,
        F.celu,
        F.gelu,
        F.silu,
        F.mish,
        F.softplus,
    ),
    *(F.hardswish, F.hardtanh, torch.sigmoid, torch.tanh),
)
ACTIVATION_METHODS = ("relu", "relu_", "sigmoid", "tanh")
ADDITIONS = (operator.add, operator.iadd, torch.add, "add", "add_")
APART = {**passing.APART, torch.relu_: torch.relu}
# What changes a channel's scale at most.
OWN = (nn.BatchNorm1d, nn.BatchNorm2d, nn.Dropout, nn.Dropout2d, nn.Identity)


def stages(model, example):
    """{layer: stage}: layers with maps of equal height and width are one, counted from 0 in network order.

    Linear layers behind a flatten are a stage of their own.
    """
    modules, traced = dict(model.named_modules()), graph.traced(model)
    found = shapes.of_every_node(traced, example)
    sizes = {}
    for layer, nodes in _called(traced, modules).items():
        size = found[nodes[0]].sizes
        sizes[layer] = size[2:] if isinstance(modules[layer], nn.Conv2d) else size[1:-1]
    order = list(dict.fromkeys(sizes.values()))
    return {layer: order.index(size) for layer, size in sizes.items()}


def _calls(traced, modules, layers):
    """{layer: [node, ...]} of these layers that a traced model calls, or of every Conv2d, in its order.

    Raises ValueError for one that is no Conv2d or Linear, or that it does not call.
    """
    found = _called(traced, modules)
    if layers is None:
        return {layer: nodes for layer, nodes in found.items() if isinstance(modules[layer], nn.Conv2d)}
    foreign = [layer for layer in layers if layer not in found]
    if foreign:
        raise ValueError(f"the network calls no layer {foreign[0]} with weights; it calls {', '.join(found)}")
    return {layer: nodes for layer, nodes in found.items() if layer in layers}


def _called(traced, modules):
    """{layer: [node, ...]} of every Conv2d and Linear that a traced model calls, in its order."""
    found = {}
    for node in traced.graph.nodes:
        if node.op == "call_module" and isinstance(modules[node.target], (nn.Conv2d, nn.Linear)):
            found.setdefault(node.target, []).append(node)
    return found


def _norm(node, modules):
    """The BatchNorm right behind a layer's node, or None."""
    norms = (nn.BatchNorm1d, nn.BatchNorm2d)
    return _behind(node, lambda user: _is(user, modules, norms), lambda user: _is(user, modules, OWN))


def _activation(node, modules):
    """Where a channel's activation is: the first activation behind BatchNorm, and behind an addition that it enters.

    Without one, as in a linear bottleneck or before a concatenation, it is what BatchNorm gives, or the convolution.
    """
    passed = _behind(node, lambda user: _is_activation(user, modules), lambda user: _is_own(user, modules))
    return passed or _norm(node, modules) or node


def _behind(node, wanted, through):
    """The first node that is `wanted` on the way on which each has one reader and is one to go `through`, or None."""
    while len(node.users) == 1:
        node = next(iter(node.users))
        if wanted(node):
            return node
        if not through(node):
            return None
    return None


def _is(node, modules, kinds):
    return node.op == "call_module" and isinstance(modules[node.target], kinds)


def _is_own(node, modules):
    added = node.op in ("call_function", "call_method") and node.target in ADDITIONS
    return added or _is(node, modules, OWN) or (node.op == "call_function" and node.target is F.dropout)


def _is_activation(node, modules):
    if node.op == "call_module":
        return isinstance(modules[node.target], ACTIVATIONS)
    known = {"call_function": ACTIVATION_FUNCTIONS, "call_method": ACTIVATION_METHODS}
    return node.target in known.get(node.op, ())
