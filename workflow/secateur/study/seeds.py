"""Random numbers from (study seed, purpose), so that adding one draw never changes another."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy
    import torch


def derived(seed: int, *purpose: str | float) -> int:
    """An integer below 2**63 that depends on the study's seed and on every word of the purpose."""
    text = "\x1f".join(map(str, (seed, *purpose)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def numpy_generator(seed: int, *purpose: str | float) -> numpy.random.Generator:
    """A numpy generator for one purpose."""
    import numpy

    return numpy.random.default_rng(derived(seed, *purpose))


def torch_generator(seed: int, *purpose: str | float) -> torch.Generator:
    """A torch CPU generator for one purpose."""
    import torch

    return torch.Generator().manual_seed(derived(seed, *purpose))
