"""The rooms of the package, their floors, and which imports which; run as a script, it prints the house.

python tests/support/house.py
"""

import ast
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "workflow" / "secateur"
# From the ground up. A room may import from lower floors, and from itself.
FLOORS = (
    ("graph", "artifacts", "statistics"),
    ("study", "jobs", "cost"),
    ("units", "relevance", "evaluation", "images", "ranking", "analysis"),
    ("models",),
    ("criteria", "pruning", "training", "figures", "verdicts"),
    ("export", "retraining", "preview"),
    ("console",),
)
# Rooms that no script needs torch for, and `secateur check` neither before it looks at the network.
LIGHT = ("study", "artifacts", "jobs", "images", "analysis", "figures", "verdicts", "ranking", "statistics", "console")
MOST_ROOMS = 26


def rooms():
    """Names of what lies at the top of the package."""
    found = (path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file())
    return sorted(name for name in found if name != "__init__")


def floor_of(room):
    """The floor of a room, from 1; None if the plan has no place for it."""
    return next((floor for floor, names in enumerate(FLOORS, 1) if room in names), None)


def files():
    """(room, path) of every module in a room."""
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        if parts != ("__init__",):
            yield parts[0], path


def arrows():
    """{(from room, to room): the first place, as file:line}, imports inside functions included."""
    found = {}
    for room, path in files():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for other in _rooms_of(node):
                if other != room:
                    found.setdefault((room, other), f"{path.relative_to(PACKAGE.parent)}:{node.lineno}")
    return found


def unseen(path):
    """Imports of this package that would hide an arrow: of it as a whole, relative ones, of everything."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        named = [alias.name for alias in node.names] if isinstance(node, (ast.Import, ast.ImportFrom)) else []
        whole = isinstance(node, ast.Import) and any(name.partition(".")[0] == PACKAGE.name for name in named)
        if whole or (isinstance(node, ast.ImportFrom) and (node.level or named == ["*"])):
            yield f"{path.relative_to(PACKAGE.parent)}:{node.lineno}"


def _rooms_of(node):
    """The rooms that an import statement names."""
    if not isinstance(node, ast.ImportFrom) or not node.module or node.module.partition(".")[0] != PACKAGE.name:
        return []
    room = node.module.partition(".")[2].partition(".")[0]
    return [room] if room else [alias.name for alias in node.names if alias.name in rooms()]


def arrows_back(found):
    """The arrows that do not lead to a lower floor, each with its place."""
    return {arrow: place for arrow, place in found.items() if (floor_of(arrow[0]) or 0) <= (floor_of(arrow[1]) or 0)}


def circles(found):
    """Rooms from which a way leads back to themselves."""
    following = {room: {end for start, end in found if start == room} for room in rooms()}
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
        tree = ast.parse(path.read_text(encoding="utf-8"))
        inside = [part for part in tree.body if not _is_apart(part)]
        names = [name for part in inside for node in ast.walk(part) for name in _modules_of(node)]
        if room in LIGHT and any(name.partition(".")[0] in ("torch", "torchvision") for name in names):
            yield str(path.relative_to(PACKAGE.parent))


def _is_apart(part):
    """What does not run when a module is imported."""
    types = isinstance(part, ast.If) and isinstance(part.test, ast.Name) and part.test.id == "TYPE_CHECKING"
    return types or isinstance(part, (ast.FunctionDef, ast.ClassDef))


def _modules_of(node):
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module] if isinstance(node, ast.ImportFrom) and node.module else []


def main():
    found = arrows()
    for floor, names in reversed(list(enumerate(FLOORS, 1))):
        print(f"floor {floor}: {', '.join(names)}")
    print(f"rooms: {len(rooms())} (at most {MOST_ROOMS})")
    print(f"modules: {len(list(files()))}")
    print(f"arrows between rooms: {len(found)}")
    back = arrows_back(found)
    print(f"arrows back: {len(back)}")
    for (start, end), place in sorted(back.items()):
        print(f"  {start} -> {end} at {place}")
    print(f"circles: {len(circles(found))} {' '.join(circles(found))}".rstrip())
    heavy = list(torch_at_the_top())
    print(f"light files that import torch at the top: {len(heavy)} {' '.join(heavy)}".rstrip())


if __name__ == "__main__":
    main()
