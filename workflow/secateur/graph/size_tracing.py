"""Tracing for images of one size: what a forward computes from sizes are numbers, and it may branch on them.

torch.fx alone traces no forward that asks how large its images are: paddings that are counted ("same" of TensorFlow),
maps that are enlarged where they are too small, shapes that are asserted. Here every proxy knows what it would be for
two and for three images, in fake tensors that hold no values. What both agree on is a number; what differs depends on
how many images there are, and stays a part of the graph.
"""

from collections.abc import Sequence

import torch
from torch import fx, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.proxy import Attribute

from secateur import Refused

# Two numbers of images: what changes between them is the batch.
BATCHES = (2, 3)
NUMBERS = (bool, int, float)


def traced(model: nn.Module, shape: Sequence[int]) -> fx.GraphModule:
    """The model as a torch.fx GraphModule for images of `shape` (C, H, W), any number of them, as it is in eval mode.

    It shares the model's layers; dropout by functions is off in it. Raises what torch.fx does where a forward depends
    on the values of tensors.
    """
    was = {name: module.training for name, module in model.named_modules()}
    model.eval()
    try:
        tracer = _Tracer(shape, next(model.parameters()))
        graph = tracer.trace(model)
    finally:
        for name, module in model.named_modules():
            module.training = was[name]
    found = fx.GraphModule(model, graph, type(model).__name__)
    # What the forward does not call is in files of weights all the same.
    for name, part in (*model.named_children(), *model.named_parameters(recurse=False)):
        setattr(found, name, part)
    for name, buffer in model.named_buffers(recurse=False):
        found.register_buffer(name, buffer, persistent=name not in model._non_persistent_buffers_set)
    found.training, found.trainable_parts = model.training, getattr(model, "trainable_parts", {})
    return found


class _Proxy(fx.Proxy):
    """A proxy that knows what it would be for each of BATCHES; None where that is not known."""

    def __init__(self, node, tracer):
        super().__init__(node, tracer)
        self.known = None

    def __getattr__(self, name):
        return _Attribute(self, name)


class _Attribute(Attribute):
    """What a proxy has by name: a shape, a method."""

    @property
    def known(self):
        of = _known(self.root)
        return [getattr(one, self.attr) for one in of] if of and all(hasattr(one, self.attr) for one in of) else None

    def __getattr__(self, name):
        return _Attribute(self, name)

    def __len__(self):
        known = self.known
        return len(known[0]) if known and isinstance(known[0], tuple) else super().__len__()


class _Tracer(fx.Tracer):
    """A tracer whose proxies know their shapes."""

    def __init__(self, shape, like):
        super().__init__()
        self.mode, self.quiet, self.settled = FakeTensorMode(allow_non_fake_inputs=True), False, []
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
        made = super().create_proxy(kind, target, args, kwargs, *rest, **named)
        if kind == "placeholder":
            made.known = self.images
        elif kind != "output":
            made.known = self._computed(kind, target, args, kwargs)
        # torch.fx asks what it reads by name for its node.
        number = kind in ("call_function", "call_method") and target is not getattr and _is_settled(made.known)
        if number or target is getattr:
            self.settled.append(made.node)
        return made.known[0] if number else made

    def _computed(self, kind, target, args, kwargs):
        """What a node gives for each of BATCHES, or None."""
        self.quiet = True
        try:
            with torch.no_grad(), self.mode:
                return [
                    self._called(kind, target, *fx.node.map_aggregate((args, kwargs), lambda one: _of(one, place)))  # noqa: B023
                    for place in range(len(BATCHES))
                ]
        except Exception:  # noqa: BLE001 - what is not known is traced as torch.fx does
            return None
        finally:
            self.quiet = False

    def _called(self, kind, target, args, kwargs):
        if kind == "get_attr":
            owner, _, last = target.rpartition(".")
            return getattr(self.root.get_submodule(owner), last)
        if kind == "call_module":
            return self.root.get_submodule(target)(*args, **kwargs)
        return getattr(args[0], target)(*args[1:], **kwargs) if kind == "call_method" else target(*args, **kwargs)

    # While it computes, layers are called and parameters read as usual.

    def call_module(self, m, forward, args, kwargs):
        return forward(*args, **kwargs) if self.quiet else super().call_module(m, forward, args, kwargs)

    def getattr(self, attr, attr_val, parameter_proxy_cache):
        return attr_val if self.quiet else super().getattr(attr, attr_val, parameter_proxy_cache)

    def to_bool(self, obj):
        known = _known(obj)
        return bool(known[0]) if _is_settled(known) else super().to_bool(obj)

    def iter(self, obj):
        known = _known(obj)
        if known and isinstance(known[0], (tuple, list)):
            return iter([obj[place] for place in range(len(known[0]))])
        return super().iter(obj)


def _known(proxy):
    return proxy.known if isinstance(proxy, (_Proxy, _Attribute)) else None


def _of(one, place):
    """An argument as it is for one of BATCHES."""
    if not isinstance(one, fx.Proxy):
        return one
    known = _known(one)
    if known is None:
        raise Refused(f"{one} is not known")
    return known[place]


def _is_settled(known):
    """Whether it is one number, or several, however many images there are."""
    if known is None or type(known[0]) is not type(known[1]):
        return False
    parts = known[0] if isinstance(known[0], tuple) else (known[0],)
    return bool(parts) and all(isinstance(part, NUMBERS) for part in parts) and known[0] == known[1]
