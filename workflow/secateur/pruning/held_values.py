"""Values of a graph's nodes, block by block of images: in memory up to a bound, in a temporary folder beyond it."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Collection
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, fx

# Bytes of values that are held in memory at most.
BOUND = 4 << 30


@dataclasses.dataclass
class _Value:
    """One value: itself, or how it is read again."""

    value: Any = None
    read: Callable[[], Tensor] | None = None


class Held:
    """The values of nodes that are still to be read, as a context; its folder goes with it.

    A value that is an alias of another one stays in memory with it, so that what is written in place is seen by both.
    """

    def __init__(self, bound: int | None = None) -> None:
        self.bound = BOUND if bound is None else bound
        self.bytes = 0
        self.values: dict[fx.Node, list[_Value]] = {}
        self.folder: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> Held:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None):
        if self.folder is not None:
            self.folder.cleanup()

    def give(self, node: fx.Node, blocks: list[Tensor]) -> None:
        """Blocks of images, of which every reading is a copy: a network may overwrite what it gets."""
        self.values[node] = [_Value(read=block.clone) for block in blocks]

    def add(self, node: fx.Node, value: Any, alone: bool) -> None:
        """One more block of a node; `alone` where no other value that is held shares its memory."""
        places = self.values.setdefault(node, [])
        size = _bytes(value)
        if alone and isinstance(value, Tensor) and self.bytes + size > self.bound:
            places.append(_Value(read=self._written(node, len(places), value)))
            return
        self.bytes += size
        places.append(_Value(value))

    def get(self, node: fx.Node, place: int) -> Any:
        """The value of a node for one block."""
        one = self.values[node][place]
        return one.value if one.read is None else one.read()

    def pin(self, node: fx.Node, place: int, value: Any) -> None:
        """Hold a value in memory as it is now: it was overwritten, or another is a view of it."""
        if self.values[node][place].read is not None:
            self.bytes += _bytes(value)
            self.values[node][place] = _Value(value)

    def shares(self, place: int, value: Any, going: Collection[fx.Node]) -> bool:
        """True if a value shares memory with one held for this block; those of nodes that are `going` do not count."""
        held = [
            places[place].value for node, places in self.values.items() if node not in going and place < len(places)
        ]
        return any(overlap(value, one) for one in held)

    def drop(self, node: fx.Node) -> None:
        """Forget a node's values, which nothing reads any more."""
        for one in self.values.pop(node):
            self.bytes -= _bytes(one.value)
        if self.folder is not None:
            for path in Path(self.folder.name).glob(f"{node.name}.*.pt"):
                path.unlink()

    def _written(self, node, place, value):
        if self.folder is None:
            self.folder = tempfile.TemporaryDirectory(prefix="secateur-")
        path = Path(self.folder.name) / f"{node.name}.{place}.pt"
        # A view would take its whole storage along.
        torch.save(value.contiguous().clone() if value._is_view() else value, path)
        return lambda: torch.load(path, weights_only=True)


def _tensors(value):
    """The tensors of a value, which may be a tuple of some."""
    if isinstance(value, Tensor):
        return [value]
    return [one for part in value for one in _tensors(part)] if isinstance(value, (tuple, list)) else []


def _storages(value):
    return {(one.device, one.untyped_storage().data_ptr()) for one in _tensors(value)}


def _bytes(value):
    return sum(one.nbytes for one in _tensors(value))


def overlap(value: Any, other: Any) -> bool:
    """True if two values, tensors or tuples of some, have a storage in common."""
    return not _storages(value).isdisjoint(_storages(other))
