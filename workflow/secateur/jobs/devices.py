"""Where torch computes, in which precision, and with how many threads."""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

from secateur import Refused

# Every 61st image corrects the loss of an evaluation in bfloat16 (evaluation/low_precision.py): of
# fewer images too few correct it, and float32 is quick.
FEW = 2000


def chosen(device: str) -> torch.device:
    """The torch device of a setting: `auto` is the GPU where there is one; a GPU that is missing is an error."""
    import torch

    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device == "cuda" and not torch.cuda.is_available():
        raise Refused("device is cuda, but torch finds no GPU here; set device to cpu or auto")
    return torch.device(device)


def precision(asked: str, device: torch.device, images: int) -> dict[str, str]:
    """{"asked", "ran"}: the precision that evaluates so many images.

    `auto` is bfloat16 for FEW images or more on a device that is fast in it, else float32.
    """
    if asked != "auto":
        return {"asked": asked, "ran": asked}
    fast = images >= FEW and fast_in_bfloat16(device)
    return {"asked": asked, "ran": "bfloat16" if fast else "float32"}


def fast_in_bfloat16(device: torch.device) -> bool:
    """Whether a torch device has instructions for products in bfloat16; without them they take several times as long.

    On x86, oneDNN says that it supports bfloat16 wherever there is AVX-512, but there it only converts.
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
def threads(number: int) -> Iterator[None]:
    """Use so many torch threads: a setting, because their number changes rounding."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
