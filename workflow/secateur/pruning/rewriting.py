"""A traced forward rewritten for fewer channels: changed calls, empty branches left out, idle layers as constants."""

import copy
from collections.abc import Sequence

import torch
from torch import fx, nn
from torch.fx.node import map_arg

from secateur import Refused
from secateur.graph import operation_kinds as kinds
from secateur.pruning import changed_calls
from secateur.pruning.pruned_graph import PrunedGraph


class Constant(nn.Module):
    """The output of a layer without input channels: its bias, or zero, at every position.

    `shape` is (C,) or (C, H, W) for images of `size` (H, W); for other images it scales with their size.
    """

    def __init__(self, layer: nn.Conv2d | nn.Linear, shape: Sequence[int], size: Sequence[int]) -> None:
        super().__init__()
        self.bias = None
        if layer.bias is not None:
            self.bias = nn.Parameter(layer.bias.detach().clone(), layer.bias.requires_grad)
        self.shape, self.size = tuple(shape), tuple(size)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        # Only operations that torch.fx traces: a smaller network is folded, retrained and pruned like any other.
        places = zip((2, 3), self.shape[1:], self.size, strict=False)
        sides = [-(-images.shape[d] * side // whole) for d, side, whole in places]
        if self.bias is None:
            return images.new_zeros((images.shape[0], self.shape[0], *sides))
        return self.bias.view(-1, *[1] * len(sides)).expand(images.shape[0], -1, *sides)


def fitted(pruned: PrunedGraph, model: nn.Module) -> nn.Module:
    """`model`, whose layers are those of `pruned` already, with a forward that fits them; its own where that does.

    Where code has to be changed, the model becomes a torch.fx.GraphModule, whose functional dropout is off. Layers
    without input channels become their bias. Raises Refused that names what cannot be made to fit.
    """
    changes = changed_calls.changes(pruned)
    if not changes and not pruned.hollow:
        return model
    idle = [node for node in pruned.coupled.graph.graph.nodes if _is_idle(pruned, node)]
    return _rewritten(pruned, changes, idle, model)


def _is_idle(pruned, node):
    """True if a layer has output channels, but no input channels."""
    if not pruned.hollow or node.op != "call_module":
        return False
    if not isinstance(pruned.coupled.graph.get_submodule(node.target), (nn.Conv2d, nn.Linear)):
        return False
    return pruned.empty(node.all_input_nodes[0]) and not pruned.empty(node)


def _rewritten(pruned, changes, idle, model):
    graph = copy.deepcopy(pruned.coupled.graph.graph)
    copies = dict(zip(pruned.coupled.graph.graph.nodes, graph.nodes, strict=True))
    for node, (target, args) in changes.items():
        _change_call(copies[node], target, map_arg(args, copies.__getitem__))
    for node in idle:
        _replace_by_constant(pruned, node, copies, model)
    _shorten_concatenations(pruned, copies)
    _erase_empty(pruned, copies)
    smaller = fx.GraphModule(model, graph, type(model).__name__)
    _restore_layers(smaller, pruned.coupled.outputs, model)
    _restore_modes(smaller, model)
    return smaller


def _change_call(copied, target, args):
    copied.args, copied.target = args, target
    copied.op = "call_method" if isinstance(target, str) else "call_function"
    if target not in kinds.ZEROS:
        copied.kwargs = {}


def _replace_by_constant(pruned, node, copies, model):
    """A layer without input channels becomes a Constant, called on the images."""
    images = next(node for node in copies if node.op == "placeholder")
    layer = model.get_submodule(node.target)
    shape = pruned.value(node).shape
    if len(shape) == 3 or (len(shape) == 4 and isinstance(layer, nn.Linear)):
        raise Refused(f"nothing would be left of the input of {node.target}; keep at least one channel of it")
    model.set_submodule(node.target, Constant(layer, shape[1:], pruned.coupled.values[images].shape[2:]))
    copies[node].args, copies[node].kwargs = (copies[images],), {}


def _shorten_concatenations(pruned, copies):
    """Leave tensors without channels out of concatenations."""
    for node, copied in copies.items():
        if node.target not in kinds.CONCATENATED or pruned.empty(node):
            continue
        given = node.args[0] if node.args else node.kwargs["tensors"]
        parts = [copies[part] for part in given if not pruned.empty(part)]
        if len(parts) == len(given):
            continue
        if node.args:
            copied.args = (parts, *copied.args[1:])
        else:
            copied.kwargs = {**copied.kwargs, "tensors": parts}


def _erase_empty(pruned, copies):
    """Compute no tensor that has no channels."""
    for node, copied in reversed(copies.items()):
        if node.op not in ("placeholder", "output") and not copied.users and pruned.empty(node):
            copied.graph.erase_node(copied)


def _restore_layers(smaller, layers, model):
    """Put back whole layers: of a layer whose weights alone the forward reads, GraphModule takes only these."""
    modules = dict(smaller.named_modules())
    for name in layers:
        if type(modules.get(name)) is nn.Module:
            smaller.set_submodule(name, model.get_submodule(name))


def _restore_modes(smaller, model):
    for name, module in smaller.named_modules():
        module.training = model.get_submodule(name).training
