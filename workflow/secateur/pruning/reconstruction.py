"""Recovery without training: the layers of a pruned network refitted, one after the other, to the dense network.

Channels are correlated: what a layer read from those that are gone can be made up from those that stay. The pruned
network is walked once, in the order of computation, with calibration images; every layer whose inputs differ from the
dense network's gets the weights by which it answers most nearly as the dense one does. It is fitted to what the layers
before it give now, so that errors do not add up. Kin: ThiNet (Luo et al., 2017) and channel pruning (He et al., 2017).
"""

from __future__ import annotations

import collections
import functools
import logging
import math
from collections.abc import Iterable, Iterator
from typing import Literal, cast, get_args

import numpy as np
import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from secateur import Refused
from secateur.graph import modes, tracing
from secateur.pruning import (
    added_layers,
    dense_answers,
    differing_calls,
    groups,
    held_values,
    layer_rows,
    removal,
)
from secateur.pruning.dense_answers import Rows
from secateur.pruning.layer_rows import Layer
from secateur.pruning.least_squares import Regression, Scaling
from secateur.units import coupling
from secateur.units.coupling import Coupling

Fit = Literal["channels", "patches"]
Target = Literal["sums", "answers"]
BatchNorm = Literal["kept", "online"]
RIDGE = 1e-3
# A variance below this share of the one before is that of a constant channel.
FLAT = 1e-6
# A weight of BatchNorm below this share of its largest lets next to nothing through.
FAINT = 1e-2


def reconstructed(
    model: nn.Module,
    channels: dict[str, list[int]],
    images: Tensor,
    fit: Fit = "patches",
    batchnorm: BatchNorm = "online",
    ridge: float = RIDGE,
    target: Target = "sums",
) -> nn.Module:
    """A new, smaller model without `channels`, {layer: [index, ...]}, whose layers are refitted to the dense model.

    `images` (N, C, H, W) are normalised and need no labels; they calibrate, and must not be reported on. `fit` is
    "patches", by which weights are fitted to the dense outputs, or "channels", by which dense input channels are made
    up from those that stay. `batchnorm` is "online", by which running statistics are those of the images as they pass,
    or "kept". The `ridge`, a share of the mean variance of inputs, pulls to the weights that were there. With the
    `target` "sums" and patches, a layer whose answer is added to another value is fitted to the dense network's sum, so
    that it makes up what the other value lacks; with "answers", to its own. Raises Refused as `pruning.removed` does,
    and for images or options that calibrate nothing.
    """
    _refuse(images, ridge, fit=(fit, Fit), batchnorm=(batchnorm, BatchNorm), target=(target, Target))
    coupled = coupling.followed(model, images[:1])
    smaller = removal.removed(model, channels, images[:1], coupled)
    dense = Dense(coupled, images, fit, target)
    refit(smaller, dense, groups.removed_by(coupled, channels), batchnorm, ridge)
    return smaller


def _refuse(images, ridge, **options):
    for name, (value, allowed) in options.items():
        if value not in get_args(allowed):
            raise Refused(f"{name} is {value!r}; it must be one of {', '.join(get_args(allowed))}")
    if not (ridge >= 0 and math.isfinite(ridge)):
        raise Refused(f"ridge is {ridge}; it must be zero or more")
    if images.dim() != 4 or len(images) < 2:
        raise Refused(
            f"the images that calibrate are of shape {tuple(images.shape)}; give at least two as (N, C, H, W), a few "
            "hundred for a good fit"
        )
    if not images.isfinite().all():
        raise Refused("the images that calibrate have values that are no numbers (NaN or infinity)")


class Dense:
    """The dense network's answers to calibration images, which all of its plans share."""

    def __init__(self, coupled: Coupling, images: Tensor, fit: Fit, target: Target = "sums") -> None:
        self.coupled, self.images, self.fit = coupled, images, fit
        self.added = added_layers.of(coupled.graph) if (fit, target) == ("patches", "sums") else {}
        self.rows = dense_answers.of(coupled.graph, list(coupled.outputs), images, fit == "channels", self.added)
        self.calls = collections.Counter(name for _, (name, _) in differing_calls.calls(coupled.graph.graph))
        # The layers of which it was said that the images are too few.
        self.scarce: set[str] = set()

    def layer(self, name: str) -> Layer:
        """A layer of the dense network."""
        return cast(Layer, self.coupled.model.get_submodule(name))

    @functools.cached_property
    def unfit(self) -> dict[str, str]:
        """{layer: why it cannot be refitted}."""
        reasons = dict.fromkeys(self._read_elsewhere(), "its weights are read in another place too")
        called = {name for name in self.coupled.outputs if self.calls[name]}
        for name in called - {name for name, _ in self.rows}:
            reasons.setdefault(name, "it is called on something else than one entry for each image")
        for name in set(self.coupled.outputs) - called:
            reasons.setdefault(name, "its weights are not read by a call of it")
        return reasons

    def _read_elsewhere(self):
        """The layers whose weights are another layer's too, or are read by the forward itself."""
        by_forward = {str(node.target) for node in self.coupled.graph.graph.nodes if node.op == "get_attr"}
        owners = collections.Counter(id(self.layer(name).weight) for name in self.coupled.outputs)
        for name in self.coupled.outputs:
            if owners[id(self.layer(name).weight)] > 1 or (self.calls[name] and f"{name}.weight" in by_forward):
                yield name


