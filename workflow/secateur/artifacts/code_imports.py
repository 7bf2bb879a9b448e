"""Imports of a Python file: the definition of this package that each local name stands for.

The forms that can be followed are `from secateur.room import module` and `from secateur.room.module import name`, with
or without `as`. Any other form would give a code digest that stays the same when the code changes, so it is refused by
file and line.
"""

import ast
import functools
from pathlib import Path
from typing import NamedTuple

from secateur import Refused

PACKAGE = Path(__file__).resolve().parent.parent
# Marks in a field's type that change what a dataclass does; all other types of fields compute nothing.
FIELD_MARKS = ("ClassVar", "InitVar", "KW_ONLY")
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, *COMPREHENSIONS)


class Definition(NamedTuple):
    """A name in a module of this package; the module is dotted, without the name of the package.

    The name is None for the module itself, and empty for the statements that the module always runs.
    """

    module: str
    name: str | None


def file_of(module: str) -> Path | None:
    """The file of a module or package by its dotted name, without the name of this package; None if there is none."""
    return _located(PACKAGE, module)


@functools.cache
def _located(package, module):
    path = package.joinpath(*module.split("."))
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file():
            return file
    return None


# ---- syntax ----------------------------------------------------------------------------------------------------


@functools.cache
def parsed(path: Path) -> ast.Module:
    """The syntax tree of a file, without the types of arguments, results and fields, which compute nothing."""
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, ast.AnnAssign):
            node.annotation = ast.Constant(_mark(node.annotation))
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            node.returns = None
    return tree


def _mark(annotation):
    """The mark by which a dataclass treats a field differently, or None."""
    text = ast.unparse(annotation)
    return next((mark for mark in FIELD_MARKS if mark in text), None)


# ---- imports ---------------------------------------------------------------------------------------------------


@functools.cache
def of_file(path: Path) -> dict[str, Definition | str]:
    """{local name: Definition, or for another package its dotted name} of all imports of a file, at any depth.

    Raises ValueError, with file and line, for an import of this package in any other form.
    """
    bound = {}
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            bound |= _of_import(node, path)
        elif isinstance(node, ast.ImportFrom):
            names = _of_from(node, path)
            _refuse_two_meanings(bound, names, node, path)
            bound |= names
        elif isinstance(node, ast.Call):
            _refuse_import_by_text(node, path)
    return bound


def _of_import(node, path):
    """`import secateur.x` binds the whole package, whose attributes cannot be told from its modules."""
    bound = {}
    for alias in node.names:
        outermost = alias.name.partition(".")[0]
        if outermost == PACKAGE.name:
            raise _invisible(path, node, f"import {alias.name}")
        bound[alias.asname or outermost] = alias.name
    return bound


def _of_from(node, path):
    if node.level:
        raise _invisible(path, node, "a relative import")
    bound = {}
    for alias in node.names:
        bound[alias.asname or alias.name] = _imported(node, alias.name, path)
    return bound


def _imported(node, name, path):
    """The Definition that `from module import name` binds; the dotted name for another package."""
    package, _, room = node.module.partition(".")
    if package != PACKAGE.name:
        return f"{node.module}.{name}"
    if name == "*":
        raise _invisible(path, node, "an import of everything")
    module = f"{room}.{name}" if room else name
    if file_of(module):
        return Definition(module, None)
    if room and not file_of(room):
        raise Refused(f"{path}:{node.lineno}: {node.module} is not a module of {PACKAGE.name}")
    return Definition(room or "__init__", name)


def _refuse_import_by_text(node, path):
    """A module of this package imported by its name as text."""
    if _called(node.func) not in ("import_module", "__import__"):
        return
    for argument in node.args:
        text = argument.value if isinstance(argument, ast.Constant) else None
        if isinstance(text, str) and text.partition(".")[0] == PACKAGE.name:
            raise _invisible(path, node, f"{_called(node.func)}({text!r})")


def _called(function):
    if isinstance(function, ast.Attribute):
        return function.attr
    return getattr(function, "id", "")


def _refuse_two_meanings(bound, names, node, path):
    """One name for two things: the digest would follow the last of them everywhere."""
    for local, entry in names.items():
        if isinstance(entry, Definition) and bound.get(local, entry) != entry:
            raise _invisible(path, node, f"{local} for two things")


# ---- uses ------------------------------------------------------------------------------------------------------


def refuse_submodule(package: str, node: ast.Attribute, path: Path) -> None:
    """Refuse `package.module` as an attribute: the names used of the module are one step beyond the digest's view."""
    if file_of(f"{package}.{node.attr}"):
        raise _invisible(path, node, f"{package}.{node.attr} as an attribute")


def refuse_module_as_value(local: str, statement: ast.stmt, path: Path) -> None:
    """Refuse a module that a statement passes on by its local name, as in `f(module)`: the names used of it are hidden.

    Where a function or comprehension binds the name, it is no module.
    """
    for name in _values(local, statement):
        raise _invisible(path, name, f"the module {local} as a value")


def _values(local, node):
    """Places where a name is read other than before a dot, and bound by no function or comprehension around it."""
    if isinstance(node, ast.Name):
        if node.id == local and isinstance(node.ctx, ast.Load):
            yield node
        return
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return
    parts = ast.iter_child_nodes(node)
    if isinstance(node, SCOPES) and local in _bound_in(node):
        parts = _evaluated_outside(node)
    for part in parts:
        yield from _values(local, part)


def _evaluated_outside(scope):
    """Parts of a function or comprehension that see the names around it, not its own."""
    if isinstance(scope, COMPREHENSIONS):
        return [scope.generators[0].iter]
    return [scope.args, *getattr(scope, "decorator_list", ())]


def _bound_in(scope):
    """Parameters and assigned names of a function or comprehension, without those of the scopes inside it."""
    waiting = [*ast.iter_child_nodes(scope)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif not isinstance(node, (*SCOPES, ast.ClassDef)):
            waiting += ast.iter_child_nodes(node)


def _invisible(path, node, form):
    return ValueError(
        f"{path}:{node.lineno}: the code digest cannot follow {form}, and would miss an edit of the code behind it; "
        f"write from {PACKAGE.name}.room import module, or from {PACKAGE.name}.room.module import name"
    )
