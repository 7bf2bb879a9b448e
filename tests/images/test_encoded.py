"""Images that are read where they are: the same pixels as those of a copy, and refused when they are others."""

import io
import re
import tarfile

import h5py
import numpy as np
import pytest
from PIL import Image

import prepare_images
from secateur.images import image_folder, sources, store
from secateur.study import classes, vocabulary

SPLIT = {"seed": 0, "rank": 4, "validation": 4, "train": None, "test": None, "rank_from": "train"}
DATA = {"source": "image_folder", "name": "mine", "size": 8, "color": "rgb", "mean": [0.5] * 3, "std": [0.25] * 3}
SIZES = ((9, 7), (8, 8), (16, 12))


def _images():
    """(part, class, file, bytes) of images of two classes, three sizes and two formats."""
    generator = np.random.default_rng(0)
    for part, count in (("train", 9), ("test", 4)):
        for name in ("cat", "dog"):
            for row in range(count):
                content, kind = io.BytesIO(), ("png", "jpeg")[row % 2]
                pixels = generator.integers(0, 256, (*SIZES[row % 3], 3), dtype=np.uint8)
                Image.fromarray(pixels).save(content, kind)
                yield part, name, f"{row}.{kind}", content.getvalue()


@pytest.fixture
def folder(tmp_path):
    """A folder for each class."""
    for part, name, file, content in _images():
        path = tmp_path / "mine" / part / name / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path / "mine"


@pytest.fixture
def packed(tmp_path):
    """Three tar files for each part, the first with numbers and the others with folders of classes."""
    root = tmp_path / "packed"
    for place, (part, name, file, content) in enumerate(_images()):
        (root / part).mkdir(parents=True, exist_ok=True)
        shard = place % 3
        members = {f"{name}/{file}": content}
        if not shard:
            key, _, kind = file.partition(".")
            members = {f"{name}_{key}.{kind}": content, f"{name}_{key}.cls": str(int(name == "dog")).encode()}
            members[f"{name}_{key}.mask.png"] = content
        with tarfile.open(root / part / f"{shard}.tar", "a") as archive:
            for member, value in members.items():
                _add(archive, member, value)
    (root / "classes.txt").write_text("cat\ndog\n")
    return root


def _add(archive, member, value):
    facts = tarfile.TarInfo(member)
    facts.size = len(value)
    archive.addfile(facts, io.BytesIO(value))


def _prepared(folder, place, **options):
    paths = {name: place / f"{name}.h5" for name in vocabulary.SPLITS}
    prepare_images.prepare_images(DATA | {"folder": str(folder)} | options, SPLIT, None, paths, {})
    return paths


@pytest.mark.parametrize("kind", ["folder", "packed"])
@pytest.mark.parametrize("color", ["rgb", "gray"])
def test_images_without_a_copy_have_the_pixels_of_one(request, tmp_path, kind, color):
    given, options = request.getfixturevalue(kind), {"color": color}
    if color == "gray":
        options |= {"mean": [0.5], "std": [0.25]}
    copied = _prepared(given, tmp_path / "copied", **options)
    listed = _prepared(given, tmp_path / "listed", **options, copy=False)
    for name in vocabulary.SPLITS:
        with store.opened(copied[name]) as one, store.opened(listed[name]) as other:
            assert one.pixels.shape == other.pixels.shape and np.array_equal(one.labels, other.labels)
            assert np.array_equal(one.pixels, other.pixels[:])
            rows = np.array([3, 0, 3])
            assert np.array_equal(one.taken(rows).pixels, other.taken(rows).pixels[:])
            for first, second in zip(store.batches(one, 3), store.batches(other, 3), strict=True):
                assert first[0] == second[0] and first[1].equal(second[1]) and first[2].equal(second[2])
        with h5py.File(listed[name]) as file, h5py.File(copied[name]) as other:
            assert "pixels" not in file and file["files"][:].tolist() == other["files"][:].tolist()


def test_a_class_of_no_image_keeps_its_number_where_others_are_chosen(packed):
    (packed / "classes.txt").write_text("\ufeffcat\ndog\nbee\n", encoding="utf-8")
    source = sources.opened(DATA | {"folder": str(packed), "classes": ["cat", "dog"]})
    assert source.classes == ("cat", "dog") and len(source.train.labels) == 18
    with pytest.raises(ValueError, match="has no image of bee; add some, or name the others in data.classes"):
        sources.opened(DATA | {"folder": str(packed)})


