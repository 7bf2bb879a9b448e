"""Archives of images: found on this machine or downloaded, and never used unverified.

A data set has several forms (data/sources.yaml). `fetched` puts one of them into a folder, where it ends as
`batches` (the extracted files of the official archive) or as `compact`, each whole or absent.
"""

import hashlib
import http.client
import itertools
import logging
import shutil
import tarfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from secateur import Refused
from secateur.artifacts import files, shipped
from secateur.jobs import progress

CATALOGUE = shipped.file("data/sources.yaml")
# Failures in a row without a byte more; with the doubled pauses between them, some seconds.
ATTEMPTS = 4
PAUSE = 1.0
# Seconds of silence after which a connection counts as lost.
TIMEOUT = 30
BLOCK = 1 << 20
BROKEN = (urllib.error.URLError, ConnectionError, TimeoutError, http.client.HTTPException)


def catalogue(path: Path | str = CATALOGUE) -> dict[str, dict[str, Any]]:
    """What data/sources.yaml says about every source, with its name under the key `source`."""
    if not Path(path).is_file():
        raise Refused(
            f"{path} is missing: it ships with the workflow and says what to download; "
            "use a whole clone of the repository, or install the package again"
        )
    entries = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    return {name: {"source": name, **entry} for name, entry in entries.items()}


