"""Files that are either complete or absent."""

import contextlib
import errno
import glob
import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from secateur import Refused
from secateur.artifacts import processes


@contextlib.contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path, which replaces `path` when the block succeeds and is removed when it fails.

    Refused in a job whose Snakemake has ended: the next run makes the file, perhaps by other settings.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_left_behind(path)
    prefix = f".{path.name}.{processes.machine()}-{os.getpid()}."
    handle, name = tempfile.mkstemp(prefix=prefix, suffix=".writing", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        if processes.orphaned():
            raise Refused(f"{path} is not written: the Snakemake that started this job has ended")
        # mkstemp makes files that only their owner reads; a result is for the whole group.
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        raise explained(error, path) from error
    finally:
        temporary.unlink(missing_ok=True)


def found(name: Path | str) -> Path | str:
    """The path of a file that a setting names: the name itself, or else a path in the folder SECATEUR_DATA.

    A name that is in neither place is returned unchanged.
    """
    shared = os.environ.get("SECATEUR_DATA")
    if not shared or Path(name).is_file():
        return name
    inside = Path(shared) / name
    if inside.is_file():
        return str(inside)
    return name


def write_text(path: Path | str, text: str) -> None:
    """Write a text file in one step."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def sha256(path: Path | str) -> str:
    """The SHA-256 of a file, as hexadecimal digits."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest(path: Path | str) -> str:
    """The first sixteen hexadecimal digits of a file's SHA-256."""
    return sha256(path)[:16]


def explained(error: OSError, path: Path | str) -> OSError:
    """The error, or for a full disk one that names the file and the remedy, which the system's message leaves out."""
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

    Two running jobs may write one file (the result of a plan that two families share), so the files of a running
    process, or of another machine, are left.
    """
    for temporary in path.parent.glob(f".{glob.escape(path.name)}.{processes.machine()}-*.writing"):
        process = temporary.name.removeprefix(f".{path.name}.{processes.machine()}-").partition(".")[0]
        if process.isdecimal() and not processes.alive(int(process)):
            temporary.unlink(missing_ok=True)


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask
