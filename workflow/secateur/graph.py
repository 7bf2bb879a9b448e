"""A model as the graph that torch.fx traces: which layer feeds which."""

import contextlib
import dataclasses
import logging
import traceback
from pathlib import Path

import torch
from torch import fx, nn

from secateur import sized

# What lies between a convolution and the layer that reads it, and keeps channels apart.
CHANNELWISE = (
    nn.BatchNorm1d,
    nn.BatchNorm2d,
    nn.ReLU,
    nn.Dropout,
    nn.Dropout2d,
    nn.Identity,
    nn.MaxPool2d,
    nn.AvgPool2d,
    nn.AdaptiveAvgPool2d,
)
CHANNELWISE_FUNCTIONS = (torch.relu, nn.functional.relu)
FLATTEN_FUNCTIONS = (torch.flatten,)
TORCH = Path(torch.__file__).parent
# How far the logits of a graph may be from the model's, as a share of the largest: folding and precision round.
CLOSE = {torch.float64: 1e-6, torch.float32: 2e-3, torch.bfloat16: 0.2, torch.float16: 0.1}


@dataclasses.dataclass(frozen=True)
class Link:
    """A convolution or linear layer, the BatchNorms behind it, and the one layer that reads its channels.

    `copies` is how many inputs of `reader` one channel becomes: 1 for a convolution, the number of positions
    for a linear layer behind a flatten.
    """

    layer: str
    norms: tuple
    reader: str
    copies: int


def traced(model, shape=None):
    """The model as a torch.fx GraphModule; where its forward asks for sizes, for images of `shape` (C, H, W), if given.

    Raises ValueError that names the line of the forward that stops the trace, or what has to come off first.
    """
    _refuse_wrapped(model)
    try:
        return fx.symbolic_trace(model)
    except Exception as error:
        if shape is not None:
            with contextlib.suppress(Exception):
                return sized.traced(model, shape)
        # torch's own hint spells out half a page.
        reason = str(error).split("\n")[0]
        raise ValueError(
            f"torch.fx cannot trace {type(model).__name__}: {_where(error)}{reason}. A forward must not branch or loop "
            "on values of tensors, nor turn them into numbers: move that out of forward, or wrap the function that "
            "does it with torch.fx.wrap"
        ) from error


def traceable(model, shape):
    """The model itself, or, if its forward asks for sizes, the same for images of `shape` (C, H, W) alone.

    Then it is a GraphModule of the model's layers, with the same names of weights; dropout by functions is off in it,
    which is logged. What cannot be traced at all is given back as it is. Raises ValueError for a wrapped network.
    """
    _refuse_wrapped(model)
    try:
        traced(model)
    except ValueError as error:
        try:
            found = sized.traced(model, shape)
        except Exception:  # noqa: BLE001 - the error above says it better
            return model
        reason = str(error).split(". A forward must not")[0]
        size = "x".join(map(str, shape))
        logging.warning("%s; it is traced for images of %s alone, without dropout by functions", reason, size)
        return found
    return model


def _refuse_wrapped(model):
    """What hides the network, or computes its weights anew in each forward, comes off before channels can."""
    for wrapper in ("module", "_orig_mod"):
        inner = getattr(model, wrapper, None)
        if isinstance(inner, nn.Module) and list(model._modules) == [wrapper]:
            raise ValueError(f"the network is wrapped in a {type(model).__name__}: give what is inside, its .{wrapper}")
    for name, layer in model.named_modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)) and "weight" not in layer._parameters:
            raise ValueError(
                f"{name} computes its weight anew in each forward (a mask of torch.nn.utils.prune, a normalisation): "
                "make it permanent first, by prune.remove, parametrize.remove_parametrizations or remove_weight_norm"
            )


