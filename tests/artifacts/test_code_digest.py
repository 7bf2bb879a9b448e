"""The digest sees what code computes, and nothing else."""

import ast
import pathlib
import re
import textwrap

import pytest

from secateur.artifacts import code_digest, code_imports

PACKAGE = {
    "images": """
        '''Images.'''
        import numpy

        SIZE = 8

        def blobs(n):
            '''Blobs.'''
            return numpy.zeros((n, SIZE))

        def batches(n):
            return [_one(i) for i in range(n)]

        def _one(i):
            return i
        """,
    "ranking": """
        from secateur import images
        from secateur.images import blobs

        RULES = {"a": lambda n: first(n), "b": lambda n: second(n)}

        def first(n):
            return images.batches(n)

        def second(n):
            return blobs(n)

        def rank(name, n):
            return RULES[name](n)
        """,
    "jobs/script": "def job(): return 1",
    "pruning/__init__": "from secateur.pruning.masking import masked\n\n__all__ = ['masked']",
    "pruning/masking": """
        from secateur.pruning import plans as made
        from secateur.pruning.layers import sliced as cut

        def masked(model):
            return cut(made.plan(model))

        def unused(model):
            return model
        """,
    "pruning/plans": "def plan(n): return n",
    "pruning/layers": "def sliced(n): return n",
}
SCRIPTS = {
    "prepare": "from secateur import images\nfrom secateur.jobs import script\nscript.job(images.blobs(3))",
    "rank": "from secateur import ranking\nranking.rank('a', 2)",
    # The four ways to a name: of a module in a room, by the name itself, by a package's face, and by the face's name.
    "module": "from secateur.pruning import masking\nmasking.masked(1)",
    "name": "from secateur.pruning.masking import masked as hide\nhide(1)",
    "face": "from secateur import pruning\npruning.masked(1)",
    "face_name": "from secateur.pruning import masked\nmasked(1)",
}
MASKING = {"module", "name", "face", "face_name"}


@pytest.fixture
def package(tmp_path, monkeypatch):
    monkeypatch.setattr(code_imports, "PACKAGE", tmp_path / "secateur")
    for name, text in PACKAGE.items():
        (tmp_path / "secateur" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "secateur" / f"{name}.py").write_text(textwrap.dedent(text))
    for name, text in SCRIPTS.items():
        (tmp_path / f"{name}.py").write_text(text)
    return tmp_path


def digests(folder):
    for cached in (code_digest._part_of, code_digest._with_its_module, code_digest._contents):
        cached.cache_clear()
    for cached in (code_imports.of_file, code_imports.parsed):
        cached.cache_clear()
    return {name: code_digest.of_script(folder / f"{name}.py") for name in SCRIPTS}


@pytest.mark.parametrize(
    ("module", "old", "new", "changed"),
    [
        ("images", "numpy.zeros", "numpy.ones", {"prepare", "rank"}),
        ("images", "SIZE = 8", "SIZE = 9", {"prepare", "rank"}),
        ("images", "return i", "return i + 1", {"rank"}),
        ("images", "'''Blobs.'''", "'''Round things.'''  # as in life", set()),
        ("images", "'''Images.'''", "'''All images.'''", set()),
        ("images", "def blobs(n):", "def blobs(n: numpy.int64) -> numpy.ndarray:", set()),
        ("images", "SIZE = 8", "SIZE: int = 8", {"prepare", "rank"}),
        ("images", "SIZE = 8", "if TYPE_CHECKING:\n    import torch\nSIZE = 8", set()),
        ("ranking", "return blobs(n)", "return blobs(n + 1)", {"rank"}),
        ("ranking", "RULES[name](n)", "RULES[name](n) + [0]", {"rank"}),
        ("ranking", "def rank", "def unused(): return 5\n\ndef rank", set()),
        ("ranking", "def rank", "print(5)\n\ndef rank", {"rank"}),
        ("images", "import numpy", "import numpy.ma as numpy", {"prepare", "rank"}),
        ("images", "import numpy", "import math\nimport numpy", set()),
        ("jobs/script", "return 1", "return 2", set()),
        ("pruning/plans", "return n", "return n + 1", MASKING),
        ("pruning/layers", "return n", "return n + 1", MASKING),
        ("pruning/masking", "return cut", "return 2 * cut", MASKING),
        ("pruning/masking", "return model", "return 2 * model", set()),
    ],
)
def test_an_edit_changes_the_digest_of_the_scripts_that_reach_it(package, module, old, new, changed):
    before = digests(package)
    path = package / "secateur" / f"{module}.py"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    after = digests(package)
    assert {name for name in before if before[name] != after[name]} == changed


def test_a_scripts_own_docstring_does_not_count(package):
    before = digests(package)
    for name, text in SCRIPTS.items():
        (package / f"{name}.py").write_text(f'"""The script {name}."""\n{text}')
    assert digests(package) == before


FOR_TYPES = "if TYPE_CHECKING:\n    import torch\nelse:\n    SIZE = 9"


