"""The package without the workflow, as `pip install .` gives it: from a folder that has nothing else."""

import os
import shutil
import subprocess
import sys

import pytest

from secateur.artifacts import shipped
from support.studies import IGNORED, ROOT

PARTS = ("pyproject.toml", "setup.py", "README.md", "LICENSE", "workflow", "data/sources.yaml", "report")
NOTEBOOK = """
import torch

from secateur import models, pruning, units
from secateur.images import downloads

torch.manual_seed(0)
model = models.build("vgg_small", 10, widths=[4, 4, 6, 6, 8, 8], hidden=12).eval()
example = torch.rand(2, 3, 16, 16)
found = units.find(model, example)
smaller = pruning.removed(model, {"features.0": [3]}, example)
print(len(found.units), len(downloads.catalogue()), smaller.get_submodule("features.0").out_channels)
"""


def python(*arguments, cwd, **environment):
    done = subprocess.run(
        [sys.executable, *map(str, arguments)], cwd=cwd, env=os.environ | environment,
        text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder into which a wheel of the package was installed; what it needs is that of the tests."""
    folder = tmp_path_factory.mktemp("installed")
    source, target = folder / "source", folder / "target"
    for part in PARTS:
        (source / part).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy2
        copy(ROOT / part, source / part, **({"ignore": IGNORED} if (ROOT / part).is_dir() else {}))
    offline = ("--quiet", "--disable-pip-version-check", "--no-deps", "--no-index")
    python("-m", "pip", "wheel", *offline, "--no-build-isolation", "--wheel-dir", folder, source, cwd=folder)
    (wheel,) = folder.glob("*.whl")
    python("-m", "pip", "install", *offline, "--no-compile", "--target", target, wheel, cwd=folder)
    return target


def test_an_installed_copy_has_every_module_and_file_of_a_clone(installed):
    inside = ROOT / "workflow" / "secateur"
    modules = {path.relative_to(inside) for path in inside.rglob("*.py")}
    assert {path.relative_to(installed / "secateur") for path in (installed / "secateur").rglob("*.py")} == modules
    for name, source in shipped.IN_A_CLONE.items():
        assert (installed / "secateur" / name).read_bytes() == (inside / source).read_bytes()


def test_an_installed_copy_checks_a_study_from_any_folder(installed, tmp_path):
    command = (installed / "bin" / "secateur", "check")
    text = python(*command, ROOT / "config" / "config.yaml", cwd=tmp_path, PYTHONPATH=str(installed))
    assert "Units:" in text and "Time and disk: an estimate" in text


def test_a_notebook_uses_an_installed_copy(installed, tmp_path):
    text = python(
        "-c", f"import secateur; print(secateur.__file__)\n{NOTEBOOK}", cwd=tmp_path, PYTHONPATH=str(installed)
    )
    assert text.split() == [f"{installed}/secateur/__init__.py", "36", "4", "3"]
