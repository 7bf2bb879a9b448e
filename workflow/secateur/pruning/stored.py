"""Smaller networks read from disk: exported folders, and files of retrained networks."""

import hashlib
import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import torch
from torch import nn

from secateur import Refused, __version__
from secateur.models import checkpoints, state_dicts, tensor_files
from secateur.models.checkpoints import Checkpoint
from secateur.models.description import NEEDED, NetworkDescription
from secateur.pruning import removal
from secateur.units import coupling

FORMAT = 1  # of architecture.json; changes with its structure
WEIGHTS, ARCHITECTURE = "weights.safetensors", "architecture.json"
PROGRAM, ONNX = "model.pt2", "model.onnx"
KEYS = ("format", "about", "removed", "weights_sha256")
REMEDY = "copy the whole folder again, or export again"


def load(path: Path | str) -> nn.Module:
    """The smaller model, in eval mode, of an exported folder or of a retrained network's file; errors as by `read`."""
    return read(path).model


def read(path: Path | str) -> Checkpoint:
    """The Checkpoint of a smaller network: an exported folder, or the .pt file of a retrained network.

    Raises Refused for a file that is damaged or of another kind or format, FileNotFoundError for one that is missing;
    both name the file and a remedy.
    """
    path = Path(path)
    if path.is_file():
        return _retrained(path)
    return read_files(path / ARCHITECTURE, path / WEIGHTS)


def read_files(architecture: Path, weights: Path) -> Checkpoint:
    """The Checkpoint of an exported network from its two files; errors as by `read`."""
    content = _architecture(architecture)
    state = _state(weights, content["weights_sha256"])
    return _checkpoint(content["about"], content["removed"], state, architecture, weights, REMEDY)


def _retrained(path):
    content = tensor_files.read(path)
    about = checkpoints.about_in(content)
    if about is None or "removed" not in about:
        raise Refused(f"{path} is no retrained network of this workflow; checkpoints.load reads dense ones")
    if about.get("constant"):
        empty = ", ".join(about.get("empty", []))
        raise Refused(f"{path} holds no network: nothing was left of {empty}, so that nothing was retrained")
    state = state_dicts.tensors(content, path)
    return _checkpoint(about, about["removed"], state, path, path, "retrain the network again")


def _checkpoint(about, removed, state, architecture, weights, remedy):
    """The Checkpoint of a network without the removed channels, with a state_dict; errors name the two files."""
    # On the meta device nothing is drawn or allocated, but tensors that no state_dict holds have no values there.
    for device in ("meta", "cpu"):
        try:
            described = NetworkDescription.from_dict(about)
            dense = checkpoints.built(described, device)
            smaller = removal.narrowed(dense, removed, coupling.followed(dense, described.zeros(1)))
        except (ValueError, TypeError, IndexError, AttributeError, KeyError) as error:
            reason = str(error).split("\n")[0]
            raise Refused(f"{architecture} describes no network that can be built here ({reason}); {remedy}") from error
        add_biases(smaller, state)
        model = state_dicts.adopt(smaller, weights, state, assign=True)
        if not any(tensor.is_meta for tensor in (*model.parameters(), *model.buffers())):
            break
    return Checkpoint(model.eval(), described, checkpoints.facts_of(about))


def add_biases(model: nn.Module, state: Mapping[str, torch.Tensor]) -> None:
    """Give layers the biases of a state_dict that a reconstruction gave them, where the dense network has none."""
    for name, tensor in state.items():
        layer, _, last = name.rpartition(".")
        if last != "bias" or name in model.state_dict():
            continue
        try:
            module = model.get_submodule(layer)
        except AttributeError:
            continue
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            module.bias = nn.Parameter(torch.empty_like(tensor))


def _architecture(path):
    """The checked content of an architecture.json."""
    try:
        content = json.loads(_bytes(path))
    except ValueError as error:
        raise Refused(f"{path} is damaged ({error}); {REMEDY}") from error
    if not isinstance(content, dict) or not all(key in content for key in KEYS):
        raise Refused(f"{path} describes no exported network: it must have {', '.join(KEYS)}; {REMEDY}")
    if content["format"] != FORMAT:
        raise Refused(
            f"{path} is of format {content['format']}, written by secateur {content.get('secateur')}; this is secateur "
            f"{__version__}, which reads format {FORMAT}: install that version, or export again"
        )
    about = content["about"]
    if not isinstance(about, dict):
        raise Refused(f"{path} describes no exported network: its about is {about!r}; {REMEDY}")
    missing = [key for key in NEEDED if key not in about]
    if missing:
        raise Refused(f"{path} describes no exported network: its about lacks {', '.join(missing)}; {REMEDY}")
    return content


def _state(path, sha256):
    """The tensors of a file of weights, checked against its SHA-256: safetensors has no checksum of its own."""
    content = _bytes(path)
    if hashlib.sha256(content).hexdigest() != sha256:
        raise Refused(f"{path} is damaged, or of another export: its SHA-256 is not {str(sha256)[:16]}...; {REMEDY}")
    return needed("safetensors.torch").load(content)


def _bytes(path):
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FileNotFoundError(
            f"there is no {path}; an exported network is a folder with {ARCHITECTURE} and {WEIGHTS}: {REMEDY}"
        ) from error


def needed(name: str) -> ModuleType:
    """A module of the optional dependencies `export`; ImportError says how to install them."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise ImportError(f"{package} is not installed; install it with: pip install 'secateur[export]'") from error
