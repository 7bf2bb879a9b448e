"""Code digests that were computed before, for the same code.

A digest follows names through the whole package, which takes four seconds for all scripts, each time that Snakemake
starts, and on a cluster for each job. It is a function of the text of the package and its scripts alone, so that this
text names a file of digests.
"""

import atexit
import contextlib
import hashlib
import json
from pathlib import Path

from secateur.artifacts import code_digest, code_imports, files

# Files that are kept, for as many states of the code: branches, and edits that are taken back.
KEPT = 20


class Digests:
    """Digests of the scripts in a folder beside the package; `cache` is a folder that other runs read and write too."""

    def __init__(self, scripts: Path | str, cache: Path | str) -> None:
        self.scripts, self._folder = Path(scripts), Path(cache)
        self._package = code_imports.PACKAGE
        self._state, self._new = _state(self.scripts, self._package), False
        self._known = _read(self._path)

    @property
    def _path(self):
        return self._folder / f"{self._state}.json"

    def of_script(self, name: str) -> str:
        """The digest of a script by its name without ending; FileNotFoundError if there is none."""
        if name not in self._known:
            if not self._new:
                # Written once, when Snakemake ends, because each start asks for all scripts.
                atexit.register(self.save)
                self._new = True
            self._known[name] = code_digest.of_script(self.scripts / f"{name}.py")
        return self._known[name]

    def save(self) -> None:
        """Write what is known; a folder that cannot be written to costs time alone.

        Nothing is written of code that was edited meanwhile: some digests could be of the text before.
        """
        with contextlib.suppress(OSError):
            if _state(self.scripts, self._package) != self._state:
                return
            files.write_text(self._path, json.dumps(self._known, indent=1, sort_keys=True))
            others = sorted(self._folder.glob("*.json"), key=lambda path: path.stat().st_mtime)
            for path in others[:-KEPT]:
                path.unlink(missing_ok=True)


def _state(scripts, package):
    """A digest of all text that code digests depend on, their own code included."""
    paths = [*scripts.glob("*.py"), *package.rglob("*.py")]
    state = hashlib.sha256()
    for path in sorted(paths):
        text = path.read_bytes()
        state.update(f"{path.relative_to(scripts)} {len(text)}\n".encode())
        state.update(text)
    return state.hexdigest()[:32]


def _read(path):
    """{script: digest} of a file; nothing for one that is missing or damaged, because all can be computed again."""
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    sound = isinstance(known, dict) and all(isinstance(value, str) and len(value) == 16 for value in known.values())
    return known if sound else {}
