"""A network as plain data from which it can be built again, and a check that it fits the images."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from secateur import Refused
from secateur.graph import modes, tracing
from secateur.images.store import Images
from secateur.models import own, zoo
from secateur.study import own_network

NEEDED = ("name", "arguments", "classes", "shape")
SEQUENCES = ("classes", "shape", "mean", "std")
FORMS = {
    "name": str,
    "arguments": dict,
    "classes": (list, tuple),
    "shape": (list, tuple),
    "factory": (str, type(None)),
    "mean": (list, tuple, type(None)),
    "std": (list, tuple, type(None)),
}


@dataclass(frozen=True)
class NetworkDescription:
    """Plain data from which a network is built again, and images are normalised as in its training."""

    name: str  # in the zoo or torchvision; of a user's network, the name of its results
    arguments: dict[str, Any]  # of the zoo's function, or of the factory
    classes: tuple[str | int, ...]  # in the order of the logits
    shape: tuple[int, int, int]  # (C, H, W) of an image
    factory: str | None = None  # "module:function" of the user's code
    mean: tuple[float, ...] | None = None  # (C,) of the normalisation; pixels are from 0 to 1
    std: tuple[float, ...] | None = None  # (C,) likewise
    dataset: str | None = None  # name of the training images
    trained_on: str | None = None  # digest of the training images

    @classmethod
    def from_dict(cls, about: dict[str, Any]) -> NetworkDescription:
        """The description in a file's `about`, which may hold facts too; Refused if a part is missing or wrong."""
        missing = [key for key in NEEDED if key not in about]
        if missing:
            raise Refused(f"about lacks {', '.join(missing)}: a network is described by {', '.join(NEEDED)}")
        for key, kinds in FORMS.items():
            if not isinstance(about.get(key), kinds):
                raise Refused(f"about describes no network: its {key} is {about.get(key)!r}")
        parts = {key: about[key] for key in PARTS if key in about}
        for key in SEQUENCES:
            if parts.get(key):
                parts[key] = tuple(parts[key])
        return cls(**parts)

    def as_dict(self) -> dict[str, Any]:
        """Plain data, without the parts that are None."""
        parts = {}
        for key in PARTS:
            value = getattr(self, key)
            if isinstance(value, tuple):
                value = list(value)
            if value is not None:
                parts[key] = value
        return parts

    def zeros(self, count: int, device: torch.device | str = "cpu") -> torch.Tensor:
        """An example batch (count, C, H, W) of zeros for tracing."""
        return torch.zeros(count, *self.shape, device=device)


PARTS = tuple(field.name for field in dataclasses.fields(NetworkDescription))


def of_study(model: dict[str, Any], images: Images) -> NetworkDescription:
    """The description of a study's `model` for the images that it is trained on."""
    return NetworkDescription(
        **architecture(model, images.pixels.shape[1]),
        classes=tuple(images.classes),
        shape=tuple(images.pixels.shape[1:]),
        mean=tuple(images.mean),
        std=tuple(images.std),
        dataset=images.name,
        trained_on=images.identity,
    )


def architecture(model: dict[str, Any], channels: int) -> dict[str, Any]:
    """Name, arguments and factory of a study's `model`; a network of the zoo takes images of so many channels."""
    if model["factory"]:
        return {key: model[key] for key in ("name", "factory", "arguments")}
    return {"name": model["name"], "arguments": {**model["arguments"], "channels": channels}}


def built(description: NetworkDescription) -> nn.Module:
    """The network that a description describes, with random weights.

    A factory's network whose forward depends on sizes is traced for the shape of the images (`tracing.traceable`).
    Raises Refused for a factory that does not exist, fails, or returns no network.
    """
    factory, classes = description.factory, len(description.classes)
    if not factory:
        return zoo.build(description.name, classes, **description.arguments)
    model = own.made(factory, classes, description.arguments)
    if not isinstance(model, nn.Module):
        raise Refused(f"model.factory {factory} gave a {type(model).__name__}, no torch.nn.Module")
    return tracing.traceable(model, description.shape)


def untrained(model: dict[str, Any], images: Images) -> tuple[nn.Module, NetworkDescription]:
    """A study's network with random weights, and its description, for the images that it is to be trained on."""
    description = of_study(model, images)
    made = built(description)
    refuse_misfit(made, description)
    return made, description


def refuse_misfit(model: nn.Module, description: NetworkDescription) -> None:
    """Run a network on two images; Refused says what does not fit, before anything is trained.

    The network must return logits (2, classes), and a user's network must be traceable by torch.fx as well.
    """
    name = description.name
    if description.factory:
        name = f"model.factory {description.factory}"
    size = "x".join(map(str, description.shape))
    try:
        with torch.no_grad(), modes.evaluating(model):
            output = model(description.zeros(2))
    except Exception as error:
        reason = str(error).split("\n")[0]
        raise Refused(
            f"{name} cannot take images of {size}: {own_network.place(error)}{type(error).__name__}: {reason}"
        ) from error
    wanted = (2, len(description.classes))
    given = _shape_or_type(output)
    if given != wanted:
        raise Refused(f"{name} gives {given} for two images of {size}, but there are {wanted[1]} classes: {wanted}")
    if description.factory:
        tracing.traced(model)


def _shape_or_type(output):
    """The shape of a tensor; the type of anything else, in words."""
    if isinstance(output, torch.Tensor):
        return tuple(output.shape)
    return f"a {type(output).__name__}"
