"""The machine that a process runs on, in words."""

import os
import platform
import sys
from pathlib import Path


def processor() -> str:
    """The processor's name."""
    path = Path("/proc/cpuinfo")
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def described() -> str:
    """Processor, cores, system, and the GPU that this process has used, if any."""
    parts = [processor(), f"{os.cpu_count()} cores", f"{platform.system()} {platform.machine()}"]
    # Jobs that only read tables start without torch, and have no GPU in use.
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        parts.append(torch.cuda.get_device_name())
    return ", ".join(parts)
