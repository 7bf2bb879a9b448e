"""Scores of channels from images: Taylor, gradients, activations, APoZ.

The higher a score, the later its channel is removed. Where each comes from and what it costs: docs/criteria.md.
"""

import contextlib
import dataclasses
import itertools
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
class OfImages:
    """A score of images: the mean over them of `function(values, gradients)`, which gives (N, C) from two (N, C, P).

    `values` are a channel's at P positions: `at` the "output" of its convolution, "product" (the same less the bias)
    or "activation". `gradients` are those of each image's own loss there, None unless `gradient`.
    """

    function: Callable[[torch.Tensor, Any], torch.Tensor]
    at: str
    gradient: bool


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


OF_IMAGES = {
    # A convolution is linear in its filter, so the sum over weights of weight x gradient is that over positions of
    # (output - bias) x gradient: no gradient of any weight is needed to have it for every image.
    "taylor": OfImages(squared_first_order, at="product", gradient=True),
    "taylor_activation": OfImages(squared_first_order, at="activation", gradient=True),
    "gradient": OfImages(mean_gradient, at="output", gradient=True),
    "activation": OfImages(mean_activation, at="activation", gradient=False),
    "apoz": OfImages(share_of_positive, at="activation", gradient=False),
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
        reader = _Reader(model, score.at, layers)
        for (pixels, _), wanted in zip(first, answers, strict=True):
            tracing.refuse_another(reader.answers(pixels), wanted, reader.overwriting)
        for pixels, labels in itertools.chain(first, batches):
            values, gradients = reader.read(pixels, labels, score.gradient)
            sums.add(_summed(score, values, gradients), len(labels))
    if not sums.images:
        raise Refused(f"there are no images from which to take the score {name}")
    return sums.means()


def _summed(score, values, gradients):
    """{layer: the sum over images of its scores, (C,)} of one batch."""
    sums = {}
    for layer, of_layer in values.items():
        sums[layer] = score.function(of_layer, gradients.get(layer)).sum(0)
    return sums


@torch.no_grad()
def _answers(model, pixels):
    """A model's answers in eval mode; its forward may overwrite its input."""
    with modes.evaluating(model):
        return model(pixels.detach().clone())


class _Reader:
    """A traced model that gives the values of its layers' channels at one place, and the gradients there."""

    def __init__(self, model, at, layers):
        self.at, self.modules = at, dict(model.named_modules())
        traced = tracing.traced(model)
        self.overwriting = tracing.in_place(traced.graph.nodes)
        self.traced = _out_of_place(traced)
        self.nodes = {}
        for layer, nodes in locations.calls(self.traced, self.modules, layers).items():
            self.nodes[layer] = list(map(self._place, nodes))

    def _place(self, node):
        return locations.activation(node, self.modules) if self.at == "activation" else node

    @torch.no_grad()
    def answers(self, pixels):
        return _Run(self.traced, ()).run(pixels)

    def read(self, pixels, labels, gradient):
        """({layer: values (N, C, P)}, {layer: gradients (N, C, P)}); the second is empty unless `gradient`."""
        with torch.set_grad_enabled(gradient):
            # Gradients reach the first layer only if something before it asks for one.
            run = _Run(self.traced, set().union(*self.nodes.values()))
            logits = run.run(pixels.detach().requires_grad_(gradient))
            gradients = {}
            if gradient:
                loss = F.cross_entropy(logits, labels, reduction="sum")
                of_nodes = torch.autograd.grad(loss, list(run.values.values()), materialize_grads=True)
                gradients = self._by_layer(dict(zip(run.values, of_nodes, strict=True)))
        return self._by_layer(run.values, without_bias=self.at == "product"), gradients

    def _by_layer(self, values, without_bias=False):
        """{layer: (N, C, P)} of values by node; a layer that is used twice has the positions of both uses."""
        by_layer = {}
        for layer, nodes in self.nodes.items():
            module = self.modules[layer]
            uses = [_positions(module, values[node].detach()) for node in nodes]
            if without_bias and module.bias is not None:
                bias = module.bias.detach()[:, None]
                uses = [use - bias for use in uses]
            by_layer[layer] = torch.cat(uses, 2)
        return by_layer


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
