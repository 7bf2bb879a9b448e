"""Forms of a data set brought into a folder, verified: the folder holds them complete or not at all.

In the folder a form ends as `batches` (the extracted files of the official archive) or as `compact`.
"""

import shutil
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from secateur.artifacts import files
from secateur.images import verification

# Bytes that are copied at once.
BLOCK = 1 << 20


def placed(entry: Mapping[str, Any], form: str, path: Path, folder: Path) -> dict[str, Any]:
    """Verify one form, copy or extract it into `folder` unless it is there, and return the facts of a manifest."""
    PLACE[form](entry["forms"], path, folder)
    final = FINAL[form]
    layout = entry["forms"][final]
    facts = {key: entry[key] for key in ("source", "title", "licence", "citation")}
    return facts | {"found": str(path), "form": final, "layout": layout, "files": _checksums(layout)}


def _checksums(layout):
    """{path below the folder: checksum} of a form that is read as it is."""
    if "files" not in layout:
        return {layout["name"]: layout["checksum"]}
    return {f"{layout['name']}/{name}": checksum for name, checksum in layout["files"].items()}


def _place_batches(forms, path, folder):
    layout = forms["batches"]
    if path.parent == folder:
        _verify_all(path, layout)
        return
    contents = {name: path / name for name in layout["files"]}
    _write_folder(folder / layout["name"], layout, contents.items(), path)


def _place_archive(forms, path, folder):
    verification.verify(path, forms["archive"]["checksum"])
    layout = forms["batches"]
    with tarfile.open(path, "r|gz") as archive:
        _write_folder(folder / layout["name"], layout, _members(archive, layout), path)


def _place_compact(forms, path, folder):
    layout = forms["compact"]
    verification.verify(path, layout["checksum"])
    if path.parent == folder:
        return
    with files.replacing(folder / layout["name"]) as temporary:
        shutil.copyfile(path, temporary)
        verification.verify(temporary, layout["checksum"], origin=path)


PLACE = {"batches": _place_batches, "archive": _place_archive, "compact": _place_compact}
FINAL = {"batches": "batches", "archive": "batches", "compact": "compact"}


def _members(archive, layout):
    """(name, open file) of the files of the layout and of no others: no archive can write anywhere else."""
    names = {f"{layout['name']}/{name}": name for name in layout["files"]}
    for member in archive:
        if member.isfile() and member.name in names:
            yield names[member.name], archive.extractfile(member)


def _write_folder(final: Path, layout: Mapping[str, Any], contents: Iterable[tuple[str, Any]], origin: Path) -> None:
    """Write a folder under a temporary name beside its place, verify it, and rename it when it is complete.

    `contents` are pairs of a name and a path or open file; `origin` is the folder or archive that errors name.
    """
    temporary = verification.unverified(final)
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        for name, content in contents:
            _write(content, temporary / name)
        _verify_all(temporary, layout, origin)
        temporary.replace(final)
    except OSError as error:
        raise files.explained(error, final) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _write(content, path):
    if not isinstance(content, Path):
        with path.open("wb") as file:
            shutil.copyfileobj(content, file, BLOCK)
        return
    if not content.is_file():
        raise verification.missing(content)
    shutil.copyfile(content, path)


def _verify_all(folder, layout, origin=None):
    """Verify all files of a folder; errors name them as files of `origin`, if that is given."""
    for name, checksum in layout["files"].items():
        verification.verify(folder / name, checksum, origin=f"{origin or folder}/{name}")
