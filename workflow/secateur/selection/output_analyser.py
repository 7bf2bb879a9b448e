"""A model whose removable layers are PruningConv2D, and from which the channels to remove are read after training."""

import contextlib
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import cast

import numpy as np
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from secateur import Refused
from secateur.graph import modes
from secateur.models import freezing
from secateur.selection import gated_reads, kept_schedule, pruning_models, soft_gates
from secateur.selection.budgets import Budget
from secateur.selection.gates import GatedInputs, Layer, PruningConv2D
from secateur.study.vocabulary import nearest
from secateur.units.finding import Units


class OutputAnalyser(nn.Module):
    """A model wrapped for learned selection; the name is that of Calleris (2023).

    Every layer of the `finding.Units` of the model becomes a PruningConv2D, in place, and every layer that reads them
    multiplies its inputs by their gates. A unit of several channels has one gate, predicted by the first of its layers
    from the first of its channels. `widths` is {layer: count of units that stay}; layers that it does not name lose
    nothing. Without it each unit with a positive logit stays, or, with a `budget`, those that it leaves by the logits
    of all layers. `factory` makes the pruning-model of a count of units, where `models` {layer: pruning-model} has
    none; with a budget, or where gates are `annealed`, pruning-models read no outputs. Annealed gates are soft in
    training mode, and harden from step to step; in eval mode they are as others, and none may be `dead`. `start` is
    {layer: (units,)} of the logits before any training, zero where it is missing, and `dead` (units of the model,)
    marks units that are removed first. Raises Refused for widths that no layer can have, for pruning-models that do
    not fit, and for layers that the forward does not call as modules.
    """

    def __init__(
        self,
        model: nn.Module,
        units: Units,
        widths: Mapping[str, int] | None,
        factory: pruning_models.Factory = pruning_models.MODELS["mlp"],
        start: Mapping[str, np.ndarray] | None = None,
        dead: np.ndarray | None = None,
        models: Mapping[str, nn.Module] | None = None,
        budget: Budget | None = None,
        annealed: bool = False,
    ) -> None:
        super().__init__()
        self.units, self.budget, self.annealed = units, budget, annealed
        self.by_layer = layers_of(units)
        self.widths = None
        if widths is not None:
            self.widths = checked_widths(widths, self.by_layer)
        gated_reads.refuse_unseen(units)
        if budget and budget.terms.keep_at_least:
            _refuse_unlike(units, self.by_layer)
        dead = np.zeros(len(units.units), bool) if dead is None else dead
        if annealed and dead.any():
            raise Refused("annealed gates have no order in which dead units come first; leave `dead` out")
        self.model = model
        # Before any pruning-model stands between the layers: a layer without parameters is frozen with that before it.
        self.frozen = [model.get_submodule(name) for name in freezing.frozen(model)]
        self.gated: dict[str, PruningConv2D] = {}
        for layer, ids in self.by_layer.items():
            if self.widths is None or self.widths[layer] < len(ids):
                pruning_model = models[layer] if models and layer in models else factory(len(ids))
                self.gated[layer] = self._gate(layer, ids, pruning_model, start or {}, dead[ids])
        self._read()
        self.shared = self._shared() if annealed else []
        self.at(1, 1)

    def _shared(self):
        """[(layers, costs of their units)], whose sums soft gates keep: all layers, or each with units that cost 1."""
        ones = [torch.ones_like(gated.start, dtype=torch.float64) for gated in self.gated.values()]
        if self.budget is None:
            return [([layer], costs) for layer, costs in zip(self.gated, ones, strict=True)]
        costs, currency = torch.cat(ones), self.budget.terms.budget
        if currency != "units":
            units = [self.units.units[unit] for layer in self.gated for unit in self.by_layer[layer]]
            costs *= costs.new_tensor([getattr(unit, currency) for unit in units])
        return [([*self.gated], costs)]

    def _gate(self, layer, ids, pruning_model, start, dead):
        """The PruningConv2D of a layer with the units `ids`, not yet in its place."""
        channels = [self.units.units[unit].channels[0][1] for unit in ids]
        module = cast(Layer, self.model.get_submodule(layer))
        logits = torch.as_tensor(start.get(layer, np.zeros(len(ids))), dtype=torch.float32)
        model = pruning_models.checked(pruning_model, layer, len(ids))
        gated = PruningConv2D(module, model, torch.tensor(channels), logits, torch.from_numpy(dead.copy()))
        return gated.to(module.weight.device)

    def _read(self):
        """Put every layer that has gates, or reads units that have them, into its place."""
        for layer, reads in gated_reads.of(self.units, self.by_layer, list(self.gated)).items():
            original = cast(Layer, self.model.get_submodule(layer))
            sources = [self.gated[name] for name in reads.sources]
            index = torch.from_numpy(reads.index).to(original.weight.device)
            reading = GatedInputs(original, sources, index)
            if layer in self.gated:
                self.gated[layer].layer = reading
            else:
                _replace(self.model, original, reading)
        for gated in self.gated.values():
            _replace(self.model, gated.bare(), gated)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """The logits of images (N, C, H, W), with closed gates' units masked."""
        try:
            self._forget()
            if self.training:
                self._soften()
            return self.model(pixels)
        finally:
            self._forget()

    def _forget(self):
        for gated in self.gated.values():
            gated.gate = None

    def _soften(self):
        """Give annealed gates their values of this step, before a layer is called, from scores in full precision."""
        for layers, costs in self.shared:
            with torch.autocast(costs.device.type, enabled=False):
                logits = torch.cat([self.gated[layer].predicted() for layer in layers])
                opened = [~self.gated[layer].closed() for layer in layers]
                shared = soft_gates.gates(logits, torch.cat(opened), costs, self.progress)
            for layer, gates in zip(layers, shared.split([*map(len, opened)]), strict=True):
                self.gated[layer].gate = gates

    def train_mode(self) -> None:
        """Put the model into training mode, but the layers that were frozen before it was wrapped into eval mode."""
        self.train()
        for module in self.frozen:
            module.eval()

    def at(self, step: int, steps: int) -> None:
        """Open as many gates as a step, from 0, of so many `steps` asks for; at (1, 1) those that stay."""
        self.progress, share = soft_gates.progress_at(step, steps), self.share_at(step, steps)
        within = self._within_budget(share) if self.budget else {}
        for layer, gated in self.gated.items():
            gated.kept = within.get(layer)
            if self.widths is not None:
                gated.kept = kept_schedule.kept_at(len(gated.start), self.widths[layer], share)

    def share_at(self, step: int, steps: int) -> Fraction:
        """The share of all closings that a step asks for; annealed gates are soft at first, and ask for all of them."""
        return Fraction(1) if self.annealed else kept_schedule.share_at(step, steps)

    def _within_budget(self, share):
        """{layer: count of units that are left} by the logits as they are now, with a share of the budget's level."""
        logits = np.zeros(len(self.units.units))
        for layer, gated in self.gated.items():
            gated.repredict()
            logits[self.by_layer[layer]] = gated.last.double().cpu().numpy()
        removed = cast(Budget, self.budget).removed(logits, share)
        return {layer: len(ids) - int(removed[ids].sum()) for layer, ids in self.by_layer.items()}

    @property
    def parameters_of_pruning_models(self) -> list[nn.Parameter]:
        """The parameters of all pruning-models, in network order."""
        parameters = {}
        for gated in self.gated.values():
            # Layers may share one network.
            parameters |= {id(parameter): parameter for parameter in gated.pruning_model.parameters()}
        return list(parameters.values())

    @torch.no_grad()
    def predict(self, pixels: torch.Tensor, batch_statistics: bool = True) -> None:
        """Make the prediction of images (N, C, H, W) the last one.

        As in training, BatchNorm takes the statistics of the batch, unless `batch_statistics` is False; dropout is off,
        and no buffer but those of the gates changes.
        """
        with modes.evaluating(self), _unchanged(self.model) as norms:
            for module in (*self.gated.values(), *(norms if batch_statistics else ())):
                module.training = True
            self(pixels)

    def scores(self) -> dict[int, float]:
        """{unit: its last logit}; the unit with the smallest of a layer is removed first, and dead units before it."""
        scores = {}
        for layer, gated in self.gated.items():
            logits = gated.lowered(gated.last).tolist()
            scores.update(zip(self.by_layer[layer], logits, strict=True))
        return scores

    def closed(self) -> list[torch.Tensor]:
        """(U,) bool for each layer with gates, in network order: True where the last prediction closes a gate."""
        return [gated.closed() for gated in self.gated.values()]

    def share_kept(self) -> float:
        """The share of the model's units whose gates are open, or that have none."""
        return 1 - sum(int(closed.sum()) for closed in self.closed()) / len(self.units.units)

    def share_to_keep(self) -> float:
        """The share of the model's units that stay in the end, by `widths`."""
        widths = self.widths or {}
        return 1 - sum(len(self.by_layer[layer]) - kept for layer, kept in widths.items()) / len(self.units.units)

    def channels(self) -> dict[str, list[int]]:
        """The channels whose gates are closed, {layer: [index, ...]}, as `pruning.removed` takes them."""
        channels = {}
        for layer, closed in zip(self.gated, self.closed(), strict=True):
            for place in torch.nonzero(closed).flatten().tolist():
                for name, index in self.units.units[self.by_layer[layer][place]].channels:
                    channels.setdefault(name, []).append(index)
        return {name: sorted(indices) for name, indices in channels.items()}

    def state_of_gates(self) -> dict[str, dict[str, torch.Tensor]]:
        """{layer with gates: {name: tensor}}: start and last prediction, dead units, and the pruning-model's state."""
        state = {}
        for layer, gated in self.gated.items():
            own = gated.state_dict().items()
            state[layer] = {name: tensor.cpu().clone() for name, tensor in own if not name.startswith("layer.")}
        return state

    def unwrapped(self) -> nn.Module:
        """The model with its own layers in their places, at full width and with the weights that training left."""
        for module in [*self.model.modules()]:
            if isinstance(module, (PruningConv2D, GatedInputs)):
                _replace(self.model, module, module.bare())
        return self.model


