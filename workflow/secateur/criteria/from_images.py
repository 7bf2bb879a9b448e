"""Scores of channels from images: Taylor, gradients, activations, APoZ.

The higher a score, the later its channel is removed. Where each comes from and what it costs: docs/criteria.md.
"""

import contextlib
import dataclasses
import functools
import itertools
import operator
from collections.abc import Callable, Collection, Iterable
from typing import Any

import numpy as np
import torch
from torch import fx, nn
from torch.nn import functional as F

from secateur import Refused
from secateur.criteria import locations, running_sums
from secateur.graph import modes, readers, tracing
from secateur.graph import operation_kinds as kinds


@dataclasses.dataclass(frozen=True)
class Part:
    """A part of a score: the mean over images of `function(values, gradients)`, which gives (N, C) from two (N, C, P).

    `values` are a channel's at P positions: `at` the "output" of its convolution, "product" (the same less the bias),
    "norm" (the output of the BatchNorm right behind) or "activation". `gradients` are those of each image's own loss
    there, None where no part of the score reads any.
    """

    function: Callable[[torch.Tensor, Any], torch.Tensor]
    at: str


@dataclasses.dataclass(frozen=True)
class OfImages:
    """A score of images: `combined` makes (C,) of the means of its parts, (parts, C).

    A part at a place that a layer lacks, such as a BatchNorm, is not a number.
    """

    parts: tuple[Part, ...]
    gradient: bool
    combined: Callable[[np.ndarray], np.ndarray] = operator.itemgetter(0)


