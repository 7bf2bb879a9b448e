"""A smaller network as files that stand alone: weights, architecture, a program of torch.export, ONNX.

Nothing here is pickled. The architecture is plain data: a description of the dense network, and the removed channels.
"""

import contextlib
import hashlib
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import torch
from torch import fx, nn

from secateur import Refused, __version__
from secateur.artifacts import files
from secateur.models import checkpoints
from secateur.models.description import NetworkDescription
from secateur.pruning import groups, removal, stored
from secateur.units import coupling

FILES = (stored.WEIGHTS, stored.ARCHITECTURE, stored.PROGRAM, stored.ONNX)
INPUT, OUTPUT = "images", "logits"
# Largest difference of a file's logits from torch's on the same images, as a share of their range.
TOLERANCE = 1e-4


def write(
    model: nn.Module,
    channels: dict[str, list[int]],
    example: torch.Tensor,
    folder: Path | str,
    described: NetworkDescription,
    facts: dict[str, Any],
    state: dict[str, torch.Tensor] | None = None,
) -> dict[str, float]:
    """Export a model without `channels`, {layer: [index, ...]}, into a folder: all FILES, or none.

    `example` is a batch of real images (N, C, H, W), normalised as in training; `described` and `facts` are those of
    `checkpoints.save`; `state` is the smaller model's state_dict if it was retrained. Every file is read again, and its
    logits are compared with those of the smaller model, on the whole batch and on its first image. Returns {file:
    largest difference as a share of the logits' range}. Raises Refused where layers would be empty and all images get
    the same logits, RuntimeError where logits differ by more than TOLERANCE.
    """
    _refuse_other_images(example, described)
    followed = coupling.followed(model, example)
    _refuse_constant(model, channels, followed)
    smaller = removal.removed(model, channels, example, followed).cpu().eval()
    if state is not None:
        stored.add_biases(smaller, state)
        smaller.load_state_dict(state)
    with contextlib.ExitStack() as whole:
        paths = {name: whole.enter_context(files.replacing(Path(folder) / name)) for name in FILES}
        _write_weights(smaller, paths[stored.WEIGHTS])
        architecture = _architecture(described, facts, channels, paths[stored.WEIGHTS])
        paths[stored.ARCHITECTURE].write_text(architecture, encoding="utf-8")
        program = _program(smaller, example)
        with paths[stored.PROGRAM].open("wb") as file:
            torch.export.save(program, file)
        paths[stored.ONNX].write_bytes(_as_onnx(program))
        differences = {name: difference(smaller, run, example.cpu()) for name, run in _runs(paths).items()}
        _refuse_differences(differences, folder)
    return differences


def _refuse_differences(differences, folder):
    for name, difference in differences.items():
        # Written so that NaN is refused too.
        if not difference <= TOLERANCE:
            raise RuntimeError(
                f"{name} differs from torch by {difference:.3g} of the logits' range, more than {TOLERANCE:g}: "
                f"nothing was written to {folder}. Please report it with the model"
            )


def runner(path: Path | str) -> Callable[[torch.Tensor], torch.Tensor]:
    """A function from images (N, C, H, W) to logits (N, classes) that runs an ONNX file in onnxruntime on a CPU."""
    onnxruntime = stored.needed("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = torch.get_num_threads(), 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda images: torch.from_numpy(session.run([OUTPUT], {INPUT: images.numpy()})[0])


def _refuse_constant(model, channels, followed):
    empty = groups.collapsed(model, channels)
    if empty and groups.is_constant(followed, channels):
        raise Refused(
            f"nothing would be left of {', '.join(empty)}, and such a network gives all images the same logits: "
            "export a lower level, or keep a part of every layer by evaluation.keep_at_least"
        )


def _refuse_other_images(example, described):
    if tuple(example.shape[1:]) != tuple(described.shape):
        raise Refused(f"the network takes images of {list(described.shape)}, but these are {list(example.shape[1:])}")


def _write_weights(model, path):
    # Copies, because tensors that share memory cannot be stored.
    state = {name: tensor.detach().contiguous().clone() for name, tensor in model.state_dict().items()}
    stored.needed("safetensors.torch").save_file(state, path, metadata={"format": "pt"})


def _architecture(described, facts, channels, weights):
    """The content of architecture.json, as text; the provenance of the checkpoint is left to the manifest."""
    known = {key: value for key, value in facts.items() if key != "provenance"}
    content = {
        "format": stored.FORMAT,
        "secateur": __version__,
        "about": checkpoints.about_of(described, known),
        "removed": {layer: sorted(map(int, index)) for layer, index in channels.items() if len(index)},
        "weights_sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
    }
    # A line for each key: one for each channel would be thousands.
    lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in content.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _program(model, example):
    """The torch.export program for batches of any size, without the paths of source files that torch records in it."""
    # Zeros, because the file stores them; two, because a batch of one would become a constant.
    images = torch.zeros(2, *example.shape[1:], dtype=example.dtype)
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.export.export(model, (images,), dynamic_shapes=({0: torch.export.Dim("batch")},))
    except Exception as error:
        reason = str(error).strip().split("\n")[0]
        raise Refused(
            f"torch.export cannot take {type(model).__name__} for batches of any size: {reason}. Its forward must not "
            "turn the number of images into a constant"
        ) from error
    for module in program.graph_module.modules():
        if isinstance(module, fx.GraphModule):
            for node in module.graph.nodes:
                node.meta.pop("stack_trace", None)
    return program


def _as_onnx(program):
    """The bytes of the ONNX model of a torch.export program, weights inside."""
    stored.needed("onnx")
    stored.needed("onnxscript")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        onnx_program = torch.onnx.export(
            program, dynamo=True, verbose=False, input_names=[INPUT], output_names=[OUTPUT]
        )
    # With `dynamo`, torch always returns a program.
    return cast(torch.onnx.ONNXProgram, onnx_program).model_proto.SerializeToString()


def _runs(paths):
    """{file: function from images to logits} of the written files."""
    with paths[stored.PROGRAM].open("rb") as file:
        program = torch.export.load(file).module()
    return {
        stored.WEIGHTS: stored.read_files(paths[stored.ARCHITECTURE], paths[stored.WEIGHTS]).model,
        stored.PROGRAM: program,
        stored.ONNX: runner(paths[stored.ONNX]),
    }


@torch.no_grad()
def difference(model: nn.Module, run: Callable[[torch.Tensor], torch.Tensor], images: torch.Tensor) -> float:
    """Largest difference of the logits of `run` from the model's, on a batch and on its first image alone.

    A share of the range of the logits.
    """
    wanted = model(images)
    scale = (wanted.max() - wanted.min()).clamp_min(torch.finfo(wanted.dtype).tiny)
    alone = (run(images[:1]) - model(images[:1])).abs().max()
    return float(torch.maximum((run(images) - wanted).abs().max(), alone) / scale)
