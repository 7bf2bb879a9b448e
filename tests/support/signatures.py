"""Which public functions of the package have types; run as a script, it prints how many.

python tests/support/signatures.py
"""

import ast
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


def main() -> None:
    found = list(public())
    print(f"public functions: {len(found)}, typed: {sum(done for _, done in found)}")
    print(*(place for place, done in found if not done), sep="\n")


if __name__ == "__main__":
    main()
