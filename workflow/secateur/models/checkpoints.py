"""A network on disk: its state_dict, and plain data from which the network can be built again.

Only tensors and plain data are ever read (`weights_only=True`), so that a checkpoint cannot run code.
"""

import torch

from secateur import Refused
from secateur.models import description, state_dicts, tensor_files

NEEDED = ("name", "arguments", "classes", "shape")


def save(path, model, about):
    """Write a checkpoint; equal networks with equal `about` are equal files.

    `about` is plain data: the model's `name` and `arguments` (and its `factory`, for a network of the user's own), the
    names of the `classes`, the `shape` (C, H, W) of an image, and whatever else is worth keeping.
    """
    missing = [key for key in NEEDED if key not in about]
    if missing:
        raise Refused(f"about lacks {', '.join(missing)}: a checkpoint needs {', '.join(NEEDED)}")
    state = {name: tensor.detach().cpu() for name, tensor in model.state_dict().items()}
    tensor_files.write(path, {"state_dict": state, "about": about})


def load(path, device="cpu"):
    """(model in eval mode, about) of a checkpoint that `save` wrote; Refused says what is wrong with any other.

    A network of the user's own is made by its factory, which must be importable from the working folder and be code of
    the user's own.
    """
    content = tensor_files.read(path)
    about = content.get("about") if isinstance(content, dict) else None
    if not isinstance(about, dict) or any(key not in about for key in NEEDED):
        raise Refused(
            f"{path} is no checkpoint of this workflow: it does not say which network it holds. "
            "Give it as model.weights and train with epochs: 0 to make one of it"
        )
    model = built(about)
    return state_dicts.adopt(model, path, state_dicts.tensors(content, path), assign=True).to(device).eval(), about


def built(about, device="meta"):
    """The network of a checkpoint before its weights are put in; no random number is drawn from the caller's.

    On the meta device nothing is drawn and nothing allocated: for VGG16 that saves seconds and half a gigabyte. What a
    factory does may need real tensors.
    """
    with torch.random.fork_rng(devices=[]), torch.device("cpu" if about.get("factory") else device):
        return description.described(about, len(about["classes"]))


def same_images(about, images, path):
    """Refuse `store.Images` of other classes, shape or normalisation than those the checkpoint was trained on."""
    shown = {"classes": images.classes, "shape": images.pixels.shape[1:], "mean": images.mean, "std": images.std}
    for key, value in shown.items():
        if key in about and list(about[key]) != list(value):
            raise Refused(
                f"{path} was trained on images whose {key} is {state_dicts.listed(about[key])}, but the {key} of these "
                f"is {state_dicts.listed(value)}; train on these images first"
            )
