"""Pruning-models: small networks that predict one logit for each unit of a layer from the layer's outputs.

A pruning-model is a torch.nn.Module whose forward takes outputs of a layer, (n, U, H, W) without gradient and one
channel for each unit, and returns (U,) logits: units with the smallest are removed. Calleris (2023) leaves the form of
the pruning-models open; those here are a design of this project. The first prediction of each is zero, so that training
begins at the start that was asked for.
"""

from collections.abc import Callable

import torch
from torch import nn

from secateur import Refused
from secateur.models import own
from secateur.study import own_network

Factory = Callable[[int], nn.Module]
SETTING = "criteria.learned.model"
# Images of a batch whose outputs are analysed: a prediction from all 128 costs four times as much.
ANALYSED = 32
# The rounding of a mean, in units of the type's epsilon.
ROUNDING = 16
# Height and width of the outputs on which a pruning-model is tried.
PROBED = 8


def statistics(outputs: torch.Tensor) -> torch.Tensor:
    """(3, U): mean, mean absolute value and standard deviation over images and positions of outputs (n, U, H, W).

    Each is standardised across the units of the layer, so that layers of any scale look alike.
    """
    by_unit = outputs.transpose(0, 1).flatten(1)
    spread, mean = torch.std_mean(by_unit, dim=1, correction=0)
    return standardised(torch.stack([mean, by_unit.abs().mean(1), spread]))


def standardised(values: torch.Tensor) -> torch.Tensor:
    """Values (..., U) less their mean, divided by their standard deviation; zeros where they are all equal.

    Equal are values that differ by rounding alone, as their own mean does.
    """
    mean = values.mean(-1, keepdim=True)
    centred = values - mean
    variance = centred.square().mean(-1, keepdim=True)
    rounding = ROUNDING * torch.finfo(values.dtype).eps * mean.abs()
    unequal = variance.sqrt() > rounding
    # Where all are equal, a root or a quotient that is not taken would still have a gradient that is no number.
    spread = torch.where(unequal, variance, 1).sqrt()
    return torch.where(unequal, centred / spread, torch.zeros_like(centred))


class OfStatistics(nn.Module):
    """Logits from the `statistics` of all units of a layer, by linear layers."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, outputs: torch.Tensor) -> torch.Tensor:
        return self.layers(statistics(outputs).flatten())


class OfMaps(nn.Module):
    """Logits from the mean map of each unit, max-pooled to 2 x 2, by one convolution over all of it.

    The shape is that of AutoPruner (Luo and Wu, 2020), without its loss and its scaled sigmoid.
    """

    def __init__(self, units: int) -> None:
        super().__init__()
        self.pool, self.conv = nn.AdaptiveMaxPool2d(2), _zeroed(nn.Conv2d(units, units, 2))

    def forward(self, outputs: torch.Tensor) -> torch.Tensor:
        return self.conv(self.pool(outputs.mean(0))).flatten()


class Static(nn.Module):
    """One logit for each unit, whatever the outputs (Ramanujan et al., 2020, for channels instead of weights)."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(units))

    def forward(self, outputs: torch.Tensor) -> torch.Tensor:
        return self.logits


def _mlp(units: int) -> nn.Module:
    hidden = max(8, units // 4)
    return OfStatistics(nn.Linear(3 * units, hidden), nn.ReLU(), _zeroed(nn.Linear(hidden, units)))


def _linear(units: int) -> nn.Module:
    return OfStatistics(_zeroed(nn.Linear(3 * units, units)))


def _zeroed(layer):
    """A layer whose first outputs are zero."""
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


MODELS: dict[str, Factory] = {"mlp": _mlp, "linear": _linear, "conv": OfMaps, "static": Static}


def factory_of(name: str) -> Factory:
    """The factory of a kind of pruning-model, or of the user's own "package.module:function", called with `units`."""
    if ":" not in name:
        return MODELS[name]
    return lambda units: own.called(name, {"units": units}, SETTING, {})


def checked(model: nn.Module, layer: str, units: int) -> nn.Module:
    """The pruning-model of a layer; Refused, with the layer's name, for one that gives no logit for each unit."""
    if not isinstance(model, nn.Module):
        raise Refused(f"the pruning-model of {layer} is a {type(model).__name__}; it has to be a torch.nn.Module")
    outputs = torch.linspace(-1, 1, 2 * units * PROBED**2).reshape(2, units, PROBED, PROBED)
    try:
        with torch.no_grad():
            logits = model(outputs)
    except Exception as error:
        shape, reason = tuple(outputs.shape), own_network.reason(error)
        raise Refused(f"the pruning-model of {layer} fails on outputs {shape}: {reason}") from error
    if not isinstance(logits, torch.Tensor) or logits.shape != (units,):
        given = tuple(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
        raise Refused(f"the pruning-model of {layer} gives {given}, but the layer has {units} units: give ({units},)")
    if not torch.isfinite(logits).all():
        raise Refused(f"the pruning-model of {layer} gives {logits[~torch.isfinite(logits)][0]}; logits must be finite")
    return model
