"""A model as the graph that torch.fx traces, and whether the graph answers as the model does."""

import contextlib
import logging
import traceback
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import fx, nn

from secateur import Refused
from secateur.graph import size_tracing

TORCH = Path(torch.__file__).parent
# The distance of a graph's logits from the model's, as a share of the largest: folding and precision round.
CLOSE = {torch.float64: 1e-6, torch.float32: 2e-3, torch.bfloat16: 0.2, torch.float16: 0.1}


class Untraceable(Refused):
    """A forward that torch.fx cannot trace; `reason` says where and why, without what to do."""

    def __init__(self, model: nn.Module, where: str, why: str) -> None:
        self.reason = f"torch.fx cannot trace {type(model).__name__}: {where}{why}"
        super().__init__(
            f"{self.reason}. A forward must not branch or loop on values of tensors, nor turn them into numbers: "
            "move that out of forward, or wrap the function that does it with torch.fx.wrap"
        )


def traced(model: nn.Module, shape: Sequence[int] | None = None) -> fx.GraphModule:
    """The model as a torch.fx GraphModule; where its forward asks for sizes, for images of `shape` (C, H, W), if given.

    Raises Refused that names the line of the forward that stops the trace, or what has to come off first.
    """
    _refuse_wrapped(model)
    try:
        return fx.symbolic_trace(model)
    except Exception as error:
        if shape is not None:
            with contextlib.suppress(Exception):
                return size_tracing.traced(model, shape)
        # torch's own hint is half a page long.
        raise Untraceable(model, _where(error), str(error).split("\n")[0]) from error


def traceable(model: nn.Module, shape: Sequence[int]) -> nn.Module:
    """The model itself, or, if its forward asks for sizes, the same for images of `shape` (C, H, W) alone.

    Then it is a GraphModule of the model's layers, with the same names of weights; dropout by functions is off in it,
    which is logged. A model that cannot be traced at all is returned as it is. Raises Refused for a wrapped network.
    """
    _refuse_wrapped(model)
    try:
        traced(model)
    except Untraceable as error:
        try:
            sized = size_tracing.traced(model, shape)
        except Exception:  # noqa: BLE001 - the error above says it better
            return model
        size = "x".join(map(str, shape))
        logging.warning("%s; it is traced for images of %s alone, without dropout by functions", error.reason, size)
        return sized
    return model


def _refuse_wrapped(model):
    """Refuse a wrapper around the network, and weights that are computed anew in each forward."""
    for wrapper in ("module", "_orig_mod"):
        inner = getattr(model, wrapper, None)
        if isinstance(inner, nn.Module) and list(model._modules) == [wrapper]:
            raise Refused(f"the network is wrapped in a {type(model).__name__}: give what is inside, its .{wrapper}")
    for name, layer in model.named_modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)) and "weight" not in layer._parameters:
            raise Refused(
                f"{name} computes its weight anew in each forward (a mask of torch.nn.utils.prune, a normalisation): "
                "make it permanent first, by prune.remove, parametrize.remove_parametrizations or remove_weight_norm"
            )


def _where(error):
    """The line of the user's own code at which a trace ended."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if not Path(frame.filename).is_relative_to(TORCH) and frame.filename != __file__:
            return f"{frame.filename}:{frame.lineno} ({frame.line}): "
    return ""


def in_place(nodes: Iterable[fx.Node]) -> list[str]:
    """The names of the nodes that are written as operations that overwrite a value."""
    return [node.name for node in nodes if _overwrites(node)]


def overwrites(node: fx.Node, modules: Mapping[str, nn.Module]) -> bool:
    """True for a node that is written as an operation that overwrites a value, or calls a module that does."""
    if node.op == "call_module":
        return bool(getattr(modules[str(node.target)], "inplace", False))
    return _overwrites(node)


def refuse_another(logits: torch.Tensor, wanted: Any, overwriting: Iterable[str]) -> None:
    """Refused if a graph's logits are not those of its model; `overwriting` names operations in place of the model.

    Both are (N, classes); how far they may differ depends on the graph's precision.
    """
    if not isinstance(wanted, torch.Tensor):
        return
    away = float((logits.to(wanted) - wanted).abs().max() / wanted.abs().max().clamp(min=1e-30))
    if away > CLOSE[logits.dtype]:
        named = ", ".join(overwriting) or "an activation with inplace=True"
        raise Refused(
            f"the graph that is followed answers otherwise than the model (logits differ by {away:.2g} of the largest)"
            f": what is done in place changes a value that is read again; write it out of place ({named})"
        )


def _overwrites(node):
    if node.kwargs.get("inplace") is True:
        return True
    if node.op not in ("call_method", "call_function"):
        return False
    # A method stands in the graph by its name.
    name = getattr(node.target, "__name__", node.target)
    return name in ("iadd", "isub", "imul", "itruediv") or name.endswith("_")
