"""Where torch computes, and with how many threads."""

import contextlib

import torch


def chosen(device):
    """The torch device of a setting: `auto` is the GPU where there is one; a GPU that is missing is an error."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError("device is cuda, but torch finds no GPU here; set device to cpu or auto")
    return torch.device(device)


@contextlib.contextmanager
def threads(number):
    """Use so many torch threads: a setting, because their number changes rounding."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