def fetched(
    entry: Mapping[str, Any], folder: Path | str, shared: Path | str | None = None, mirror: Path | str | None = None
) -> dict[str, Any]:
    """Put one form of a source into `folder` and return what is there, as the plain data of a manifest.

    Looked for in `folder` itself, then in the folder `shared`, then at `mirror` (a folder, or a URL with
    file://, http:// or https://), then at the official address. What lies elsewhere is copied, never moved.
    Raises Refused if a file has another checksum, ConnectionError if nothing could be found.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for place in itertools.chain([folder], _local(shared, mirror)):
        for form, path in _forms_in(place, entry):
            logging.info("found %s", path)
            return _placed(entry, form, path, folder)
        logging.info("no form of %s in %s", entry["source"], place)
    form, path = _downloaded(entry, folder, mirror)
    return _placed(entry, form, path, folder)


def _local(shared, mirror):
    """The folders of this machine to search, each refused if it does not exist."""
    places = {"SECATEUR_DATA": shared, "data.mirror": None if _is_remote(mirror) else mirror}
    for name, place in places.items():
        if place:
            path = _path(place)
            if not path.exists():
                raise Refused(f"{name} names {place}, which does not exist; correct or unset it")
            yield path if path.is_dir() else path.parent


def _is_remote(mirror):
    return urllib.parse.urlsplit(str(mirror or "")).scheme in ("http", "https")


def _path(place):
    parts = urllib.parse.urlsplit(str(place))
    return Path(urllib.request.url2pathname(parts.path) if parts.scheme == "file" else place).expanduser()


def _forms_in(place, entry):
    """(form, path) of what lies in a folder, or in its subfolder named after the source."""
    for folder in (place, place / entry["source"]):
        for form, facts in entry["forms"].items():
            if (folder / facts["name"]).exists():
                yield form, folder / facts["name"]


def _placed(entry, form, path, folder):
    """Verify one form, bring it into `folder` unless it is there, and say what is there now."""
    PLACE[form](entry["forms"], path, folder)
    final = "compact" if form == "compact" else "batches"
    layout = entry["forms"][final]
    facts = {key: entry[key] for key in ("source", "title", "licence", "citation")}
    return facts | {"found": str(path), "form": final, "layout": layout, "files": _checksums(layout)}


def _checksums(layout):
    """{path below the folder: checksum} of a form that is read as it is."""
    if "files" in layout:
        return {f"{layout['name']}/{name}": checksum for name, checksum in layout["files"].items()}
    return {layout["name"]: layout["checksum"]}


def _place_batches(forms, path, folder):
    layout = forms["batches"]
    if path.parent == folder:
        _verify_all(path, layout)
        return
    _arrive(folder / layout["name"], layout, {name: path / name for name in layout["files"]}.items(), path)


def _place_archive(forms, path, folder):
    verify(path, forms["archive"]["checksum"])
    layout = forms["batches"]
    with tarfile.open(path, "r|gz") as archive:
        _arrive(folder / layout["name"], layout, _members(archive, layout), path)


def _place_compact(forms, path, folder):
    layout = forms["compact"]
    verify(path, layout["checksum"])
    if path.parent != folder:
        with files.replacing(folder / layout["name"]) as temporary:
            shutil.copyfile(path, temporary)
            verify(temporary, layout["checksum"], of=path)


PLACE = {"batches": _place_batches, "archive": _place_archive, "compact": _place_compact}


def _members(archive, layout):
    """(name, open file) of the wanted files and of no others: no archive can write anywhere else."""
    wanted = {f"{layout['name']}/{name}": name for name in layout["files"]}
    for member in archive:
        if member.isfile() and member.name in wanted:
            yield wanted[member.name], archive.extractfile(member)


def _arrive(final, layout, contents, origin):
    """Write a folder of files beside its place, verify it, and rename it when it is complete."""
    temporary = _partial(final)
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        for name, content in contents:
            _write(content, temporary / name)
        _verify_all(temporary, layout, of=origin)
        temporary.replace(final)
    except OSError as error:
        raise files.explained(error, final) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _write(content, path):
    if isinstance(content, Path):
        if not content.is_file():
            raise _missing(content)
        shutil.copyfile(content, path)
        return
    with path.open("wb") as file:
        shutil.copyfileobj(content, file, BLOCK)


def _verify_all(folder, layout, of=None):
    for name, checksum in layout["files"].items():
        verify(folder / name, checksum, of=f"{of}/{name}" if of else None)


def verify(path: Path | str, checksum: str, of: Path | str | None = None) -> None:
    """Raise Refused unless a file has the checksum, written as `md5:...` or `sha256:...`.

    `of` is the name that the message gives, where the file itself is a temporary one.
    """
    if not Path(path).is_file():
        raise _missing(of or path)
    algorithm, _, wanted = checksum.partition(":")
    got = _digest(path, algorithm)
    if got != wanted:
        raise Refused(
            f"{of or path} is damaged or another file: its {algorithm} is {got}, expected {wanted}; "
            "delete it, or replace it by a good copy, and run again"
        )


def _missing(path):
    return Refused(f"{path} is missing; complete what should hold it, or delete that, and run again")


def _digest(path, algorithm):
    with Path(path).open("rb") as file:
        # The checksums guard no secret, so MD5 may be used even where security rules forbid it.
        return hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()


def _downloaded(entry, folder, mirror):
    """(form, path) of what the mirror or the official address gave."""
    failures = {}
    for form, url in _addresses(entry, mirror):
        path = folder / entry["forms"][form]["name"]
        try:
            download(url, path, entry["forms"][form]["checksum"])
            return form, path
        except BROKEN as error:
            logging.warning("%s: %s", url, error)
            failures[url] = str(error).removeprefix("<urlopen error ").removesuffix(">")
    raise ConnectionError(_by_hand(entry, folder, failures))


def _addresses(entry, mirror):
    """(form, URL) to try, in order; a mirror may be the folder of the archives, or one archive itself."""
    forms = {form: facts for form, facts in entry["forms"].items() if "checksum" in facts}
    if _is_remote(mirror):
        exact = [form for form, facts in forms.items() if mirror.endswith(f"/{facts['name']}")]
        yield from ((form, mirror) for form in exact)
        if not exact:
            yield from ((form, f"{mirror.rstrip('/')}/{facts['name']}") for form, facts in forms.items())
    yield "archive", forms["archive"]["url"]


def _by_hand(entry, folder, failures):
    """What to do without network, in one line."""
    tried = "; ".join(f"{url} ({reason})" for url, reason in failures.items())
    archive, compact = entry["forms"]["archive"], entry["forms"].get("compact")
    also = f" (or {compact['name']}, {compact['checksum']})" if compact else ""
    return (
        f"{archive['name']} could not be downloaded from {tried}. Without network: get {archive['url']} "
        f"({archive['checksum']}){also} elsewhere and put it into {folder}/ or into the folder that "
        "SECATEUR_DATA names, or set data.mirror to a folder or URL that has it; then run again"
    )


def download(url: str, path: Path, checksum: str) -> None:
    """Download a file, verify it, and only then give it its name.

    Until then it is `.{name}.partial` beside it, from which a later call goes on. Raises Refused for
    another checksum, and what urllib raises when the connection fails for good.
    """
    partial = _partial(path)
    resumed = partial.exists()
    try:
        _retrieve(url, partial)
        if resumed and not _matches(partial, checksum):
            # What lay there may have been the beginning of something else.
            partial.unlink()
            _retrieve(url, partial)
        if not _matches(partial, checksum):
            raise _wrong(url, partial, checksum)
        partial.replace(path)
    except OSError as error:
        raise files.explained(error, path) from error


def _partial(path):
    return path.with_name(f".{path.name}.partial")


def _matches(path, checksum):
    algorithm, _, wanted = checksum.partition(":")
    return _digest(path, algorithm) == wanted


def _wrong(url, partial, checksum):
    """The error for a download that is not what it should be, which is deleted."""
    algorithm, _, wanted = checksum.partition(":")
    got, size = _digest(partial, algorithm), partial.stat().st_size
    partial.unlink()
    return Refused(
        f"{url} gave another file ({size} bytes): its {algorithm} is {got}, expected {wanted}; nothing was "
        "kept. Look at the address in a browser, or set data.mirror to a folder or URL that has the file"
    )


def _retrieve(url, partial):
    """Download into `partial`, going on after interruptions as long as each try brings something."""
    failures, most = 0, 0
    while True:
        try:
            return _transfer(url, partial)
        except BROKEN as error:
            if getattr(error, "code", None) == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                partial.unlink(missing_ok=True)
            size = partial.stat().st_size if partial.exists() else 0
            failures, most = (1 if size > most else failures + 1), max(size, most)
            if _is_final(error) or failures >= ATTEMPTS:
                raise
            logging.warning("%s: %s; trying again", url, error)
            time.sleep(PAUSE * 2 ** (failures - 1))


def _is_final(error):
    """Whether asking again cannot help: the server has answered that it will not give the file."""
    if isinstance(getattr(error, "reason", None), FileNotFoundError):
        return True
    code = getattr(error, "code", None)
    return code is not None and 400 <= code < 500 and code not in (408, 416, 429)


def _transfer(url, partial):
    """One connection: append to what is there if the server can go on from it, else write anew."""
    have = partial.stat().st_size if partial.exists() else 0
    headers = {"User-Agent": "secateur"} | ({"Range": f"bytes={have}-"} if have else {})
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT) as response:
        have = have if response.status == http.HTTPStatus.PARTIAL_CONTENT else 0
        length = response.headers.get("Content-Length")
        total = have + int(length) if length else None
        with partial.open("ab" if have else "wb") as file, progress.over(total, "bytes", partial.name) as bar:
            bar.update(have)
            for block in _blocks(response):
                file.write(block)
                bar.update(len(block))
    got = partial.stat().st_size
    if total is not None and got < total:
        raise ConnectionError(f"the connection ended after {got} of {total} bytes")


def _blocks(response):
    """The content in blocks; what fails here is the connection, and never the disk that is written to."""
    try:
        while block := response.read(BLOCK):
            yield block
    except OSError as error:
        raise ConnectionError(f"the connection broke: {error}") from error