def test_images_below_a_relative_folder_say_from_where_they_are_sought(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paths = _prepared("mine", tmp_path / "images", copy=False)
    monkeypatch.chdir("/")
    with (
        store.opened(paths["test"]) as shown,
        pytest.raises(ValueError, match=r"cannot be read from /, to which data\.folder is relative"),
    ):
        shown.pixels[:]


def test_another_name_of_a_class_is_another_listing(packed):
    before = image_folder.listing_digest(packed)
    assert image_folder.listing_digest(packed) == before
    (packed / "classes.txt").write_text("dog\ncat\n")
    assert image_folder.listing_digest(packed) != before


def test_tar_files_have_the_images_of_the_folders(folder, packed):
    one, other = (sources.opened(DATA | {"folder": str(place)}) for place in (folder, packed))
    assert one.classes == other.classes == classes.of(DATA | {"folder": str(packed)})
    for first, second in ((one.train, other.train), (one.test, other.test)):
        seen = [sorted(zip(part.labels.tolist(), _bytes(part), strict=True)) for part in (first, second)]
        assert seen[0] == seen[1]
    order = [name.split("/")[1] for name in other.train.files]
    assert order == sorted(order)


def _bytes(part):
    return [image.tobytes() for image in part.pixels(0, len(part.labels))]


def test_some_classes_of_a_folder_need_no_copy(folder, tmp_path):
    for part in ("train", "test"):
        (folder / part / "bee").mkdir()
        (folder / part / "bee" / "0.png").write_bytes((folder / part / "cat" / "0.png").read_bytes())
    paths = _prepared(folder, tmp_path, copy=False, classes=["cat", "dog"])
    with store.opened(paths["test"]) as shown, h5py.File(paths["test"]) as file:
        assert shown.classes == ("cat", "dog")
        names = [name.split("/")[1] for name in file["files"].asstr()]
        assert [shown.classes[label] for label in shown.labels] == names


def test_an_identity_follows_the_images_their_size_and_their_color(folder, tmp_path):
    def identity(place, **options):
        with store.opened(_prepared(folder, tmp_path / place, copy=False, **options)["test"]) as shown:
            return shown.identity, bytes(store.content(shown))

    first = identity("first")
    assert identity("again") == first
    assert identity("larger", size=9)[0] != first[0]
    path = folder / "test" / "cat" / "0.png"
    path.write_bytes((folder / "test" / "cat" / "2.png").read_bytes())
    other = identity("edited")
    assert other[0] != first[0] and other[1] != first[1]


def _swapped(path):
    """Another image of the same size in bytes, and the same time stamp."""
    import os

    state = path.stat()
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_swapped, "{path} is not as it was when the images were divided; put the image back, or delete the study's "),
        (lambda path: path.unlink(), "{path} cannot be read (No such file or directory); put it back, and run again"),
    ],
)
def test_an_image_that_changed_since_is_refused(folder, tmp_path, spoil, message):
    paths = _prepared(folder, tmp_path, copy=False)
    path = folder / "test" / "cat" / "2.png"
    spoil(path)
    with store.opened(paths["test"]) as shown, pytest.raises(ValueError, match=_starts(message.format(path=path))):
        shown.pixels[:]


def test_a_tar_file_that_was_cut_short_is_refused(packed, tmp_path):
    paths = _prepared(packed, tmp_path, copy=False)
    path = packed / "test" / "0.tar"
    path.write_bytes(path.read_bytes()[:600])
    with store.opened(paths["test"]) as shown, pytest.raises(ValueError, match=_starts("the image at byte ")):
        shown.pixels[:]
    with pytest.raises(ValueError, match=_starts(f"{path} is no uncompressed tar file, or is damaged (")):
        sources.opened(DATA | {"folder": str(packed)})


def _starts(text):
    return f"^{re.escape(text)}"


def test_an_image_that_cannot_be_decoded_is_named_before_any_other_job(folder, tmp_path):
    path = folder / "train" / "dog" / "2.png"
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(ValueError, match=_starts(f"{path} cannot be read as an image (")):
        _prepared(folder, tmp_path / "images", copy=False)
    assert not list((tmp_path / "images").iterdir())


def _compressed(root):
    with tarfile.open(root / "test" / "0.tar", "w:gz") as archive:
        _add(archive, "cat/0.png", b"")


def _linked(root):
    with tarfile.open(root / "test" / "0.tar", "a") as archive:
        facts = tarfile.TarInfo("linked.png")
        facts.type, facts.linkname = tarfile.LNKTYPE, "cat_0.png"
        archive.addfile(facts)


def _dotted(root):
    with tarfile.open(root / "test" / "0.tar", "a") as archive:
        for name in ("a.1", "a.2"):
            _add(archive, f"{name}.png", b"")
            _add(archive, f"{name}.cls", b"0")


def _cut_between_members(root):
    path = root / "test" / "1.tar"
    with tarfile.open(path) as archive:
        second = archive.getmembers()[1]
    path.write_bytes(path.read_bytes()[: second.offset])


def _unnumbered(content):
    def spoil(root):
        with tarfile.open(root / "test" / "0.tar", "a") as archive:
            _add(archive, "a.png", b"")
            _add(archive, "a.cls", content)

    return spoil


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda root: (root / "classes.txt").unlink(), "{root} has tar files, but no classes.txt; write one"),
        (lambda root: (root / "classes.txt").write_text("cat\ncat\n"), "{root}/classes.txt has the class cat twice"),
        (lambda root: (root / "classes.txt").write_text("cat\ndog\nbee"), "{root}/train has no image of bee; add some"),
        (lambda root: (root / "classes.txt").write_text("cat\nbee\n"), "{root}/train/1.tar: dog/"),
        (lambda root: (root / "train" / "cat").mkdir(), "{root}/train has tar files and the folder cat; leave one"),
        (
            lambda root: [path.unlink() for path in (root / "test").iterdir()],
            "{root}/train has tar files, but the other part has none",
        ),
        (_compressed, "{root}/test/0.tar is no uncompressed tar file, or is damaged ("),
        (_unnumbered(b"7"), "{root}/test/0.tar: the class of a.png is 7; classes.txt names 2, counted from 0"),
        (lambda root: (root / "classes.txt").write_text("cat\n\ndog\n"), "{root}/classes.txt has an empty line, which"),
        (_linked, "{root}/test/0.tar: linked.png is a link or has holes; pack the images themselves"),
        (_dotted, "{root}/test/0.tar: a.2.cls is a second .cls file of the sample a, because a sample's name ends at"),
        (_cut_between_members, "{root}/test/1.tar has no end: it was cut short; pack or copy it again"),
        (_unnumbered(b"\xff"), "{root}/test/0.tar is no uncompressed tar file, or is damaged ("),
    ],
)
def test_tar_files_of_no_use_are_refused(packed, spoil, message):
    spoil(packed)
    with pytest.raises(ValueError, match=_starts(message.format(root=packed))):
        sources.opened(DATA | {"folder": str(packed)})
