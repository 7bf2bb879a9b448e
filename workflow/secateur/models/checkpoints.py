"""A network on disk: its state_dict, its description, and what is known of how it came about.

Only tensors and plain data are ever read (`weights_only=True`), so that a checkpoint cannot run code.
"""

import dataclasses
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
    facts: dict[str, Any]  # seed, epoch, provenance, what training measured, which channels were removed


def save(path: Path | str, model: nn.Module, described: NetworkDescription, facts: dict[str, Any]) -> None:
    """Write a checkpoint; equal networks with equal descriptions and facts are equal files. Facts are plain data."""
    state = {name: tensor.detach().cpu() for name, tensor in model.state_dict().items()}
    tensor_files.write(path, {"state_dict": state, "about": about_of(described, facts)})


def load(path: Path | str, device: torch.device | str = "cpu") -> Checkpoint:
    """The Checkpoint that `save` wrote; Refused says what is wrong with any other file.

    A network of the user's own is made by its factory, which must be importable from the working folder and be code of
    the user's own.
    """
    content = tensor_files.read(path)
    about = about_in(content)
    if about is None or not all(key in about for key in description.NEEDED):
        raise Refused(
            f"{path} is no checkpoint of this workflow: it does not say which network it holds. "
            "Give it as model.weights and train with epochs: 0 to make one of it"
        )
    if "removed" in about:
        raise Refused(f"{path} is a retrained network; pruning.load reads it")
    described, dense = described_in(about, path)
    model = state_dicts.adopt(dense, path, state_dicts.tensors(content, path), assign=True)
    return Checkpoint(model.to(device).eval(), described, facts_of(about, described))


def about_in(content: Any) -> dict[str, Any] | None:
    """The description and facts in the content of a file; None if it has none."""
    if not isinstance(content, dict) or not isinstance(content.get("about"), dict):
        return None
    return content["about"]


def described_in(about: dict[str, Any], path: Path | str) -> tuple[NetworkDescription, nn.Module]:
    """The description in what a file says, and the network before its weights are put in; Refused names the file."""
    try:
        described = NetworkDescription.from_dict(about)
        return described, built(described)
    except (Refused, TypeError) as error:
        raise Refused(f"{path} describes no network that can be built here: {error}") from error


def about_of(described: NetworkDescription, facts: dict[str, Any]) -> dict[str, Any]:
    """What a file says: the description, and facts beside it; ValueError for a fact by the name of a part of it."""
    both = facts.keys() & {field.name for field in dataclasses.fields(described)}
    if both:
        raise ValueError(f"{', '.join(sorted(both))} is part of a network's description, and no fact beside it")
    return described.as_dict() | facts


def facts_of(about: dict[str, Any], described: NetworkDescription) -> dict[str, Any]:
    """What a file says beside the description."""
    fields = {field.name for field in dataclasses.fields(described)}
    return {key: value for key, value in about.items() if key not in fields}


def built(described: NetworkDescription, device: torch.device | str = "meta") -> nn.Module:
    """The network of a checkpoint before its weights are put in; no random number is drawn from the caller's.

    On the meta device nothing is drawn and nothing allocated: for VGG16 that saves seconds and half a gigabyte. What a
    factory does may need real tensors.
    """
    with torch.random.fork_rng(devices=[]), torch.device("cpu" if described.factory else device):
        return description.built(described)


def same_images(described: NetworkDescription, images: Images, path: Path | str) -> None:
    """Refuse images of other classes, shape or normalisation than those the checkpoint was trained on."""
    shown = {"classes": images.classes, "shape": images.pixels.shape[1:], "mean": images.mean, "std": images.std}
    for key, value in shown.items():
        known = getattr(described, key)
        if known is not None and list(known) != list(value):
            raise Refused(
                f"{path} was trained on images whose {key} is {state_dicts.listed(known)}, but the {key} of these "
                f"is {state_dicts.listed(value)}; train on these images first"
            )
