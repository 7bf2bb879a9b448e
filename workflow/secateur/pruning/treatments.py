"""A treatment of pruned networks before they are tested: what `recovery.py` makes of its recoveries."""

import dataclasses
from collections.abc import Callable
from typing import Any

from torch import nn

Channels = dict[str, list[int]]


@dataclasses.dataclass(frozen=True)
class Treatment:
    """A recovery with its material.

    `stamp` is plain data: all that its result depends on, beside that of the network as pruned. `apply` changes a
    network in place, from which the channels {layer: [index, ...]} of the dense one were removed; none of a network in
    which they are masked. One that `trains` weights cannot be given such a network: masked weights would grow back.
    """

    stamp: dict[str, Any]
    apply: Callable[[nn.Module, Channels], None]
    trains: bool = False
