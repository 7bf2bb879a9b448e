"""Checksums of files, written `md5:...` or `sha256:...`, and the name of a file until it is verified."""

import hashlib
from pathlib import Path

from secateur import Refused


def verify(path: Path | str, checksum: str, origin: Path | str | None = None) -> None:
    """Raise Refused unless a file exists and has the checksum.

    `origin` is the file that the message names, for a temporary copy.
    """
    name = origin or path
    if not Path(path).is_file():
        raise missing(name)
    algorithm, _, expected = checksum.partition(":")
    digest = digest_of(path, algorithm)
    if digest != expected:
        raise Refused(
            f"{name} is damaged or another file: its {algorithm} is {digest}, expected {expected}; "
            "delete it, or replace it by a good copy, and run again"
        )


def matches(path: Path, checksum: str) -> bool:
    """True if a file has the checksum."""
    algorithm, _, expected = checksum.partition(":")
    return digest_of(path, algorithm) == expected


def digest_of(path: Path | str, algorithm: str) -> str:
    """The digest of a file in hexadecimal digits; `algorithm` is a name that hashlib knows."""
    with Path(path).open("rb") as file:
        # The checksums guard no secret, so MD5 may be used even where security rules forbid it.
        return hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()


def missing(path: Path | str) -> Refused:
    """The error for a file that does not exist."""
    return Refused(
        f"{path} is missing; complete the folder or archive that it belongs to, or delete that, and run again"
    )


def unverified(path: Path) -> Path:
    """A path beside `path` for a file or folder that is not complete and verified yet."""
    return path.with_name(f".{path.name}.partial")
