"""A smaller network read from the files of an export."""

import hashlib
import importlib
import json
from pathlib import Path

import torch

from secateur import Refused, __version__
from secateur.models import checkpoints, state_dicts
from secateur.pruning import removal
from secateur.units import coupling

# Another number is another shape of architecture.json.
FORMAT = 1
WEIGHTS, ARCHITECTURE, PROGRAM, ONNX = "weights.safetensors", "architecture.json", "model.pt2", "model.onnx"
KEYS = ("format", "about", "removed", "weights_sha256")
AGAIN = "copy the whole folder again, or export again"


def read(folder):
    """(model in eval mode, about) of a folder that `write` made; an error names the file and what to do about it."""
    return read_files(Path(folder) / ARCHITECTURE, Path(folder) / WEIGHTS)


def read_files(architecture, weights):
    facts = _facts(architecture)
    state = _state(weights, facts["weights_sha256"])
    # On the meta device nothing is drawn and nothing allocated; but what no state_dict holds has no values there.
    for device in ("meta", "cpu"):
        model = state_dicts.adopt(_rebuilt(facts, device, architecture), weights, state, assign=True)
        if not any(tensor.is_meta for tensor in (*model.parameters(), *model.buffers())):
            break
    return model.eval(), facts["about"]


def _rebuilt(facts, device, path):
    """The smaller network without its weights."""
    about = facts["about"]
    try:
        dense = checkpoints.built(about, device)
        return removal.narrowed(dense, facts["removed"], coupling.followed(dense, torch.zeros(1, *about["shape"])))
    except (ValueError, TypeError, IndexError) as error:
        raise Refused(f"{path} describes no network that can be built here ({error}); {AGAIN}") from error


def _facts(path):
    """What an architecture.json says."""
    try:
        facts = json.loads(_bytes(path))
    except ValueError as error:
        raise Refused(f"{path} is damaged ({error}); {AGAIN}") from error
    if not isinstance(facts, dict) or any(key not in facts for key in KEYS):
        raise Refused(f"{path} describes no exported network: it must have {', '.join(KEYS)}; {AGAIN}")
    if facts["format"] != FORMAT:
        raise Refused(
            f"{path} is of format {facts['format']}, written by secateur {facts.get('secateur')}; this is secateur "
            f"{__version__}, which reads format {FORMAT}: install that version, or export again"
        )
    missing = [key for key in checkpoints.NEEDED if key not in facts["about"]]
    if missing:
        raise Refused(f"{path} describes no exported network: its about lacks {', '.join(missing)}; {AGAIN}")
    return facts


def _state(path, sha256):
    """The tensors of a file of weights; safetensors has no checksum of its own."""
    content = _bytes(path)
    if hashlib.sha256(content).hexdigest() != sha256:
        raise Refused(f"{path} is damaged, or of another export: its SHA-256 is not {sha256[:16]}...; {AGAIN}")
    return needed("safetensors.torch").load(content)


def _bytes(path):
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FileNotFoundError(
            f"there is no {path}; an exported network is a folder with {ARCHITECTURE} and {WEIGHTS}: {AGAIN}"
        ) from error


def needed(name):
    """A module of the extra `export`, which not everyone has."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise ImportError(f"{package} is not installed; install it with: pip install 'secateur[export]'") from error


def load(folder):
    """The smaller model that was exported into a folder, in eval mode; an error names the file and the remedy."""

    return read(folder)[0]
