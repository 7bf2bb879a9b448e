"""A network as plain data from which it can be built again, and whether it takes the images."""

import torch
from torch import nn

from secateur import Refused
from secateur.graph import modes, tracing
from secateur.models import own, zoo
from secateur.study import own_network


def described(about, classes):
    """The network that a study's `model` or a checkpoint's `about` describes, with random weights.

    The description is {"name", "arguments"}, or {"factory", "arguments"} of the user's own function; where it has the
    images' `shape`, a forward that asks for sizes is traced for it (`tracing.traceable`). Raises
    Refused for a factory that is not there, fails, or gives something else than a network.
    """
    factory = about.get("factory")
    if not factory:
        return zoo.build(about["name"], classes, **about["arguments"])
    model = own.made(factory, classes, about["arguments"])
    if not isinstance(model, nn.Module):
        raise Refused(f"model.factory {factory} gave a {type(model).__name__}, no torch.nn.Module")
    return tracing.traceable(model, about["shape"]) if "shape" in about else model


def about(model, shown):
    """What it takes to build a study's network again and to show it images as it saw them, for checkpoints.

    `model` is the study's section, `shown` the `store.Images` that it is trained on.
    """
    return {
        **architecture(model, shown.pixels.shape[1]),
        "classes": list(shown.classes),
        "shape": list(shown.pixels.shape[1:]),
        "mean": list(shown.mean),
        "std": list(shown.std),
        "dataset": shown.name,
        "trained_on": shown.identity,
    }


def architecture(model, channels):
    """What `described` needs of a study's section, for images of so many channels; a factory has its own arguments."""
    if model["factory"]:
        return {key: model[key] for key in ("name", "factory", "arguments")}
    return {"name": model["name"], "arguments": {**model["arguments"], "channels": channels}}


def untrained(model, shown):
    """(a study's network with random weights, its `about`) for the images that it is to be trained on."""
    described_by = about(model, shown)
    made = described(described_by, len(shown.classes))
    refuse_misfit(made, described_by)
    return made, described_by


def refuse_misfit(model, about):
    """Try a network on two images of `about`'s shape; Refused says what does not fit, before anything is trained.

    The network must give (2, classes), and one of the user's own must be traceable by torch.fx as well.
    """
    who = f"model.factory {about['factory']}" if about.get("factory") else about["name"]
    size = "x".join(map(str, about["shape"]))
    try:
        with torch.no_grad(), modes.evaluating(model):
            output = model(torch.zeros(2, *about["shape"]))
    except Exception as error:
        reason = str(error).split("\n")[0]
        raise Refused(
            f"{who} cannot take images of {size}: {own_network.place(error)}{type(error).__name__}: {reason}"
        ) from error
    wanted = (2, len(about["classes"]))
    if not isinstance(output, torch.Tensor) or tuple(output.shape) != wanted:
        given = tuple(output.shape) if isinstance(output, torch.Tensor) else f"a {type(output).__name__}"
        raise Refused(f"{who} gives {given} for two images of {size}, but there are {wanted[1]} classes: {wanted}")
    if about.get("factory"):
        tracing.traced(model)
