"""The shape of the code: types of public functions, lengths, how much a statement holds; as a script, it prints them.

python tests/support/shape.py
"""

import ast
import re
import statistics
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "workflow" / "secateur"


def public() -> Iterator[tuple[str, bool]]:
    """(place:line name, whether it is typed) of public functions, and of the methods of public classes."""
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")]
        for scope in (tree, *classes):
            for node in scope.body:
                if isinstance(node, ast.FunctionDef) and (not node.name.startswith("_") or node.name == "__init__"):
                    yield f"{path.relative_to(PACKAGE)}:{node.lineno} {node.name}", typed(node)


def typed(function: ast.FunctionDef) -> bool:
    """Whether all arguments and the result of a function have types; a method's first argument needs none."""
    arguments = function.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    starred = [one for one in (arguments.vararg, arguments.kwarg) if one]
    needing = [one for one in (*named, *starred) if one.arg not in ("self", "cls")]
    result = function.returns is not None or function.name == "__init__"
    return result and all(one.annotation is not None for one in needing)


def lengths() -> list[int]:
    """Lines of every function's body, docstrings left out, from the shortest to the longest."""
    found = []
    for tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                body = node.body[1:] if ast.get_docstring(node, clean=False) else node.body
                found.append(body[-1].end_lineno - body[0].lineno + 1 if body else 0)
    return sorted(found)


def trees() -> Iterator[ast.Module]:
    for path in sorted(PACKAGE.rglob("*.py")):
        yield ast.parse(path.read_text(encoding="utf-8"))


def per_hundred_lines(*kinds: type[ast.AST]) -> float:
    """How many nodes of these kinds there are for each hundred physical lines."""
    count = sum(isinstance(node, kinds) for tree in trees() for node in ast.walk(tree))
    lines = sum(path.read_text(encoding="utf-8").count("\n") for path in PACKAGE.rglob("*.py"))
    return 100 * count / lines


def rules() -> list[int]:
    """Lines of every rule, derived ones too, from the shortest to the longest."""
    found = []
    for path in sorted(PACKAGE.parents[1].glob("rules/*.smk")):
        _, *parts = re.split(r"^ *(?:use )?rule ", path.read_text(encoding="utf-8"), flags=re.M)
        found += [part.split("\n\n\n")[0].strip().count("\n") + 1 for part in parts]
    return sorted(found)


def main() -> None:
    found, bodies = list(public()), lengths()
    comprehensions = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
    print(f"public functions: {len(found)}, typed: {sum(done for _, done in found)}")
    print(*(place for place, done in found if not done), sep="\n", end="")
    print(f"lines of a function: median {statistics.median(bodies):g}, p90 {bodies[int(0.9 * len(bodies))]}")
    print(f"comprehensions per 100 lines: {per_hundred_lines(*comprehensions):.1f}")
    print(f"conditional expressions per 100 lines: {per_hundred_lines(ast.IfExp):.1f}")
    print(f"lines of a rule: median {statistics.median(rules()):g}")


if __name__ == "__main__":
    main()
