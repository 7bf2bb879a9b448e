"""Code digests that were computed before are found again for the same text, and for no other."""

import json

import pytest

from secateur.artifacts import code_cache, code_digest, code_imports


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of one module and two scripts, and the scripts that were digested anew, in order."""
    monkeypatch.setattr(code_imports, "PACKAGE", tmp_path / "workflow/secateur")
    (tmp_path / "workflow/secateur").mkdir(parents=True)
    (tmp_path / "workflow/secateur/images.py").write_text("def blobs(n): return 7")
    for name in ("first", "second"):
        (tmp_path / f"workflow/{name}.py").write_text(f"from secateur import images\nimages.blobs('{name}7')")
    computed = []
    of_script = code_digest.of_script

    def counted(path):
        computed.append(path.stem)
        for cached in (code_digest._part_of, code_digest._with_its_module, code_digest._contents):
            cached.cache_clear()
        for cached in (code_imports.of_file, code_imports.parsed):
            cached.cache_clear()
        return of_script(path)

    monkeypatch.setattr(code_digest, "of_script", counted)
    return tmp_path, computed


def digests(folder):
    """The digests of both scripts, as a run of Snakemake asks for them and ends."""
    made = code_cache.Digests(folder / "workflow", folder / "cache")
    found = {name: made.of_script(name) for name in ("first", "second", "first")}
    made.save()
    return found


def test_the_same_code_is_digested_once(package):
    folder, computed = package
    first = digests(folder)
    assert computed == ["first", "second"] and first["first"] != first["second"]
    assert digests(folder) == first and computed == ["first", "second"]
    assert first["first"] == code_digest.of_script(folder / "workflow/first.py")


@pytest.mark.parametrize("edited", ["workflow/secateur/images.py", "workflow/first.py", "workflow/secateur/other.py"])
def test_any_edit_is_digested_anew_and_one_that_is_taken_back_is_known(package, edited):
    folder, computed = package
    before = digests(folder)
    path = folder / edited
    kept = path.read_bytes() if path.exists() else None
    # As many bytes, so that no length tells.
    path.write_bytes((kept or b"X = 1").replace(b"7", b"8"))
    after = digests(folder)
    assert len(computed) == 4
    assert (after["first"] == before["first"]) == (kept is None)
    assert (after["second"] == before["second"]) == (edited != "workflow/secateur/images.py")
    if kept:
        path.write_bytes(kept)
        assert digests(folder) == before and len(computed) == 4


@pytest.mark.parametrize("text", ["", "{", "[]", '{"first": 3}', '{"first": "short"}'])
def test_a_damaged_file_is_made_again(package, text):
    folder, computed = package
    before = digests(folder)
    (path,) = (folder / "cache").iterdir()
    path.write_text(text)
    assert digests(folder) == before and len(computed) == 4
    assert json.loads(path.read_text()) == before


def test_a_folder_that_cannot_be_written_to_is_no_error(package):
    folder, computed = package
    (folder / "cache").write_text("a file")
    assert digests(folder) == digests(folder) and len(computed) == 4


def test_digests_of_code_that_was_edited_meanwhile_are_not_kept(package):
    folder, computed = package
    made = code_cache.Digests(folder / "workflow", folder / "cache")
    made.of_script("first")
    (folder / "workflow/secateur/images.py").write_text("def blobs(n): return 8")
    made.save()
    assert not (folder / "cache").exists() and computed == ["first"]


def test_old_states_of_the_code_are_forgotten(package, monkeypatch):
    folder, _ = package
    monkeypatch.setattr(code_cache, "KEPT", 2)
    for number in range(4):
        (folder / "workflow/secateur/images.py").write_text(f"def blobs(n): return {number}")
        digests(folder)
    assert len(list((folder / "cache").iterdir())) == 2


def test_a_script_that_is_missing_is_named(package):
    folder, _ = package
    with pytest.raises(FileNotFoundError) as raised:
        code_cache.Digests(folder / "workflow", folder / "cache").of_script("third")
    assert raised.value.filename.endswith("third.py")
