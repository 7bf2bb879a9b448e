"""A network of the user's own: the function that makes it, its file and its code; `models/own.py` calls it.

The factory is found and read without running it, so that settings are checked, and reruns decided, before torch is
imported. Only code of the user's own is called, none of an installed package: a checkpoint names its factory, and
loading a checkpoint from elsewhere must not run code that its file names.
"""

import ast
import importlib
import importlib.util
import sys
import sysconfig
import traceback
from collections.abc import Iterator
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

from secateur import Refused
from secateur.artifacts import code_digest
from secateur.study.vocabulary import nearest

PACKAGE = Path(__file__).resolve().parent.parent
INSTALLED = ("site-packages", "dist-packages")
# Names of the parameter of a factory that takes the number of classes.
CLASSES = ("classes", "num_classes")
# The setting that names a factory, in messages; learned criteria name factories of their own.
SETTING = "model.factory"


def name_of(factory: str) -> str:
    """A name for paths: "nets.small:make" is nets.small.make."""
    return factory.replace(":", ".")


def check(factory: str, setting: str = SETTING) -> None:
    """Refuse, without running anything, a factory that does not exist; Refused names the places that were searched."""
    module, function = factory.split(":")
    path = source(factory, setting)
    names = _defined(_tree(path, factory, setting))
    if function not in names and "*" not in names:
        raise Refused(
            f"{setting} is {factory}, but {path} defines no {function}{nearest(function, names)}; "
            f"it defines {', '.join(sorted(names)) or 'nothing'}"
        )
    digest_of(factory, setting)


def digest_of(factory: str, setting: str = SETTING) -> str:
    """Sixteen hexadecimal digits for the factory's module and all of the user's own that it imports."""
    reached = modules_reached(factory, setting)
    return code_digest.of_trees(reached[module][1] for module in sorted(reached))


def source(factory: str, setting: str = SETTING) -> Path:
    """The file of a factory's module; Refused if there is none, or if it is not the user's own."""
    module = factory.split(":")[0]
    spec = _spec(module)
    if spec is None or spec.origin is None:
        here = [path.stem for path in Path.cwd().glob("*.py")]
        raise Refused(
            f"{setting} is {factory}, but there is no module {module}{nearest(module, here)}; looked in "
            f"{', '.join(_places())}, and among the installed packages"
        )
    refuse_foreign(factory, spec.origin, setting)
    return Path(spec.origin)


def place(error: BaseException) -> str:
    """The line of the user's own code at which an error arose, as "file:line (text): "; empty if there is none."""
    if isinstance(error, SyntaxError):
        return f"{error.filename}:{error.lineno} ({(error.text or '').strip()}): "
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_own(frame.filename)]
    if not frames:
        return ""
    return f"{frames[-1].filename}:{frames[-1].lineno} ({frames[-1].line}): "


def modules_reached(factory: str, setting: str = SETTING) -> dict[str, tuple[Path, ast.Module]]:
    """{module: (file, parsed code)} of the factory's module and of all that it imports of the user's own."""
    reached = {}
    waiting = [(factory.split(":")[0], source(factory, setting))]
    while waiting:
        module, path = waiting.pop()
        if module not in reached:
            tree = _tree(path, factory, setting)
            reached[module] = path, tree
            waiting += _imported(tree, module, path)
    return reached


def _spec(module: str) -> ModuleSpec | None:
    """The spec of a module, found without importing the packages around it; None if there is no such module."""
    importlib.invalidate_caches()
    outermost, *parts = module.split(".")
    spec = _outermost(outermost)
    for part in parts:
        if spec is None:
            return None
        # Without the names of the packages around it, which a folder without __init__.py would look for in sys.modules.
        spec = PathFinder.find_spec(part, list(spec.submodule_search_locations or ()))
    return spec


def _outermost(name: str) -> ModuleSpec | None:
    """The spec of a top-level module, in the working folder or where an import would find it."""
    here = PathFinder.find_spec(name, [str(Path.cwd())])
    if here is not None and here.has_location:
        return here
    try:
        there = importlib.util.find_spec(name)
    except ValueError:
        # Python's own __main__ has none.
        there = None
    # A folder without __init__.py counts only where nothing else has its name.
    if there is not None and (there.has_location or here is None):
        return there
    return here


