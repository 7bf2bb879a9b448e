"""Recovery without training: the layers of a pruned network refitted, one after the other, to the dense network.

Channels are correlated: what a layer read from those that are gone can be made up from those that stay. The pruned
network is walked once, in the order of computation, with calibration images; every layer whose inputs differ from the
dense network's gets the weights by which it answers most nearly as the dense one does. It is fitted to what the layers
before it give now, so that errors do not add up. Kin: ThiNet (Luo et al., 2017) and channel pruning (He et al., 2017).
"""

from __future__ import annotations

import collections
import logging
from collections.abc import Iterator, Sequence
from typing import Any, Literal, cast

import numpy as np
import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from secateur.graph import modes, tracing
from secateur.pruning import dense_answers, groups, layer_rows, removal
from secateur.pruning.dense_answers import Rows
from secateur.pruning.layer_rows import Layer
from secateur.pruning.least_squares import Regression
from secateur.pruning.pruned_graph import PrunedGraph
from secateur.units import coupling
from secateur.units.coupling import Coupling

Fit = Literal["channels", "patches"]
BatchNorm = Literal["kept", "online"]
RIDGE = 1e-3


def reconstructed(
    model: nn.Module,
    channels: dict[str, list[int]],
    images: Tensor,
    fit: Fit = "patches",
    batchnorm: BatchNorm = "online",
    ridge: float = RIDGE,
) -> nn.Module:
    """A new, smaller model without `channels`, {layer: [index, ...]}, whose layers are refitted to the dense model.

    `images` (N, C, H, W) are normalised and need no labels; they calibrate, and must not be reported on. `fit` is
    "patches", by which weights are fitted to the dense outputs, or "channels", by which dense input channels are made
    up from those that stay. `batchnorm` is "online", by which running statistics are those of the images as they pass,
    or "kept". The `ridge`, a share of the mean variance of inputs, pulls to the weights that were there. Raises Refused
    as `pruning.removed` does.
    """
    coupled = coupling.followed(model, images[:1])
    smaller = removal.removed(model, channels, images[:1], coupled)
    dense = Dense(coupled, images, fit)
    refit(smaller, dense, groups.removed_by(coupled, channels), batchnorm, ridge)
    return smaller


class Dense:
    """The dense network's answers to calibration images, which all of its plans share."""

    def __init__(self, coupled: Coupling, images: Tensor, fit: Fit) -> None:
        self.coupled, self.images, self.fit = coupled, images, fit
        self.rows = dense_answers.of(coupled.graph, list(coupled.outputs), images, inputs=fit == "channels")

    def layer(self, name: str) -> nn.Module:
        """A layer of the dense network."""
        return self.coupled.model.get_submodule(name)


@torch.no_grad()
def refit(smaller: nn.Module, dense: Dense, removed: np.ndarray, batchnorm: BatchNorm, ridge: float = RIDGE) -> None:
    """Refit the layers of a smaller network in place; `removed` (groups,) bool are the groups that it lacks."""
    with modes.evaluating(smaller):
        walk = _Walk(smaller, dense, removed, batchnorm, ridge)
        walk.run()
        if walk.shared:
            # A layer that is called several times is fitted to all its calls, which are known behind the last one.
            walk.run()
    for name in walk.unfitted():
        logging.warning(
            "%s cannot be refitted, because its weights are not read by a call of it; it is left as it is", name
        )


