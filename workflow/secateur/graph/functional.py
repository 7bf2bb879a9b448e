"""Layers that a forward calls as functions with weights of its own, made layers that it calls as such.

Subclasses of torch's layers do this (a convolution that pads as TensorFlow does, a BatchNorm with an activation).
torch.fx traces into their forward, where only the function and the weights that it is given are left of the layer.
"""

import copy

from torch import fx, nn
from torch.nn import functional as F

from secateur.graph import tracing

# A function, and the names of its arguments in order.
ARGUMENTS = {
    F.conv2d: ("input", "weight", "bias", "stride", "padding", "dilation", "groups"),
    F.linear: ("input", "weight", "bias"),
    F.batch_norm: ("input", "running_mean", "running_var", "weight", "bias", "training", "momentum", "eps"),
}
TENSORS = ("weight", "bias", "running_mean", "running_var")


def as_layers(model: nn.Module) -> nn.Module:
    """The model itself, or a copy in which such functions are layers under the names of their owners.

    A function whose weights are computed, or shared with another call, stays as it is.
    """
    if not _calls(tracing.traced(model)):
        return model
    traced = tracing.traced(copy.deepcopy(model))
    for node in _calls(traced):
        name, given = _owner(node), _arguments(node)
        layer = MADE[node.target](given, traced.get_submodule(name))
        traced.set_submodule(name, layer.eval())
        with traced.graph.inserting_before(node):
            node.replace_all_uses_with(traced.graph.call_module(name, (given["input"],)))
    traced.graph.eliminate_dead_code()
    traced.recompile()
    return traced.eval()


def _calls(traced):
    """The nodes that can be made layers: all that their owner holds is what the function is given, once."""
    calls = [node for node in traced.graph.nodes if node.op == "call_function" and node.target in ARGUMENTS]
    owned = [node for node in calls if _owner(node) is not None]
    owners = [_owner(node) for node in owned]
    read = [node for node in traced.graph.nodes if node.op in ("get_attr", "call_module") and node.users]
    return [
        node
        for node in owned
        if owners.count(_owner(node)) == 1 and not _other_readers(read, _owner(node), set(node.all_input_nodes))
    ]


def _other_readers(read, owner, given):
    return [node for node in read if node not in given and f"{node.target}.".startswith(f"{owner}.")]


def _owner(node):
    """The name of the module to which all tensors of a call belong, each under its own name; None if there is none."""
    given = _arguments(node)
    parts = {name: given[name] for name in TENSORS if given.get(name) is not None}
    if not all(isinstance(part, fx.Node) and part.op == "get_attr" for part in parts.values()):
        return None
    owners = {part.target.rpartition(".")[0] for name, part in parts.items() if part.target.endswith(f".{name}")}
    named = all(part.target.endswith(f".{name}") for name, part in parts.items())
    needed = {"weight", "running_mean", "running_var"} if node.target is F.batch_norm else {"weight"}
    # In training, BatchNorm is another function: of the batch.
    fixed = given.get("training", False) is False
    return owners.pop() if named and len(owners) == 1 and needed <= parts.keys() and fixed else None


def _arguments(node):
    return dict(zip(ARGUMENTS[node.target], node.args, strict=False)) | dict(node.kwargs)


def _convolution(given, owner):
    groups = given.get("groups", 1)
    outputs, inputs, *kernel = owner.weight.shape
    shape = {key: given[key] for key in ("stride", "padding", "dilation") if key in given}
    made = nn.Conv2d(inputs * groups, outputs, tuple(kernel), groups=groups, bias=False, device="meta", **shape)
    return _with_tensors(made, given, owner)


def _linear(given, owner):
    made = nn.Linear(owner.weight.shape[1], owner.weight.shape[0], bias=False, device="meta")
    return _with_tensors(made, given, owner)


def _batchnorm(given, owner):
    kind = nn.BatchNorm1d if isinstance(owner, nn.BatchNorm1d) else nn.BatchNorm2d
    made = kind(len(owner.running_mean), eps=given.get("eps", 1e-5), device="meta")
    made.bias = None
    return _with_tensors(made, given, owner)


def _with_tensors(made, given, owner):
    """The layer with its owner's own tensors."""
    for name in TENSORS:
        if given.get(name) is not None:
            setattr(made, name, owner.get_parameter(name) if name in owner._parameters else owner.get_buffer(name))
    return made


MADE = {F.conv2d: _convolution, F.linear: _linear, F.batch_norm: _batchnorm}
