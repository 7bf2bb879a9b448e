"""Digests of given files, cached so that a look at a study need not read them again."""

import os
import time

import pytest

from secateur.artifacts import files
from secateur.study import contents


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SECATEUR_DATA", raising=False)
    return tmp_path


def written(path, text, age=100):
    """A file that was last changed so many seconds ago."""
    path.write_text(text)
    then = path.stat().st_mtime - age
    os.utime(path, (then, then))
    return path


def test_a_file_is_read_once_until_it_changes(folder, monkeypatch):
    monkeypatch.setattr(contents, "SECONDS_UNTIL_SETTLED", -1)
    path, read = written(folder / "w.pt", "one"), []
    digest = files.digest
    monkeypatch.setattr(files, "digest", lambda path: read.append(path) or digest(path))
    first = contents.of(path)
    assert contents.of(path) == first == digest(path) and len(read) == 1
    written(path, "two", age=50)
    assert contents.of(path) == digest(path) != first and len(read) == 2


def test_a_copy_with_the_old_time_and_size_is_read_again(folder, monkeypatch):
    """As of `cp -p` and `rsync -t`: they set the time of the content back, not that of the state."""
    monkeypatch.setattr(contents, "SECONDS_UNTIL_SETTLED", -1)
    path = written(folder / "w.pt", "one")
    state, first = path.stat(), contents.of(path)
    time.sleep(0.05)
    path.write_text("two")
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert contents.of(path) == files.digest(path) != first


def test_a_file_that_was_changed_just_now_is_not_cached(folder):
    path = folder / "w.pt"
    path.write_text("one")
    state = path.stat()
    first = contents.of(path)
    path.write_text("two")
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert contents.of(path) != first


def test_a_folder_that_cannot_be_written_to_or_a_damaged_cache_only_costs_time(folder):
    path = written(folder / "w.pt", "one")
    (folder / ".snakemake").write_text("no folder")
    assert contents.of(path) == files.digest(path)
    (folder / ".snakemake").unlink()
    contents.CACHE.parent.mkdir(parents=True)
    contents.CACHE.write_text("{")
    assert contents.of(path) == files.digest(path)


def test_the_same_content_is_one_name_in_every_folder(folder, monkeypatch):
    model = {"weights": "w.pt"}
    written(folder / "w.pt", "one")
    here = contents.weights(model)
    (folder / "data").mkdir()
    (folder / "w.pt").rename(folder / "data" / "w.pt")
    monkeypatch.setenv("SECATEUR_DATA", "data")
    assert contents.weights(model) == here == contents.weights({"weights": "data/w.pt"})
    assert contents.weights({"weights": None}) is None and contents.weights({"weights": "imagenet"}) == "imagenet"


def test_a_copy_of_a_file_that_has_changed_is_refused(folder):
    path = written(folder / "w.pt", "one")
    planned = contents.of(path)
    contents.copy(path, planned, folder / "copy.pt")
    assert (folder / "copy.pt").read_text() == "one"
    written(path, "two")
    with pytest.raises(ValueError, match="^w.pt has changed since the study was planned; run again$"):
        contents.copy("w.pt", planned, folder / "other.pt")
    assert not (folder / "other.pt").exists()
