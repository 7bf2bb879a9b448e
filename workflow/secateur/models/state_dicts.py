"""The state_dict of a file from elsewhere, found in what surrounds it, and taken over by a network."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from secateur import Refused
from secateur.models import tensor_files

# Where training programs put the state_dict, beside the epoch and the optimizer's state.
NESTED = ("state_dict", "model_state_dict", "model", "net")
# What data-parallel training, averaging and compilation put before every name.
PREFIXES = ("module.", "_orig_mod.")


def adopt(
    model: nn.Module, path: Path | str, state: Mapping[str, torch.Tensor] | None = None, assign: bool = False
) -> nn.Module:
    """Load the state_dict of a file (or `state`, which came from there) into a model, and give the model back.

    `assign` puts the tensors themselves into the model. Raises Refused if the file belongs to another network. How
    many batches a BatchNorm has seen may be missing: only training without momentum reads it.
    """
    state = state_dict_of(path) if state is None else state
    own = model.state_dict()
    uncounted = {key: torch.zeros((), dtype=torch.long) for key in own if key.endswith("num_batches_tracked")}
    state = {**uncounted, **state}
    missing, unexpected = [key for key in own if key not in state], [key for key in state if key not in own]
    if missing or unexpected:
        found = [f"{word} {listed(keys)}" for word, keys in (("lacks", missing), ("has", unexpected)) if keys]
        raise Refused(
            f"{path} belongs to another network: it {' and '.join(found)}. Give a matching file, or model.name"
        )
    for key in own:
        if own[key].shape != state[key].shape:
            raise Refused(
                f"{path} belongs to another network: {key} is {_shape(state[key])} there but {_shape(own[key])} here; "
                "are the classes, widths and head the same?"
            )
    fitting = OrderedDict((key, state[key]) for key in own)
    # Classes that have changed their names ask for the version of the file, which plain data lacks; these fit.
    fitting._metadata = own._metadata
    model.load_state_dict(fitting, assign=assign)
    return model


def state_dict_of(path: Path | str) -> dict[str, torch.Tensor]:
    """The {name: tensor} of a checkpoint from anywhere.

    Takes a bare state_dict or one under a key of `NESTED`, drops the prefixes that data-parallel training, averaging
    and compilation leave, and gives half precision back as float32.
    """
    state = tensors(tensor_files.read(path), path)
    # torch's averaged models count the averaged ones.
    state.pop("n_averaged", None)
    while prefix := next((prefix for prefix in PREFIXES if all(name.startswith(prefix) for name in state)), None):
        state = {name.removeprefix(prefix): tensor for name, tensor in state.items()}
    return state


def tensors(content: Any, path: Path | str) -> dict[str, torch.Tensor]:
    """The state_dict in what a file holds, in float32 where it was in half precision."""
    candidates = [content, *(content.get(key) for key in NESTED)] if isinstance(content, dict) else []
    state = next((candidate for candidate in candidates if _is_state(candidate)), None)
    if state is None:
        raise Refused(f"{path} holds no state_dict; save one with torch.save(model.state_dict(), path)")
    half = (torch.float16, torch.bfloat16)
    return {name: tensor.float() if tensor.dtype in half else tensor for name, tensor in state.items()}


def _is_state(candidate):
    return (
        isinstance(candidate, dict)
        and len(candidate) > 0
        and all(isinstance(tensor, torch.Tensor) for tensor in candidate.values())
    )


def listed(things: Sequence[Any], most: int = 3) -> str:
    more = len(things) - most
    return ", ".join(map(str, things[:most])) + (f" and {more} more" if more > 0 else "")


def _shape(tensor):
    return "x".join(map(str, tensor.shape)) or "a single number"
