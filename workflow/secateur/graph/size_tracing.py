"""Tracing for images of one size: sizes are numbers, and a forward may branch on them.

torch.fx alone traces no forward that asks how large its images are: paddings that are counted ("same" of TensorFlow),
maps that are enlarged where they are too small, shapes that are asserted. Here every proxy knows its value for two and
for three images, in fake tensors that hold no numbers. A value that is equal for both becomes a number; one that
differs depends on the count of images, and stays a part of the graph.
"""

from collections.abc import Sequence
from typing import Any, TypeGuard, cast

import torch
from torch import fx, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.node import map_aggregate
from torch.fx.proxy import Attribute

from secateur import Refused
from secateur.graph import modes

# Two counts of images: a size that differs between them is that of the batch.
BATCHES = (2, 3)
NUMBERS = (bool, int, float)


def traced(model: nn.Module, shape: Sequence[int]) -> fx.GraphModule:
    """The model as a torch.fx GraphModule for images of `shape` (C, H, W), any count of them, as it is in eval mode.

    It shares the model's layers; dropout by functions is off in it. Raises what torch.fx does where a forward depends
    on the values of tensors.
    """
    with modes.evaluating(model):
        tracer = _Tracer(shape, next(model.parameters()))
        graph = tracer.trace(model)
    result = fx.GraphModule(model, graph, type(model).__name__)
    # Files of weights hold all parts, those too that the forward does not call.
    for name, part in (*model.named_children(), *model.named_parameters(recurse=False)):
        setattr(result, name, part)
    for name, buffer in model.named_buffers(recurse=False):
        result.register_buffer(name, buffer, persistent=name not in model._non_persistent_buffers_set)
    result.training = model.training
    # torch's types know tensors and modules alone as a module's attributes.
    result.trainable_parts = cast(Any, getattr(model, "trainable_parts", {}))
    return result


class _Proxy(fx.Proxy):
    """A proxy that knows its value for each of BATCHES; None where that is not known."""

    def __init__(self, node, tracer):
        super().__init__(node, tracer)
        self.known: list[Any] | None = None

    def __getattr__(self, name):
        return _Attribute(self, name)


class _Attribute(Attribute):
    """An attribute of a proxy: a shape, a method."""

    @property
    def known(self):
        values = _known(self.root)
        if not values or not all(hasattr(value, self.attr) for value in values):
            return None
        return [getattr(value, self.attr) for value in values]

    def __getattr__(self, name):
        return _Attribute(self, name)

    def __len__(self):
        known = self.known
        if known and isinstance(known[0], tuple):
            return len(known[0])
        return super().__len__()


class _Tracer(fx.Tracer):
    """A tracer whose proxies know their shapes."""

    def __init__(self, shape, like):
        super().__init__()
        # While it computes, layers are called and parameters read as usual, and nothing is traced.
        self.computing = False
        self.settled = []
        self.mode = FakeTensorMode(allow_non_fake_inputs=True)
        with self.mode:
            self.images = [torch.empty(count, *shape, dtype=like.dtype, device=like.device) for count in BATCHES]

    def trace(self, root, concrete_args=None):
        graph = super().trace(root, concrete_args)
        for node in reversed(self.settled):
            if not node.users:
                graph.erase_node(node)
        return graph

    def proxy(self, node):
        return _Proxy(node, self)

    def create_proxy(self, kind, target, args, kwargs, *rest, **named):
        """A proxy, or the number that it stands for."""
        proxy = cast(_Proxy, super().create_proxy(kind, target, args, kwargs, *rest, **named))
        if kind == "placeholder":
            proxy.known = self.images
        elif kind != "output":
            proxy.known = self._computed(kind, target, args, kwargs)
        # torch.fx asks an attribute that it reads for its node.
        if target is getattr:
            self.settled.append(proxy.node)
            return proxy
        if kind in ("call_function", "call_method") and _is_settled(proxy.known):
            self.settled.append(proxy.node)
            return proxy.known[0]
        return proxy

    def _computed(self, kind, target, args, kwargs):
        """The value of a node for each of BATCHES, or None."""
        self.computing = True
        try:
            with torch.no_grad(), self.mode:
                return [self._of_batch(kind, target, (args, kwargs), place) for place in range(len(BATCHES))]
        except Exception:  # noqa: BLE001 - a value that is not known is traced as torch.fx does
            return None
        finally:
            self.computing = False

    def _of_batch(self, kind, target, arguments, place):
        """The value of a node for one of BATCHES."""
        args, kwargs = map_aggregate(arguments, lambda argument: _of_batch(argument, place))
        if kind == "get_attr":
            owner, _, last = target.rpartition(".")
            return getattr(self.root.get_submodule(owner), last)
        if kind == "call_module":
            return self.root.get_submodule(target)(*args, **kwargs)
        if kind == "call_method":
            return getattr(args[0], target)(*args[1:], **kwargs)
        return target(*args, **kwargs)

    def call_module(self, m, forward, args, kwargs):
        if self.computing:
            return forward(*args, **kwargs)
        return super().call_module(m, forward, args, kwargs)

    def getattr(self, attr, attr_val, parameter_proxy_cache):
        if self.computing:
            return attr_val
        return super().getattr(attr, attr_val, parameter_proxy_cache)

    def to_bool(self, obj):
        known = _known(obj)
        return bool(known[0]) if _is_settled(known) else super().to_bool(obj)

    def iter(self, obj: Any):
        known = _known(obj)
        if known and isinstance(known[0], (tuple, list)):
            return iter([obj[place] for place in range(len(known[0]))])
        return super().iter(obj)


def _known(proxy):
    return proxy.known if isinstance(proxy, (_Proxy, _Attribute)) else None


def _of_batch(argument: Any, place: int) -> Any:
    """An argument as it is for one of BATCHES."""
    if not isinstance(argument, fx.Proxy):
        return argument
    known = _known(argument)
    if known is None:
        raise Refused(f"{argument} is not known")
    return known[place]


def _is_settled(known: Any) -> TypeGuard[list[Any]]:
    """True if a value is one number, or several, however many images there are."""
    if known is None or type(known[0]) is not type(known[1]):
        return False
    numbers = known[0] if isinstance(known[0], tuple) else (known[0],)
    return bool(numbers) and all(isinstance(number, NUMBERS) for number in numbers) and known[0] == known[1]
