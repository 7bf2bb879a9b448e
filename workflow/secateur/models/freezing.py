"""The parts of a network that are trained, and those that are frozen."""

from torch import nn

from secateur import Refused
from secateur.study.vocabulary import one_of


def parts_of(model: nn.Module) -> dict[str, tuple[str, ...]]:
    """{part that `trainable` may name: name prefixes of its layers}; of most users' networks, only all is known."""
    own = getattr(model, "trainable_parts", {})
    return {"head": own.get("head", ()), "classifier": own.get("classifier", ()), "all": ("",)}


def trainable(model: nn.Module, which: str) -> None:
    """Train the `head` (the layers that are not torchvision's), the whole `classifier`, or `all`; freeze the rest.

    Raises Refused for a part that the network lacks.
    """
    parts = parts_of(model)
    prefix = one_of(parts, which, "trainable")
    if not prefix:
        missing = {"head": "appended head", "classifier": "classifier that is known as such"}
        present = " or ".join(filter(parts.get, parts))
        raise Refused(f"trainable is {which}, but this network has no {missing[which]}; use {present}")
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.startswith(prefix))


def frozen(model: nn.Module) -> set[str]:
    """Names of the layers that training does not change.

    A layer without parameters counts with the layer before it: dropout in a frozen classifier stays off.
    """
    names, trains = set(), True
    for name, module in model.named_modules():
        if any(module.children()):
            continue
        parameters = list(module.parameters())
        if parameters:
            trains = any(parameter.requires_grad for parameter in parameters)
        if not trains:
            names.add(name)
    return names


def train_mode(model: nn.Module) -> None:
    """Put a model into training mode, but its frozen layers into eval mode: their BatchNorm keeps its statistics."""
    model.train()
    for name in frozen(model):
        model.get_submodule(name).eval()
