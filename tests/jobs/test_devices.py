"""Which processors are fast in bfloat16, and what `auto` comes to on them."""

import platform

import pytest
import torch

from secateur.jobs import devices

CPU, GPU = torch.device("cpu"), torch.device("cuda")


@pytest.fixture
def processor(monkeypatch):
    """A stand-in for the processor: an x86 without any instructions for bfloat16, but for what is given."""

    def is_now(machine="x86_64", amx=False, avx512_bf16=False, onednn=True, onednn_bf16=True):
        monkeypatch.setattr(platform, "machine", lambda: machine)
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512_bf16)
        monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: onednn)
        monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: onednn_bf16)

    return is_now


@pytest.mark.parametrize(
    ("facts", "fast"),
    [
        # oneDNN supports bfloat16 with AVX-512 alone, and converts every number there.
        ({}, False),
        ({"amx": True}, True),
        ({"avx512_bf16": True}, True),
        ({"amx": True, "onednn": False}, False),
        ({"machine": "aarch64"}, True),
        ({"machine": "aarch64", "onednn_bf16": False}, False),
        ({"machine": "arm64", "onednn": False}, False),
    ],
)
def test_a_cpu_is_fast_in_bfloat16_where_it_has_instructions_for_it(processor, facts, fast):
    processor(**facts)
    assert devices.fast_in_bfloat16(CPU) == fast
    assert devices.precision("auto", CPU, 2000) == {"asked": "auto", "ran": "bfloat16" if fast else "float32"}
    assert devices.precision("auto", CPU, 1999) == {"asked": "auto", "ran": "float32"}


@pytest.mark.parametrize(("capability", "fast"), [((7, 5), False), ((8, 0), True), ((9, 0), True), ((12, 0), True)])
def test_a_gpu_is_fast_in_bfloat16_from_capability_8_on(monkeypatch, capability, fast):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert devices.fast_in_bfloat16(GPU) == fast


@pytest.mark.parametrize("amx", [False, True])
@pytest.mark.parametrize("asked", ["float32", "bfloat16"])
def test_a_precision_that_is_asked_for_runs(processor, amx, asked):
    processor(amx=amx)
    assert devices.precision(asked, CPU, 10000) == {"asked": asked, "ran": asked}


def test_this_processor_is_asked_without_an_error():
    assert devices.fast_in_bfloat16(CPU) in (False, True)
