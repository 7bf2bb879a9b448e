"""A finished study packed: whole, described, the same each time, and nothing heavy inside."""

import csv
import hashlib
import json
import os
import zipfile

import pytest
import yaml

from secateur import Refused
from secateur.export import crate
from support.studies import ROOT

SOURCE = {"title": "Dots", "licence": "CC0", "citation": "nobody, 2026"}
SETTINGS = {"study": "tiny", "question": "Which <channels>?", "results": "results/tiny"}


@pytest.fixture
def finished(tmp_path):
    folder = tmp_path / "results"
    contents = {
        "settings.yaml": yaml.safe_dump(SETTINGS),
        "report.html": "<p>report",
        "tables/evaluations.csv": "criterion,accuracy\nl1,0.5\n",
        "dots/net/0/ranking/l1.csv": "unit\n3\n",
        "dots/net/0/training/trained.pt": "a network",
        "dots/images/test.h5": "images",
        "dots/net/0/evaluation/plans/ab/cd.npz": "a cache",
    }
    for name, text in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    os.utime(folder / "tables/evaluations.csv", (10**9, 10**9))
    return folder


def packed(folder, path):
    counts = crate.pack(folder, ROOT, path, SOURCE, "9.27.1")
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}, counts


def test_what_is_described_is_inside_and_the_other_way_round(finished, tmp_path):
    inside, counts = packed(finished, tmp_path / "a.zip")
    graph = {entity["@id"]: entity for entity in json.loads(inside["ro-crate-metadata.json"])["@graph"]}
    described = {name for name, entity in graph.items() if "File" in entity["@type"]}
    assert described == {*inside} - {"ro-crate-metadata.json"} and counts["files"] == len(inside)
    assert {part["@id"] for part in graph["./"]["hasPart"]} == described
    assert inside["results/tiny/dots/net/0/ranking/l1.csv"] == b"unit\n3\n"
    assert inside["workflow/secateur/export/crate.py"] == (ROOT / "workflow/secateur/export/crate.py").read_bytes()
    assert not [name for name in inside if name.endswith((".pt", ".h5", ".npz", ".pyc"))]
    root, main = graph["./"], graph[graph["./"]["mainEntity"]["@id"]]
    assert (root["name"], root["description"]) == ("tiny", "Which <channels>?")
    assert root["datePublished"] == "2001-09-09T01:46:40+00:00"
    assert main["@id"] == "Snakefile" and "ComputationalWorkflow" in main["@type"]
    assert "CC0" in graph["#licence"]["description"] and graph["#images"]["citation"] == "nobody, 2026"
    results = {result["@id"] for result in graph["#run"]["result"]}
    assert results == {name for name in described if name.startswith("results/")} - {"results/tiny/settings.yaml"}
    assert b"Which <channels>?" in inside["README.md"]


def test_every_file_of_the_results_has_its_digest_but_caches(finished, tmp_path):
    inside, counts = packed(finished, tmp_path / "a.zip")
    rows = list(csv.DictReader(inside["digests.csv"].decode().splitlines()))
    assert counts["digests"] == len(rows) == 6
    for row in rows:
        content = (finished / row["path"].removeprefix("results/tiny/")).read_bytes()
        assert row["sha256"] == hashlib.sha256(content).hexdigest() and int(row["bytes"]) == len(content)
        assert (row["packed"] == "True") == (row["path"] in inside)


def test_neither_other_studies_in_the_folder_nor_files_of_the_users_own_are_packed(finished, tmp_path):
    code = tmp_path / "code"
    for name in ("Snakefile", "config/config.yaml", "config/mine.yaml", "workflow/secateur/x.py", "workflow/notes.txt",
                 "profiles/mine/config.yaml", "workflow/.hidden/y.py"):  # fmt: skip
        (code / name).parent.mkdir(parents=True, exist_ok=True)
        (code / name).write_text("text")
    before = crate.pack(finished, code, tmp_path / "a.zip", SOURCE, "9.27.1")
    (finished / "another/tables").mkdir(parents=True)
    (finished / ".hidden").mkdir()
    (finished / ".hidden/x.csv").write_text("of an editor")
    for name in ("settings.yaml", "tables/evaluations.csv"):
        (finished / "another" / name).write_text("of another study")
    assert crate.pack(finished, code, tmp_path / "b.zip", SOURCE, "9.27.1") == before
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        of_code = {name for name in archive.namelist() if not name.startswith("results/")}
    made = {"README.md", "digests.csv", "ro-crate-metadata.json"}
    assert of_code == made | {"Snakefile", "config/config.yaml", "workflow/secateur/x.py"}


def test_the_same_files_give_the_same_bytes_and_others_do_not(finished, tmp_path):
    for name in ("a", "b"):
        packed(finished, tmp_path / f"{name}.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    (finished / "dots/net/0/training/trained.pt").write_text("another network")
    packed(finished, tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() != (tmp_path / "b.zip").read_bytes()


@pytest.mark.parametrize("place", ["/elsewhere/results", "../results"])
def test_no_file_leaves_the_folder_into_which_a_crate_is_unpacked(finished, tmp_path, place):
    (finished / "settings.yaml").write_text(yaml.safe_dump(SETTINGS | {"results": place}))
    inside, _ = packed(finished, tmp_path / "a.zip")
    assert "results/tiny/report.html" in inside
    assert not [name for name in inside if name.startswith(("/", ".."))]


@pytest.mark.parametrize("missing", ["settings.yaml", "tables/evaluations.csv"])
def test_an_unfinished_study_is_refused_and_nothing_is_written(finished, tmp_path, missing):
    (finished / missing).unlink()
    with pytest.raises(Refused, match=f"has no {missing}; run its study to the end first"):
        packed(finished, tmp_path / "a.zip")
    assert not (tmp_path / "a.zip").exists()
