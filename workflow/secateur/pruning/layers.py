"""Layers with fewer channels: weights sliced, everything else copied."""

import copy

import numpy as np
import torch
from torch import nn

from secateur.units.coupling import Coupling


def with_smaller_layers(model: nn.Module, coupled: Coupling, removed: np.ndarray) -> nn.Module:
    """A copy of a model whose layers lack the channels of the groups marked in `removed`, (groups,) bool."""
    memo = {}
    for layer in coupled.outputs:
        outputs, inputs = ~removed[coupled.outputs[layer]], ~removed[coupled.inputs[layer]]
        if not (outputs.all() and inputs.all()):
            module = model.get_submodule(layer)
            memo[id(module)] = _sliced(module, outputs, inputs, coupled.grouped.get(layer), memo)
    for name, ids in coupled.norms.items():
        if removed[ids].any():
            module = model.get_submodule(name)
            memo[id(module)] = _sliced_norm(module, _indices(~removed[ids]))
    for name, ids in coupled.constants.items():
        if removed[ids].any():
            tensor = _attribute(model, name)
            memo[id(tensor)] = _sliced_constant(tensor, ~removed[ids])
    # deepcopy takes from its memo what it finds there for a module, and copies everything else.
    return copy.deepcopy(model, memo=memo)


def _indices(remaining):
    return torch.as_tensor(np.flatnonzero(remaining))


def _sliced(module, outputs, inputs, grouped, memo):
    """A layer with its remaining output and input channels, a bool for each."""
    smaller = _copied(module)
    smaller._parameters["weight"] = _sliced_weight(module, outputs, _columns_of(inputs, grouped), memo)
    if module.bias is not None:
        bias = module.bias.detach()[_indices(outputs)]
        smaller._parameters["bias"] = nn.Parameter(bias, module.bias.requires_grad)
    if isinstance(module, nn.Conv2d):
        smaller.out_channels, smaller.in_channels = int(outputs.sum()), int(inputs.sum())
        if grouped and grouped.whole:
            smaller.groups = int(inputs.reshape(grouped.groups, -1).any(1).sum())
    else:
        smaller.out_features, smaller.in_features = smaller._parameters["weight"].shape
    return smaller


def _columns_of(inputs, grouped):
    """The remaining columns of a weight, a bool for each; a grouped convolution has as many as one group has inputs."""
    if not grouped:
        return inputs
    width = len(inputs) // grouped.groups
    if grouped.whole:
        return np.ones(width, bool)
    return inputs[:width]


def _sliced_weight(module, outputs, columns, memo):
    """The remaining rows and columns of a weight; a weight that two layers share stays one."""
    # A key of this form cannot equal deepcopy's own, which are the ids of objects.
    key = ("weight", id(module.weight))
    if key not in memo:
        weight = _columns(_rows(module.weight.detach(), outputs), columns)
        if weight.data_ptr() == module.weight.data_ptr():
            weight = weight.clone()
        memo[key] = nn.Parameter(weight, module.weight.requires_grad)
    return memo[key]


def _rows(weight, remaining):
    if remaining.all():
        return weight
    return weight.index_select(0, _indices(remaining).to(weight.device))


def _columns(weight, remaining):
    """The remaining columns; behind a flatten they lie in runs of one length, each of which is copied as one."""
    if remaining.all():
        return weight
    run = _run(remaining)
    runs = np.flatnonzero(remaining[::run])
    rows, columns, *kernel = weight.shape
    if not rows or not len(runs):
        return weight.new_empty((rows, len(runs) * run, *kernel))
    # One long list of runs: measured, a third faster than a selection along the second dimension.
    index = torch.as_tensor((np.arange(rows)[:, None] * (columns // run) + runs).ravel()).to(weight.device)
    flat = weight.reshape(rows * (columns // run), -1)
    return flat.index_select(0, index).reshape(rows, len(runs) * run, *kernel)


def _run(remaining):
    """The greatest length of which the lengths of all runs of equal columns are multiples."""
    edges = np.flatnonzero(np.diff(remaining)) + 1
    return int(np.gcd.reduce(np.append(edges, len(remaining))))


def _copied(module):
    """A shallow copy of a module with dictionaries of its own, in which parameters can be replaced."""
    copied = copy.copy(module)
    for name, value in vars(module).items():
        if isinstance(value, dict):
            copied.__dict__[name] = value.copy()
    return copied


def _sliced_norm(module, index):
    smaller = _copied(module)
    for name in ("num_features", "num_parameters"):
        if hasattr(module, name):
            setattr(smaller, name, len(index))
    for name, parameter in module._parameters.items():
        if parameter is not None:
            smaller._parameters[name] = nn.Parameter(parameter.detach()[index], parameter.requires_grad)
    for name, buffer in module._buffers.items():
        if buffer is not None and buffer.dim():
            smaller._buffers[name] = buffer[index]
        elif buffer is not None:
            smaller._buffers[name] = buffer.clone()
    return smaller


def _attribute(model, name):
    module, _, last = name.rpartition(".")
    return getattr(model.get_submodule(module), last)


def _sliced_constant(tensor, remaining):
    """A tensor without the removed elements, which lie along one dimension; `remaining` is a bool for each."""
    sliced = tensor.detach()
    dimensions = set(range(remaining.ndim))
    for d in range(remaining.ndim):
        along = remaining.any(tuple(dimensions - {d}))
        if not along.all():
            sliced = sliced.index_select(d, _indices(along).to(tensor.device))
    if isinstance(tensor, nn.Parameter):
        return nn.Parameter(sliced, tensor.requires_grad)
    return sliced
