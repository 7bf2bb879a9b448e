"""The state_dict of any file: found inside it, and loaded into a network."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from secateur import Refused
from secateur.models import tensor_files

# Keys under which training programs store the state_dict, beside the epoch and the optimizer's state.
NESTED = ("state_dict", "model_state_dict", "model", "net")
# Prefixes of every name after data-parallel training, averaging and compilation.
PREFIXES = ("module.", "_orig_mod.")
HALF = (torch.float16, torch.bfloat16)


def adopt(
    model: nn.Module, path: Path | str, state: Mapping[str, torch.Tensor] | None = None, assign: bool = False
) -> nn.Module:
    """The model itself, with the state_dict of a file (or `state`, which was read from there) loaded into it.

    `assign` puts the tensors themselves into the model. Raises Refused if the file belongs to another network. The
    counts of batches that BatchNorm has seen may be missing: only training without momentum reads them.
    """
    own = model.state_dict()
    if state is None:
        state = state_dict_of(path)
    state = {**_uncounted(own), **state}
    _refuse_other_names(path, own, state)
    _refuse_other_shapes(path, own, state)
    # Classes whose names have changed ask for the version of the file, which plain data lacks and the model's own
    # state_dict has; these names fit.
    own.update(state)
    shared = _shared(model)
    model.load_state_dict(own, assign=assign)
    for first, *others in shared:
        # Assigned tensors are parameters of their own, also where layers share one.
        for module, name in others:
            module._parameters[name] = first[0]._parameters[first[1]]
    return model


def _shared(model):
    """[(module, name), ...] of every parameter that stands in several places."""
    places: dict[int, list[tuple[nn.Module, str]]] = {}
    for module in model.modules():
        for name, parameter in module._parameters.items():
            if parameter is not None:
                places.setdefault(id(parameter), []).append((module, name))
    return [group for group in places.values() if len(group) > 1]


def _uncounted(own):
    """A state_dict of each BatchNorm's count of batches, 0."""
    return {key: torch.zeros((), dtype=torch.long) for key in own if key.endswith("num_batches_tracked")}


def _refuse_other_names(path, own, state):
    differences = []
    missing = _outside(state, own)
    if missing:
        differences.append(f"lacks {listed(missing)}")
    unexpected = _outside(own, state)
    if unexpected:
        differences.append(f"has {listed(unexpected)}")
    if differences:
        raise Refused(
            f"{path} belongs to another network: it {' and '.join(differences)}. Give a matching file, or model.name"
        )


def _outside(known, names):
    return [name for name in names if name not in known]


def _refuse_other_shapes(path, own, state):
    for key in own:
        if own[key].shape != state[key].shape:
            raise Refused(
                f"{path} belongs to another network: {key} is {_shape(state[key])} there but {_shape(own[key])} here; "
                "are the classes, widths and head the same?"
            )


def state_dict_of(path: Path | str) -> dict[str, torch.Tensor]:
    """The {name: tensor} of a checkpoint of any origin.

    Takes a bare state_dict or one under a key of `NESTED`, drops the prefixes of data-parallel training, averaging and
    compilation, and converts half precision to float32. Raises Refused for a file without a state_dict.
    """
    state = tensors(tensor_files.read(path), path)
    # torch's averaged models store the count of averaged models here.
    state.pop("n_averaged", None)
    while prefix := _common_prefix(state):
        state = {name.removeprefix(prefix): tensor for name, tensor in state.items()}
    return state


def _common_prefix(state):
    """The one of PREFIXES that all names begin with, or None."""
    for prefix in PREFIXES:
        if state and all(name.startswith(prefix) for name in state):
            return prefix
    return None


def tensors(content: Any, path: Path | str) -> dict[str, torch.Tensor]:
    """The state_dict in the content of a file, in float32 where it was in half precision; Refused if there is none."""
    state = _state_in(content)
    if state is None:
        raise Refused(f"{path} holds no state_dict; save one with torch.save(model.state_dict(), path)")
    return {name: _without_half(tensor) for name, tensor in state.items()}


def _state_in(content):
    """The content itself, or the first of its parts that is a state_dict."""
    if not isinstance(content, dict):
        return None
    for candidate in (content, *map(content.get, NESTED)):
        if _is_state(candidate):
            return candidate
    return None


def _is_state(candidate):
    if not isinstance(candidate, dict) or not candidate:
        return False
    return all(isinstance(tensor, torch.Tensor) for tensor in candidate.values())


def _without_half(tensor):
    if tensor.dtype in HALF:
        return tensor.float()
    return tensor


def listed(things: Sequence[Any], most: int = 3) -> str:
    """Things as text; beyond the first `most`, their count."""
    named = ", ".join(map(str, things[:most]))
    if len(things) > most:
        return f"{named} and {len(things) - most} more"
    return named


def _shape(tensor):
    return "x".join(map(str, tensor.shape)) or "a single number"
