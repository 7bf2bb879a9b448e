"""Random changes to training images, on whole batches (N, C, H, W) of uint8 or float pixels."""

import torch
from torch.nn import functional as F


def flipped(pixels: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Images (N, C, H, W), each mirrored left to right with probability one half."""
    chosen = torch.rand(len(pixels), generator=generator) < 0.5
    return torch.where(chosen.view(-1, 1, 1, 1).to(pixels.device), pixels.flip(3), pixels)


def cropped(pixels: torch.Tensor, padding: int, generator: torch.Generator) -> torch.Tensor:
    """Images (N, C, H, W), each a random crop of its own size from the image with `padding` zeros on every side."""
    height, width = pixels.shape[2:]
    offsets = torch.randint(0, 2 * padding + 1, (2, len(pixels), 1), generator=generator).to(pixels.device)
    rows = offsets[0] + torch.arange(height, device=pixels.device)
    columns = offsets[1] + torch.arange(width, device=pixels.device)
    padded = F.pad(pixels, (padding,) * 4)
    image = torch.arange(len(pixels), device=pixels.device)[:, None, None]
    # Indices apart put the channels last.
    crops = padded[image, :, rows[:, :, None], columns[:, None, :]]
    return crops.permute(0, 3, 1, 2).contiguous()


def rotated(pixels: torch.Tensor, degrees: float, generator: torch.Generator) -> torch.Tensor:
    """Images (N, C, H, W), each rotated about its centre by an angle drawn uniformly from -degrees to degrees."""
    angles = (torch.rand(len(pixels), generator=generator, dtype=torch.float64) * 2 - 1) * degrees
    return rotated_by(pixels, angles.to(pixels.device))


def rotated_by(pixels: torch.Tensor, angles: torch.Tensor) -> torch.Tensor:
    """Images (N, C, H, W), rotated counter-clockwise by angles (N,) in degrees, as by torchvision's `rotate`.

    Interpolation is to the nearest pixel; outside the image all is zero.
    """
    rotated = F.grid_sample(
        pixels.float(), _grid(angles, *pixels.shape[2:]), mode="nearest", padding_mode="zeros", align_corners=False
    )
    return rotated.to(pixels.dtype)


def _grid(angles, height, width):
    """The source of each pixel, (N, H, W, 2), in grid_sample's coordinates: the edges of the image are -1 and 1."""
    x = torch.arange(width, device=angles.device) - (width - 1) / 2
    y = (torch.arange(height, device=angles.device) - (height - 1) / 2)[:, None]
    cosine = torch.cos(torch.deg2rad(angles)).view(-1, 1, 1)
    sine = torch.sin(torch.deg2rad(angles)).view(-1, 1, 1)
    grid = torch.stack([(cosine * x - sine * y) * 2 / width, (sine * x + cosine * y) * 2 / height], dim=3)
    return grid.float()
