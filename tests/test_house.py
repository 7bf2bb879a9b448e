"""The house stands: rooms, floors, arrows down only, and what may import torch."""

import ast
import importlib
import inspect
import os
import statistics
import subprocess
import sys

import pytest

from support import house, shape
from support.studies import ROOT

FACES = {
    "secateur.relevance": ["propagate"],
    "secateur.models": ["build"],
    "secateur.units": ["find"],
    "secateur.ranking": ["by_score", "combined", "mixed", "at_random"],
    "secateur.pruning": ["masked", "removed", "plan", "load", "reconstructed", "sensitivity", "allocated"],
    "secateur.evaluation": ["measure"],
    "secateur.cost": ["count"],
    "secateur.selection": ["OutputAnalyser", "PruningConv2D"],
    "secateur.results": ["open", "compare"],
}


def test_every_room_has_a_floor_and_there_are_not_many():
    assert house.rooms() == sorted(room for floor in house.FLOORS for room in floor)
    assert len(house.rooms()) <= house.MOST_ROOMS


def test_arrows_run_down_and_never_in_a_circle():
    arrows = house.arrows()
    assert ("pruning", "units") in arrows
    # jobs/script.py asks where the whole package lies, and nothing else of it.
    hidden = [place for _, path in house.files() for place in house.unseen(path)]
    assert [place.partition(":")[0] for place in hidden] == ["secateur/jobs/script.py"]
    assert house.arrows_back(arrows) == {}
    assert house.circles(arrows) == []


def test_an_arrow_back_and_a_circle_are_seen(tmp_path, monkeypatch):
    package = tmp_path / "secateur"
    for name, text in {
        "graph/tracing": "from secateur.units import finding",
        "units/finding": "def find():\n    from secateur import graph",
        "units/coupling": "from secateur.graph.tracing import traced",
        "jobs/devices": "if True:\n    from torch import nn",
        "study/paths": "import secateur.units.finding",
        "study/levels": "from ..units import finding",
    }.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).parent.joinpath("__init__.py").touch()
        (package / f"{name}.py").write_text(text)
    monkeypatch.setattr(house, "PACKAGE", package)
    arrows = house.arrows()
    assert arrows == {
        ("graph", "units"): "secateur/graph/tracing.py:1",
        ("units", "graph"): "secateur/units/coupling.py:1",
    }
    assert house.arrows_back(arrows) == {("graph", "units"): "secateur/graph/tracing.py:1"}
    assert house.circles(arrows) == ["graph", "units"]
    assert list(house.torch_at_the_top()) == ["secateur/jobs/devices.py"]
    hidden = [place for _, path in house.files() for place in house.unseen(path)]
    assert hidden == ["secateur/study/levels.py:1", "secateur/study/paths.py:1"]


def test_light_rooms_import_no_torch():
    modules = [
        ".".join(path.relative_to(house.PACKAGE.parent).with_suffix("").parts)
        for room, path in house.files()
        if room in house.LIGHT
    ]
    assert len(modules) > 40
    code = f"import importlib, sys\nfor name in {modules}: importlib.import_module(name)\nprint('torch' in sys.modules)"
    environment = os.environ | {"PYTHONPATH": str(ROOT / "workflow")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.split() == ["False"]


@pytest.mark.parametrize("room", FACES)
def test_public_names_stay(room):
    face = importlib.import_module(room)
    for name in FACES[room]:
        assert callable(getattr(face, name))
        assert inspect.getdoc(getattr(face, name))
    if hasattr(face, "__path__"):
        assert sorted(face.__all__) == sorted(FACES[room])


def test_no_test_module_imports_another():
    for path in (ROOT / "tests").rglob("*.py"):
        lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines()]
        named = [words[1] for words in lines if len(words) > 1 and words[0] in ("from", "import")]
        others = [name for name in named if name.split(".")[-1].startswith("test_") or name == "conftest"]
        assert not others, f"{path}: {others}"


def test_tests_lie_in_the_rooms_that_they_test():
    folders = {path.parent.name for path in (ROOT / "tests").glob("*/test_*.py")}
    assert folders <= {*house.rooms(), "chaos", "cluster", "workflow"}


def test_public_functions_have_types():
    found = list(shape.public())
    assert len(found) > 500
    assert [place for place, typed in found if not typed] == []


def test_docstrings_begin_with_a_noun_or_a_verb():
    assert list(shape.questions()) == []


def test_functions_and_statements_stay_small():
    bodies = shape.lengths()
    comprehensions = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
    assert statistics.median(bodies) <= 8 and bodies[int(0.9 * len(bodies))] <= 20
    assert shape.per_hundred_lines(*comprehensions) <= 2.7
    assert shape.per_hundred_lines(ast.IfExp) <= 1.5
    assert statistics.median(shape.rules()) <= 18
