"""A network on disk: its state_dict, and plain data from which the network can be built again.

Only tensors and plain data are ever read (`weights_only=True`), so that a checkpoint cannot run code.
"""

import logging
import pickle
from collections import OrderedDict
from pathlib import Path

import torch

from secateur import files, models

NEEDED = ("name", "arguments", "classes", "shape")
ZIP = b"PK\x03\x04"
# Where training programs put the state_dict, beside the epoch and the optimizer's state.
NESTED = ("state_dict", "model_state_dict", "model", "net")
# What data-parallel training, averaging and compilation put before every name.
PREFIXES = ("module.", "_orig_mod.")


def save(path, model, about):
    """Write a checkpoint; equal networks with equal `about` are equal files.

    `about` is plain data: the model's `name` and `arguments` (and its `factory`, for a network of the user's own), the
    names of the `classes`, the `shape` (C, H, W) of an image, and whatever else is worth keeping.
    """
    missing = [key for key in NEEDED if key not in about]
    if missing:
        raise ValueError(f"about lacks {', '.join(missing)}: a checkpoint needs {', '.join(NEEDED)}")
    state = {name: tensor.detach().cpu() for name, tensor in model.state_dict().items()}
    write(path, {"state_dict": state, "about": about})


def load(path, device="cpu"):
    """(model in eval mode, about) of a checkpoint that `save` wrote; ValueError says what is wrong with any other.

    A network of the user's own is made by its factory, which must be importable from the working folder and be code of
    the user's own.
    """
    content = read(path)
    about = content.get("about") if isinstance(content, dict) else None
    if not isinstance(about, dict) or any(key not in about for key in NEEDED):
        raise ValueError(
            f"{path} is no checkpoint of this workflow: it does not say which network it holds. "
            "Give it as model.weights and train with epochs: 0 to make one of it"
        )
    model = built(about)
    return adopt(model, path, _tensors(content, path), assign=True).to(device).eval(), about


def built(about, device="meta"):
    """The network of a checkpoint before its weights are put in; no random number is drawn from the caller's.

    On the meta device nothing is drawn and nothing allocated: for VGG16 that saves seconds and half a gigabyte. What a
    factory does may need real tensors.
    """
    with torch.random.fork_rng(devices=[]), torch.device("cpu" if about.get("factory") else device):
        return models.described(about, len(about["classes"]))


def same_images(about, images, path):
    """Refuse `images.Images` of other classes, shape or normalisation than those the checkpoint was trained on."""
    shown = {"classes": images.classes, "shape": images.pixels.shape[1:], "mean": images.mean, "std": images.std}
    for key, value in shown.items():
        if key in about and list(about[key]) != list(value):
            raise ValueError(
                f"{path} was trained on images whose {key} is {_listed(about[key])}, but the {key} of these "
                f"is {_listed(value)}; train on these images first"
            )


def adopt(model, path, state=None, assign=False):
    """Load the state_dict of a file (or `state`, which came from there) into a model, and give the model back.

    `assign` puts the tensors themselves into the model. Raises ValueError if the file belongs to another network. How
    many batches a BatchNorm has seen may be missing: only training without momentum reads it.
    """
    state = state_dict_of(path) if state is None else state
    own = model.state_dict()
    uncounted = {key: torch.zeros((), dtype=torch.long) for key in own if key.endswith("num_batches_tracked")}
    state = {**uncounted, **state}
    missing, unexpected = [key for key in own if key not in state], [key for key in state if key not in own]
    if missing or unexpected:
        found = [f"{word} {_listed(keys)}" for word, keys in (("lacks", missing), ("has", unexpected)) if keys]
        raise ValueError(
            f"{path} belongs to another network: it {' and '.join(found)}. Give a matching file, or model.name"
        )
    for key in own:
        if own[key].shape != state[key].shape:
            raise ValueError(
                f"{path} belongs to another network: {key} is {_shape(state[key])} there but {_shape(own[key])} here; "
                "are the classes, widths and head the same?"
            )
    fitting = OrderedDict((key, state[key]) for key in own)
    # Classes that have changed their names ask for the version of the file, which plain data lacks; these fit.
    fitting._metadata = own._metadata
    model.load_state_dict(fitting, assign=assign)
    return model


def state_dict_of(path):
    """The {name: tensor} of a checkpoint from anywhere.

    Takes a bare state_dict or one under a key of `NESTED`, drops the prefixes that data-parallel training, averaging
    and compilation leave, and gives half precision back as float32.
    """
    state = _tensors(read(path), path)
    # torch's averaged models count the averaged ones.
    state.pop("n_averaged", None)
    while prefix := next((prefix for prefix in PREFIXES if all(name.startswith(prefix) for name in state)), None):
        state = {name.removeprefix(prefix): tensor for name, tensor in state.items()}
    return state


def _tensors(content, path):
    """The state_dict in what a file holds, in float32 where it was in half precision."""
    candidates = [content, *(content.get(key) for key in NESTED)] if isinstance(content, dict) else []
    state = next((candidate for candidate in candidates if _is_state(candidate)), None)
    if state is None:
        raise ValueError(f"{path} holds no state_dict; save one with torch.save(model.state_dict(), path)")
    half = (torch.float16, torch.bfloat16)
    return {name: tensor.float() if tensor.dtype in half else tensor for name, tensor in state.items()}


def _is_state(candidate):
    return (
        isinstance(candidate, dict)
        and len(candidate) > 0
        and all(isinstance(tensor, torch.Tensor) for tensor in candidate.values())
    )


def write(path, content):
    """Write tensors and plain data with torch, whole or not at all."""
    with files.replacing(path) as temporary, temporary.open("wb") as file:
        # Given a file rather than a name, torch does not write the (temporary) name into it.
        torch.save(content, file)


def read(path):
    """What a torch file holds, tensors and plain data only; ValueError says why it cannot be read."""
    zipped = _starts_with(path, ZIP)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if zipped:
            raise ValueError(
                f"{path} holds Python objects, which are not loaded because they can run code; "
                "save its state_dict alone: torch.save(model.state_dict(), path)"
            ) from error
        raise ValueError(f"{path} is no checkpoint of torch, or cut short") from error
    # A damaged file makes torch raise almost anything, OSError from its own seek included.
    except Exception as error:
        if zipped:
            raise ValueError(f"{path} is cut short or damaged; delete it and make or fetch it again") from error
        raise ValueError(f"{path} is no checkpoint of torch, or cut short") from error


def resumable(path, stamp, otherwise):
    """What a killed job kept in a file, {"stamp": ..., ...}; None if there is none to go on from.

    A file of another stamp, or that cannot be read, is left alone; the log says so, and what happens `otherwise`.
    """
    if path is None or not Path(path).exists():
        return None
    try:
        content = read(path)
        fits = content["stamp"] == stamp
    except (ValueError, KeyError, TypeError):
        logging.info("%s cannot be read; %s", path, otherwise)
        return None
    if not fits:
        logging.info("%s is of other settings, code, images or weights; %s", path, otherwise)
        return None
    return content


def _starts_with(path, mark):
    try:
        with Path(path).open("rb") as file:
            return file.read(len(mark)) == mark
    except FileNotFoundError as error:
        raise FileNotFoundError(f"there is no checkpoint {path}") from error


def _listed(things, most=3):
    more = len(things) - most
    return ", ".join(map(str, things[:most])) + (f" and {more} more" if more > 0 else "")


def _shape(tensor):
    return "x".join(map(str, tensor.shape)) or "a single number"
