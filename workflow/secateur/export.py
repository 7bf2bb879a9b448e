"""A smaller network as files that stand alone: weights, architecture, a program of torch.export, ONNX.

Nothing here is pickled. The architecture is plain data: how the dense network was built, and which channels are gone.
"""

import contextlib
import hashlib
import importlib
import json
import warnings
from pathlib import Path

import torch
from torch import fx

from secateur import __version__, checkpoints, files, flow, pruning

# Another number is another shape of architecture.json.
FORMAT = 1
WEIGHTS, ARCHITECTURE, PROGRAM, ONNX = "weights.safetensors", "architecture.json", "model.pt2", "model.onnx"
FILES = (WEIGHTS, ARCHITECTURE, PROGRAM, ONNX)
INPUT, OUTPUT = "images", "logits"
# By how much a file's logits may differ from torch's on the same images, as a share of their range.
TOLERANCE = 1e-4
KEYS = ("format", "about", "removed", "weights_sha256")
AGAIN = "copy the whole folder again, or export again"


def write(model, channels, example, folder, about, state=None):
    """Export a model without `channels`, {layer: [index, ...]}, into a folder: all FILES, or none.

    `example` is a batch of real images (N, C, H, W), normalised as the model expects, `about` what `checkpoints.save`
    takes; `state` is the smaller model's state_dict where it is no longer what the dense one's leaves, after retraining
    say. Every file is read again, and its logits are compared with those of the smaller model, on the whole batch and
    on its first image. Gives back {file: largest difference as a share of the logits' range}. Raises ValueError where
    layers would be empty and every image answered alike, RuntimeError where logits differ by more than TOLERANCE.
    """
    _refuse_other_images(example, about)
    followed = flow.followed(model, example)
    _refuse_constant(model, channels, followed)
    smaller = pruning.removed(model, channels, example, followed).cpu().eval()
    if state is not None:
        smaller.load_state_dict(state)
    with contextlib.ExitStack() as whole:
        paths = {name: whole.enter_context(files.replacing(Path(folder) / name)) for name in FILES}
        _write_weights(smaller, paths[WEIGHTS])
        paths[ARCHITECTURE].write_text(_architecture(about, channels, paths[WEIGHTS]), encoding="utf-8")
        program = _program(smaller, example)
        with paths[PROGRAM].open("wb") as file:
            torch.export.save(program, file)
        paths[ONNX].write_bytes(_as_onnx(program))
        differences = {name: _difference(smaller, run, example.cpu()) for name, run in _runs(paths).items()}
        for name, difference in differences.items():
            # Written so that NaN is refused too.
            if not difference <= TOLERANCE:
                raise RuntimeError(
                    f"{name} differs from torch by {difference:.3g} of the logits' range, more than {TOLERANCE:g}: "
                    f"nothing was written to {folder}. Please report it with the model"
                )
    return differences


def read(folder):
    """(model in eval mode, about) of a folder that `write` made; an error names the file and what to do about it."""
    return _read(Path(folder) / ARCHITECTURE, Path(folder) / WEIGHTS)


def runner(path):
    """A function from images (N, C, H, W) to logits (N, classes) that runs an ONNX file in onnxruntime on a CPU."""
    onnxruntime = _needed("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = torch.get_num_threads(), 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda images: torch.from_numpy(session.run([OUTPUT], {INPUT: images.numpy()})[0])


def _refuse_constant(model, channels, followed):
    empty = pruning.collapsed(model, channels)
    if empty and pruning.is_constant(followed, channels):
        raise ValueError(
            f"nothing would be left of {', '.join(empty)}, and such a network gives every image the same answer: "
            "export a lower level, or keep a part of every layer by evaluation.keep_at_least"
        )


def _refuse_other_images(example, about):
    missing = [key for key in checkpoints.NEEDED if key not in about]
    if missing:
        raise ValueError(f"about lacks {', '.join(missing)}: an export needs {', '.join(checkpoints.NEEDED)}")
    if list(example.shape[1:]) != list(about["shape"]):
        raise ValueError(f"about.shape is {list(about['shape'])}, but the images are {list(example.shape[1:])}")


def _write_weights(model, path):
    # Copies, because tensors that share memory cannot be stored.
    state = {name: tensor.detach().contiguous().clone() for name, tensor in model.state_dict().items()}
    _needed("safetensors.torch").save_file(state, path, metadata={"format": "pt"})


def _architecture(about, channels, weights):
    """What rebuilds the network, as text; where the checkpoint came from stays with the manifest."""
    facts = {
        "format": FORMAT,
        "secateur": __version__,
        "about": {key: value for key, value in about.items() if key != "provenance"},
        "removed": {layer: sorted(map(int, index)) for layer, index in channels.items() if len(index)},
        "weights_sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
    }
    # A line for each key: one for each channel would be thousands.
    return "{\n" + ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in facts.items()) + "\n}\n"


