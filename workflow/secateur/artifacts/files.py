"""Files that are either whole or absent."""

import contextlib
import errno
import glob
import hashlib
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Give a temporary path beside `path`; rename it over `path` when the block ends well, else remove it."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_left_behind(path)
    prefix = f".{path.name}.{_machine()}-{os.getpid()}."
    handle, name = tempfile.mkstemp(prefix=prefix, suffix=".writing", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes files that only their owner reads; a result is for the whole group.
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        raise explained(error, path) from error
    finally:
        temporary.unlink(missing_ok=True)


def found(name: Path | str) -> Path | str:
    """The path of a file that a setting names: as it is, or else inside the folder that SECATEUR_DATA names."""
    shared = os.environ.get("SECATEUR_DATA")
    inside = Path(shared) / name if shared else None
    return str(inside) if inside and not Path(name).is_file() and inside.is_file() else name


def write_text(path: Path | str, text: str) -> None:
    """Write a small text file at once."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def digest(path: Path | str) -> str:
    """Sixteen hexadecimal digits of a file's content."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def explained(error: OSError, path: Path | str) -> OSError:
    """The same error with the file and what to do about it, where the system's own words leave that out."""
    message = str(error)
    # h5py reports a full disk only in the text of an error without errno.
    if error.errno == errno.ENOSPC or "No space left" in message or "errno = 28" in message:
        return OSError(
            errno.ENOSPC,
            f"no space left on the disk of {Path(path).parent}; free some and run again",
            str(path),
        )
    return error


def _remove_left_behind(path):
    """Remove the temporary files of writers that died on this machine.

    Two living jobs may write one file (the result of a plan that two families share), so nothing is removed whose
    writer may live: neither of a living process, nor of another machine.
    """
    for left in path.parent.glob(f".{glob.escape(path.name)}.{_machine()}-*.writing"):
        writer = left.name.removeprefix(f".{path.name}.{_machine()}-").partition(".")[0]
        if writer.isdecimal() and not _lives(int(writer)):
            left.unlink(missing_ok=True)


def _machine():
    """What tells one set of process ids from another: the host, and the process namespace of a container."""
    try:
        namespace = Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        namespace = 0
    return hashlib.sha256(f"{socket.gethostname()} {namespace}".encode()).hexdigest()[:8]


def _lives(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask
