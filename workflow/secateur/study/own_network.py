"""A network of the user's own: the function that makes it, found and read; `models/own.py` calls it.

It is found and read without running it, so that settings are checked, and reruns decided, before torch is imported.
Only code of the user's own is called, none of an installed package: a checkpoint names its factory, and loading a
checkpoint from elsewhere must not run whatever that file asks for.
"""

import ast
import importlib
import importlib.machinery
import importlib.util
import sys
import sysconfig
import traceback
from pathlib import Path

from secateur import Refused
from secateur.artifacts import code_digest
from secateur.study.vocabulary import nearest

PACKAGE = Path(__file__).resolve().parent.parent
INSTALLED = ("site-packages", "dist-packages")
# What a factory calls the number of classes, which it then need not be told.
CLASSES = ("classes", "num_classes")


def name_of(factory: str) -> str:
    """A name for paths: "nets.small:make" is nets.small.make."""
    return factory.replace(":", ".")


def check(factory: str) -> None:
    """Refuse, without running anything, a factory that is not there; Refused says where it was looked for."""
    module, function = factory.split(":")
    path = source(factory)
    tree = _tree(path, factory)
    names = _defined(tree)
    if function not in names and "*" not in names:
        raise Refused(
            f"model.factory is {factory}, but {path} defines no {function}{nearest(function, names)}; "
            f"it defines {', '.join(sorted(names)) or 'nothing'}"
        )
    digest_of(factory)


def digest_of(factory: str) -> str:
    """Sixteen hexadecimal digits for the factory's module and all of the user's own that it imports."""
    reached = modules_reached(factory)
    return code_digest.of_trees(reached[module][1] for module in sorted(reached))


def source(factory: str) -> Path:
    """The file of a factory's module; Refused if there is none, or if it is not the user's own."""
    module = factory.split(":")[0]
    specs = _specs(module)
    if specs is None or specs[-1].origin is None:
        here = [path.stem for path in Path.cwd().glob("*.py")]
        raise Refused(
            f"model.factory is {factory}, but there is no module {module}{nearest(module, here)}; looked in "
            f"{', '.join(_places())}, and among the installed packages"
        )
    refuse_foreign(factory, specs[-1].origin)
    return Path(specs[-1].origin)


def place(error: BaseException) -> str:
    """The line of the user's own code at which an error arose, as "file:line (text): "; empty if there is none."""
    if isinstance(error, SyntaxError):
        return f"{error.filename}:{error.lineno} ({(error.text or '').strip()}): "
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_own(frame.filename)]
    return f"{frames[-1].filename}:{frames[-1].lineno} ({frames[-1].line}): " if frames else ""


def modules_reached(factory: str) -> dict[str, tuple[Path, ast.Module]]:
    """{module: (file, parsed code)} of the factory's module and of all that it imports of the user's own."""
    found, waiting = {}, [(factory.split(":")[0], source(factory))]
    while waiting:
        module, path = waiting.pop()
        if module not in found:
            found[module] = path, _tree(path, factory)
            waiting += _imported(found[module][1], module, path)
    return found


def _specs(module):
    """The specs of a module and of the packages around it, outermost first; None if there is no such module."""
    importlib.invalidate_caches()
    parts = module.split(".")
    specs = [_outermost(parts[0])]
    for depth in range(2, len(parts) + 1):
        if specs[-1] is None:
            break
        inside = specs[-1].submodule_search_locations or []
        specs.append(importlib.machinery.PathFinder.find_spec(".".join(parts[:depth]), inside))
    return None if specs[-1] is None else specs


def _outermost(name):
    """The spec of a top-level module, in the working folder or where an import would find it."""
    here = importlib.machinery.PathFinder.find_spec(name, [str(Path.cwd())])
    if here is not None and here.has_location:
        return here
    try:
        there = importlib.util.find_spec(name)
    except ValueError:
        # Python's own __main__ has none.
        there = None
    # A folder without __init__.py counts only where there is nothing else of that name.
    return there if there is not None and (there.has_location or here is None) else here


def _imported(tree, module, path):
    """(name, file) of every module of the user's own that a module imports, packages around them included."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for name in _names(tree, package):
        for depth in range(1, name.count(".") + 2):
            outer = ".".join(name.split(".")[:depth])
            specs = _specs(outer)
            if specs and specs[-1].has_location and _is_own(specs[-1].origin) and specs[-1].origin.endswith(".py"):
                yield outer, Path(specs[-1].origin)


def _names(tree, package):
    """Every name that may be a module in a module's imports; `from a import b` may mean a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: package.count(".") + 2 - node.level] if node.level and package else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{base}.{alias.name}" if base else alias.name for alias in node.names)


def _defined(tree):
    """Names that a module's source defines at its top level; "*" where it takes over all of another's."""
    names = set()
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, (ast.If, ast.Try)):
            # Which branch runs only a run can tell.
            names.add("*")
    return names


def _tree(path, factory):
    try:
        return ast.parse(path.read_text(encoding="utf-8"), str(path))
    except (SyntaxError, UnicodeDecodeError) as error:
        raise failed(factory, error) from error


def refuse_foreign(factory: str, file: Path | str | None) -> None:
    if not _is_own(file):
        raise Refused(
            f"model.factory is {factory}, which is code of an installed package ({file}); write a function of your "
            "own that calls it: a checkpoint names its factory, and may name nothing else"
        )


def _is_own(file):
    """Whether a file is neither Python's, nor an installed package's, nor of this package."""
    return (
        bool(file) and Path(file).is_file() and not _is_installed(Path(file)) and PACKAGE not in _both(file)[1].parents
    )


def _is_installed(path):
    """Whether a file or folder is Python's or a package's, as it is named or where a link leads."""
    stdlib = Path(sysconfig.get_path("stdlib"))
    return any(
        set(form.parts) & set(INSTALLED) or form.is_relative_to(known)
        for form, known in zip(_both(path), _both(stdlib), strict=True)
    )


def _both(path):
    return Path(path).absolute(), Path(path).resolve()


def _places():
    """The folders in which a factory of the user's own may lie, the working folder first."""
    folders = [Path(entry).absolute() for entry in sys.path]
    own = [folder for folder in folders if folder.is_dir() and not _is_installed(folder) and folder != PACKAGE.parent]
    return list(dict.fromkeys(map(str, [Path.cwd(), *own])))


def failed(factory: str, error: BaseException) -> Refused:
    """One line for what went wrong in the user's code: file, line, text and message."""
    reason = (error.msg if isinstance(error, SyntaxError) else str(error)).split("\n")[0]
    return Refused(f"model.factory {factory} failed: {place(error)}{type(error).__name__}: {reason}")
