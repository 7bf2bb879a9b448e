"""A node's operation, done on given arguments or on the ids of channels."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import fx, nn
from torch.fx.node import map_aggregate

from secateur.units.channel_ids import Value


def computed(node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The result of a function or method of the graph, on given arguments."""
    # A method stands in the graph by its name.
    if isinstance(node.target, str):
        return getattr(args[0], node.target)(*args[1:], **kwargs)
    return node.target(*args, **kwargs)


def rearrange(
    node: fx.Node,
    module: nn.Module | None,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    target: Callable[..., Any] | str | None = None,
) -> torch.Tensor | Sequence[torch.Tensor]:
    """The result of a node (or of another `target` in its place) on codes at every position in place of tensors."""
    target = node.target if target is None else target
    args, kwargs = map_aggregate((args, kwargs), _full)
    if module is not None:
        return module(*args, **kwargs)
    if isinstance(target, str):
        # Codes are spread out without memory of their own, which view cannot take.
        name = {"view": "reshape", "view_as": "reshape_as"}.get(target, target)
        return getattr(args[0], name)(*args[1:], **kwargs)
    return target(*args, **kwargs)


def _full(value: Any) -> Any:
    if isinstance(value, Value):
        return value.full()
    return value


def argument(args: tuple[Any, ...], kwargs: dict[str, Any], place: int, *names: str, default: Any = None) -> Any:
    """An argument of a call, given by place or by one of its names; `default` if it is not given."""
    if len(args) > place:
        return args[place]
    for name in names:
        if name in kwargs:
            return kwargs[name]
    return default
