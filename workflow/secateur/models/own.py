"""A user's network, made by the user's function."""

import contextlib
import importlib
import importlib.machinery
import importlib.util
import inspect
import sys
from pathlib import Path
from typing import Any

from secateur import Refused
from secateur.study import own_network


def made(factory: str, classes: int, arguments: dict[str, Any]) -> Any:
    """The network of a factory for these arguments; a parameter `classes` or `num_classes` is added to them.

    Raises Refused, with the line of the user's code where that failed.
    """
    return called(factory, arguments, own_network.SETTING, dict.fromkeys(own_network.CLASSES, classes))


def called(factory: str, arguments: dict[str, Any], setting: str, offered: dict[str, Any]) -> Any:
    """The result of the factory that a `setting` names, for these arguments and those `offered` that it takes.

    Raises Refused, with the line of the user's code where that failed.
    """
    path, (module, name) = own_network.source(factory, setting), factory.split(":")
    _make_room(factory, setting)
    with _importable():
        try:
            function = vars(importlib.import_module(module)).get(name)
        except Exception as error:
            raise own_network.failed(factory, error, setting) from error
        if not callable(function):
            raise Refused(f"{setting} is {factory}, but {path} defines no function {name}")
        own_network.refuse_foreign(factory, _file_of(function), setting)
        arguments = _completed(factory, function, arguments, setting, offered)
        try:
            return function(**arguments)
        except Exception as error:
            raise own_network.failed(factory, error, setting) from error


def _completed(factory, function, arguments, setting, offered):
    """The arguments, and those on offer for which the function has a parameter."""
    signature = inspect.signature(function)
    taken = {name: value for name, value in offered.items() if name in signature.parameters}
    arguments = taken | arguments
    try:
        signature.bind(**arguments)
    except TypeError as error:
        named = "model.arguments" if setting == own_network.SETTING else f"the arguments {', '.join(arguments)}"
        raise Refused(f"{named} do not fit {setting} {factory}, which takes {signature}: {error}") from error
    return arguments


@contextlib.contextmanager
def _importable():
    """Put the working folder first on Python's search path for the length of the block."""
    folder = str(Path.cwd())
    sys.path.insert(0, folder)
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(folder)


def _make_room(factory, setting):
    """Forget modules that were imported under the same names from another folder."""
    for module, (path, _) in own_network.modules_reached(factory, setting).items():
        known = sys.modules.get(module)
        if known is not None and getattr(known, "__file__", None) != str(path):
            del sys.modules[module]


def _file_of(function):
    """The file that defines a function or class, decorators unwrapped; None for anything without source."""
    try:
        return inspect.getsourcefile(inspect.unwrap(function))
    except TypeError:
        return None
