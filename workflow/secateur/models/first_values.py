"""First values of one layer, drawn anew so that they keep a part of what the first values say, and no more.

The functions are pure: equal values, name and seed give equal values. Every layer has generators of its own, so that
no layer changes the draws of another, and kinds that draw the same (fresh values, an order, signs) draw it alike:
differences between two kinds are what they keep. Zhou et al. (2019) define the neighbours of these kinds; sign,
distribution and absolute value are those of S. Wang (2024), whose forms are designs of this project.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from secateur import Refused
from secateur.models import description
from secateur.study import seeds


@dataclasses.dataclass(frozen=True)
class Layer:
    """The values of one layer that a mask or a plan leaves.

    `first` and `fresh` are (left,): those that the dense network begins with, and others by the same scheme. `scale` is
    the standard deviation of the scheme by which `fresh` were drawn. `name` and `seed` are those of the generators.
    """

    name: str
    first: Tensor
    fresh: Tensor
    scale: float
    seed: int

    def generator(self, purpose: str) -> torch.Generator:
        """The layer's own generator for one purpose."""
        return seeds.torch_generator(self.seed, purpose, self.name)

    @functools.cached_property
    def permuted(self) -> Tensor:
        """(left,) the first values in another order."""
        return permuted(self.first, self.generator("order"))


def permuted(values: Tensor, generator: torch.Generator) -> Tensor:
    """(n,) the same values in another order."""
    return values[torch.randperm(len(values), generator=generator)]


def _original(layer):
    return layer.first


def _random(layer):
    return layer.fresh


def _sign(layer):
    """Magnitudes of fresh values under the first signs."""
    return layer.fresh.abs() * layer.first.sign()


def _dist(layer):
    """The very same values at other positions."""
    return layer.permuted


def _dist_normal(layer):
    """Normal values with the mean and the standard deviation of the first ones."""
    drawn = torch.randn(len(layer.first), generator=layer.generator("normal"), dtype=layer.first.dtype)
    return layer.first.mean() + drawn * layer.first.std(correction=0)


def _abs(layer):
    """The first magnitudes under random signs."""
    negative = torch.rand(len(layer.first), generator=layer.generator("signs")) < 0.5
    magnitudes = layer.first.abs()
    return torch.where(negative, -magnitudes, magnitudes)


def _sign_and_dist(layer):
    """The first magnitudes at other positions, under the first signs."""
    return layer.permuted.abs() * layer.first.sign()


def _random_scaled(layer):
    """Fresh values with the standard deviation of the first ones; a single value has none, and stays as it is drawn."""
    if len(layer.first) < 2 or not layer.scale:
        return layer.fresh
    return layer.fresh * (layer.first.std(correction=0) / layer.scale)


# {kind: (left,) values of a Layer}; what each keeps stands in study/reinitialisations.py.
VALUES: dict[str, Callable[[Layer], Tensor]] = {
    "original": _original,
    "random": _random,
    "sign": _sign,
    "dist": _dist,
    "dist_normal": _dist_normal,
    "abs": _abs,
    "sign+dist": _sign_and_dist,
    "random_scaled": _random_scaled,
}


def fresh(described: description.NetworkDescription, names: Iterable[str], seed: int) -> dict[str, Tensor]:
    """{name of a parameter: its values in a network that was built anew for this seed and name}, on the CPU.

    That is the scheme of the network itself, whatever it is. Each layer has a network of its own, so that the draws of
    one do not depend on which others are asked for. Raises Refused for a factory that seeds itself.
    """
    values = {name: _built(described, name, seed) for name in names}
    if values:
        # A factory draws all layers alike, so that the first tells.
        _refuse_fixed(described, *next(iter(values.items())), seed)
    return values


def _built(described, name, seed):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seeds.derived(seed, "fresh", name))
        built: nn.Module = description.built(described)
    return built.get_parameter(name).detach()


def _refuse_fixed(described, name, first, seed):
    """Refused for a network whose `first` weights, of that name and seed, do not depend on the generator."""
    if first.numel() > 1 and first.std() > 0 and torch.equal(first, _built(described, name, seed + 1)):
        raise Refused(
            f"{described.factory or described.name} gives {name} the same values whatever torch's generator, so that "
            "no fresh ones can be drawn; take the seed out of the factory"
        )
