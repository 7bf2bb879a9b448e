"""The digest sees what code computes, and nothing else."""

import textwrap

import pytest

from secateur import digest

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
    "jobs": "def job(): return 1",
}
SCRIPTS = {
    "prepare": "from secateur import images, jobs\njobs.job(images.blobs(3))",
    "rank": "from secateur import ranking\nranking.rank('a', 2)",
}


@pytest.fixture
def package(tmp_path, monkeypatch):
    monkeypatch.setattr(digest, "PACKAGE", tmp_path / "secateur")
    (tmp_path / "secateur").mkdir()
    for name, text in PACKAGE.items():
        (tmp_path / "secateur" / f"{name}.py").write_text(textwrap.dedent(text))
    for name, text in SCRIPTS.items():
        (tmp_path / f"{name}.py").write_text(text)
    return tmp_path


def digests(folder):
    digest._part.cache_clear()
    digest._module.cache_clear()
    digest._parsed.cache_clear()
    return {name: digest.of_script(folder / f"{name}.py") for name in SCRIPTS}


@pytest.mark.parametrize(
    ("module", "old", "new", "changed"),
    [
        ("images", "numpy.zeros", "numpy.ones", {"prepare", "rank"}),
        ("images", "SIZE = 8", "SIZE = 9", {"prepare", "rank"}),
        ("images", "return i", "return i + 1", {"rank"}),
        ("images", "'''Blobs.'''", "'''Round things.'''  # as in life", set()),
        ("images", "'''Images.'''", "'''All images.'''", set()),
        ("ranking", "return blobs(n)", "return blobs(n + 1)", {"rank"}),
        ("ranking", "RULES[name](n)", "RULES[name](n) + [0]", {"rank"}),
        ("ranking", "def rank", "def unused(): return 5\n\ndef rank", set()),
        ("ranking", "def rank", "print(5)\n\ndef rank", {"rank"}),
        ("images", "import numpy", "import numpy.ma as numpy", {"prepare", "rank"}),
        ("images", "import numpy", "import math\nimport numpy", set()),
        ("jobs", "return 1", "return 2", set()),
    ],
)
def test_an_edit_changes_the_digest_of_the_scripts_that_reach_it(package, module, old, new, changed):
    before = digests(package)
    path = package / "secateur" / f"{module}.py"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    after = digests(package)
    assert {name for name in before if before[name] != after[name]} == changed


def test_the_digest_is_the_same_on_every_python(package):
    assert digests(package) == {"prepare": "3cfc99a78549dc57", "rank": "22335750f2efe104"}