@pytest.mark.parametrize(
    ("first", "second", "equal"),
    [
        ("SIZE: int = 8", "SIZE: float = 8", True),
        ("SIZE: int = 8", "SIZE: ClassVar[int] = 8", False),
        ("SIZE: ClassVar[int] = 8", "SIZE: typing.ClassVar[float] = 8", True),
        ("SIZE: int = 8", "SIZE: 'ClassVar[int]' = 8", False),
        ("SIZE: int = 8", "SIZE: dataclasses.InitVar[int] = 8", False),
        ("SIZE: int = 8", "SIZE: KW_ONLY = 8", False),
        (FOR_TYPES, FOR_TYPES.replace("torch", "numpy"), True),
        (FOR_TYPES, FOR_TYPES.replace("9", "10"), False),
        (FOR_TYPES, f"SIZE = 7\n{FOR_TYPES}", False),
        (FOR_TYPES.replace("torch", "torch as SIZE"), FOR_TYPES.replace("torch", "torch as SIZE") + "0", False),
    ],
)
def test_types_change_the_digest_only_where_they_change_what_runs(package, first, second, equal):
    path = package / "secateur" / "images.py"
    found = []
    for text in (first, second):
        path.write_text(textwrap.dedent(PACKAGE["images"]).replace("SIZE = 8", text))
        found.append(digests(package)["prepare"])
    assert (found[0] == found[1]) == equal


def test_the_digest_is_the_same_on_every_python(package):
    known = {"prepare": "305e06e3f1b8be72", "rank": "22335750f2efe104", "face": "a03b087768fd15eb"}
    assert {name: digests(package)[name] for name in known} == known


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("import secateur.ranking\nsecateur.ranking.rank('a', 2)", "import secateur.ranking"),
        ("import secateur.ranking as order\norder.rank('a', 2)", "import secateur.ranking"),
        ("import secateur\nsecateur.ranking.rank('a', 2)", "import secateur"),
        ("from . import ranking\nranking.rank('a', 2)", "a relative import"),
        ("from .ranking import rank\nrank('a', 2)", "a relative import"),
        ("from secateur.ranking import *\nrank('a', 2)", "an import of everything"),
        ("import importlib\nimportlib.import_module('secateur.ranking').rank('a', 2)", "import_module"),
        ("from secateur import pruning\npruning.plans.plan(2)", "pruning.plans as an attribute"),
        ("from secateur import ranking\nprint(ranking)", "the module ranking as a value"),
        ("from secateur import ranking\ngetattr(ranking, 'rank')('a', 2)", "the module ranking as a value"),
        ("from secateur import ranking\nranking = print(ranking)", "the module ranking as a value"),
        (
            "from secateur import ranking\ndef show(): return ranking, lambda ranking: 1",
            "the module ranking as a value",
        ),
        ("from secateur import ranking\ndef show(ranking=ranking): return 1", "the module ranking as a value"),
        ("from secateur import ranking\n[ranking for ranking in [ranking]]", "the module ranking as a value"),
        ("from secateur import ranking as r\nfrom secateur import images as r", "r for two things"),
        ("from secateur.nowhere import rank\nrank('a', 2)", "secateur.nowhere is not a module of secateur"),
    ],
)
def test_an_import_that_the_digest_cannot_follow_is_refused_by_file_and_line(package, text, complaint):
    script = package / "rank.py"
    script.write_text(text)
    with pytest.raises(ValueError, match=re.escape(complaint)) as raised:
        digests(package)
    assert re.match(rf"{re.escape(str(script))}:[12]: ", str(raised.value))


def test_a_module_that_is_taken_from_another_is_refused(package):
    (package / "rank.py").write_text("from secateur import ranking\nranking.images.blobs(2)")
    with pytest.raises(ValueError, match="cannot follow ranking.images, a module that is taken from another"):
        digests(package)


@pytest.mark.parametrize(
    "text",
    [
        "def show(ranking):\n    return print(ranking)",
        "def show():\n    for ranking in range(3):\n        print(ranking)",
        "def show(ranking):\n    return lambda: print(ranking)",
        "show = lambda ranking: ranking",
        "show = [ranking for ranking in range(3)]",
    ],
)
def test_a_name_that_is_bound_in_a_function_is_no_module(package, text):
    (package / "rank.py").write_text(f"from secateur import ranking\n\n{text}\n")
    assert digests(package)["rank"]


def reached_by(script):
    """(module, name) of all definitions that a script of this project reaches."""
    path = pathlib.Path(code_digest.__file__).resolve().parents[2] / script
    body = code_imports.parsed(path).body
    part = code_digest._part("", body, code_digest.Contents({}, code_imports.of_file(path), body), path)
    return {(definition[0], definition[1]) for definition in code_digest._reached(part) if definition[0]}


@pytest.mark.parametrize("script", ["train_model.py", "retrain_model.py"])
def test_a_training_reaches_no_method_and_of_hooks_the_neutral_one_alone(script):
    reached = reached_by(script)
    hooks = {name for module, name in reached if module == "training.hooks"}
    assert hooks == {"", "Hook", "NEUTRAL", "_nothing", "_always"}
    # A module of a method here would train every network again with each of its edits.
    modules = {module.removeprefix("training.") for module, _ in reached if module.startswith("training.")}
    # Retraining has a teacher among its kinds.
    taught = {"distillation", "label_free"} if script == "retrain_model.py" else set()
    assert modules == {"augmentation", "hooks", "loop", "losses", "optimisation", "partial_file"} | taught
    assert ("training.loop", "train") in reached


def test_packages_hold_nothing_but_their_faces():
    root = pathlib.Path(code_digest.__file__).resolve().parents[1]
    for path in root.glob("*/__init__.py"):
        _, *rest = ast.parse(path.read_text(encoding="utf-8")).body
        if path.parent.name == "relevance":
            # Jobs that read files of relevance alone start without torch: this face imports its name when it is used.
            rest = [
                node for node in rest if not isinstance(node, ast.If) and getattr(node, "name", "") != "__getattr__"
            ]
        kinds = {type(node) for node in rest}
        assert kinds <= {ast.ImportFrom, ast.Assign}, path
        assert [node.targets[0].id for node in rest if isinstance(node, ast.Assign)] in ([], ["__all__"]), path
