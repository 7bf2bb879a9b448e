"""Models and images that cannot be explained, refused in one line."""

from collections.abc import Collection

import torch
from torch import fx, nn

from secateur import Refused


def unknown(name: str, value: str, allowed: Collection[str]) -> None:
    """Refuse a choice that is none of those allowed."""
    if value not in allowed:
        raise Refused(f"{name} must be one of {', '.join(allowed)}, got {value!r}")


def unusable(model: nn.Module) -> None:
    """Refuse a model in train mode, or with weights that are not finite."""
    if model.training:
        raise Refused("the model is in train mode, where dropout and BatchNorm draw and count; call model.eval() first")
    for name, values in (*model.named_parameters(), *model.named_buffers()):
        bad = int((~values.isfinite()).sum())
        if bad:
            raise Refused(
                f"the weights {name} hold {bad} values that are NaN or infinite, so relevance would be too; "
                "take an earlier checkpoint, or train again with a lower learning rate"
            )


def unreadable(images: torch.Tensor) -> None:
    """Refuse images that are no floats (N, C, H, W), or not finite."""
    if images.dim() != 4 or not images.is_floating_point():
        raise Refused(
            "images must be floats (N, C, H, W), normalised as the model expects; "
            f"got {images.dtype} {tuple(images.shape)}"
        )
    broken = (~images.isfinite().flatten(1).all(1)).nonzero().flatten().tolist()
    if broken:
        raise Refused(
            f"{len(broken)} of {len(images)} images of the batch hold NaN or infinity, first image {broken[0]}; "
            "leave such images out, or mend what reads or normalises them"
        )


def other_size(node: fx.Node, module: nn.Module, x: torch.Tensor, copies: int) -> None:
    """Refuse the input of a layer that has other channels or features; each stands for `copies` equal ones."""
    if isinstance(module, nn.Conv2d) and x.shape[1] != module.in_channels:
        raise Refused(
            f"the layer {node.target} reads {module.in_channels} channels, but was given {x.shape[1]}: "
            "are these the images that the model was trained on?"
        )
    if isinstance(module, nn.Linear) and x.shape[-1] * copies != module.in_features:
        raise Refused(
            f"the layer {node.target} reads {module.in_features} values of an image, but was given "
            f"{x.shape[-1] * copies}: are the images as large as those that the model was trained on?"
        )
