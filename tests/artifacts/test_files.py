"""Files are whole or absent, and tables equal when results are."""

import errno
import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import pandas
import pytest

from secateur.artifacts import files, tables


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "deep" / "result.txt"
    files.write_text(path, "old")
    with pytest.raises(KeyError), files.replacing(path) as temporary:
        temporary.write_text("half")
        raise KeyError
    assert path.read_text() == "old"
    assert [p.name for p in path.parent.iterdir()] == ["result.txt"]


def _write_often(path, count):
    for _ in range(count):
        with files.replacing(path) as temporary:
            temporary.write_text("whole")


def test_two_jobs_can_write_one_file_at_once(tmp_path):
    """Families share plans, so their jobs may keep the result of one plan at the same time."""
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write_often, args=(tmp_path / "plan.npz", 500)) for _ in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert [p.name for p in tmp_path.iterdir()] == ["plan.npz"]


def test_what_a_killed_job_left_is_removed_and_what_a_living_one_writes_is_not(tmp_path):
    path = tmp_path / "a"
    script = f"from secateur.artifacts import files; import os\nwith files.replacing({str(path)!r}) as t: os._exit(9)"
    environment = os.environ | {"PYTHONPATH": str(Path(files.__file__).parents[2])}
    assert subprocess.run([sys.executable, "-c", script], env=environment).returncode == 9
    (dead,) = tmp_path.glob(".a.*.writing")
    elsewhere = tmp_path / ".a.0123abcd-1.x.writing"
    elsewhere.touch()
    with files.replacing(path) as temporary:
        files.write_text(path, "another job")
        assert not dead.exists() and temporary.exists()
        assert elsewhere.exists()


def test_a_written_file_can_be_read_by_the_group(tmp_path):
    mask = os.umask(0o022)
    try:
        files.write_text(tmp_path / "a", "x")
    finally:
        os.umask(mask)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o644


def test_a_full_disk_is_named_with_what_to_do(tmp_path):
    with (
        pytest.raises(OSError, match=f"no space left on the disk of {tmp_path}; free some and run again"),
        files.replacing(tmp_path / "a"),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_equal_tables_are_equal_files_and_layers_stay_text(tmp_path):
    table = pandas.DataFrame({"layer": ["0", "10"], "value": [0.1 + 0.2, 1e-20]})
    tables.write(table, tmp_path / "a.csv")
    tables.write(table.assign(value=[0.3, 1e-20]), tmp_path / "b.csv")
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes() == b"layer,value\n0,0.3\n10,1e-20\n"
    assert tables.read(tmp_path / "a.csv", "layer")["layer"].tolist() == ["0", "10"]


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "is not a readable CSV table"), ("layer,channel\n", "lacks the column unit; it has layer, channel.")],
)
def test_a_foreign_table_is_named(tmp_path, text, message):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        tables.read(tmp_path / "a.csv", "unit")
