"""What a job wrote and what is read of it are the same bytes, or the file is named."""

import os
import subprocess

import pytest

from secateur import Refused
from secateur.artifacts import ledgers


def written(folder, *names):
    paths = [folder / name for name in names]
    for path in paths:
        path.write_text(f"the content of {path.name}\n")
    ledgers.note(paths)
    return paths


def test_files_as_they_were_written_pass_and_sha256sum_agrees(tmp_path):
    paths = written(tmp_path, "a.csv", "b b.csv")
    ledgers.refuse_changed(paths)
    assert subprocess.run(["sha256sum", "--check", "--quiet", ledgers.NAME], cwd=tmp_path, check=False).returncode == 0


def test_one_changed_byte_is_refused_by_name_with_its_remedy(tmp_path):
    paths = written(tmp_path, "a.csv", "b.csv")
    before = paths[1].stat()
    paths[1].write_bytes(paths[1].read_bytes().replace(b"content", b"kontent"))
    os.utime(paths[1], ns=(before.st_atime_ns, before.st_mtime_ns))
    ledgers.refuse_changed(paths[:1])
    with pytest.raises(Refused, match=r"b\.csv is not as it was written.* Delete it and run again; or, if") as refused:
        ledgers.refuse_changed(paths)
    assert "\n" not in str(refused.value)


def test_the_last_line_of_a_name_counts(tmp_path):
    (path,) = written(tmp_path, "a.csv")
    path.write_text("another run's content\n")
    ledgers.note([path])
    ledgers.refuse_changed([path])


def test_files_without_a_whole_line_are_not_judged(tmp_path):
    (path,) = written(tmp_path, "a.csv")
    ledger = tmp_path / ledgers.NAME
    ledger.write_text(ledger.read_text()[10:])
    path.write_text("edited")
    ledgers.refuse_changed([path, tmp_path, tmp_path / "absent", tmp_path.parent / "elsewhere.csv"])


@pytest.mark.parametrize("kept", [10, 66 + 3, -1])
def test_a_line_that_was_cut_short_swallows_no_other(kept, tmp_path):
    """In its digest, in its name, and before its end alone."""
    (path,) = written(tmp_path, "a.csv")
    ledger = tmp_path / ledgers.NAME
    line = ledger.read_text()
    path.write_text("another run's content\n")
    ledger.write_text(line + line[:kept])
    ledgers.note([path])
    ledgers.refuse_changed([path])
    path.write_text("damaged")
    with pytest.raises(Refused):
        ledgers.refuse_changed([path])


def test_large_files_folders_and_what_no_job_reads_are_left_out(tmp_path, monkeypatch):
    written(tmp_path, "figure.svg", "page.md")
    monkeypatch.setattr(ledgers, "LARGEST", 10)
    written(tmp_path, "large.csv")
    ledgers.note([tmp_path])
    assert not (tmp_path / ledgers.NAME).exists() and not (tmp_path.parent / ledgers.NAME).exists()
