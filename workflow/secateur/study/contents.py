"""Digests of the content of files that the user gives, wherever they lie.

Snakemake compares inputs by their paths, so a path that depends on the machine must be no input: the content decides
what reruns. Digests are cached by the file's state, because every look at a study asks for them: its path, size, inode
and both of its times, of which that of the last change of state cannot be set back by copying a file.
"""

import contextlib
import itertools
import json
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from secateur import Refused
from secateur.artifacts import files
from secateur.study import learned, vocabulary

CACHE = Path(".snakemake") / "secateur" / "digests.json"
# What a page of two studies is made of.
OF_RESULTS = ("settings.yaml", "tables/evaluations.csv", "tables/curves.csv", "tables/curves.json")
# A file that was changed just now may change again within the same tick of its clock.
SECONDS_UNTIL_SETTLED = 2


def of(path: Path | str) -> str:
    """Sixteen hexadecimal digits of a file's content."""
    state = Path(path).stat()
    key = f"{Path(path).absolute()} {state.st_size} {state.st_ino} {state.st_mtime_ns} {state.st_ctime_ns}"
    digests = _cached()
    if key not in digests:
        digests[key] = files.digest(path)
        if time.time() - max(state.st_mtime, state.st_ctime) > SECONDS_UNTIL_SETTLED:
            _save(digests)
    return digests[key]


def weights(model: Mapping[str, Any]) -> str | None:
    """The digest of a network's given weights, on which options depend; `imagenet` and None stand for themselves."""
    given = model["weights"]
    if given is None or given == "imagenet":
        return given
    return of(files.found(given))


def own_files(config: Mapping[str, Any]) -> dict[str, str]:
    """{path as the settings name it: digest} of the weights, rankings and scores that a study is given."""
    paths = {config["model"]["weights"]} - {None, "imagenet"}
    for name, seed in itertools.product(config["criteria"]["files"], config["training"]["seeds"]):
        paths.add(own_file(config, name, seed))
    for criterion, entry in learned.by_draw(config["criteria"]["learned"]).items():
        if learned.scores_units(entry) and not learned.fitted(entry):
            paths |= {scorer_file(config, criterion, seed) for seed in config["training"]["seeds"]}
    return {path: of(files.found(path)) for path in sorted(paths)}


def of_results(*folders: str) -> dict[str, str]:
    """{file: digest} of the settings and tables of finished studies, of those that are there.

    Images and answers are large, and no table stays the same when they change.
    """
    found = {}
    for folder, name in itertools.product(folders, OF_RESULTS):
        path = Path(folder) / name
        if path.is_file():
            found[str(path)] = of(path)
    return found


def own_file(config: Mapping[str, Any], name: str, seed: int | str) -> str:
    """The user's own ranking or scores of a training seed, as the settings name it."""
    return config["criteria"]["files"][vocabulary.costed(name)[0]].replace("{seed}", str(seed))


def scorer_file(config: Mapping[str, Any], criterion: str, seed: int | str) -> str:
    """The file of a scorer that was fitted elsewhere, for a criterion with its draw, as the settings name it."""
    entry = learned.by_draw(config["criteria"]["learned"])[criterion]
    return learned.file_of(entry, seed, learned.draw_of(criterion))


def copy(path: Path | str, content: str, target: Path | str) -> None:
    """Copy a file with the digest `content`; Refused if it has changed since."""
    with files.replacing(target) as temporary:
        shutil.copyfile(path, temporary)
        refuse_changed(temporary, content, path)


def refuse_changed(path: Path | str, content: str, named: Path | str | None = None) -> None:
    """Refused if a file has not the digest `content`; the message gives its path, or `named` in its place."""
    if files.digest(path) != content:
        raise Refused(f"{named or path} has changed since the study was planned; run again")


def _cached():
    """{state of a file: its digest}; empty where the cache is missing or damaged."""
    with contextlib.suppress(OSError, ValueError):
        return dict(json.loads(CACHE.read_text(encoding="utf-8")))
    return {}


def _save(digests):
    """Write the cache where that is possible; in a folder of someone else, digests are computed again."""
    with contextlib.suppress(OSError):
        files.write_text(CACHE, json.dumps(digests, indent=0, sort_keys=True))
