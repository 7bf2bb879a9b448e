"""A network as plain data from which it can be built again, and whether it takes the images."""

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
    """Plain data from which a network is built again, and shown images as it saw them."""

    name: str  # of the zoo or of torchvision; of a network of the user's own, what its results are named
    arguments: dict[str, Any]  # of the zoo's function, or of the factory
    classes: tuple[str | int, ...]  # in the order of the logits
    shape: tuple[int, int, int]  # (C, H, W) of an image
    factory: str | None = None  # "module:function" of the user's own
    mean: tuple[float, ...] | None = None  # by which images are normalised, channel by channel
    std: tuple[float, ...] | None = None
    dataset: str | None = None
    trained_on: str | None = None  # the identity of the training images

    @classmethod
    def from_dict(cls, about: dict[str, Any]) -> NetworkDescription:
        """The description in what `as_dict` gave, whatever a file has beside it; Refused if anything is missing."""
        missing = [key for key in NEEDED if key not in about]
        if missing:
            raise Refused(f"about lacks {', '.join(missing)}: a network is described by {', '.join(NEEDED)}")
        wrong = [key for key, kinds in FORMS.items() if not isinstance(about.get(key), kinds)]
        if wrong:
            raise Refused(f"about describes no network: its {wrong[0]} is {about.get(wrong[0])!r}")
        known = {field.name: about[field.name] for field in dataclasses.fields(cls) if field.name in about}
        return cls(**{key: tuple(value) if key in SEQUENCES and value else value for key, value in known.items()})

    def as_dict(self) -> dict[str, Any]:
        """Plain data, without what is not known."""
        found = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        known = {key: value for key, value in found.items() if value is not None}
        return {key: list(value) if isinstance(value, tuple) else value for key, value in known.items()}

    def zeros(self, count: int, device: torch.device | str = "cpu") -> torch.Tensor:
        """So many images (N, C, H, W) of zeros, as an example to trace by."""
        return torch.zeros(count, *self.shape, device=device)


def of_study(model: dict[str, Any], shown: Images) -> NetworkDescription:
    """The description of a study's `model` for the images that it is trained on."""
    return NetworkDescription(
        **architecture(model, shown.pixels.shape[1]),
        classes=tuple(shown.classes),
        shape=tuple(shown.pixels.shape[1:]),
        mean=tuple(shown.mean),
        std=tuple(shown.std),
        dataset=shown.name,
        trained_on=shown.identity,
    )


def architecture(model: dict[str, Any], channels: int) -> dict[str, Any]:
    """Name, arguments and factory of a study's `model` for images of so many channels, which no factory is told."""
    if model["factory"]:
        return {key: model[key] for key in ("name", "factory", "arguments")}
    return {"name": model["name"], "arguments": {**model["arguments"], "channels": channels}}


def built(description: NetworkDescription) -> nn.Module:
    """The network that a description describes, with random weights.

    A factory's network whose forward asks for sizes is traced for the shape of the images (`tracing.traceable`). Raises
    Refused for a factory that is not there, fails, or gives something else than a network.
    """
    factory, classes = description.factory, len(description.classes)
    if not factory:
        return zoo.build(description.name, classes, **description.arguments)
    model = own.made(factory, classes, description.arguments)
    if not isinstance(model, nn.Module):
        raise Refused(f"model.factory {factory} gave a {type(model).__name__}, no torch.nn.Module")
    return tracing.traceable(model, description.shape)


def untrained(model: dict[str, Any], shown: Images) -> tuple[nn.Module, NetworkDescription]:
    """A study's network with random weights, and its description, for the images that it is to be trained on."""
    description = of_study(model, shown)
    made = built(description)
    refuse_misfit(made, description)
    return made, description


def refuse_misfit(model: nn.Module, description: NetworkDescription) -> None:
    """Try a network on two images; Refused says what does not fit, before anything is trained.

    The network must give (2, classes), and one of the user's own must be traceable by torch.fx as well.
    """
    who = f"model.factory {description.factory}" if description.factory else description.name
    size = "x".join(map(str, description.shape))
    try:
        with torch.no_grad(), modes.evaluating(model):
            output = model(description.zeros(2))
    except Exception as error:
        reason = str(error).split("\n")[0]
        raise Refused(
            f"{who} cannot take images of {size}: {own_network.place(error)}{type(error).__name__}: {reason}"
        ) from error
    wanted = (2, len(description.classes))
    if not isinstance(output, torch.Tensor) or tuple(output.shape) != wanted:
        given = tuple(output.shape) if isinstance(output, torch.Tensor) else f"a {type(output).__name__}"
        raise Refused(f"{who} gives {given} for two images of {size}, but there are {wanted[1]} classes: {wanted}")
    if description.factory:
        tracing.traced(model)
