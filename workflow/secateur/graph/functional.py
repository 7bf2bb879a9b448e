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
# The tensors without which it is no layer.
NEEDED = {F.conv2d: {"weight"}, F.linear: {"weight"}, F.batch_norm: {"weight", "running_mean", "running_var"}}


def as_layers(model: nn.Module) -> nn.Module:
    """The model itself, or a copy in which such functions are layers under the names of their owners.

    A function whose weights are computed, or shared with another call, stays as it is.
    """
    if not _calls(tracing.traced(model)):
        return model
    traced = tracing.traced(copy.deepcopy(model))
    for node, name in _calls(traced).items():
        arguments = _arguments(node)
        layer = MADE[node.target](arguments, traced.get_submodule(name))
        traced.set_submodule(name, layer.eval())
        with traced.graph.inserting_before(node):
            node.replace_all_uses_with(traced.graph.call_module(name, (arguments["input"],)))
    traced.graph.eliminate_dead_code()
    traced.recompile()
    return traced.eval()


def _calls(traced):
    """{node: its owner} of those that can be made layers: all that it holds is an argument of the function, once."""
    owner_of = {}
    for node in traced.graph.nodes:
        owner = _owner(node)
        if owner is not None:
            owner_of[node] = owner
    owners, calls = list(owner_of.values()), {}
    for node, owner in owner_of.items():
        if owners.count(owner) == 1 and not _is_read_elsewhere(traced, owner, node):
            calls[node] = owner
    return calls


def _is_read_elsewhere(traced, owner, call):
    """True if a node that is no argument of a call uses a module or one of its tensors."""
    for node in traced.graph.nodes:
        is_used = node.op in ("get_attr", "call_module") and node.users
        if is_used and node not in call.all_input_nodes and f"{node.target}.".startswith(f"{owner}."):
            return True
    return False


def _owner(node):
    """The name of the module to which all tensors of a call belong, each under its own name; None if there is none."""
    if node.op != "call_function" or node.target not in ARGUMENTS:
        return None
    arguments = _arguments(node)
    owners, named = set(), set()
    for name in TENSORS:
        tensor = arguments.get(name)
        if tensor is None:
            continue
        if not isinstance(tensor, fx.Node) or tensor.op != "get_attr" or not tensor.target.endswith(f".{name}"):
            return None
        owners.add(tensor.target.rpartition(".")[0])
        named.add(name)
    # In training, BatchNorm is another function: of the batch.
    if len(owners) != 1 or not NEEDED[node.target] <= named or arguments.get("training", False) is not False:
        return None
    return owners.pop()


def _arguments(node):
    return dict(zip(ARGUMENTS[node.target], node.args, strict=False)) | dict(node.kwargs)


def _convolution(arguments, owner):
    groups = arguments.get("groups", 1)
    outputs, inputs, *kernel_size = owner.weight.shape
    shape = {key: arguments[key] for key in ("stride", "padding", "dilation") if key in arguments}
    layer = nn.Conv2d(inputs * groups, outputs, tuple(kernel_size), groups=groups, bias=False, device="meta", **shape)
    return _with_tensors(layer, arguments, owner)


def _linear(arguments, owner):
    layer = nn.Linear(owner.weight.shape[1], owner.weight.shape[0], bias=False, device="meta")
    return _with_tensors(layer, arguments, owner)


def _batchnorm(arguments, owner):
    width = len(owner.running_mean)
    norm = nn.BatchNorm1d if isinstance(owner, nn.BatchNorm1d) else nn.BatchNorm2d
    layer = norm(width, eps=arguments.get("eps", 1e-5), device="meta")
    layer.register_parameter("bias", None)
    return _with_tensors(layer, arguments, owner)


def _with_tensors(layer, arguments, owner):
    """The layer with the tensors of its owner."""
    for name in TENSORS:
        if arguments.get(name) is not None:
            setattr(layer, name, {**owner._parameters, **owner._buffers}[name])
    return layer


MADE = {F.conv2d: _convolution, F.linear: _linear, F.batch_norm: _batchnorm}