class _Walk:
    """A run of a smaller network on all calibration images, operation by operation, that refits layers on its way."""

    def __init__(self, smaller, dense, removed, batchnorm, ridge):
        self.dense, self.removed, self.online, self.ridge = dense, removed, batchnorm == "online", ridge
        self.graph = tracing.traced(smaller, tuple(dense.images.shape[1:]))
        self.modules = dict(self.graph.named_modules())
        self.device = next(smaller.parameters()).device
        calls = collections.Counter(layer for layer, _ in dense.rows)
        self.shared = {layer for layer, count in calls.items() if count > 1}
        self.sums: dict[str, Regression] = {}
        self.before: dict[str, Tensor] = {}
        self.settled: set[str] = set()
        self.hollow = bool(PrunedGraph(dense.coupled, removed).hollow)

    def run(self) -> None:
        """Walk through the graph once."""
        values: dict[fx.Node, list[Any]] = {}
        self.changed: dict[fx.Node, bool] = {}
        self.counts = collections.Counter()
        unread = {node: len(node.users) for node in self.graph.graph.nodes}
        runner = fx.Interpreter(self.graph)
        for node in self.graph.graph.nodes:
            if node.op == "output":
                break
            if node.op == "placeholder":
                values[node] = [block for _, block in dense_answers.blocks(self.dense.images)]
                self.changed[node] = False
                continue
            self.changed[node] = self._is_changed(node)
            if node.op == "call_module" and self.changed[node]:
                self._refitted(node, values)
            values[node] = []
            for place in range(len(next(iter(values.values())))):
                runner.env = {source: values[source][place] for source in node.all_input_nodes}
                runner.env = {source: _on(value, self.device) for source, value in runner.env.items()}
                values[node].append(runner.run_node(node))
            for source in node.all_input_nodes:
                unread[source] -= 1
                if not unread[source]:
                    values[source] = [None] * len(values[source])
        self.settled |= self.shared

    def unfitted(self) -> list[str]:
        """The layers that lost inputs and were not refitted, of those that the smaller network has."""
        names = []
        for name, ids in self.dense.coupled.inputs.items():
            left = (~self.removed[ids]).any() and (~self.removed[self.dense.coupled.outputs[name]]).any()
            if left and self.removed[ids].any() and name not in self.before:
                names.append(name)
        return names

    def _is_changed(self, node):
        """True if a value differs from the dense network's: one before it does, or a layer lost inputs."""
        if self.hollow or any(self.changed[source] for source in node.all_input_nodes):
            return True
        inputs = self.dense.coupled.inputs.get(str(node.target)) if node.op == "call_module" else None
        return inputs is not None and bool(self.removed[inputs].any())

    def _refitted(self, node, values):
        module, name = cast(Layer | _BatchNorm, self.modules[node.target]), str(node.target)
        read = values[node.all_input_nodes[0]]
        if isinstance(module, _BatchNorm) and self.online and module.track_running_stats:
            _restated(module, [_on(block, self.device) for block in read])
        call = name, self.counts[name]
        self.counts[name] += 1
        if call not in self.dense.rows or not module.weight.numel() or name in self.settled:
            return
        if name not in self.before:
            self.before[name] = module.weight.detach().clone()
        rows = self.dense.rows[call]
        blocks = _located(rows, read)
        if isinstance(module, nn.Conv2d) and module.groups > 1:
            weight, constant = self._scaled(name, module, rows, blocks)
        elif isinstance(module, nn.Conv2d) and self.dense.fit == "channels":
            weight, constant = self._mixed(name, module, rows, blocks)
        else:
            weight, constant = self._fitted(name, module, rows, blocks)
        module.weight.copy_(weight)
        self._shift(node, module, constant.to(module.weight))

    def _outputs(self, name):
        """The outputs of a layer that are left, as indices."""
        return torch.from_numpy(np.flatnonzero(~self.removed[self.dense.coupled.outputs[name]]))

    def _inputs(self, name):
        return torch.from_numpy(np.flatnonzero(~self.removed[self.dense.coupled.inputs[name]]))

    def _regression(self, name, inputs, targets, rows):
        """The sums of a layer, which all of its calls share."""
        if name not in self.sums or name not in self.shared:
            self.sums[name] = Regression(inputs, targets, rows)
            if rows < inputs:
                logging.info("%s is fitted to %d rows for %d weights each: the ridge decides", name, rows, inputs)
        return self.sums[name]

    def _fitted(self, name, module, rows, blocks):
        """Weights by which a layer answers as the dense one."""
        prior, outputs = layer_rows.as_rows(self.before[name]), self._outputs(name)
        sums = self._regression(name, len(prior.T), len(outputs), len(rows.ids))
        for block, (images, places, part) in blocks:
            inputs = layer_rows.patches(_on(block, self.device), module, rows.size, images, places)
            sums.add(inputs, rows.values[part][:, outputs].to(inputs))
        weight, constant = sums.solved(prior.T, self.ridge)
        return layer_rows.as_weight(weight.T, self.before[name]), constant

    def _mixed(self, name, module, rows, blocks):
        """Dense weights on dense input channels that are made up from those that are left."""
        inputs, outputs = self._inputs(name), self._outputs(name)
        dense = cast(nn.Conv2d, self.dense.layer(name))
        prior = torch.eye(dense.in_channels, dtype=torch.float64)[inputs]
        sums = self._regression(name, len(inputs), dense.in_channels, len(rows.ids))
        for block, (images, places, part) in blocks:
            read = layer_rows.rows_of(_on(block, self.device), images, places)
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
        sums, count = torch.zeros(4, len(outputs), dtype=torch.float64), max(1, len(rows.ids))
        for block, (images, places, part) in blocks:
            maps = F.conv2d(
                layer_rows.padded(_on(block, self.device), module),
                before,
                None,
                module.stride,
                0,
                module.dilation,
                module.groups,
            )
            answers = layer_rows.rows_of(maps, images, places).double().cpu()
            wanted = rows.values[part][:, outputs].double()
            sums += torch.stack([answers, wanted, answers * answers, answers * wanted]).sum(1)
        means, targets, squares, products = sums / count
        variance = (squares - means.square()).clamp(min=0)
        covariance = products - means * targets
        strength = self.ridge * variance.mean()
        factors = torch.where(variance + strength > 0, (covariance + strength) / (variance + strength), 1.0)
        return before.double().cpu() * factors.view(-1, 1, 1, 1), targets - factors * means

    def _shift(self, node, module, constant):
        """Let a layer add a constant: by its bias, by the mean of the BatchNorm behind it, or by a bias of its own."""
        if module.bias is not None:
            module.bias.copy_(constant)
            return
        norm = self._norm_behind(node)
        if norm is None:
            module.bias = nn.Parameter(constant, module.weight.requires_grad)
        elif not self.online:
            key = f"{norm.target}.running_mean"
            statistics = cast(Tensor, self.modules[str(norm.target)].running_mean)
            self.before.setdefault(key, statistics.clone())
            statistics.copy_(self.before[key] - constant)

    def _norm_behind(self, node):
        """The BatchNorm that alone reads a layer, or None; its running mean takes a constant."""
        users = list(node.users)
        if len(users) != 1 or users[0].op != "call_module":
            return None
        module = self.modules[users[0].target]
        return users[0] if isinstance(module, _BatchNorm) and module.running_mean is not None else None


# ---- rows ----------------------------------------------------------------------------------------------------


def _on(value, device):
    return value.to(device) if isinstance(value, Tensor) else value


def _located(rows: Rows, blocks: Sequence[Tensor]) -> Iterator[tuple[Tensor, tuple[Tensor, Tensor, slice]]]:
    """(block, its sampled images and places, and their rows) of every block."""
    first = 0
    for block in blocks:
        yield block, rows.of_block(first, len(block))
        first += len(block)


def _restated(norm: _BatchNorm, blocks: Sequence[Tensor]) -> None:
    """Set the running statistics of a BatchNorm to those of all blocks."""
    count = 0
    total, squares = (torch.zeros(norm.num_features, dtype=torch.float64) for _ in range(2))
    for block in blocks:
        by_channel = block.transpose(0, 1).flatten(1)
        count += by_channel.shape[1]
        total += by_channel.sum(1, dtype=torch.float64).cpu()
        squares += by_channel.double().square().sum(1).cpu()
    mean = total / count
    variance = (squares / count - mean.square()).clamp(min=0) * (count / max(1, count - 1))
    cast(Tensor, norm.running_mean).copy_(mean)
    cast(Tensor, norm.running_var).copy_(variance)
