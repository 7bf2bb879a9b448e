"""A digest of the code that a script can reach, so that only a change of what it runs makes it run again.

Snakemake compares a script's time stamp and does not see what the script imports. The digest covers the script, and
every definition of this package that it can reach, name by name; docstrings, comments and types are left out. It reads
source text only: registries must be dict literals, because a lookup by `getattr` is invisible to it.
The forms of import that it follows are `from secateur.room import module` and `from secateur.room.module import name`,
with or without `as`, and names that a package's `__init__.py` imports in turn. Any other form would give a digest that
stays the same when the code changes, so it is refused by file and line.
"""

import ast
import functools
import hashlib
from collections.abc import Iterable
from pathlib import Path

from secateur import Refused

PACKAGE = Path(__file__).resolve().parent.parent
# What surrounds a computation and cannot change its numbers: logs, progress bars, manifests.
SURROUNDINGS = {"jobs.script", "jobs.progress", "artifacts.provenance"}


def of_script(path: Path | str) -> str:
    """Sixteen hexadecimal digits for a script and what it reaches in the package."""
    path = Path(path)
    tree = _parsed(path)
    reached = {}
    _follow(*_mentioned(tree.body, _imports(path), set(), None, path), reached)
    parts = [_text(node) for node in tree.body if not _is_import(node)] + [reached[key] for key in sorted(reached)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def of_trees(trees: Iterable[ast.AST]) -> str:
    """Sixteen hexadecimal digits for what the code of several parsed files computes."""
    return hashlib.sha256("\n".join(map(_text, trees)).encode()).hexdigest()[:16]


def _follow(own, foreign, reached):
    """Add every definition that is mentioned to `reached`, and what those mention in turn."""
    for module, name in own:
        _reach(module, name, reached)
    reached |= {("", text): text for text in foreign}


def _reach(module, name, reached):
    """Add one definition, the statements that its module always runs, and all that they mention."""
    if module in SURROUNDINGS:
        return
    definitions, imports, _ = _module(module)
    for part in ("", name) if name in definitions else ("",):
        if (module, part) not in reached:
            reached[module, part], *mentioned = _part(module, part)
            _follow(*mentioned, reached)
    # A name that the module itself has from elsewhere, as a package's face has all its names.
    if name not in definitions and isinstance(imports.get(name), tuple):
        if imports[name][1] is None:
            raise ValueError(
                f"{_file(module)}: the code digest cannot follow {module}.{name}, a module that is taken from another; "
                f"import it from where it lies"
            )
        _reach(*imports[name], reached)


@functools.cache
def _part(module, name):
    """(text, mentions of this package, of others) of a definition, or, without a name, of what its module always runs.

    Kept, because most scripts reach the same definitions: all digests take 0.3 s instead of 2 s.
    """
    definitions, imports, always = _module(module)
    nodes = definitions[name] if name else always
    return "\n".join(map(_text, nodes)), *_mentioned(nodes, imports, set(definitions), module, _file(module))


def _mentioned(nodes, imports, own, module, path):
    """(mentions of this package, of others) in some nodes of the file `path`."""
    ours = {local: entry for local, entry in imports.items() if not isinstance(entry, str)}
    found, outside = {}, set()
    for node in nodes:
        # Walked once, because this is the start of every run.
        inside = list(ast.walk(node))
        _refuse_module_as_value(inside, ours, path)
        found |= dict.fromkeys(_mentions(inside, ours, own, module, path))
        outside.update(_outside(inside, imports))
    return tuple(found), outside


def _outside(inside, imports):
    """What nodes mention of other packages, as `numpy` or `torch.nn.functional`: another import is another code."""
    for inner in inside:
        if isinstance(inner, ast.Name) and isinstance(imports.get(inner.id), str):
            yield imports[inner.id]


def _mentions(inside, imports, own, module, path):
    """(module, name) of the package for every name and `module.name` among nodes."""
    for inner in inside:
        if isinstance(inner, ast.Attribute) and isinstance(inner.value, ast.Name) and inner.value.id in imports:
            other, name = imports[inner.value.id]
            if name is None:
                _refuse_module_of(other, inner, path)
                yield other, inner.attr
        elif isinstance(inner, ast.Name):
            if inner.id in imports and imports[inner.id][1] is not None:
                yield imports[inner.id]
            elif inner.id in own:
                yield module, inner.id
        elif isinstance(inner, ast.ImportFrom):
            yield from ((other, name) for other, name in _imported(inner, path).values() if name is not None)


@functools.cache
def _module(name):
    """(definitions by name, imports, statements that always run) of one module of the package."""
    tree = _parsed(_file(name))
    definitions, always = {}, []
    for node in tree.body:
        names = _names(node)
        for defined in names:
            definitions.setdefault(defined, []).append(node)
        if not names and not _is_import(node) and not _is_docstring(node):
            always.append(node)
    return definitions, _imports(_file(name)), always


def _file(module):
    """The file of a module or package by its dotted name, without the name of this package; None if there is none."""
    return _located(PACKAGE, module)


@functools.cache
def _located(package, module):
    path = package.joinpath(*module.split("."))
    files = (path.with_suffix(".py"), path / "__init__.py")
    return next((file for file in files if file.is_file()), None)


def _names(node):
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return [node.name]
    if isinstance(node, (ast.Assign, ast.AnnAssign)):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return [inner.id for target in targets for inner in ast.walk(target) if isinstance(inner, ast.Name)]
    return []


@functools.cache
def _imports(path):
    """Local name -> (module of the package, name in it or None for the module itself), or text for other packages."""
    found = {}
    for node in ast.walk(_parsed(path)):
        if isinstance(node, ast.Import):
            _refuse_whole(node, path)
            found |= {alias.asname or alias.name.partition(".")[0]: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            own = _imported(node, path)
            _refuse_another_meaning(found, own, node, path)
            found |= own or {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Call):
            _refuse_by_text(node, path)
    return found


def _imported(node, path):
    """{local name: (module, name or None)} of what a `from` brings of this package."""
    if node.level:
        raise _unseen(path, node, "a relative import")
    if not node.module or node.module.partition(".")[0] != PACKAGE.name:
        return {}
    return {alias.asname or alias.name: _entry(node, alias.name, path) for alias in node.names}


def _entry(node, name, path):
    """(module, name or None) that `from module import name` means."""
    if name == "*":
        raise _unseen(path, node, "an import of everything")
    room = node.module.partition(".")[2]
    module = f"{room}.{name}" if room else name
    if _file(module):
        return module, None
    if room and not _file(room):
        raise Refused(f"{path}:{node.lineno}: {node.module} is no module of {PACKAGE.name}")
    return room or "__init__", name


def _refuse_whole(node, path):
    """`import secateur.x` binds the whole package, whose attributes cannot be told from its modules."""
    for alias in node.names:
        if alias.name.partition(".")[0] == PACKAGE.name:
            raise _unseen(path, node, f"import {alias.name}")


def _refuse_by_text(node, path):
    """A module of this package imported by its name as a text."""
    function = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    texts = [arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
    own = any(text.partition(".")[0] == PACKAGE.name for text in texts)
    if function in ("import_module", "__import__") and own:
        raise _unseen(path, node, f"{function}({texts[0]!r})")


def _refuse_module_as_value(inside, imports, path):
    """A module that is handed on, as in `f(module)`: what is used of it shows nowhere by name."""
    modules = {local for local, (_, name) in imports.items() if name is None}
    named = [inner for inner in inside if isinstance(inner, ast.Name) and inner.id in modules]
    if not named:
        return
    before_a_dot = {id(inner.value) for inner in inside if isinstance(inner, ast.Attribute)}
    bound = {inner.id for inner in named if isinstance(inner.ctx, ast.Store)}
    bound |= {inner.arg for inner in inside if isinstance(inner, ast.arg)}
    for inner in named:
        if id(inner) not in before_a_dot and inner.id not in bound:
            raise _unseen(path, inner, f"the module {inner.id} as a value")


def _refuse_another_meaning(found, own, node, path):
    """One name for two things: the digest would follow the last of them everywhere."""
    for local, entry in own.items():
        if found.get(local, entry) != entry:
            raise _unseen(path, node, f"{local} for two things")


def _refuse_module_of(package, node, path):
    """`package.module` as an attribute: what is used of the module is one step further than the digest looks."""
    if _file(f"{package}.{node.attr}"):
        raise _unseen(path, node, f"{package}.{node.attr} as an attribute")


def _unseen(path, node, form):
    return ValueError(
        f"{path}:{node.lineno}: the code digest cannot follow {form}, and would not see an edit of what it brings; "
        f"write from {PACKAGE.name}.room import module, or from {PACKAGE.name}.room.module import name"
    )


@functools.cache
def _parsed(path):
    """A file's syntax tree, without the types of arguments, results and fields, which compute nothing."""
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, ast.AnnAssign):
            node.annotation = ast.Constant(None)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            node.returns = None
    return tree


def _is_import(node):
    """Also `if TYPE_CHECKING:`, which holds imports that only types need."""
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name):
        return node.test.id == "TYPE_CHECKING"
    return isinstance(node, (ast.Import, ast.ImportFrom))


def _is_docstring(node):
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _text(node):
    """A node as text that is the same for every Python version: empty fields and positions are left out."""
    if isinstance(node, ast.AST):
        fields = ((name, _without_docstring(name, value)) for name, value in ast.iter_fields(node))
        inner = (
            f"{name}={_text(value)}"
            for name, value in fields
            if value not in (None, []) and name not in ("ctx", "kind")
        )
        return f"{type(node).__name__}({','.join(inner)})"
    if isinstance(node, list):
        return f"[{','.join(map(_text, node))}]"
    return repr(node)


def _without_docstring(name, value):
    if name == "body" and isinstance(value, list) and value and _is_docstring(value[0]):
        return value[1:]
    return value
