"""Digests of what jobs wrote, in a ledger beside the files, by which damage is seen that no format shows.

A changed byte in a table is another number, and nothing else would tell. A ledger has lines as `sha256sum` writes them;
the last line of a name counts.
"""

from collections.abc import Iterable
from pathlib import Path

from secateur import Refused
from secateur.artifacts import files

NAME = ".sha256"
# What jobs read of each other; figures and pages may lie among files of the user's own.
READ = {".csv", ".h5", ".json", ".pt", ".yaml"}
# Bytes of the largest file that every job which reads it would read once more.
LARGEST = 256 << 20


def note(paths: Iterable[Path | str]) -> None:
    """Append the digests of files that jobs read to the ledgers of their folders; large ones are left out."""
    lines: dict[Path, str] = {}
    for path in filter(_is_noted, map(Path, paths)):
        lines[path.parent] = f"{lines.get(path.parent, '')}{files.sha256(path)}  {path.name}\n"
    for folder, text in lines.items():
        _append(folder / NAME, text)


def _append(ledger, text):
    before = ledger.read_bytes() if ledger.exists() else b""
    if before and not before.endswith(b"\n"):
        # The line of a writer that was interrupted must not swallow the next one.
        text = f"\n{text}"
    try:
        # One write of a job is not mixed with those of others.
        with ledger.open("a", encoding="utf-8") as file:
            file.write(text)
    except PermissionError:
        # Another user's, in a folder of both: as all results, it is replaced.
        files.write_text(ledger, before.decode("utf-8", errors="replace") + text)
    except OSError as error:
        raise files.explained(error, ledger) from error


def refuse_changed(paths: Iterable[Path | str]) -> None:
    """Refused for a file that is not as a job wrote it: damaged, or edited. Files without a line are not judged."""
    ledgers: dict[Path, dict[str, str]] = {}
    for path in filter(_is_noted, map(Path, paths)):
        if path.parent not in ledgers:
            ledgers[path.parent] = _read(path.parent / NAME)
        noted = ledgers[path.parent].get(path.name)
        if noted is not None and files.sha256(path) != noted:
            raise Refused(
                f"{path} is not as it was written: it was damaged or edited since. Delete it and run again; or, if you "
                f"mean it to be as it is, delete its lines in {path.parent / NAME}"
            )


def noted(folder: Path | str) -> dict[str, str]:
    """{name: digest} of the files in a folder that jobs noted; empty where there is no ledger."""
    return _read(Path(folder) / NAME)


def _is_noted(path):
    return path.suffix in READ and path.is_file() and path.stat().st_size <= LARGEST


def _read(ledger):
    """{name: digest} of a ledger; the part of a line that was cut short is no digest."""
    if not ledger.exists():
        return {}
    pairs = (line.partition("  ") for line in ledger.read_text(encoding="utf-8", errors="replace").splitlines())
    return {name: digest for digest, _, name in pairs if len(digest) == 64}
