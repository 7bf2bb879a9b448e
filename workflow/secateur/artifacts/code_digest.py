"""A digest of the code that a script can reach, so that a change of that code, and no other change, reruns the script.

Snakemake compares a script's time stamp and does not see the script's imports. The digest covers the script, and
every definition of this package that it can reach, name by name; docstrings, comments and types are left out. It reads
source text only: registries must be dict literals, because a lookup by `getattr` is invisible to it. The forms of
import that it follows are those of `code_imports`, and names that a package's `__init__.py` imports in turn.
"""

import ast
import functools
import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from secateur.artifacts import code_imports
from secateur.artifacts.code_imports import Definition

# Logs, progress bars and manifests surround a computation and cannot change its numbers.
SURROUNDINGS = {"jobs.script", "jobs.progress", "artifacts.provenance"}


class Contents(NamedTuple):
    """A module's definitions by name, its imports by local name, and the statements that it always runs."""

    definitions: dict[str, list[ast.stmt]]
    imports: dict[str, Definition | str]
    always: list[ast.stmt]


class Part(NamedTuple):
    """A piece of code as text, the definitions of this package that it mentions, and the names of other packages."""

    text: str
    definitions: frozenset[Definition]
    packages: frozenset[str]


def of_script(path: Path | str) -> str:
    """Sixteen hexadecimal digits for a script and the code of this package that it can reach."""
    path = Path(path)
    body = code_imports.parsed(path).body
    if body and _is_docstring(body[0]):
        body = body[1:]
    statements = list(_run(body))
    script = _part("", statements, Contents({}, code_imports.of_file(path), statements), path)
    reached = sorted(_reached(script).items())
    return _digest([script.text, *(text for _, text in reached)])


def of_trees(trees: Iterable[ast.AST]) -> str:
    """Sixteen hexadecimal digits for the code of several parsed files."""
    return _digest(map(_text, trees))


def _digest(texts):
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]


# ---- definitions that are reached ------------------------------------------------------------------------------


def _reached(part):
    """{(module, name): text} of all definitions and other packages that some code mentions, directly or not."""
    reached, waiting = {}, [part]
    while waiting:
        part = waiting.pop()
        for package in part.packages:
            reached["", package] = package
        for definition in part.definitions:
            if definition not in reached:
                mentioned = _part_of(definition)
                reached[definition] = mentioned.text
                waiting.append(mentioned)
    return reached


@functools.cache
def _part_of(definition):
    """The Part of a definition. Cached, because most scripts reach the same definitions."""
    module, name = definition
    contents = _contents(module)
    statements = contents.definitions[name] if name else contents.always
    return _part(module, statements, contents, code_imports.file_of(module))


def _part(module, statements, contents, path):
    """The Part of some statements of a module, whose file is `path`."""
    definitions, packages = set(), set()
    for statement in statements:
        for entry in _mentions(module, statement, contents, path):
            if isinstance(entry, str):
                packages.add(entry)
            else:
                definitions.update(_with_its_module(entry))
    return Part("\n".join(map(_text, statements)), frozenset(definitions), frozenset(packages))


def _mentions(module, statement, contents, path):
    """Definitions of this package, and names of other packages, that a statement mentions.

    Another import of the same local name is other code, so the names of other packages count as well.
    """
    before_a_dot = set()
    # Breadth first: an attribute comes before the name that it is taken from.
    for node in ast.walk(statement):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            before_a_dot.add(node.value)
            entry = contents.imports.get(node.value.id)
            if _is_module(entry):
                code_imports.refuse_submodule(entry.module, node, path)
                yield Definition(entry.module, node.attr)
        elif isinstance(node, ast.Name):
            entry = contents.imports.get(node.id)
            if not _is_module(entry):
                yield from _named(entry, node.id, module, contents)
            elif node not in before_a_dot:
                code_imports.refuse_module_as_value(node.id, statement, path)


def _named(entry, name, module, contents):
    """The import `entry`, if any, and the module's own definition, if any, that a name stands for."""
    if entry is not None:
        yield entry
    if name in contents.definitions:
        yield Definition(module, name)


def _is_module(entry):
    return isinstance(entry, Definition) and entry.name is None


@functools.cache
def _with_its_module(definition):
    """A definition, where it really lies, and the statements that are always run by the modules on the way to it."""
    module, name = definition
    if module in SURROUNDINGS:
        return []
    always, contents = Definition(module, ""), _contents(module)
    if name in contents.definitions:
        return [always, definition]
    # The module imports the name, as a package's face does.
    origin = contents.imports.get(name)
    if not isinstance(origin, Definition):
        return [always]
    if origin.name is None:
        raise ValueError(
            f"{code_imports.file_of(module)}: the code digest cannot follow {module}.{name}, a module that is taken "
            f"from another; import it from its own room"
        )
    return [always, *_with_its_module(origin)]


# ---- statements of a module ------------------------------------------------------------------------------------


@functools.cache
def _contents(module):
    """The Contents of a module of this package."""
    path = code_imports.file_of(module)
    definitions, always = {}, []
    for statement in _run(code_imports.parsed(path).body):
        names = _defined(statement)
        for name in names:
            definitions.setdefault(name, []).append(statement)
        if not names and not _is_docstring(statement):
            always.append(statement)
    return Contents(definitions, code_imports.of_file(path), always)


def _run(statements):
    """Statements other than imports; of `if TYPE_CHECKING:` only its other branch, which is the one that runs."""
    for statement in statements:
        if _is_for_types(statement):
            yield from _run(statement.orelse)
        elif not isinstance(statement, (ast.Import, ast.ImportFrom)):
            yield statement


def _is_for_types(statement):
    if not isinstance(statement, ast.If) or not isinstance(statement.test, ast.Name):
        return False
    return statement.test.id == "TYPE_CHECKING"


def _defined(statement):
    """Names that a top-level statement defines."""
    if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
        return [statement.name]
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.AnnAssign):
        targets = [statement.target]
    else:
        return []
    return [node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)]


def _is_docstring(node):
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


# ---- text ------------------------------------------------------------------------------------------------------


def _text(node):
    """A node as text that is equal for every Python version: empty fields and positions are left out."""
    if isinstance(node, ast.AST):
        return f"{type(node).__name__}({','.join(_fields(node))})"
    if isinstance(node, list):
        return f"[{','.join(map(_text, node))}]"
    return repr(node)


def _fields(node):
    for name, value in ast.iter_fields(node):
        if name == "body" and isinstance(value, list) and value and _is_docstring(value[0]):
            value = value[1:]
        if value not in (None, []) and name not in ("ctx", "kind"):
            yield f"{name}={_text(value)}"
