"""Files that are as they were written, as far as first and last bytes tell, and for small ones their ledger.

A status looks at thousands of files in less than a second; jobs compare them whole before they read them (ledgers.py).
"""

import functools
import os
from pathlib import Path

from secateur.artifacts import files, ledgers

# Bytes of the largest file whose digest is made for a status.
SMALL = 1 << 20
HDF5 = b"\x89HDF\r\n\x1a\n"
# Bytes of what ends a zip archive without a comment, as torch writes it, and what they begin with.
ZIP_END, ZIP_MARK = 22, b"PK\x05\x06"
# (bytes of an address, place of the first address) in HDF5's first block, by its version.
ADDRESSES = {0: (13, 24), 1: (13, 28), 2: (9, 12), 3: (9, 12)}


def whole(path: Path | str) -> bool:
    """False for a file that is missing, empty, cut short, or, if it is small, otherwise than its ledger says."""
    path = Path(path)
    try:
        size = path.stat().st_size
        return size > 0 and WHOLE.get(path.suffix, _any)(path, size) and _as_noted(path, size)
    except OSError:
        return False


def _any(path, size):
    return True


def _lines(path, size):
    """True if the last line of a text is whole."""
    return _bytes(path, size - 1, 1) == b"\n"


def _zip(path, size):
    return size >= ZIP_END and _bytes(path, size - ZIP_END, len(ZIP_MARK)) == ZIP_MARK


def _hdf5(path, size):
    """True if a file is as long as its first block says."""
    start = _bytes(path, 0, 64)
    if not start.startswith(HDF5) or start[8] not in ADDRESSES:
        return False
    width, first = ADDRESSES[start[8]]
    width = start[width]
    # The addresses of the base and of another block stand before that of the end.
    end = int.from_bytes(start[first + 2 * width : first + 3 * width], "little")
    return size >= end > 0


WHOLE = {".csv": _lines, ".json": _lines, ".yaml": _lines, ".pt": _zip, ".h5": _hdf5}


def _bytes(path, start, count):
    with path.open("rb") as file:
        file.seek(start, os.SEEK_SET)
        return file.read(count)


def _as_noted(path, size):
    if size > SMALL or path.suffix not in ledgers.READ:
        return True
    ledger = path.parent / ledgers.NAME
    try:
        state = ledger.stat()
    except FileNotFoundError:
        return True
    noted = _noted(ledger.parent, state.st_mtime_ns, state.st_size).get(path.name)
    return noted is None or noted == files.sha256(path)


@functools.lru_cache(maxsize=256)
def _noted(folder, time, size):
    """The digests of a folder's ledger in one state, which all its files share."""
    return ledgers.noted(folder)
