"""Archives of images: found on this machine or downloaded, and never used unverified.

A data set has several forms (data/sources.yaml): `archive`, the official archive; `batches`, its extracted files;
`compact`, a smaller archive of the same images.
"""

import itertools
import logging
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from secateur import Refused
from secateur.artifacts import shipped
from secateur.images import placement, transfers

CATALOGUE = shipped.file("data/sources.yaml")


def catalogue(path: Path | str = CATALOGUE) -> dict[str, dict[str, Any]]:
    """The entries of data/sources.yaml by source, each with its name under the key `source`."""
    if not Path(path).is_file():
        raise Refused(
            f"{path} is missing: it ships with the workflow and lists the downloads; "
            "use a whole clone of the repository, or install the package again"
        )
    entries = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    return {name: {"source": name, **entry} for name, entry in entries.items()}


def fetched(
    entry: Mapping[str, Any], folder: Path | str, shared: Path | str | None = None, mirror: Path | str | None = None
) -> dict[str, Any]:
    """Put one form of a source into `folder` and return its manifest as plain data.

    Places in order: `folder` itself, the folder `shared`, `mirror` (a folder, or a URL with file://, http:// or
    https://), the official address. Files elsewhere are copied, never moved. Raises Refused if a file has another
    checksum, ConnectionError if no place has a form.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for place in itertools.chain([folder], _local(shared, mirror)):
        for form, path in forms_in(place, entry):
            logging.info("found %s", path)
            return placement.placed(entry, form, path, folder)
        logging.info("no form of %s in %s", entry["source"], place)
    form, path = _downloaded(entry, folder, mirror)
    return placement.placed(entry, form, path, folder)


# ---- on this machine -------------------------------------------------------------------------------------------


def _local(shared, mirror):
    """Folders of this machine to search; Refused for one that does not exist."""
    places = {"SECATEUR_DATA": shared}
    if not _is_remote(mirror):
        places["data.mirror"] = mirror
    for name, place in places.items():
        if place:
            yield _folder(name, place)


def _folder(name, place):
    """The folder that the setting `name` names by a path, a file:// URL, or a file in it."""
    path = _path(place)
    if not path.exists():
        raise Refused(f"{name} names {place}, which does not exist; correct or unset it")
    if path.is_dir():
        return path
    return path.parent


def _is_remote(mirror):
    return urllib.parse.urlsplit(str(mirror or "")).scheme in ("http", "https")


def _path(place):
    parts = urllib.parse.urlsplit(str(place))
    if parts.scheme == "file":
        place = urllib.request.url2pathname(parts.path)
    return Path(place).expanduser()


def forms_in(place: Path, entry: Mapping[str, Any]) -> Iterator[tuple[str, Path]]:
    """(form, path) of every form in a folder, or in its subfolder named after the source."""
    for folder in (place, place / entry["source"]):
        for form, facts in entry["forms"].items():
            if (folder / facts["name"]).exists():
                yield form, folder / facts["name"]


# ---- elsewhere -------------------------------------------------------------------------------------------------


def _downloaded(entry, folder, mirror):
    """(form, path) of a download from the mirror or the official address."""
    failures = {}
    for form, url in _addresses(entry, mirror):
        facts = entry["forms"][form]
        path = folder / facts["name"]
        try:
            transfers.download(url, path, facts["checksum"])
            return form, path
        except transfers.CONNECTION_ERRORS as error:
            logging.warning("%s: %s", url, error)
            failures[url] = str(error).removeprefix("<urlopen error ").removesuffix(">")
    raise ConnectionError(_remedy(entry, folder, failures))


def _addresses(entry, mirror):
    """(form, URL) to try, in order; a mirror may be the folder of the archives, or one archive itself."""
    if _is_remote(mirror):
        yield from _addresses_at(mirror, entry["forms"])
    yield "archive", entry["forms"]["archive"]["url"]


def _addresses_at(mirror, forms):
    names = {form: facts["name"] for form, facts in forms.items() if "checksum" in facts}
    for form, name in names.items():
        if mirror.endswith(f"/{name}"):
            yield form, mirror
            return
    for form, name in names.items():
        yield form, f"{mirror.rstrip('/')}/{name}"


def _remedy(entry, folder, failures):
    """One line for a user without network: the file to get, and the places for it."""
    tried = "; ".join(f"{url} ({reason})" for url, reason in failures.items())
    archive, compact, also = entry["forms"]["archive"], entry["forms"].get("compact"), ""
    if compact:
        also = f" (or {compact['name']}, {compact['checksum']})"
    return (
        f"{archive['name']} could not be downloaded from {tried}. Without network: get {archive['url']} "
        f"({archive['checksum']}){also} elsewhere and put it into {folder}/ or into the folder that "
        "SECATEUR_DATA names, or set data.mirror to a folder or URL that has it; then run again"
    )
