import errno
import hashlib
import http.server
import io
import logging
import re
import shutil
import socket
import tarfile
import threading
from pathlib import Path

import numpy as np
import pytest

from secateur.images import downloads, placement, transfers, verification
from support.archives import _sum, small


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(transfers, "PAUSE", 0.0)
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def made(tmp_path):
    """(folder that has every form, entry)."""
    return tmp_path / "made", small(tmp_path / "made")


def _only(made, place, name):
    """Copy one form into a fresh folder."""
    place.mkdir(parents=True)
    copy = shutil.copytree if (made / name).is_dir() else shutil.copy
    copy(made / name, place / name)
    return place


def _names(folder):
    return sorted(path.name for path in folder.iterdir())


def _tree(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class Server(http.server.BaseHTTPRequestHandler):
    """Serves bytes by path; answers ranges, and breaks off early, where it is told to."""

    def log_message(self, *arguments):
        pass

    def do_GET(self):  # noqa: N802
        state = self.server.state
        state["asked"].append((self.path, self.headers.get("Range")))
        if self.path not in state["files"]:
            self.send_error(404)
            return
        content = state["files"][self.path]
        start = 0
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        if asked and state["ranges"]:
            start = int(asked[1])
            if start >= len(content):
                self.send_error(416)
                return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        step = state["breaks"].pop(0) if state["breaks"] else len(content)
        self.wfile.write(content[start : start + step])


@pytest.fixture
def server():
    """(address, state) of a server on this machine; `state` says what it serves and how well."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as running:
        running.state = {"files": {}, "asked": [], "ranges": True, "breaks": []}
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}", running.state
        running.shutdown()
        thread.join()


def test_catalogue_has_what_torchvision_checks():
    from torchvision import datasets

    for name, known in {"cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100}.items():
        forms = downloads.catalogue()[name]["forms"]
        batches, archive = forms["batches"], forms["archive"]
        assert (batches["name"], archive["name"], archive["url"]) == (known.base_folder, known.filename, known.url)
        assert archive["checksum"] == f"md5:{known.tgz_md5}"
        listed = [[file, batches["files"][file].removeprefix("md5:")] for file in batches["train"] + batches["test"]]
        assert listed == known.train_list + known.test_list
        meta = {"filename": batches["meta"], "key": batches["key"], "md5": batches["files"][batches["meta"]][4:]}
        assert meta == known.meta


def test_catalogue_names_licence_and_citation_of_every_source():
    from secateur.images import sources

    entries = downloads.catalogue()
    assert set(entries) == set(sources.SOURCES)
    assert all(entry["title"] and entry["licence"] and entry["citation"] for entry in entries.values())


def test_an_installed_copy_without_catalogue_says_what_is_missing(tmp_path):
    with pytest.raises(ValueError, match=r"sources.yaml is missing: it ships with the workflow .* clone"):
        downloads.catalogue(tmp_path / "sources.yaml")


@pytest.mark.parametrize(
    ("name", "found", "left"),
    [
        ("cifar10-batches", "batches", ["cifar10-batches"]),
        ("cifar10.tar.gz", "batches", ["cifar10-batches"]),
        ("cifar10.zip", "compact", ["cifar10.zip"]),
    ],
)
@pytest.mark.parametrize("below", ["", "cifar10"])
@pytest.mark.parametrize("role", ["shared", "mirror"])
def test_every_form_is_found_in_a_folder_and_left_as_it_was(made, tmp_path, name, found, left, below, role):
    folder, entry = made
    _only(folder, tmp_path / "there" / below, name)
    before = _tree(tmp_path / "there")
    facts = downloads.fetched(entry, tmp_path / "data", **{role: str(tmp_path / "there")})
    assert facts["form"] == found
    assert facts["found"] == str(tmp_path / "there" / below / name)
    assert _names(tmp_path / "data") == left
    assert _tree(tmp_path / "there") == before


def test_manifest_names_what_lies_there(made, tmp_path):
    folder, entry = made
    facts = downloads.fetched(entry, tmp_path / "data", folder)
    assert facts["licence"] == "none" and facts["citation"] == "nobody" and facts["source"] == "cifar10"
    assert set(facts["files"]) == {f"cifar10-batches/{name}" for name in ("train", "test", "meta")}
    for name, checksum in facts["files"].items():
        verification.verify(tmp_path / "data" / name, checksum)


def test_what_is_there_already_is_used_where_it_lies(made, tmp_path):
    folder, entry = made
    downloads.fetched(entry, tmp_path / "data", _only(folder, tmp_path / "there", "cifar10.zip"))
    again = downloads.fetched(entry, tmp_path / "data", shared=tmp_path / "nowhere", mirror="http://127.0.0.1:1/")
    assert again["found"] == str(tmp_path / "data" / "cifar10.zip")


def test_an_archive_put_beside_the_manifest_by_hand_is_extracted(made, tmp_path):
    folder, entry = made
    _only(folder, tmp_path / "data", "cifar10.tar.gz")
    assert downloads.fetched(entry, tmp_path / "data")["form"] == "batches"
    assert _names(tmp_path / "data") == ["cifar10-batches", "cifar10.tar.gz"]


def test_shared_folder_comes_before_mirror_and_mirror_before_the_official_address(made, tmp_path):
    folder, entry = made
    places = {name: _only(folder, tmp_path / name, "cifar10.tar.gz") for name in ("shared", "mirror")}
    _only(folder, folder / "official", "cifar10.tar.gz")
    first = downloads.fetched(entry, tmp_path / "a", places["shared"], places["mirror"].as_uri())
    second = downloads.fetched(entry, tmp_path / "b", None, places["mirror"].as_uri())
    third = downloads.fetched(entry, tmp_path / "c", None, None)
    assert [Path(facts["found"]).parent.name for facts in (first, second, third)] == ["shared", "mirror", "c"]


def test_a_shared_folder_without_the_source_is_passed_over(made, tmp_path):
    folder, entry = made
    (tmp_path / "empty").mkdir()
    assert downloads.fetched(entry, tmp_path / "data", tmp_path / "empty", folder)["form"] == "batches"


@pytest.mark.parametrize(("role", "name"), [("shared", "SECATEUR_DATA"), ("mirror", "data.mirror")])
def test_a_folder_that_does_not_exist_is_refused(made, tmp_path, role, name):
    with pytest.raises(ValueError) as caught:
        downloads.fetched(made[1], tmp_path / "data", **{role: "/no/such/folder"})
    assert str(caught.value) == f"{name} names /no/such/folder, which does not exist; correct or unset it"


@pytest.mark.parametrize("suffix", ["", "/", "/cifar10.tar.gz"])
def test_a_mirror_on_the_web_gives_the_archive(made, tmp_path, server, suffix):
    (folder, entry), (address, state) = made, server
    state["files"]["/there/cifar10.tar.gz"] = (folder / "cifar10.tar.gz").read_bytes()
    facts = downloads.fetched(entry, tmp_path / "data", None, f"{address}/there{suffix}")
    assert facts["form"] == "batches"
    assert state["asked"] == [("/there/cifar10.tar.gz", None)]
    assert _names(tmp_path / "data") == ["cifar10-batches", "cifar10.tar.gz"]


def test_a_mirror_on_the_web_may_have_the_compact_form_only(made, tmp_path, server):
    (folder, entry), (address, state) = made, server
    state["files"]["/cifar10.zip"] = (folder / "cifar10.zip").read_bytes()
    assert downloads.fetched(entry, tmp_path / "data", None, address)["form"] == "compact"


def test_a_mirror_that_lacks_the_archive_leaves_the_official_address(made, tmp_path, server):
    (folder, entry), (address, state) = made, server
    _only(folder, folder / "official", "cifar10.tar.gz")
    assert downloads.fetched(entry, tmp_path / "data", None, address)["form"] == "batches"
    assert [path for path, _ in state["asked"]] == ["/cifar10.tar.gz", "/cifar10.zip"]


def test_a_broken_connection_goes_on_where_it_ended(tmp_path, server):
    address, state = server
    content = np.random.default_rng(0).bytes(3000)
    state["files"]["/file"], state["breaks"] = content, [1000, 500, 0]
    transfers.download(f"{address}/file", tmp_path / "file", f"sha256:{hashlib.sha256(content).hexdigest()}")
    assert (tmp_path / "file").read_bytes() == content
    ranges = [asked for _, asked in state["asked"]]
    assert ranges == [None, "bytes=1000-", "bytes=1500-", "bytes=1500-"]
    assert _names(tmp_path) == ["file"]


def test_a_server_without_ranges_is_asked_for_everything_again(tmp_path, server):
    address, state = server
    state["files"]["/file"], state["breaks"], state["ranges"] = b"x" * 3000, [1000], False
    transfers.download(f"{address}/file", tmp_path / "file", f"sha256:{hashlib.sha256(b'x' * 3000).hexdigest()}")
    assert (tmp_path / "file").stat().st_size == 3000


@pytest.mark.parametrize("left", [b"another file", b"x" * 3000, b"y" * 5000])
def test_what_another_run_left_cannot_spoil_a_download(tmp_path, server, left):
    address, state = server
    state["files"]["/file"] = b"x" * 3000
    (tmp_path / ".file.partial").write_bytes(left)
    transfers.download(f"{address}/file", tmp_path / "file", f"sha256:{hashlib.sha256(b'x' * 3000).hexdigest()}")
    assert (tmp_path / "file").read_bytes() == b"x" * 3000


def test_a_download_that_never_ends_well_is_never_under_its_name(tmp_path, server):
    address, state = server
    state["files"]["/file"], state["breaks"] = b"x" * 3000, [1000] + [0] * 20
    with pytest.raises(ConnectionError, match="the connection ended after 1000 of 3000 bytes"):
        transfers.download(f"{address}/file", tmp_path / "file", "sha256:0")
    assert _names(tmp_path) == [".file.partial"]


def test_a_web_page_in_place_of_the_archive_is_not_kept(tmp_path, server):
    address, state = server
    state["files"]["/file"] = b"<html>please log in</html>"
    got = hashlib.md5(state["files"]["/file"]).hexdigest()
    with pytest.raises(ValueError) as caught:
        transfers.download(f"{address}/file", tmp_path / "file", "md5:beef")
    assert str(caught.value) == (
        f"{address}/file gave another file (26 bytes): its md5 is {got}, expected beef; nothing was kept. "
        "Look at the address in a browser, or set data.mirror to a folder or URL that has the file"
    )
    assert _names(tmp_path) == []


def test_without_network_the_error_says_which_file_to_put_where(made, tmp_path):
    _, entry = made
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    archive, compact = entry["forms"]["archive"], entry["forms"]["compact"]
    archive["url"] = url = f"http://127.0.0.1:{port}/cifar10.tar.gz"
    with pytest.raises(ConnectionError) as caught:
        downloads.fetched(entry, tmp_path / "data")
    assert str(caught.value) == (
        f"cifar10.tar.gz could not be downloaded from {url} ([Errno {errno.ECONNREFUSED}] Connection refused). "
        f"Without network: get {url} ({archive['checksum']}) (or cifar10.zip, {compact['checksum']}) "
        f"elsewhere and put it into {tmp_path / 'data'}/ or into the folder that SECATEUR_DATA names, "
        "or set data.mirror to a folder or URL that has it; then run again"
    )
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["cifar10.tar.gz", "cifar10.zip"])
def test_an_archive_with_another_checksum_is_named(made, tmp_path, name):
    folder, entry = made
    there = _only(folder, tmp_path / "there", name)
    (there / name).write_bytes(b"cut short")
    form = "archive" if name.endswith("gz") else "compact"
    algorithm, _, wanted = entry["forms"][form]["checksum"].partition(":")
    got = hashlib.new(algorithm, b"cut short").hexdigest()
    with pytest.raises(ValueError) as caught:
        downloads.fetched(entry, tmp_path / "data", there)
    assert str(caught.value) == (
        f"{there / name} is damaged or another file: its {algorithm} is {got}, expected {wanted}; "
        "delete it, or replace it by a good copy, and run again"
    )
    assert _names(tmp_path / "data") == []


def test_a_damaged_file_of_an_extracted_folder_is_named(made, tmp_path):
    folder, entry = made
    there = _only(folder, tmp_path / "there", "cifar10-batches")
    (there / "cifar10-batches" / "test").write_bytes(b"")
    with pytest.raises(ValueError, match=rf"^{there}/cifar10-batches/test is damaged or another file: its md5"):
        downloads.fetched(entry, tmp_path / "data", there)
    assert _names(tmp_path / "data") == []


def test_a_missing_file_of_an_extracted_folder_is_named(made, tmp_path):
    folder, entry = made
    there = _only(folder, tmp_path / "data", "cifar10-batches")
    (there / "cifar10-batches" / "meta").unlink()
    with pytest.raises(ValueError, match=rf"^{there}/cifar10-batches/meta is missing; "):
        downloads.fetched(entry, tmp_path / "data")


def test_an_archive_cannot_write_anywhere_else(made, tmp_path):
    folder, entry = made
    path = tmp_path / "data" / "cifar10.tar.gz"
    path.parent.mkdir()
    with tarfile.open(path, "w:gz") as archive:
        archive.add(folder / "cifar10-batches", "cifar10-batches")
        for name in ("../evil", "/tmp/evil-secateur", "cifar10-batches/../../evil", "cifar10-batches/more"):
            member = tarfile.TarInfo(name)
            member.size = 4
            archive.addfile(member, io.BytesIO(b"evil"))
    entry["forms"]["archive"]["checksum"] = _sum(path, "md5")
    downloads.fetched(entry, tmp_path / "data")
    assert sorted(path.name for path in tmp_path.rglob("*evil*")) == []
    assert _names(tmp_path / "data" / "cifar10-batches") == ["meta", "test", "train"]


def test_an_interrupted_extraction_leaves_no_folder(made, tmp_path, monkeypatch):
    folder, entry = made
    there = _only(folder, tmp_path / "there", "cifar10.tar.gz")

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(placement.shutil, "copyfileobj", full)
    with pytest.raises(OSError, match="no space left on the disk of .*data; free some and run again"):
        downloads.fetched(entry, tmp_path / "data", there)
    assert _names(tmp_path / "data") == []


def test_the_script_writes_a_manifest_with_its_provenance(made, tmp_path, monkeypatch, caplog):
    import fetch_images
    from secateur.artifacts import provenance

    folder, entry = made
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(downloads, "catalogue", lambda: {"cifar10": entry})
    verified = tmp_path / "data" / "cifar10" / "verified.json"
    fetch_images.fetch_images("cifar10", verified, folder, None, {"rule": "fetch_images"})
    manifest = provenance.read(verified)
    assert manifest["provenance"] == {"rule": "fetch_images"}
    assert manifest["files"] == {f"cifar10-batches/{k}": v for k, v in entry["forms"]["batches"]["files"].items()}
    assert f"found {folder}/cifar10-batches" in caplog.text
