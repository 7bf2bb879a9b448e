"""Tensors on disk, read safely: only tensors and plain data are unpickled."""

import logging
import pickle
from pathlib import Path
from typing import Any

import torch

from secateur import Refused
from secateur.artifacts import files

ZIP = b"PK\x03\x04"


def write(path: Path | str, content: dict[str, Any]) -> None:
    """Write tensors and plain data with torch, whole or not at all."""
    with files.replacing(path) as temporary, temporary.open("wb") as file:
        # Given a file rather than a name, torch does not write the (temporary) name into it.
        torch.save(content, file)


def read(path: Path | str) -> Any:
    """The content of a torch file, tensors and plain data only; Refused says why it cannot be read.

    Raises FileNotFoundError if there is no such file.
    """
    zipped = _starts_with(path, ZIP)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if zipped:
            raise Refused(
                f"{path} holds Python objects, which are not loaded because they can run code; "
                "save its state_dict alone: torch.save(model.state_dict(), path)"
            ) from error
        raise Refused(f"{path} is no checkpoint of torch, or cut short") from error
    # A damaged file makes torch raise almost anything, OSError from its own seek included.
    except Exception as error:
        if zipped:
            raise Refused(f"{path} is cut short or damaged; delete it and make or fetch it again") from error
        raise Refused(f"{path} is no checkpoint of torch, or cut short") from error


def resumable(path: Path | str | None, stamp: str | None, otherwise: str) -> dict[str, Any] | None:
    """The state that a killed job saved in a file, {"stamp": ..., ...}; None if there is none to resume from.

    A file of another stamp, or one that cannot be read, is left as it is; the log says so, and then `otherwise`.
    """
    if path is None or not Path(path).exists():
        return None
    try:
        content = read(path)
        fits = content["stamp"] == stamp
    except (ValueError, KeyError, TypeError):
        logging.info("%s cannot be read; %s", path, otherwise)
        return None
    if not fits:
        logging.info("%s is of other settings, code, images or weights; %s", path, otherwise)
        return None
    return content


def _starts_with(path, mark):
    try:
        with Path(path).open("rb") as file:
            return file.read(len(mark)) == mark
    except FileNotFoundError as error:
        raise FileNotFoundError(f"there is no checkpoint {path}") from error