@torch.no_grad()
def refit(smaller: nn.Module, dense: Dense, removed: np.ndarray, batchnorm: BatchNorm, ridge: float = RIDGE) -> None:
    """Refit the layers of a smaller network in place; `removed` (groups,) bool are the groups that it lacks."""
    with modes.evaluating(smaller):
        walk = _Walk(smaller, dense, removed, batchnorm, ridge)
        walk.run()
        if walk.shared:
            # A layer that is called several times is fitted to all its calls, which are known behind the last one.
            walk.run()
    for name, reason in walk.left().items():
        logging.warning("%s cannot be refitted, because %s; it is left as it is", name, reason)


class _Walk:
    """A run of a smaller network on all calibration images, operation by operation, that refits layers on its way."""

    def __init__(self, smaller, dense, removed, batchnorm, ridge):
        self.dense, self.removed, self.online, self.ridge = dense, removed, batchnorm == "online", ridge
        self.smaller, self.graph = smaller, tracing.traced(smaller, tuple(dense.images.shape[1:]))
        self.modules = dict(self.graph.named_modules())
        self.device = next(smaller.parameters()).device
        self.runner = fx.Interpreter(self.graph)
        self.differing = differing_calls.of(dense.coupled, removed)
        self.call = dict(differing_calls.calls(self.graph.graph))
        self.calls = collections.Counter(name for name, _ in self.call.values())
        self.shared = {name for name, _ in dense.rows if dense.calls[name] > 1 and self._is_fitted(name)}
        self.regressions: dict[str, Regression] = {}
        self.scalings: dict[str, Scaling] = {}
        self.before: dict[str, Tensor] = {}
        self.settled: set[str] = set()
        self.order, self.added = self._ordered()
        # Fitted to a sum, a layer needs the statistics that the sum is made with.
        self.kept = {added.norm for added in self.added.values()}

    def _ordered(self):
        """(the nodes in the order of computation, {node: how it is added} of the layers that are fitted to a sum)."""
        nodes = [node for node in self.graph.graph.nodes if node.op != "output"]
        chosen = added_layers.of(self.graph, self.dense.added)
        found = {call: one for call, one in chosen.items() if self._is_summed(call)}
        return added_layers.ordered(nodes, list(found.values())), {one.node: one for one in found.values()}

    def _is_summed(self, call):
        """True for a call that is fitted to a sum, as the dense network's is."""
        if not self._is_fitted(call[0]) or self.dense.rows[call].added is None:
            return False
        module = self.modules[call[0]]
        return not (isinstance(module, nn.Conv2d) and module.groups > 1)

    def _is_fitted(self, name):
        """True if a layer has a call that can be fitted and differs from the dense network's."""
        module = self.modules.get(name)
        if not isinstance(module, Layer) or not module.weight.numel() or self._why_not(name) is not None:
            return False
        return self._differs(name)

    def _why_not(self, name):
        """The reason why a layer cannot be refitted, or None."""
        if self.calls[name] != self.dense.calls[name]:
            return "some of its calls are gone"
        return self.dense.unfit.get(name)

    def left(self) -> dict[str, str]:
        """{layer: why it was not refitted} of those that read or mix something else than before."""
        reasons = {}
        for name, module in self.smaller.named_modules():
            why = self._why_not(name) if name in self.dense.coupled.outputs and isinstance(module, Layer) else None
            if why is not None and self._reads_otherwise(name):
                reasons[name] = why
            if isinstance(module, _BatchNorm) and self.online and self.calls[name] > 1 and self._differs(name):
                reasons[name] = "it is called more than once, with statistics of its own in each call"
        return reasons

    def _differs(self, name):
        return any((name, place) in self.differing for place in range(self.calls[name]))

    def _reads_otherwise(self, name):
        return self._differs(name) or bool(self.removed[self.dense.coupled.inputs[name]].any())

    def run(self) -> None:
        """Walk through the graph once."""
        unread = {node: len(node.users) for node in self.graph.graph.nodes}
        images = next(node for node in self.order if node.op == "placeholder")
        blocks = [block for _, block in dense_answers.blocks(self.dense.images)]
        with held_values.Held() as held:
            held.give(images, blocks)
            for node in self.order:
                if node in self.call and self.call[node] in self.differing:
                    self._refitted(node, held)
                if node is not images:
                    for place in range(len(blocks)):
                        self._computed(node, place, held, unread)
                for source in node.all_input_nodes:
                    unread[source] -= 1
                for read in (node, *node.all_input_nodes):
                    if not unread[read] and read in held.values:
                        held.drop(read)
        self.settled |= self.shared

    def _computed(self, node, place, held, unread):
        """Compute a node for one block of images."""
        if node.op == "placeholder":
            # An argument beside the images has its default.
            held.add(node, node.args[0], alone=False)
            return
        read = {source: _on(held.get(source, place), self.device) for source in node.all_input_nodes}
        versions = {source: value._version for source, value in read.items() if isinstance(value, Tensor)}
        self.runner.env = dict(read)
        value = self.runner.run_node(node)
        going = [source for source in read if unread[source] == 1]
        for source in set(read) - set(going):
            changed = source in versions and read[source]._version != versions[source]
            if changed or held_values.overlap(value, read[source]):
                held.pin(source, place, read[source])
        held.add(node, value, alone=not held.shares(place, value, going))

    def _refitted(self, node, held):
        name, place = self.call[node]
        module = cast(Layer | _BatchNorm, self.modules[name])
        if isinstance(module, _BatchNorm) and self._is_restated(name, module):
            _restated(module, self._blocks(node.all_input_nodes[0], held))
        if not self._is_fitted(name) or name in self.settled:
            return
        if name not in self.before:
            self.before[name] = module.weight.detach().clone()
        rows = self.dense.rows[name, place]
        blocks = _located(rows, self._blocks(node.all_input_nodes[0], held))
        if self.dense.fit == "channels" and dense_answers.is_mixing(self.dense.layer(name)):
            weight, constant = self._mixed(name, rows, blocks)
        elif isinstance(module, nn.Conv2d) and module.groups > 1:
            weight, constant = self._scaled(name, module, rows, blocks)
        else:
            weight, constant = self._fitted(name, module, rows, blocks, self._missing(node, held))
        module.weight.copy_(weight)
        self._shift(node, module, constant.to(module.weight))

    def _blocks(self, node, held):
        """The values of a node that are held, block by block."""
        for place in range(len(held.values[node])):
            yield _on(held.get(node, place), self.device)

    def _outputs(self, name):
        """The outputs of a layer that are left, as indices."""
        return torch.from_numpy(np.flatnonzero(~self.removed[self.dense.coupled.outputs[name]]))

    def _inputs(self, name):
        return torch.from_numpy(np.flatnonzero(~self.removed[self.dense.coupled.inputs[name]]))

    def _regression(self, name, inputs, targets):
        """The sums of a layer, which all of its calls share."""
        if name not in self.regressions or name not in self.shared:
            rows = sum(len(rows.ids) for (layer, _), rows in self.dense.rows.items() if layer == name)
            if rows < inputs and name not in self.dense.scarce:
                self.dense.scarce.add(name)
                logging.warning(
                    "%s is fitted to %d rows for %d weights each: the ridge decides; give more images",
                    name,
                    rows,
                    inputs,
                )
            self.regressions[name] = Regression(inputs, targets, rows)
        return self.regressions[name]

    def _is_restated(self, name, norm):
        """True for a BatchNorm of which the statistics are those of what it reads now."""
        return self.online and norm.running_mean is not None and self.calls[name] == 1 and name not in self.kept

    def _missing(self, node, held):
        """(rows, outputs) what the other value of a layer's sum lacks, in the scale of the layer's answers, or None."""
        if node not in self.added:
            return None
        added, name = self.added[node], self.call[node][0]
        module, rows = cast(Layer, self.modules[name]), self.dense.rows[self.call[node]]
        missing = cast(Tensor, rows.added)[:, self._outputs(name)]
        for block, (images, places, part) in _located(rows, self._blocks(added.other, held)):
            missing[part] -= layer_rows.rows_of(layer_rows.maps_of(block, module), images, places).to(missing)
        return missing * self._scale(added.norm).to(missing) if added.norm else missing

    def _scale(self, name):
        """(channels,) the factors that undo those of a BatchNorm; 0 where it lets next to nothing through."""
        norm = cast(_BatchNorm, self.modules[name])
        variance = cast(Tensor, norm.running_var)
        weight = torch.ones_like(variance) if norm.weight is None else norm.weight
        shown = weight.abs() > FAINT * weight.abs().max()
        return torch.where(shown, (variance + norm.eps).sqrt() / weight, 0.0)

    def _fitted(self, name, module, rows, blocks, missing):
        """Weights by which a layer answers as the dense one, or as that and what its sum is missing beside it."""
        prior, outputs = layer_rows.as_rows(self.before[name]), self._outputs(name)
        sums = self._regression(name, len(prior.T), len(outputs))
        for block, (images, places, part) in blocks:
            inputs = layer_rows.patches(block, module, rows.size, images, places)
            wanted = rows.values[part][:, outputs]
            sums.add(inputs, (wanted if missing is None else wanted + missing[part]).to(inputs))
        weight, constant = sums.solved(prior.T, self.ridge)
        return layer_rows.as_weight(weight.T, self.before[name]), constant

    def _mixed(self, name, rows, blocks):
        """Dense weights on dense input channels that are made up from those that are left."""
        inputs, outputs = self._inputs(name), self._outputs(name)
        dense = cast(nn.Conv2d, self.dense.layer(name))
        prior = torch.eye(dense.in_channels, dtype=torch.float64)[inputs]
        sums = self._regression(name, len(inputs), dense.in_channels)
        for block, (images, places, part) in blocks:
            read = layer_rows.rows_of(block, images, places)
            sums.add(read, rows.values[part].to(read))
        mixing, constants = sums.solved(prior, self.ridge)
        whole = dense.weight.detach()[outputs.to(dense.weight.device)].double().cpu()
        weight = torch.einsum("oikl,ji->ojkl", whole, mixing)
        constant = whole.sum((2, 3)) @ constants
        if dense.bias is not None:
            constant = constant + dense.bias.detach()[outputs.to(dense.bias.device)].double().cpu()
        return weight, constant

    def _scaled(self, name, module, rows, blocks):
        """The filters of a grouped convolution, each by a factor: its groups mix no other channels."""
        before, outputs = self.before[name], self._outputs(name)
        if name not in self.scalings or name not in self.shared:
            self.scalings[name] = Scaling(len(outputs))
        sums = self.scalings[name]
        for block, (images, places, part) in blocks:
            framed = layer_rows.padded(block, module)
            maps = F.conv2d(framed, before, None, module.stride, 0, module.dilation, module.groups)
            sums.add(layer_rows.rows_of(maps, images, places), rows.values[part][:, outputs])
        factors, constant = sums.solved(self.ridge)
        return before.double().cpu() * factors.view(-1, 1, 1, 1), constant

    def _shift(self, node, module, constant):
        """Let a layer add a constant: by its bias, by the mean of the BatchNorm behind it, or by a bias of its own."""
        if module.bias is not None:
            module.bias.copy_(constant)
            return
        behind = self._norm_behind(node)
        if behind is None:
            module.bias = nn.Parameter(constant, module.weight.requires_grad)
            return
        norm = cast(_BatchNorm, self.modules[behind])
        if norm.running_mean is not None and not self._is_restated(behind, norm):
            # Each is called once; a second walk starts from the same mean.
            key = f"{self.call[node][0]}'s norm"
            self.before.setdefault(key, norm.running_mean.clone())
            norm.running_mean.copy_(self.before[key] - constant)
        # Else it subtracts the mean of what it reads, constants included.

    def _norm_behind(self, node):
        """The name of the BatchNorm that alone reads a layer, each called once, or None; its mean takes a constant."""
        users = list(node.users)
        if len(users) != 1 or users[0].op != "call_module":
            return None
        name = str(users[0].target)
        once = self.calls[self.call[node][0]] == self.calls[name] == 1
        return name if isinstance(self.modules[name], _BatchNorm) and once else None