def _program(model, example):
    """The torch.export program for batches of any size, without the paths of source files that torch notes in it."""
    # Zeros, because the file keeps them; two, because a batch of one would become a constant.
    images = torch.zeros(2, *example.shape[1:], dtype=example.dtype)
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.export.export(model, (images,), dynamic_shapes=({0: torch.export.Dim("batch")},))
    except Exception as error:
        reason = str(error).strip().split("\n")[0]
        raise ValueError(
            f"torch.export cannot take {type(model).__name__} for batches of any size: {reason}. Its forward must not "
            "turn the number of images into a constant"
        ) from error
    for module in program.graph_module.modules():
        for node in module.graph.nodes if isinstance(module, fx.GraphModule) else ():
            node.meta.pop("stack_trace", None)
    return program


def _as_onnx(program):
    """The bytes of the ONNX model of a torch.export program, weights inside."""
    _needed("onnx")
    _needed("onnxscript")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = torch.onnx.export(program, dynamo=True, verbose=False, input_names=[INPUT], output_names=[OUTPUT])
    return made.model_proto.SerializeToString()


def _runs(paths):
    """{file: function from images to logits} of what was written, each read from its file."""
    with paths[PROGRAM].open("rb") as file:
        program = torch.export.load(file).module()
    return {
        WEIGHTS: _read(paths[ARCHITECTURE], paths[WEIGHTS])[0],
        PROGRAM: program,
        ONNX: runner(paths[ONNX]),
    }


@torch.no_grad()
def _difference(model, run, images):
    """How far `run` is from the model's logits on a batch and on its first image alone, as a share of their range."""
    wanted = model(images)
    scale = (wanted.max() - wanted.min()).clamp_min(torch.finfo(wanted.dtype).tiny)
    alone = (run(images[:1]) - model(images[:1])).abs().max()
    return float(torch.maximum((run(images) - wanted).abs().max(), alone) / scale)


def _read(architecture, weights):
    facts = _facts(architecture)
    state = _state(weights, facts["weights_sha256"])
    # On the meta device nothing is drawn and nothing allocated; but what no state_dict holds has no values there.
    for device in ("meta", "cpu"):
        model = checkpoints.adopt(_rebuilt(facts, device, architecture), weights, state, assign=True)
        if not any(tensor.is_meta for tensor in (*model.parameters(), *model.buffers())):
            break
    return model.eval(), facts["about"]


def _rebuilt(facts, device, path):
    """The smaller network without its weights."""
    about = facts["about"]
    try:
        dense = checkpoints.built(about, device)
        return pruning.narrowed(dense, facts["removed"], flow.followed(dense, torch.zeros(1, *about["shape"])))
    except (ValueError, TypeError, IndexError) as error:
        raise ValueError(f"{path} describes no network that can be built here ({error}); {AGAIN}") from error


def _facts(path):
    """What an architecture.json says."""
    try:
        facts = json.loads(_bytes(path))
    except ValueError as error:
        raise ValueError(f"{path} is damaged ({error}); {AGAIN}") from error
    if not isinstance(facts, dict) or any(key not in facts for key in KEYS):
        raise ValueError(f"{path} describes no exported network: it must have {', '.join(KEYS)}; {AGAIN}")
    if facts["format"] != FORMAT:
        raise ValueError(
            f"{path} is of format {facts['format']}, written by secateur {facts.get('secateur')}; this is secateur "
            f"{__version__}, which reads format {FORMAT}: install that version, or export again"
        )
    missing = [key for key in checkpoints.NEEDED if key not in facts["about"]]
    if missing:
        raise ValueError(f"{path} describes no exported network: its about lacks {', '.join(missing)}; {AGAIN}")
    return facts


def _state(path, sha256):
    """The tensors of a file of weights; safetensors has no checksum of its own."""
    content = _bytes(path)
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ValueError(f"{path} is damaged, or of another export: its SHA-256 is not {sha256[:16]}...; {AGAIN}")
    return _needed("safetensors.torch").load(content)


def _bytes(path):
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FileNotFoundError(
            f"there is no {path}; an exported network is a folder with {ARCHITECTURE} and {WEIGHTS}: {AGAIN}"
        ) from error


def _needed(name):
    """A module of the extra `export`, which not everyone has."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise ImportError(f"{package} is not installed; install it with: pip install 'secateur[export]'") from error
