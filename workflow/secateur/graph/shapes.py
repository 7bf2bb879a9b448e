"""The shape of every tensor of a traced model, from a run on two blank images.

On torch's meta device nothing would be computed, but there torch takes operations apart, and imports its compiler for
that: four seconds of a new interpreter. Two images take a VGG16 one second at 224 pixels, and milliseconds at 32.
"""

import copy
import dataclasses
from collections.abc import Iterator
from typing import Any

import torch
from torch import fx, nn
from torch.fx.node import map_aggregate

from secateur import Refused
from secateur.graph import modes

# Sides of square images on which a model is tried when there is no example.
SIZES = (32, 224, 28, 16, 8, 64, 96, 128, 299, *range(1, 65))


class Noting(fx.Interpreter):
    """A run of a graph that notes the Shape of every tensor, and every other value itself."""

    def __init__(self, model: fx.GraphModule, graph: fx.Graph) -> None:
        super().__init__(model, graph=graph)
        self.shapes: dict[fx.Node, Any] = {}

    def run_node(self, node: fx.Node) -> Any:
        result = super().run_node(node)
        self.shapes[node] = map_aggregate(result, _noted)
        return result


@dataclasses.dataclass(frozen=True)
class Shape:
    """The shape of a tensor; a plain tuple would pass for a value of the graph."""

    sizes: tuple[int, ...]

    def __iter__(self) -> Iterator[int]:
        return iter(self.sizes)


def _noted(value: Any) -> Any:
    return Shape(tuple(value.shape)) if isinstance(value, torch.Tensor) else value


def of_every_node(traced: fx.GraphModule, example: torch.Tensor | None) -> dict[fx.Node, Any]:
    """{node: its Shape, or its value if it is no tensor}, for a batch like `example` or of the first size that fits.

    `example` is (N, C, H, W), of which only the shape counts. Raises Refused if the model cannot take such images.
    """
    if example is None:
        return _of_some_size(traced)
    # With two images, squeeze leaves the dimension of images.
    shape = (2, *example.shape[1:])
    try:
        return _run(traced, torch.zeros(shape, dtype=example.dtype))
    except Exception:  # noqa: BLE001 - a forward may divide by what blank images do not have
        try:
            return _run(traced, example[:1].expand(shape))
        except Exception as error:
            raise Refused(f"the model cannot take images of shape {tuple(example.shape[1:])}: {error}") from error


def _of_some_size(traced):
    for first in filter(_is_convolution, traced.modules()):
        for size in SIZES:
            try:
                return _run(traced, torch.zeros(2, first.in_channels, size, size))
            except Exception:  # noqa: BLE001, S112 - this size does not fit
                continue
        break
    raise Refused(
        "the model takes no square images of 1 to 64, 96, 128, 224 or 299 pixels: follow its channels with an example, "
        "coupled.followed(model, example), and pass what that gives"
    )


def _is_convolution(module):
    return isinstance(module, nn.Conv2d)


def _run(traced, images):
    """The values of a run that leaves the model and the random numbers as they are."""
    weight = next(traced.parameters(), images)
    # With buffers of its own: a forward may write statistics into them.
    model = copy.deepcopy(traced, {id(parameter): parameter for parameter in traced.parameters()})
    noting = Noting(model, traced.graph)
    on_gpu = [weight.device] if weight.is_cuda else []
    with torch.no_grad(), torch.random.fork_rng(on_gpu), modes.evaluating(model):
        noting.run(images.to(weight))
    return noting.shapes


def is_shape(value: Any) -> bool:
    """True if a value stands for one tensor."""
    return isinstance(value, Shape)


def is_tensor(value: Any) -> bool:
    """True if a value is a tensor, or holds some."""
    return any(map(is_shape, flat(value)))


def flat(value: Any) -> list[Any]:
    """All that a value holds, lists within lists too."""
    if not isinstance(value, (tuple, list)):
        return [value]
    parts = []
    for part in value:
        parts += flat(part)
    return parts
