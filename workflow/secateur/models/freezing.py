"""Which parts of a network train."""

from torch import nn

from secateur import Refused
from secateur.study.vocabulary import one_of


def parts_of(model: nn.Module) -> dict[str, tuple[str, ...]]:
    """{what `trainable` may name: name prefixes of its layers}; of a network of the user's own, only all is known."""
    own = getattr(model, "trainable_parts", {})
    return {"head": own.get("head", ()), "classifier": own.get("classifier", ()), "all": ("",)}


def trainable(model: nn.Module, which: str) -> None:
    """Let gradients reach the `head` (what is not torchvision's), the whole `classifier`, or `all`; freeze the rest."""
    parts = parts_of(model)
    prefix = one_of(parts, which, "trainable")
    if not prefix:
        what = "appended head" if which == "head" else "classifier that is known as such"
        use = " or ".join(name for name in parts if parts[name])
        raise Refused(f"trainable is {which}, but this network has no {what}; use {use}")
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.startswith(prefix))


def frozen(model: nn.Module) -> set[str]:
    """Names of the layers that stay as they are in training.

    A layer without parameters goes with the layer before it: dropout in a frozen classifier stays off.
    """
    names, trains = set(), True
    for name, module in model.named_modules():
        if any(module.children()):
            continue
        parameters = list(module.parameters())
        trains = any(parameter.requires_grad for parameter in parameters) if parameters else trains
        if not trains:
            names.add(name)
    return names


def train_mode(model: nn.Module) -> None:
    """Put a model into training mode, but its frozen layers into eval mode: their BatchNorm keeps its statistics."""
    model.train()
    for name in frozen(model):
        model.get_submodule(name).eval()
