"""The content of files that the user gives, wherever they lie: a name for it, and which file of a study has it.

Snakemake compares inputs by their paths, so a path that was found somewhere must be no input: what reruns is decided by
the content. Digests are remembered by the file's state, because every look at a study asks for them: its path, size,
inode and both of its times, of which that of the last change of state cannot be set back by who copies a file.
"""

import contextlib
import json
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from secateur import Refused
from secateur.artifacts import files

REMEMBERED = Path(".snakemake") / "secateur" / "digests.json"
# A file that was changed just now may change again within the same tick of its clock.
SECONDS_UNTIL_SETTLED = 2


def of(path: Path | str) -> str:
    """Sixteen hexadecimal digits of a file's content."""
    state = Path(path).stat()
    key = f"{Path(path).absolute()} {state.st_size} {state.st_ino} {state.st_mtime_ns} {state.st_ctime_ns}"
    known = _known()
    if key not in known:
        known[key] = files.digest(path)
        if time.time() - max(state.st_mtime, state.st_ctime) > SECONDS_UNTIL_SETTLED:
            _remember(known)
    return known[key]


def weights(model: Mapping[str, Any]) -> str | None:
    """What stands for a network's given weights in all that depends on them: the content of a file, else the word."""
    given = model["weights"]
    return given if given in (None, "imagenet") else of(files.found(given))


def own_files(config: Mapping[str, Any]) -> dict[str, str]:
    """{path as the settings name it: content} of the weights, rankings and scores that a study is given."""
    weights, seeds = config["model"]["weights"], config["training"]["seeds"]
    named = {own_file(config, name, seed) for name in config["criteria"]["files"] for seed in seeds}
    named |= {weights} - {None, "imagenet"}
    return {name: of(files.found(name)) for name in sorted(named)}


def own_file(config: Mapping[str, Any], name: str, seed: int | str) -> str:
    """The user's own ranking or scores of a training seed, as the settings name it."""
    return config["criteria"]["files"][name].replace("{seed}", str(seed))


def copy(path: Path | str, content: str, target: Path | str) -> None:
    """Copy a file of this content; Refused if it has another one by now."""
    with files.replacing(target) as temporary:
        shutil.copyfile(path, temporary)
        refuse_changed(temporary, content, path)


def refuse_changed(path: Path | str, content: str, named: Path | str | None = None) -> None:
    """Refused, of the file as it is `named`, if a file has not this content."""
    if files.digest(path) != content:
        raise Refused(f"{named or path} has changed since the study was planned; run again")


def _known():
    with contextlib.suppress(OSError, ValueError):
        return dict(json.loads(REMEMBERED.read_text(encoding="utf-8")))
    return {}


def _remember(known):
    """What cannot be written, as in a folder of someone else, is computed again."""
    with contextlib.suppress(OSError):
        files.write_text(REMEMBERED, json.dumps(known, indent=0, sort_keys=True))
