"""Rows of a layer's inputs and answers: one for each position of its maps."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Layer = nn.Conv2d | nn.Linear


def maps_of(tensor: Tensor, layer: Layer) -> Tensor:
    """A layer's input or output as maps (N, C, H, W); features of linear layers lie last."""
    if isinstance(layer, nn.Linear):
        features = tensor.flatten(1, -2) if tensor.dim() > 2 else tensor[:, None]
        return features.transpose(1, 2)[..., None]
    return tensor


def rows_of(maps: Tensor, images: Tensor, places: Tensor) -> Tensor:
    """(rows, C) of maps (N, C, H, W) at places in (H x W) of some images."""
    by_place = maps.flatten(2).transpose(1, 2)
    return by_place[images.to(maps.device), places.to(maps.device)]


def patches(block: Tensor, module: Layer, size: tuple[int, int], images: Tensor, places: Tensor) -> Tensor:
    """(rows, kernel positions x channels) that a layer reads to answer at some places of its maps."""
    if isinstance(module, nn.Linear):
        return rows_of(maps_of(block, module), images, places)
    framed = padded(block, module)
    width = framed.shape[3]
    corner = places // size[1] * module.stride[0] * width + places % size[1] * module.stride[1]
    (high, wide), (down, right) = module.kernel_size, module.dilation
    offsets = (torch.arange(high)[:, None] * down * width + torch.arange(wide) * right).flatten()
    read = (corner[:, None] + offsets).to(block.device)
    by_place = framed.flatten(2).transpose(1, 2).contiguous()
    return by_place[images.to(block.device)[:, None], read].flatten(1)


def padded(block: Tensor, module: nn.Conv2d) -> Tensor:
    """The input of a convolution with its padding."""
    pads = module._reversed_padding_repeated_twice
    mode = "constant" if module.padding_mode == "zeros" else module.padding_mode
    return F.pad(block, pads, mode=mode) if any(pads) else block


def as_rows(weight: Tensor) -> Tensor:
    """(outputs, kernel positions x inputs) of a weight, in the order of `patches`."""
    return weight.permute(0, 2, 3, 1).flatten(1) if weight.dim() == 4 else weight


def as_weight(rows: Tensor, like: Tensor) -> Tensor:
    """A weight of the shape of another from rows as those of `as_rows`."""
    if like.dim() == 2:
        return rows
    outputs, inputs, height, width = like.shape
    return rows.reshape(outputs, height, width, inputs).permute(0, 3, 1, 2)
