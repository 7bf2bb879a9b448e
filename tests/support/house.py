"""Rooms of the package, their floors and the imports between them; as a script, it prints them.

python tests/support/house.py
"""

import ast
import collections
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "workflow" / "secateur"
# From the ground up. A room may import from lower floors, and from itself.
FLOORS = (
    ("graph", "artifacts", "statistics"),
    ("study", "jobs", "cost"),
    ("units", "relevance", "evaluation", "images", "ranking", "analysis"),
    ("models",),
    ("criteria", "pruning", "training", "figures", "verdicts"),
    ("recovery",),
    ("export", "results", "retraining", "selection", "sparsity"),
    ("preview",),
    ("console",),
)
# Rooms that work without torch: jobs that only read tables start fast, and so does `secateur check`.
LIGHT = ("study", "artifacts", "jobs", "images", "analysis", "figures", "verdicts", "ranking", "statistics", "console")
MOST_ROOMS = 26


def rooms():
    """Names of the modules and folders of the package."""
    modules = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"}
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    return sorted(modules | folders)


def floor_of(room):
    """The floor of a room, from 1; 0 if FLOORS lacks the room."""
    for floor, names in enumerate(FLOORS, 1):
        if room in names:
            return floor
    return 0


def files():
    """(room, path) of every module in a room."""
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        if parts != ("__init__",):
            yield parts[0], path


def arrows():
    """{(from room, to room): its first import, as file:line}, imports inside functions included."""
    places = {}
    for room, path in files():
        for node in ast.walk(_parsed(path)):
            for other in _rooms_of(node):
                if other != room:
                    places.setdefault((room, other), _place(path, node))
    return places


def unseen(path):
    """Imports of this package that would hide an arrow: of the whole package, relative ones, of everything."""
    for node in ast.walk(_parsed(path)):
        if isinstance(node, ast.Import):
            hides = PACKAGE.name in map(_outermost, _modules_of(node))
        elif isinstance(node, ast.ImportFrom):
            hides = node.level or node.names[0].name == "*"
        else:
            hides = False
        if hides:
            yield _place(path, node)


def _parsed(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def _place(path, node):
    return f"{path.relative_to(PACKAGE.parent)}:{node.lineno}"


def _outermost(module):
    return module.partition(".")[0]


def _rooms_of(node):
    """The rooms that an import statement names."""
    if not isinstance(node, ast.ImportFrom) or not node.module or _outermost(node.module) != PACKAGE.name:
        return []
    room = _outermost(node.module.partition(".")[2])
    if room:
        return [room]
    return [alias.name for alias in node.names if alias.name in rooms()]


def arrows_back(places):
    """The arrows that do not lead to a lower floor, each with its place."""
    back = {}
    for (start, end), place in places.items():
        if floor_of(start) <= floor_of(end):
            back[start, end] = place
    return back


def circles(places):
    """Rooms from which a path of imports leads back to themselves."""
    following = collections.defaultdict(set)
    for start, end in places:
        following[start].add(end)
    return sorted(room for room in rooms() if room in _reached(room, following))


def _reached(room, following):
    reached, ahead = set(), list(following[room])
    while ahead:
        other = ahead.pop()
        if other not in reached:
            reached.add(other)
            ahead += following[other]
    return reached


def torch_at_the_top():
    """Files of light rooms that import torch when they are imported themselves."""
    for room, path in files():
        if room in LIGHT and not {"torch", "torchvision"}.isdisjoint(_imported(path)):
            yield str(path.relative_to(PACKAGE.parent))


def _imported(path):
    """Packages that a file imports when it is imported itself."""
    for part in _parsed(path).body:
        if not _is_deferred(part):
            for node in ast.walk(part):
                yield from map(_outermost, _modules_of(node))


def _is_deferred(part):
    """Whether the import of a module does not run this part of it."""
    types = isinstance(part, ast.If) and isinstance(part.test, ast.Name) and part.test.id == "TYPE_CHECKING"
    return types or isinstance(part, (ast.FunctionDef, ast.ClassDef))


def _modules_of(node):
    """The modules that an import statement names."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module:
        return [node.module]
    return []


def main():
    places = arrows()
    for floor, names in reversed(list(enumerate(FLOORS, 1))):
        print(f"floor {floor}: {', '.join(names)}")
    print(f"rooms: {len(rooms())} (at most {MOST_ROOMS})")
    print(f"modules: {len(list(files()))}")
    print(f"arrows between rooms: {len(places)}")
    back = arrows_back(places)
    print(f"arrows back: {len(back)}")
    for (start, end), place in sorted(back.items()):
        print(f"  {start} -> {end} at {place}")
    print(f"circles: {len(circles(places))} {' '.join(circles(places))}".rstrip())
    heavy = list(torch_at_the_top())
    print(f"light files that import torch at the top: {len(heavy)} {' '.join(heavy)}".rstrip())


if __name__ == "__main__":
    main()
