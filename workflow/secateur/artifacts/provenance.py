"""Provenance of an artifact: study, rule, settings, code, environment, versions, machine, seed."""

import contextlib
import importlib.metadata
import json
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from secateur import __version__
from secateur.artifacts import files, machines, stamps

LIBRARIES = (
    "torch",
    "torchvision",
    "numpy",
    "scipy",
    "h5py",
    "pandas",
    "pillow",
    "scikit-learn",
    "matplotlib",
    "seaborn",
    "onnx",
    "onnxruntime",
    "onnxscript",
    "safetensors",
    "snakemake",
)


def record(study: str, rule: str, wildcards: Mapping[str, str], params: Mapping[str, Any]) -> dict[str, Any]:
    """The provenance of one job's results, as plain data."""
    options = dict(params.get("options", {}))
    return {
        "secateur": __version__,
        "study": study,
        "rule": rule,
        "wildcards": dict(wildcards),
        "options": options,
        "options_digest": stamps.digest(options),
        "code_digest": params.get("code"),
        "environment_digest": params.get("environment"),
        "versions": versions(),
        "machine": machines.described(),
    }


def versions() -> dict[str, str]:
    """Versions of Python and of the installed libraries that can change a result, read without importing them."""
    versions = {"python": platform.python_version()}
    for name in LIBRARIES:
        # A study needs only some of them.
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return versions


def write(path: Path | str, **facts: Any) -> None:
    """Write the manifest of an artifact."""
    files.write_text(path, json.dumps(facts, indent=2, sort_keys=True, default=str) + "\n")


def read(path: Path | str) -> dict[str, Any]:
    """Read a manifest."""
    return json.loads(Path(path).read_text(encoding="utf-8"))