def _imported(tree: ast.Module, module: str, path: Path) -> Iterator[tuple[str, Path]]:
    """(name, file) of every module of the user's own that a module imports, packages around them included."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for name in _names(tree, package):
        for depth in range(1, name.count(".") + 2):
            outer = ".".join(name.split(".")[:depth])
            file = _own_file(outer)
            if file is not None:
                yield outer, file


def _own_file(module: str) -> Path | None:
    """The file of a module of the user's own in Python; None for all others."""
    spec = _spec(module)
    if spec is None or not spec.has_location or spec.origin is None:
        return None
    if not _is_own(spec.origin) or not spec.origin.endswith(".py"):
        return None
    return Path(spec.origin)


def _names(tree: ast.Module, package: str) -> Iterator[str]:
    """Every name that may be a module in a module's imports; `from a import b` may mean a.b."""
    for node in ast.walk(tree):
        if not isinstance(node, (ast.Import, ast.ImportFrom)):
            continue
        base = _base(node, package) if isinstance(node, ast.ImportFrom) else []
        for alias in node.names:
            yield ".".join([*base, alias.name])


def _base(node: ast.ImportFrom, package: str) -> list[str]:
    """The parts of the module that a `from` imports from; `package` is that of the importing module."""
    parts = []
    if node.level and package:
        # One dot is the package itself, every other dot is one package further up.
        parts = package.split(".")[: package.count(".") + 2 - node.level]
    if node.module:
        parts.append(node.module)
    return parts


def _defined(tree: ast.Module) -> set[str]:
    """Names that a module's source defines at its top level; "*" where the source alone does not tell."""
    names = set()
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names.update(target.id for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names.update(alias.asname or alias.name for alias in node.names)
        elif isinstance(node, (ast.If, ast.Try)):
            # Only a run can tell which branch is taken.
            names.add("*")
    return names


def _tree(path: Path, factory: str, setting: str) -> ast.Module:
    """The parsed code of a file; Refused, with its line, where it is no Python."""
    try:
        return ast.parse(path.read_text(encoding="utf-8"), str(path))
    except (SyntaxError, UnicodeDecodeError) as error:
        raise failed(factory, error, setting) from error


def refuse_foreign(factory: str, file: Path | str | None, setting: str = SETTING) -> None:
    """Refused for a factory whose code lies in a file that is not the user's own."""
    if not _is_own(file):
        raise Refused(
            f"{setting} is {factory}, which is code of an installed package ({file}); write a function of your "
            "own that calls it: a checkpoint names its factory, and may name nothing else"
        )


def _is_own(file):
    """True if a file is neither Python's, nor an installed package's, nor of this package."""
    if not file or not Path(file).is_file() or _is_installed(Path(file)):
        return False
    return PACKAGE not in Path(file).resolve().parents


def _is_installed(path):
    """True if a file or folder is Python's or a package's, by its own path or by that of a link's target."""
    stdlib = Path(sysconfig.get_path("stdlib"))
    return _lies_in(path.absolute(), stdlib.absolute()) or _lies_in(path.resolve(), stdlib.resolve())


def _lies_in(path, stdlib):
    """True if a path lies in Python's library, or in a folder of installed packages."""
    return not {*path.parts}.isdisjoint(INSTALLED) or path.is_relative_to(stdlib)


def _places():
    """The folders in which a factory of the user's own may lie, the working folder first."""
    folders = [Path.cwd()]
    for entry in sys.path:
        folder = Path(entry).absolute()
        if folder.is_dir() and not _is_installed(folder) and folder != PACKAGE.parent:
            folders.append(folder)
    return list(dict.fromkeys(map(str, folders)))


def failed(factory: str, error: BaseException, setting: str = SETTING) -> Refused:
    """The Refused for an error in the user's code, in one line: file, line, text and message."""
    return Refused(f"{setting} {factory} failed: {reason(error)}")


def reason(error: BaseException) -> str:
    """An error in the user's code in one line: file, line, text and message."""
    message = error.msg if isinstance(error, SyntaxError) else str(error)
    first = message.split("\n")[0]
    return f"{place(error)}{type(error).__name__}: {first}"
