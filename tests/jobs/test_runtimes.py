"""The time behind a page is that of the jobs that its files were made by, and of no other."""

import base64
import json

import pytest

from secateur.jobs import runtimes

# {file: (rule, log, its inputs, start, end)}
RECORDS = {
    "images.h5": ("prepare_images", "images.log", [], 10.0, 14.0),
    "a.pt": ("train_model", "a.log", ["images.h5"], 20.0, 30.0),
    "b.pt": ("train_model", "b.log", ["images.h5", "given.pt"], 20.0, 25.0),
    "b.csv": ("train_model", "b.log", ["images.h5", "given.pt"], 20.0, 26.0),
    "curves.csv": ("collect", "collect.log", ["a.pt", "b.pt", "b.csv"], 40.0, 41.5),
    "beside.svg": ("draw", "draw.log", ["curves.csv"], 42.0, 50.0),
    "torn.csv": ("collect", "torn.log", [], 60.0, 60.0),
}


@pytest.fixture
def notes(tmp_path):
    folder = tmp_path / "metadata"
    folder.mkdir()
    for path, (rule, log, inputs, start, end) in RECORDS.items():
        record = {"rule": rule, "log": [log], "input": inputs, "starttime": start, "endtime": end}
        (folder / base64.urlsafe_b64encode(path.encode()).decode()).write_text(json.dumps(record))
    return tmp_path


def test_jobs_behind_a_file_are_counted_once_and_others_not(notes):
    assert runtimes.behind(["curves.csv", "images.h5"], notes) == [
        ("collect", 1, 1.5), ("prepare_images", 1, 4.0), ("train_model", 2, 16.0)
    ]  # fmt: skip


def test_files_without_a_note_or_without_a_time_say_nothing(notes):
    assert runtimes.behind(["given.pt", "torn.csv"], notes) == []
    assert runtimes.behind(["curves.csv"], notes / "nowhere") == []