# ---- rows ----------------------------------------------------------------------------------------------------


def _on(value, device):
    return value.to(device) if isinstance(value, Tensor) else value


def _located(rows: Rows, blocks: Iterable[Tensor]) -> Iterator[tuple[Tensor, tuple[Tensor, Tensor, slice]]]:
    """(block, its sampled images and places, and their rows) of every block."""
    first = 0
    for block in blocks:
        yield block, rows.of_block(first, len(block))
        first += len(block)


def _restated(norm: _BatchNorm, blocks: Iterable[Tensor]) -> None:
    """Set the running statistics of a BatchNorm to those of all blocks.

    The variance of a channel that is constant stays as it was: the smallest change of it would be made large.
    """
    count = 0
    total, squares = (torch.zeros(norm.num_features, dtype=torch.float64) for _ in range(2))
    for block in blocks:
        by_channel = block.transpose(0, 1).flatten(1)
        count += by_channel.shape[1]
        total += by_channel.sum(1, dtype=torch.float64).cpu()
        squares += by_channel.double().square().sum(1).cpu()
    mean = total / count
    variance = (squares / count - mean.square()) * (count / max(1, count - 1))
    before = cast(Tensor, norm.running_var)
    flat = variance <= FLAT * before.double().cpu()
    cast(Tensor, norm.running_mean).copy_(mean)
    before.copy_(torch.where(flat, before.double().cpu(), variance))
