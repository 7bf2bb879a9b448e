"""Shape of the code: types of public functions, lengths, density of statements; as a script, it prints them.

python tests/support/shape.py
"""

import ast
import re
import statistics
from collections.abc import Iterator
from pathlib import Path

QUESTION_WORDS = ("What", "How", "Which", "Whether", "Where", "When", "Who", "That")
PACKAGE = Path(__file__).resolve().parents[2] / "workflow" / "secateur"


def public() -> Iterator[tuple[str, bool]]:
    """(file:line name, whether it is typed) of public functions, and of the methods of public classes."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in _public_in(ast.parse(path.read_text(encoding="utf-8"))):
            yield f"{path.relative_to(PACKAGE)}:{node.lineno} {node.name}", typed(node)


def _public_in(scope: ast.Module | ast.ClassDef) -> Iterator[ast.FunctionDef]:
    for node in scope.body:
        if isinstance(node, ast.FunctionDef) and (not node.name.startswith("_") or node.name == "__init__"):
            yield node
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from _public_in(node)


def typed(function: ast.FunctionDef) -> bool:
    """Whether all arguments and the result of a function have types; a method's first argument needs none."""
    if function.returns is None and function.name != "__init__":
        return False
    for node in ast.walk(function.args):
        if isinstance(node, ast.arg) and node.annotation is None and node.arg not in ("self", "cls"):
            return False
    return True


def lengths() -> list[int]:
    """Lines of every function's body without its docstring, from the shortest to the longest."""
    lines = []
    for node in nodes():
        if isinstance(node, ast.FunctionDef):
            lines.append(length(node))
    return sorted(lines)


def length(function: ast.FunctionDef) -> int:
    """Lines of a function's body without its docstring."""
    body = function.body
    if ast.get_docstring(function, clean=False):
        body = body[1:]
    if not body:
        return 0
    return body[-1].end_lineno - body[0].lineno + 1


def nodes() -> Iterator[ast.AST]:
    """All syntax nodes of the package."""
    for path in sorted(PACKAGE.rglob("*.py")):
        yield from ast.walk(ast.parse(path.read_text(encoding="utf-8")))


def per_hundred_lines(*kinds: type[ast.AST]) -> float:
    """The count of nodes of these kinds per hundred physical lines."""
    count = sum(isinstance(node, kinds) for node in nodes())
    lines = sum(path.read_text(encoding="utf-8").count("\n") for path in PACKAGE.rglob("*.py"))
    return 100 * count / lines


def questions() -> Iterator[str]:
    """Docstrings that begin like a question, not with a noun or a verb."""
    for path in sorted(PACKAGE.parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Module)):
                docstring = ast.get_docstring(node) or ""
                if docstring.partition(" ")[0] in QUESTION_WORDS:
                    yield f"{path.relative_to(PACKAGE.parent)}: {docstring.splitlines()[0]}"


def rules() -> list[int]:
    """Lines of every rule, derived ones too, from the shortest to the longest."""
    found = []
    for path in sorted(PACKAGE.parents[1].glob("rules/*.smk")):
        _, *parts = re.split(r"^ *(?:use )?rule ", path.read_text(encoding="utf-8"), flags=re.M)
        found += [part.split("\n\n\n")[0].strip().count("\n") + 1 for part in parts]
    return sorted(found)


def main() -> None:
    functions, bodies = list(public()), lengths()
    comprehensions = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
    untyped = [place for place, has_types in functions if not has_types]
    print(f"public functions: {len(functions)}, typed: {len(functions) - len(untyped)}")
    print(*untyped, sep="\n", end="")
    print(f"lines of a function: median {statistics.median(bodies):g}, p90 {bodies[int(0.9 * len(bodies))]}")
    print(f"comprehensions per 100 lines: {per_hundred_lines(*comprehensions):.1f}")
    print(f"conditional expressions per 100 lines: {per_hundred_lines(ast.IfExp):.1f}")
    print(f"lines of a rule: median {statistics.median(rules()):g}")


if __name__ == "__main__":
    main()
