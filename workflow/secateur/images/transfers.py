"""Downloads over HTTP that are resumed after interruptions and verified before they get their name."""

import http.client
import logging
import time
import urllib.error
import urllib.request
from pathlib import Path

from secateur import Refused
from secateur.artifacts import files
from secateur.images import verification
from secateur.jobs import progress

# Failed connections in a row without any new byte; with the doubled pauses between them, a few seconds.
ATTEMPTS = 4
# Seconds before the second attempt.
PAUSE = 1.0
# Seconds of silence after which a connection counts as lost.
TIMEOUT = 30
# Bytes that are read at once.
BLOCK = 1 << 20
CONNECTION_ERRORS = (urllib.error.URLError, ConnectionError, TimeoutError, http.client.HTTPException)
# HTTP 4xx after which a later request may succeed: request timeout, range not satisfiable, too many requests.
TEMPORARY = (408, 416, 429)


def download(url: str, path: Path, checksum: str) -> None:
    """Download a file, verify it, and only then rename it to `path`.

    Until then it is `.{name}.partial` beside it, which a later call resumes. Raises Refused for another checksum, and
    one of CONNECTION_ERRORS when the connection fails for good.
    """
    partial = verification.unverified(path)
    resumed = partial.exists()
    try:
        _retrieve(url, partial)
        if resumed and not verification.matches(partial, checksum):
            # The partial file may have been the beginning of another file.
            partial.unlink()
            _retrieve(url, partial)
        if not verification.matches(partial, checksum):
            raise _wrong_content(url, partial, checksum)
        partial.replace(path)
    except OSError as error:
        raise files.explained(error, path) from error


def _wrong_content(url, partial, checksum):
    """Delete a download that has another checksum, and return the error for it."""
    algorithm, _, expected = checksum.partition(":")
    digest, size = verification.digest_of(partial, algorithm), partial.stat().st_size
    partial.unlink()
    return Refused(
        f"{url} gave another file ({size} bytes): its {algorithm} is {digest}, expected {expected}; nothing was "
        "kept. Look at the address in a browser, or set data.mirror to a folder or URL that has the file"
    )


def _retrieve(url, partial):
    """Download into `partial`, resuming after interruptions as long as the file grows."""
    failures, largest = 0, 0
    while True:
        try:
            return _transfer(url, partial)
        except CONNECTION_ERRORS as error:
            if _status(error) == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                partial.unlink(missing_ok=True)
            failures += 1
            size = _size(partial)
            if size > largest:
                failures, largest = 1, size
            if _is_final(error) or failures >= ATTEMPTS:
                raise
            logging.warning("%s: %s; trying again", url, error)
            time.sleep(PAUSE * 2 ** (failures - 1))


def _status(error):
    """The HTTP status of an error; None if the server did not answer."""
    return getattr(error, "code", None)


def _size(path):
    if path.exists():
        return path.stat().st_size
    return 0


def _is_final(error):
    """True if a retry cannot help: the server has answered that it will not give the file."""
    if isinstance(getattr(error, "reason", None), FileNotFoundError):
        return True
    status = _status(error)
    return status is not None and 400 <= status < 500 and status not in TEMPORARY


def _transfer(url, partial):
    """Append to `partial` over one connection if the server can resume there, else write it anew."""
    start, headers = _size(partial), {"User-Agent": "secateur"}
    if start:
        headers["Range"] = f"bytes={start}-"
    request = urllib.request.Request(url, headers=headers)
    with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
        if response.status != http.HTTPStatus.PARTIAL_CONTENT:
            start = 0
        total = _total(response, start)
        _save(response, partial, start, total)
    if total is not None and _size(partial) < total:
        raise ConnectionError(f"the connection ended after {_size(partial)} of {total} bytes")


def _total(response, start):
    """Bytes of the whole file, of which the response begins at `start`; None if the server does not say."""
    length = response.headers.get("Content-Length")
    if not length:
        return None
    return start + int(length)


def _save(response, partial, start, total):
    """Write a response into `partial` from byte `start`, 0 or the size of the file."""
    mode = "ab" if start else "wb"
    with partial.open(mode) as file, progress.over(total, "bytes", partial.name) as bar:
        bar.update(start)
        for block in _blocks(response):
            file.write(block)
            bar.update(len(block))


def _blocks(response):
    """The content in blocks; an error in here is one of the connection, never of the disk that is written to."""
    try:
        while block := response.read(BLOCK):
            yield block
    except OSError as error:
        raise ConnectionError(f"the connection broke: {error}") from error