def squared_first_order(values: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
    """(sum of value x gradient)^2: the squared change of the loss, to first order, without these values."""
    return (values * gradients).sum(2, dtype=torch.float64).square()


def mean_gradient(values: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
    """The mean absolute gradient."""
    return gradients.abs().mean(2, dtype=torch.float64)


def mean_activation(values: torch.Tensor, gradients: torch.Tensor | None) -> torch.Tensor:
    """The mean absolute activation: behind a ReLU, its mean."""
    return values.abs().mean(2, dtype=torch.float64)


def share_of_positive(values: torch.Tensor, gradients: torch.Tensor | None) -> torch.Tensor:
    """1 - APoZ: the fraction of positive activations."""
    return (values > 0).mean(2, dtype=torch.float64)


def sum_of_squares(values: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
    """The sum over positions of the squared values."""
    return values.square().sum(2, dtype=torch.float64)


def mean_squared_gradient(values: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
    """The mean over positions of the squared gradient."""
    return gradients.square().mean(2, dtype=torch.float64)


def half_product(means: np.ndarray) -> np.ndarray:
    """Half of the product of all parts."""
    return means.prod(0) / 2


OF_IMAGES = {
    # A convolution is linear in its filter, so the sum over weights of weight x gradient is that over positions of
    # (output - bias) x gradient: no gradient of any weight is needed to have it for every image.
    "taylor": OfImages((Part(squared_first_order, "product"),), gradient=True),
    "taylor_activation": OfImages((Part(squared_first_order, "activation"),), gradient=True),
    # Filter with bias, weight and bias of BatchNorm, and the weights that read the channel: each is linear in what is
    # scaled, so that its sum of weight x gradient is that of its output's value x gradient.
    "jacobian": OfImages(
        tuple(Part(squared_first_order, place) for place in ("output", "norm", "activation")),
        gradient=True,
        combined=functools.partial(np.nanmean, axis=0),
    ),
    # The Kronecker factors of the Fisher matrix of a convolution (Grosse and Martens, 2016): A, the sum over positions
    # of a a' of the patches a that it reads, and S, the mean over positions of g g'. w' A w of a filter w is the sum of
    # its squared products, so that no patch is unfolded.
    "obd_c": OfImages(
        (Part(sum_of_squares, "product"), Part(mean_squared_gradient, "output")), gradient=True, combined=half_product
    ),
    "gradient": OfImages((Part(mean_gradient, "output"),), gradient=True),
    "activation": OfImages((Part(mean_activation, "activation"),), gradient=False),
    "apoz": OfImages((Part(share_of_positive, "activation"),), gradient=False),
}


def of_images(
    model: nn.Module,
    name: str,
    batches: Iterable[tuple[torch.Tensor, torch.Tensor]],
    layers: Collection[str] | None = None,
    kept: running_sums.Sums | None = None,
) -> dict[str, np.ndarray]:
    """{layer: scores (C,) in float64} of one of OF_IMAGES, for these layers or for all convolutions.

    `batches` yields images (N, C, H, W), normalised as the model expects, and labels (N,): gradients are those of
    each image's cross-entropy. The model is in eval mode meanwhile, and is left as it was. Only sums are kept, so
    memory grows with the batch and not with the count of images; with `kept`, a `running_sums.Sums`, a killed job
    continues from them: then `batches` begins after the images that they hold.
    """
    score, sums = OF_IMAGES[name], running_sums.Sums() if kept is None else kept
    batches = iter(batches)
    first = list(itertools.islice(batches, 1))
    answers = [_answers(model, pixels) for pixels, _ in first]
    with _undisturbed(model):
        reader = _Reader(model, {part.at for part in score.parts}, layers)
        for (pixels, _), wanted in zip(first, answers, strict=True):
            tracing.refuse_another(reader.answers(pixels), wanted, reader.overwriting)
        for pixels, labels in itertools.chain(first, batches):
            sums.add(_summed(score, reader.read(pixels, labels, score.gradient)), len(labels))
    if not sums.images:
        raise Refused(f"there are no images from which to take the score {name}")
    return {layer: score.combined(means) for layer, means in sums.means().items()}


def _summed(score, read):
    """{layer: the sums over images of the parts of its score, (parts, C)} of one batch."""
    sums = {}
    for layer, places in read.items():
        known = {part: part.function(*places[part.at]).sum(0) for part in score.parts if part.at in places}
        absent = torch.full_like(next(iter(known.values())), torch.nan)
        sums[layer] = torch.stack([known.get(part, absent) for part in score.parts])
    return sums


@torch.no_grad()
def _answers(model, pixels):
    """A model's answers in eval mode; its forward may overwrite its input."""
    with modes.evaluating(model):
        return model(pixels.detach().clone())


class _Reader:
    """A traced model that gives the values of its layers' channels at some places, and the gradients there."""

    def __init__(self, model, places, layers):
        self.modules = dict(model.named_modules())
        traced = tracing.traced(model)
        self.overwriting = tracing.in_place(traced.graph.nodes)
        self.traced = _out_of_place(traced)
        calls = locations.calls(self.traced, self.modules, layers)
        self.nodes = {layer: self._by_place(nodes, sorted(places)) for layer, nodes in calls.items()}
        self.wanted = {node for of_layer in self.nodes.values() for nodes in of_layer.values() for node in nodes}

    def _by_place(self, uses, places):
        """{place: its nodes} of the uses of a layer, without places that none of them has."""
        by_place = {}
        for place in places:
            found = (PLACES[place](node, self.modules) for node in uses)
            by_place[place] = [node for node in found if node is not None]
        return {place: nodes for place, nodes in by_place.items() if nodes}

    @torch.no_grad()
    def answers(self, pixels):
        return _Run(self.traced, ()).run(pixels)

    def read(self, pixels, labels, gradient):
        """{layer: {place: (values (N, C, P), gradients (N, C, P))}} of the places that a layer has.

        Gradients are None unless `gradient`.
        """
        with torch.set_grad_enabled(gradient):
            # Gradients reach the first layer only if something before it asks for one.
            run = _Run(self.traced, self.wanted)
            logits = run.run(pixels.detach().requires_grad_(gradient))
            gradients = {}
            if gradient:
                loss = F.cross_entropy(logits, labels, reduction="sum")
                of_nodes = torch.autograd.grad(loss, list(run.values.values()), materialize_grads=True)
                gradients = dict(zip(run.values, of_nodes, strict=True))
        return {layer: self._at_places(layer, run.values, gradients) for layer in self.nodes}

    def _at_places(self, layer, values, gradients):
        """{place: (values, gradients)} of a layer; one that is used twice has the positions of both uses."""
        module, found = self.modules[layer], {}
        for place, nodes in self.nodes[layer].items():
            own = _joined(module, nodes, values)
            if place == "product" and module.bias is not None:
                own = own - module.bias.detach()[:, None]
            found[place] = own, _joined(module, nodes, gradients) if gradients else None
        return found


def _joined(module, nodes, values):
    """(N, C, P) of a layer's values at some nodes, {node: values}."""
    return torch.cat([_positions(module, values[node].detach()) for node in nodes], 2)


# By the names of Part.at: the node of a layer's use at a place, or None.
PLACES = {
    "output": lambda node, modules: node,
    "product": lambda node, modules: node,
    "norm": locations.norm,
    "activation": locations.activation,
}


def _positions(module, values):
    """Maps (N, C, H, W) of a convolution, or features (N, ..., F) of a linear layer, as (N, C, positions)."""
    return values.flatten(2) if isinstance(module, nn.Conv2d) else readers.features(values)


class _Run(fx.Interpreter):
    """One run of a traced model, which keeps the values of some of its nodes."""

    def __init__(self, traced, wanted):
        super().__init__(traced)
        self.wanted, self.values = wanted, {}

    def run_node(self, node):
        value = super().run_node(node)
        if node in self.wanted:
            self.values[node] = value
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


def _out_of_place(traced):
    """A traced model, changed so that its functions leave their input alone."""
    for node in traced.graph.nodes:
        if node.op not in ("call_function", "call_method"):
            continue
        node.target = kinds.OUT_OF_PLACE.get(node.target, node.target)
        if node.op == "call_function" and node.target in locations.ACTIVATIONS:
            # Given by place, `inplace` is the last argument and the only one that is True or False.
            node.args = tuple(False if argument is True else argument for argument in node.args)
            if "inplace" in node.kwargs:
                node.kwargs = {**node.kwargs, "inplace": False}
    return traced
