"""A digest of the code that a script can reach, so that only a change of what it runs makes it run again.

Snakemake compares a script's time stamp and does not see what the script imports. The digest covers the
script, and every definition of this package that it can reach, name by name, docstrings and comments left out.
It reads source text only: registries must be dict literals, because a lookup by `getattr` is invisible to it.
"""

import ast
import functools
import hashlib
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
# What surrounds a computation and cannot change its numbers: logs, progress bars, manifests.
SURROUNDINGS = {"jobs", "progress", "provenance"}


def of_script(path):
    """Sixteen hexadecimal digits for a script and what it reaches in the package."""
    tree = _parsed(Path(path))
    reached = {}
    _follow(*_mentioned(tree.body, _imports(tree), set(), None), reached)
    parts = [_text(node) for node in tree.body if not _is_import(node)] + [reached[key] for key in sorted(reached)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def of_trees(trees):
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
    for part in ("", name) if name in _module(module)[0] else ("",):
        if (module, part) not in reached:
            reached[module, part], *mentioned = _part(module, part)
            _follow(*mentioned, reached)


@functools.cache
def _part(module, name):
    """(text, mentions of this package, of others) of a definition, or, without a name, of what its module always runs.

    Kept, because most scripts reach the same definitions: all digests take 0.3 s instead of 2 s.
    """
    definitions, imports, always = _module(module)
    nodes = definitions[name] if name else always
    return "\n".join(map(_text, nodes)), *_mentioned(nodes, imports, set(definitions), module)


def _mentioned(nodes, imports, own, module):
    """(mentions of this package, of others) in some nodes."""
    found = {mention: None for node in nodes for mention in _mentions(node, imports, own, module)}
    return tuple(found), {text for node in nodes for text in _outside(node, imports)}


def _outside(node, imports):
    """What a node mentions of other packages, as `numpy` or `torch.nn.functional`: another import is another code."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name) and isinstance(imports.get(inner.id), str):
            yield imports[inner.id]


def _mentions(node, imports, own, module):
    """(module, name) of the package for every name and `module.name` inside a node."""
    imports = {local: entry for local, entry in imports.items() if not isinstance(entry, str)}
    for inner in ast.walk(node):
        if isinstance(inner, ast.Attribute) and isinstance(inner.value, ast.Name) and inner.value.id in imports:
            other, name = imports[inner.value.id]
            if name is None:
                yield other, inner.attr
        elif isinstance(inner, ast.Name):
            if inner.id in imports and imports[inner.id][1] is not None:
                yield imports[inner.id]
            elif inner.id in own:
                yield module, inner.id
        elif isinstance(inner, ast.ImportFrom):
            yield from ((other, name) for other, name in _imported(inner).values() if name is not None)


@functools.cache
def _module(name):
    """(definitions by name, imports, statements that always run) of one module of the package."""
    tree = _parsed(PACKAGE / f"{name}.py")
    definitions, always = {}, []
    for node in tree.body:
        names = _names(node)
        for defined in names:
            definitions.setdefault(defined, []).append(node)
        if not names and not _is_import(node) and not _is_docstring(node):
            always.append(node)
    return definitions, _imports(tree), always


def _names(node):
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return [node.name]
    if isinstance(node, (ast.Assign, ast.AnnAssign)):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return [inner.id for target in targets for inner in ast.walk(target) if isinstance(inner, ast.Name)]
    return []


def _imports(tree):
    """Local name -> (module of the package, name in it or None for the module itself), or text for other packages."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.asname or alias.name.partition(".")[0]: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            own = _imported(node)
            found |= own or {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return found


def _imported(node):
    if node.module == PACKAGE.name:
        modules = {alias.asname or alias.name: (alias.name, None) for alias in node.names}
        return {local: entry for local, entry in modules.items() if (PACKAGE / f"{entry[0]}.py").exists()}
    if node.module and node.module.startswith(f"{PACKAGE.name}."):
        module = node.module.removeprefix(f"{PACKAGE.name}.")
        return {alias.asname or alias.name: (module, alias.name) for alias in node.names}
    return {}


@functools.cache
def _parsed(path):
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def _is_import(node):
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