def layers_of(units: Units) -> dict[str, list[int]]:
    """{layer: its unit ids}, in network order; a unit of several layers counts in the first of them."""
    by_layer = {}
    for unit_id, unit in enumerate(units.units):
        by_layer.setdefault(unit.channels[0][0], []).append(unit_id)
    return by_layer


def checked_widths(widths: Mapping[str, int], by_layer: Mapping[str, list[int]]) -> dict[str, int]:
    """{layer: count of units that stay} of every layer of `by_layer`, {layer: unit ids}, from those that are named.

    Raises Refused for a layer that is not there, and for widths outside 1 to that of the layer.
    """
    for layer, kept in widths.items():
        if layer not in by_layer:
            raise Refused(f"widths names {layer}, which has no units{nearest(layer, by_layer)}")
        width = len(by_layer[layer])
        if not 1 <= kept <= width:
            raise Refused(f"widths keeps {kept} units of {layer}, which has {width}: give 1 to {width}")
    return {layer: widths.get(layer, len(ids)) for layer, ids in by_layer.items()}


def _refuse_unlike(units, by_layer):
    """Refused where units of one layer are coupled with different layers: a count of gates would not say which close.

    With a floor, a plan under a budget passes over units whose other layers have no more to spare.
    """
    for layer, ids in by_layer.items():
        coupled = {tuple(sorted(name for name, _ in units.units[unit].channels)) for unit in ids}
        if len(coupled) > 1:
            raise Refused(
                f"units of {layer} are coupled with channels of different layers, so that one threshold over all "
                "layers cannot close them by their count; take scope: layer"
            )


def _replace(model, old, new):
    """Put `new` into every place of a model in which `old` stands."""
    for module in [*model.modules()]:
        for name, child in module._modules.items():
            if child is old:
                module._modules[name] = new


@contextlib.contextmanager
def _unchanged(model: nn.Module) -> Iterator[list[_BatchNorm]]:
    """Put the running statistics of every BatchNorm back after the block; yields those that have some."""
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm) and module.track_running_stats]
    before = [(buffer, buffer.clone()) for norm in norms for buffer in norm.buffers()]
    try:
        yield norms
    finally:
        for buffer, values in before:
            buffer.copy_(values)
