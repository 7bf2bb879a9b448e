"""A network on disk: its state_dict, its description, and facts about its training.

Only tensors and plain data are read (`weights_only=True`), so that a checkpoint cannot run code.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from secateur import Refused
from secateur.images.store import Images
from secateur.models import description, state_dicts, tensor_files
from secateur.models.description import NetworkDescription


@dataclass(frozen=True)
class Checkpoint:
    """A network that was read from a file."""

    model: nn.Module  # in eval mode
    description: NetworkDescription
    facts: dict[str, Any]  # seed, epoch, provenance, results of training, removed channels


def save(path: Path | str, model: nn.Module, described: NetworkDescription, facts: dict[str, Any]) -> None:
    """Write a checkpoint; equal networks with equal descriptions and facts give equal files. Facts are plain data.

    Raises ValueError for a fact named as a part of the description.
    """
    state = {name: tensor.detach().cpu() for name, tensor in model.state_dict().items()}
    tensor_files.write(path, {"state_dict": state, "about": about_of(described, facts)})


def load(path: Path | str, device: torch.device | str = "cpu") -> Checkpoint:
    """The Checkpoint that `save` wrote; Refused says what is wrong with any other file.

    A user's network is made by its factory, which must be importable from the working folder and be the user's code.
    """
    content = tensor_files.read(path)
    about = about_in(content)
    if about is None or not all(key in about for key in description.NEEDED):
        raise Refused(
            f"{path} is no checkpoint of this workflow: it does not say which network it holds. "
            "Give it as model.weights and train with epochs: 0 to turn it into one"
        )
    if "removed" in about:
        raise Refused(f"{path} is a retrained network; pruning.load reads it")
    described, dense = described_in(about, path)
    model = state_dicts.adopt(dense, path, state_dicts.tensors(content, path), assign=True)
    return Checkpoint(model.to(device).eval(), described, facts_of(about))


def about_in(content: Any) -> dict[str, Any] | None:
    """The description and facts in the content of a file; None if it has none."""
    if not isinstance(content, dict) or not isinstance(content.get("about"), dict):
        return None
    return content["about"]


def described_in(about: dict[str, Any], path: Path | str) -> tuple[NetworkDescription, nn.Module]:
    """The description in a file's `about`, and the network without its weights; Refused names the file."""
    try:
        described = NetworkDescription.from_dict(about)
        return described, built(described)
    except (Refused, TypeError) as error:
        raise Refused(f"{path} describes no network that can be built here: {error}") from error


def about_of(described: NetworkDescription, facts: dict[str, Any]) -> dict[str, Any]:
    """A file's `about`: the description and the facts; ValueError for a fact named as a part of the description."""
    both = facts.keys() & description.PARTS
    if both:
        raise ValueError(f"{', '.join(sorted(both))} is part of a network's description, and no fact beside it")
    return described.as_dict() | facts


def facts_of(about: dict[str, Any]) -> dict[str, Any]:
    """The facts in a file's `about`."""
    return {key: value for key, value in about.items() if key not in description.PARTS}


def built(described: NetworkDescription, device: torch.device | str = "meta") -> nn.Module:
    """The network of a description without its weights; the caller's random generator is left as it is.

    On the meta device nothing is drawn or allocated: for VGG16 that saves seconds and half a gigabyte. A factory may
    need real tensors, so its networks are built on the CPU.
    """
    if described.factory:
        device = "cpu"
    with torch.random.fork_rng(devices=[]), torch.device(device):
        return description.built(described)


def same_images(described: NetworkDescription, images: Images, path: Path | str) -> None:
    """Refuse images of other classes, shape or normalisation than those that the checkpoint was trained on."""
    given = {"classes": images.classes, "shape": images.pixels.shape[1:], "mean": images.mean, "std": images.std}
    for key, value in given.items():
        known = getattr(described, key)
        if known is not None and list(known) != list(value):
            raise Refused(
                f"{path} was trained on images whose {key} is {state_dicts.listed(known)}, but the {key} of these "
                f"is {state_dicts.listed(value)}; train on these images first"
            )