def _where(error):
    """The line of the user's own code at which a trace ended."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not Path(frame.filename).is_relative_to(TORCH) and frame.filename != __file__]
    return f"{own[-1].filename}:{own[-1].lineno} ({own[-1].line}): " if own else ""


def in_place(nodes):
    """The names of those nodes that are written as operations that overwrite a value."""
    return [node.name for node in nodes if _overwrites(node)]


def refuse_another(found, wanted, overwriting):
    """ValueError if a graph, in which the nodes named `overwriting` do not, answers otherwise than its model."""
    if not isinstance(wanted, torch.Tensor):
        return
    away = float((found.to(wanted) - wanted).abs().max() / wanted.abs().max().clamp(min=1e-30))
    if away > CLOSE[found.dtype]:
        named = ", ".join(overwriting) or "an activation with inplace=True"
        raise ValueError(
            f"the graph that is followed answers otherwise than the model (logits differ by {away:.2g} of the largest)"
            f": what is done in place changes a value that is read again; write it out of place ({named})"
        )


def _overwrites(node):
    if node.kwargs.get("inplace") is True:
        return True
    if node.op not in ("call_method", "call_function"):
        return False
    name = node.target if node.op == "call_method" else getattr(node.target, "__name__", "")
    return name in ("iadd", "isub", "imul", "itruediv") or name.endswith("_")


def links(model, layers=None):
    """A Link for every Conv2d of a model, or for these layers, in the order of computation.

    Raises ValueError that names the layer whose channels join others (additions, concatenations, grouped
    convolutions) or that nobody reads: those are no channels that can be removed alone.
    """
    graph = traced(model)
    modules = dict(model.named_modules())
    return [
        _link(node, modules)
        for node in graph.graph.nodes
        if node.op == "call_module"
        and (isinstance(modules[node.target], nn.Conv2d) if layers is None else node.target in layers)
    ]


def _link(node, modules):
    layer, norms, flat = node.target, [], False
    if getattr(modules[layer], "groups", 1) != 1:
        raise ValueError(f"the layer {layer} is a grouped convolution; its channels cannot be removed one by one yet")
    while True:
        node = _only_user(node, layer)
        module = modules.get(node.target) if node.op == "call_module" else None
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            return Link(layer, tuple(norms), node.target, _copies(layer, modules[layer], node.target, module, flat))
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            norms.append(node.target)
        flat = flat or is_flatten(node, module)
        if not (is_channelwise(node, module) or is_flatten(node, module)):
            raise ValueError(
                f"the channels of layer {layer} reach {node.target} ({node.op}), where they cannot be followed yet"
            )


def _only_user(node, layer):
    users = [user for user in node.users if user.op != "output"]
    if len(users) != 1:
        what = "no other layer" if not users else f"{len(users)} others ({', '.join(map(str, users))})"
        raise ValueError(f"the output of layer {layer} is read by {what}; only a single reader is supported yet")
    return users[0]


def _copies(layer, made, reader, module, flat):
    if isinstance(module, nn.Conv2d):
        if module.groups != 1:
            raise ValueError(f"{reader} is a grouped convolution; the channels of {layer} cannot be removed alone yet")
        return 1
    flat = flat or isinstance(made, nn.Linear)
    if not flat or module.in_features % len(made.weight):
        raise ValueError(
            f"the linear layer {reader} has {module.in_features} inputs, no multiple of {layer}'s channels"
        )
    return module.in_features // len(made.weight)


def features(values):
    """Features (N, ..., F) of a linear layer as channels at the positions where it is applied: (N, F, positions)."""
    return values.reshape(len(values), -1, values.shape[-1]).transpose(1, 2)


def is_channelwise(node, module):
    """Whether a node treats every channel on its own."""
    if node.op == "call_module":
        return isinstance(module, CHANNELWISE)
    return node.op == "call_function" and node.target in CHANNELWISE_FUNCTIONS


def is_flatten(node, module):
    """Whether a node lays all positions of all channels in a row."""
    return isinstance(module, nn.Flatten) or (node.op == "call_function" and node.target in FLATTEN_FUNCTIONS)
