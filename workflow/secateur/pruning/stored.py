"""A smaller network read from a file: of an export, or of a network that was retrained."""

import hashlib
import importlib
import json
from pathlib import Path
from types import ModuleType

from torch import nn

from secateur import Refused, __version__
from secateur.models import checkpoints, state_dicts, tensor_files
from secateur.models.checkpoints import Checkpoint
from secateur.models.description import NEEDED, NetworkDescription
from secateur.pruning import removal
from secateur.units import coupling

# Another number is another shape of architecture.json.
FORMAT = 1
WEIGHTS, ARCHITECTURE, PROGRAM, ONNX = "weights.safetensors", "architecture.json", "model.pt2", "model.onnx"
KEYS = ("format", "about", "removed", "weights_sha256")
AGAIN = "copy the whole folder again, or export again"


def load(path: Path | str) -> nn.Module:
    """The smaller model, in eval mode, of an exported folder or of a retrained network's file, as `read` takes them."""
    return read(path).model


def read(path: Path | str) -> Checkpoint:
    """The Checkpoint of a smaller network: a folder that was exported, or the .pt file of one that was retrained.

    An error names the file and what to do about it.
    """
    path = Path(path)
    return _retrained(path) if path.is_file() else read_files(path / ARCHITECTURE, path / WEIGHTS)


def read_files(architecture: Path, weights: Path) -> Checkpoint:
    """The Checkpoint of an export's two files."""
    facts = _facts(architecture)
    state = _state(weights, facts["weights_sha256"])
    return _read(facts["about"], facts["removed"], state, architecture, weights, AGAIN)


def _retrained(path):
    content = tensor_files.read(path)
    about = content.get("about") if isinstance(content, dict) else None
    if not isinstance(about, dict) or "removed" not in about:
        raise Refused(f"{path} is no retrained network of this workflow; checkpoints.load reads dense ones")
    if about.get("constant"):
        empty = ", ".join(about.get("empty", []))
        raise Refused(f"{path} holds no network: nothing was left of {empty}, so that nothing was retrained")
    return _read(about, about["removed"], state_dicts.tensors(content, path), path, path, "retrain the network again")


def _read(about, removed, state, architecture, weights, remedy):
    """The Checkpoint of a network without the removed channels, with a state_dict; errors name the two files."""
    # On the meta device nothing is drawn and nothing allocated; but what no state_dict holds has no values there.
    for device in ("meta", "cpu"):
        try:
            described = NetworkDescription.from_dict(about)
            dense = checkpoints.built(described, device)
            smaller = removal.narrowed(dense, removed, coupling.followed(dense, described.zeros(1)))
        except (ValueError, TypeError, IndexError, AttributeError, KeyError) as error:
            reason = str(error).split("\n")[0]
            raise Refused(f"{architecture} describes no network that can be built here ({reason}); {remedy}") from error
        model = state_dicts.adopt(smaller, weights, state, assign=True)
        if not any(tensor.is_meta for tensor in (*model.parameters(), *model.buffers())):
            break
    return Checkpoint(model.eval(), described, checkpoints.facts_of(about, described))


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
    if not isinstance(facts["about"], dict):
        raise Refused(f"{path} describes no exported network: its about is {facts['about']!r}; {AGAIN}")
    missing = [key for key in NEEDED if key not in facts["about"]]
    if missing:
        raise Refused(f"{path} describes no exported network: its about lacks {', '.join(missing)}; {AGAIN}")
    return facts


def _state(path, sha256):
    """The tensors of a file of weights; safetensors has no checksum of its own."""
    content = _bytes(path)
    if hashlib.sha256(content).hexdigest() != sha256:
        raise Refused(f"{path} is damaged, or of another export: its SHA-256 is not {str(sha256)[:16]}...; {AGAIN}")
    return needed("safetensors.torch").load(content)


def _bytes(path):
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FileNotFoundError(
            f"there is no {path}; an exported network is a folder with {ARCHITECTURE} and {WEIGHTS}: {AGAIN}"
        ) from error


def needed(name: str) -> ModuleType:
    """A module of the extra `export`, which not everyone has."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise ImportError(f"{package} is not installed; install it with: pip install 'secateur[export]'") from error
