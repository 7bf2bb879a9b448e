"""Files are whole or absent, and tables equal when results are."""

import errno
import os

import pandas
import pytest

from secateur import files, tables


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "deep" / "result.txt"
    files.write_text(path, "old")
    with pytest.raises(KeyError), files.replacing(path) as temporary:
        temporary.write_text("half")
        raise KeyError
    assert path.read_text() == "old"
    assert [p.name for p in path.parent.iterdir()] == ["result.txt"]


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
    [("", "is no readable CSV table"), ("layer,channel\n", "lacks the column unit; it has layer, channel.")],
)
def test_a_foreign_table_is_named(tmp_path, text, message):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        tables.read(tmp_path / "a.csv", "unit")
