"""Devices, precisions and thread counts of torch."""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

from secateur import Refused

# Every 61st image corrects the loss of an evaluation in bfloat16 (evaluation/low_precision.py): with fewer images that
# sample is too small, and float32 is fast enough.
FEW = 2000


def chosen(device: str) -> torch.device:
    """The torch device of the setting `device`: `auto` is a GPU if there is one; Refused for `cuda` without a GPU."""
    import torch

    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise Refused("device is cuda, but torch finds no GPU here; set device to cpu or auto")
    return torch.device(device)


def precision(asked: str, device: torch.device, images: int) -> dict[str, str]:
    """{"asked": the setting, "ran": the precision of an evaluation on this count of images}.

    `auto` is bfloat16 for FEW images or more on a device that is fast in it, else float32.
    """
    ran = asked
    if asked == "auto":
        ran = "float32"
        if images >= FEW and fast_in_bfloat16(device):
            ran = "bfloat16"
    return {"asked": asked, "ran": ran}


def fast_in_bfloat16(device: torch.device) -> bool:
    """True if a device has instructions for products in bfloat16; without them bfloat16 is slower than float32.

    On x86, oneDNN reports support for bfloat16 on any processor with AVX-512, where it only converts to float32.
    """
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if not torch.backends.mkldnn.is_available():
        return False
    if platform.machine().lower() in ("aarch64", "arm64"):
        return torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()


@contextlib.contextmanager
def threads(count: int) -> Iterator[None]:
    """Use `count` torch threads: a setting, because the count changes rounding."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
