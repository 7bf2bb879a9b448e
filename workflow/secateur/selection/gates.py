"""Gates of units: exactly k of a layer's units are open, and the gradient of the loss reaches all of them.

A gate multiplies a unit where its channels are read: the columns of the next layers' weights. There a closed gate is
the removal of the unit, whatever the activation before; and a unit that is closed still has outputs, so that its gate
has a gradient. On BatchNorm's weight and bias it would have none behind a ReLU, whose derivative at zero is zero.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from secateur import Refused
from secateur.selection import pruning_models

Layer = nn.Conv2d | nn.Linear


def topk_gate(logits: torch.Tensor, kept: int) -> torch.Tensor:
    """(U,) of ones and zeros with exactly `kept` ones, whose gradient is that of the logits (U,).

    The first U - kept of a stable ascending sort are zero, as rankings remove them. Every unit has the gradient of the
    mask, closed ones too: the straight-through estimator of Ramanujan et al., 2020.
    """
    order = torch.argsort(logits.detach(), stable=True)
    mask = torch.ones_like(logits.detach())
    mask[order[: len(order) - kept]] = 0
    return _straight_through(mask, logits)


def free_gate(logits: torch.Tensor) -> torch.Tensor:
    """(U,): one for each positive logit, else zero, with the gradient of the logits; how many stay is not fixed."""
    return _straight_through((logits.detach() > 0).to(logits.dtype), logits)


def _straight_through(mask, logits):
    return mask + (logits - logits.detach())


class PruningConv2D(nn.Module):
    """A convolution, or a linear layer, whose units have gates, with the pruning-model that predicts them.

    The name is that of Calleris (2023). In training mode the pruning-model sees the layer's outputs and predicts the
    logits; `last` keeps the last prediction, which decides in eval mode, where no pruning-model is called. `channels`
    (U,) are the output channels by which the units are judged, the first of each unit; `start` (U,) is added to every
    prediction; units that are `dead` (U,) have the lowest logits. `kept` units are open, or those with positive logits
    where it is None.
    """

    channels: torch.Tensor
    start: torch.Tensor
    dead: torch.Tensor
    last: torch.Tensor

    def __init__(
        self,
        layer: Layer | GatedInputs,
        pruning_model: nn.Module,
        channels: torch.Tensor,
        start: torch.Tensor,
        dead: torch.Tensor,
    ) -> None:
        super().__init__()
        self.layer, self.pruning_model = layer, pruning_model
        self.kept: int | None = len(start)
        self.gate: torch.Tensor | None = None
        self.register_buffer("channels", channels, persistent=False)
        self.register_buffer("start", start)
        self.register_buffer("dead", dead)
        self.register_buffer("last", start.clone())

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        outputs = self.layer(inputs)
        # A layer that is called again in the same forward has one gate.
        if self.gate is None:
            self.gate = self._predicted(outputs)
        return outputs

    def _predicted(self, outputs):
        logits = self.last
        if self.training:
            logits = self.start + self.pruning_model(self._analysed(outputs))
            self.last.copy_(logits.detach())
        return self._opened(self.lowered(logits))

    def predicted(self) -> torch.Tensor:
        """(U,) logits of a pruning-model that reads no outputs, which become the last ones."""
        logits = self.start + self.pruning_model(self.start.new_zeros(0))
        self.last.copy_(logits.detach())
        return logits

    @torch.no_grad()
    def repredict(self) -> None:
        """Make the prediction of a pruning-model that reads no outputs the last one."""
        self.predicted()

    def _opened(self, logits):
        return free_gate(logits) if self.kept is None else topk_gate(logits, self.kept)

    @torch.no_grad()
    def closed(self) -> torch.Tensor:
        """(U,) bool: True where the last prediction closes a gate."""
        return self._opened(self.lowered(self.last)) == 0

    def lowered(self, logits: torch.Tensor) -> torch.Tensor:
        """Logits (U,) with those of dead units below all others, and below zero."""
        below = logits.detach().abs().max() * 2 + 1
        return torch.where(self.dead, logits - below, logits)

    def _analysed(self, outputs):
        """Outputs (n, U, H, W) of part of the batch, without gradient, in float32."""
        part = outputs.detach()[: pruning_models.ANALYSED].float()
        if isinstance(self.bare(), nn.Linear):
            part = part.unflatten(-1, (-1, 1, 1)).flatten(0, -4)
        if len(self.channels) == part.shape[1]:
            return part
        return part[:, self.channels]

    def bare(self) -> Layer:
        """The layer itself, without gates."""
        return self.layer.bare() if isinstance(self.layer, GatedInputs) else self.layer


class GatedInputs(nn.Module):
    """A layer whose input channels are multiplied by the gates of the units that they belong to.

    `index` (rows or 1, columns) points into the gates of all `sources` in turn, followed by a gate that is always open.
    """

    index: torch.Tensor
    open: torch.Tensor

    def __init__(self, layer: Layer, sources: Sequence[PruningConv2D], index: torch.Tensor) -> None:
        super().__init__()
        self.layer = layer
        # In a tuple, because the sources are no parts of this module.
        self.sources = tuple(sources)
        self.register_buffer("index", index, persistent=False)
        self.register_buffer("open", torch.ones(1), persistent=False)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        gates = torch.cat([*map(_gate, self.sources), self.open])
        weight = self.layer.weight
        columns = gates[self.index].reshape(*self.index.shape, *[1] * (weight.dim() - 2))
        return torch.func.functional_call(self.layer, {"weight": weight * columns}, (inputs,))

    def bare(self) -> Layer:
        """The layer itself, without gates."""
        return self.layer


def _gate(source):
    """The gate of a layer in the forward that is running."""
    if source.gate is None:
        raise Refused("a layer is called before the one whose gates it reads; call the OutputAnalyser, not its model")
    return source.gate
