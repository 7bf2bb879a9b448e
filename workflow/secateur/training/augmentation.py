"""Random changes to training images, on whole batches (N, C, H, W) of uint8 or float pixels."""

import torch
from torch.nn import functional as F


def flipped(pixels: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Every image is mirrored left to right with probability one half."""
    chosen = torch.rand(len(pixels), generator=generator) < 0.5
    return torch.where(chosen.view(-1, 1, 1, 1).to(pixels.device), pixels.flip(3), pixels)


def rotated(pixels: torch.Tensor, degrees: float, generator: torch.Generator) -> torch.Tensor:
    """Every image is turned about its middle by an angle drawn evenly from -degrees to degrees."""
    angles = (torch.rand(len(pixels), generator=generator, dtype=torch.float64) * 2 - 1) * degrees
    return turned(pixels, angles.to(pixels.device))


def turned(pixels: torch.Tensor, angles: torch.Tensor) -> torch.Tensor:
    """Every image is turned counter-clockwise by its angle in degrees (N,), as torchvision's `rotate` turns one.

    A pixel takes the value of the nearest one before the turn; outside the image all is zero.
    """
    turned = F.grid_sample(
        pixels.float(), _grid(angles, *pixels.shape[2:]), mode="nearest", padding_mode="zeros", align_corners=False
    )
    return turned.to(pixels.dtype)


def _grid(angles, height, width):
    """Where each pixel comes from, (N, H, W, 2), in grid_sample's coordinates: the edges of the image are -1 and 1."""
    x = torch.arange(width, device=angles.device) - (width - 1) / 2
    y = (torch.arange(height, device=angles.device) - (height - 1) / 2)[:, None]
    cosine = torch.cos(torch.deg2rad(angles)).view(-1, 1, 1)
    sine = torch.sin(torch.deg2rad(angles)).view(-1, 1, 1)
    grid = torch.stack([(cosine * x - sine * y) * 2 / width, (sine * x + cosine * y) * 2 / height], dim=3)
    return grid.float()
