import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from secateur.images import downloads, image_folder, sources
from support.archives import small

GRAY = {"size": 16, "color": "gray", "folder": None}
RGB = {"size": 32, "color": "rgb", "folder": None}
# Form -> what of it must lie in a folder to be found there.
FORMS = {"batches": "{}-batches", "archive": "{}.tar.gz", "compact": "{}.zip"}


def _fetched(made, entry, form, place):
    """The manifest of one form, fetched from a folder that has all of them."""
    kept = FORMS[form].format(entry["source"])
    place.mkdir(parents=True)
    (place / "only").mkdir()
    (place / "only" / kept).symlink_to(made / kept)
    facts = downloads.fetched(entry, place / "data", place / "only")
    (place / "data" / "verified.json").write_text(json.dumps(facts))
    return place / "data" / "verified.json"


def _everything(part):
    return part.pixels(0, len(part.labels))


def test_digits_are_the_values_of_scikit_learn_in_their_order():
    from sklearn.datasets import load_digits

    source = sources.opened({"source": "digits", "size": 8, "color": "gray"})
    pixels, digits = _everything(source.train), load_digits()
    assert source.classes == tuple("0123456789") and source.test is None
    assert pixels.shape == (1797, 1, 8, 8) and pixels.dtype == np.uint8
    assert np.array_equal(pixels[:, 0], np.floor(digits.images * 255 / 16 + 0.5))
    assert np.array_equal(source.train.labels, digits.target)


def test_digits_are_resized_as_pillow_does():
    small_one = sources.opened({"source": "digits", "size": 8, "color": "gray"}).train.pixels(5, 6)[0, 0]
    large_one = sources.opened({"source": "digits"} | GRAY).train.pixels(5, 6)[0, 0]
    wanted = Image.fromarray(small_one).resize((16, 16), Image.Resampling.BILINEAR)
    assert np.array_equal(large_one, np.asarray(wanted))


def test_digits_in_rgb_are_the_same_gray_three_times():
    pixels = sources.opened({"source": "digits", "size": 8, "color": "rgb"}).train.pixels(0, 9)
    assert pixels.shape == (9, 3, 8, 8)
    assert np.array_equal(pixels[:, 0], pixels[:, 1]) and np.array_equal(pixels[:, 0], pixels[:, 2])


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_cifar10_gives_what_torchvision_reads(tmp_path, form):
    from torchvision import datasets

    made = tmp_path / "made"
    entry = small(made)
    source = sources.opened({"source": "cifar10"} | RGB, _fetched(made, entry, form, tmp_path / form))
    layout = entry["forms"]["batches"]
    sums = {name: checksum.removeprefix("md5:") for name, checksum in layout["files"].items()}

    class Small(datasets.CIFAR10):
        base_folder = layout["name"]
        train_list, test_list = ([[part, sums[part]]] for part in ("train", "test"))
        meta = {"filename": "meta", "key": "label_names", "md5": sums["meta"]}

    for train, part in ((True, source.train), (False, source.test)):
        known = Small(made, train=train)
        assert np.array_equal(_everything(part).transpose(0, 2, 3, 1), known.data)
        assert part.labels.tolist() == known.targets and part.labels.dtype == np.int64
        assert source.classes == tuple(known.classes)


def test_all_forms_of_cifar100_are_one_study_although_their_orders_differ(tmp_path):
    entry = small(tmp_path / "made", "cifar100")
    found = [
        sources.opened({"source": "cifar100"} | RGB, _fetched(tmp_path / "made", entry, form, tmp_path / form))
        for form in FORMS
    ]
    for other in found[1:]:
        assert other.classes == found[0].classes
        for one, two in zip(found[0][1:], other[1:], strict=True):
            assert np.array_equal(one.labels, two.labels)
            assert np.array_equal(_everything(one), _everything(two))
    # Not sorted by class: the first images of a split are to show them all.
    assert len(set(found[0].train.labels[:20])) == 4


def test_cifar_in_gray_and_in_another_size_is_converted_by_pillow(tmp_path):
    entry = small(tmp_path / "made")
    verified = _fetched(tmp_path / "made", entry, "batches", tmp_path / "one")
    plain = sources.opened({"source": "cifar10"} | RGB, verified).train.pixels(3, 4)[0]
    gray = sources.opened({"source": "cifar10", "size": 20, "color": "gray"}, verified).train.pixels(3, 4)
    image = Image.fromarray(plain.transpose(1, 2, 0)).convert("L").resize((20, 20), Image.Resampling.BILINEAR)
    assert gray.shape == (1, 1, 20, 20)
    assert np.array_equal(gray[0, 0], np.asarray(image))


@pytest.mark.parametrize("form", FORMS)
def test_fetched_files_that_changed_since_are_refused(tmp_path, form):
    entry = small(tmp_path / "made")
    verified = _fetched(tmp_path / "made", entry, form, tmp_path / "one")
    changed = "cifar10.zip" if form == "compact" else "cifar10-batches/train"
    (verified.parent / changed).write_bytes(b"something else")
    with pytest.raises(
        ValueError, match=rf"^the images beside {verified} are no longer those .* delete {verified} and"
    ):
        sources.opened({"source": "cifar10"} | RGB, verified)


def test_a_manifest_that_is_none_is_refused(tmp_path):
    (tmp_path / "verified.json").write_text('{"form": "ba')
    with pytest.raises(ValueError) as caught:
        sources.opened({"source": "cifar10"} | RGB, tmp_path / "verified.json")
    expected = f"{tmp_path}/verified.json is not a manifest of fetched images; delete it and run again"
    assert str(caught.value) == expected


@pytest.mark.skipif("SECATEUR_DATA" not in os.environ, reason="SECATEUR_DATA names no folder with real CIFAR")
@pytest.mark.parametrize(("name", "classes"), [("cifar10", 10), ("cifar100", 100)])
def test_real_cifar_is_read_in_full(tmp_path, name, classes):
    entry, shared = downloads.catalogue()[name], Path(os.environ["SECATEUR_DATA"])
    if not list(downloads.forms_in(shared, entry)):
        pytest.skip(f"SECATEUR_DATA has no {name}")
    facts = downloads.fetched(entry, tmp_path, shared)
    (tmp_path / "verified.json").write_text(json.dumps(facts))
    source = sources.opened({"source": name} | RGB, tmp_path / "verified.json")
    assert np.bincount(source.train.labels).tolist() == [50000 // classes] * classes
    assert np.bincount(source.test.labels).tolist() == [10000 // classes] * classes
    assert list(source.classes) == sorted(source.classes)
    # The means of the training pixels are known from many publications.
    mean = np.mean([source.train.pixels(row, row + 5000).mean((0, 2, 3)) for row in range(0, 50000, 5000)], axis=0)
    known = {"cifar10": (0.4914, 0.4822, 0.4465), "cifar100": (0.5071, 0.4865, 0.4409)}[name]
    assert np.allclose(mean / 255, known, atol=1e-4)


def _save(path, color=(10, 200, 90), size=(6, 6), mode="RGB", **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, color).save(path, **options)


@pytest.fixture
def folder(tmp_path):
    """train/ and test/ with two classes, three formats and several sizes."""
    root = tmp_path / "own"
    _save(root / "train" / "cat" / "b.PNG")
    _save(root / "train" / "cat" / "a.webp", size=(9, 4), lossless=True)
    _save(root / "train" / "cat" / "deeper" / "c.jpeg", quality=95)
    _save(root / "train" / "dog" / "d.JPG", size=(40, 30), quality=95)
    _save(root / "test" / "cat" / "e.png")
    _save(root / "test" / "dog" / "f.png")
    return root


def _own(folder, **options):
    return sources.opened({"source": "image_folder", "folder": str(folder), "size": 8, "color": "rgb"} | options)


def test_image_folder_reads_three_formats_in_any_case_and_size(folder):
    source = _own(folder)
    pixels = _everything(source.train)
    assert source.classes == ("cat", "dog")
    assert pixels.shape == (4, 3, 8, 8)
    assert np.abs(pixels.astype(int) - np.array([10, 200, 90]).reshape(3, 1, 1)).max() < 4


def test_classes_of_an_image_folder_take_turns(folder):
    train = _own(folder).train
    assert train.files == ["train/cat/a.webp", "train/dog/d.JPG", "train/cat/b.PNG", "train/cat/deeper/c.jpeg"]
    assert train.labels.tolist() == [0, 1, 0, 0]


def test_image_folder_in_gray_has_one_channel(folder):
    assert _own(folder, color="gray").test.pixels(0, 2).shape == (2, 1, 8, 8)


def test_resized_images_fill_the_square_as_pillow_does(folder):
    path = folder / "test" / "cat" / "e.png"
    noise = np.random.default_rng(0).integers(0, 256, (13, 29, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    wanted = np.asarray(Image.fromarray(noise).resize((8, 8), Image.Resampling.BILINEAR))
    assert np.array_equal(_own(folder).test.pixels(0, 1)[0], wanted.transpose(2, 0, 1))


def test_images_stand_upright_as_their_exif_says(folder):
    picture = np.zeros((8, 8, 3), dtype=np.uint8)
    picture[:4] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    Image.fromarray(picture).save(folder / "test" / "cat" / "e.png", exif=exif)
    assert np.array_equal(_own(folder).test.pixels(0, 1)[0, 0], np.rot90(picture[..., 0], -1))


def test_sixteen_bits_of_gray_are_scaled_and_not_clipped(folder):
    deep = (np.arange(64, dtype=np.uint16) * 1000).reshape(8, 8)
    Image.fromarray(deep).save(folder / "test" / "cat" / "e.png")
    assert np.array_equal(_own(folder, color="gray").test.pixels(0, 1)[0, 0], deep >> 8)


def test_palette_and_transparent_images_are_read_as_rgb(folder):
    _save(folder / "test" / "cat" / "e.png", color=(10, 200, 90, 128), mode="RGBA")
    Image.new("RGB", (6, 6), (10, 200, 90)).quantize(4).save(folder / "test" / "dog" / "f.png")
    assert np.abs(_own(folder).test.pixels(0, 2).astype(int) - np.array([10, 200, 90]).reshape(3, 1, 1)).max() < 2


def test_other_and_hidden_files_are_left_out_and_counted(folder, caplog):
    caplog.set_level(logging.INFO)
    (folder / "train" / "cat" / "notes.txt").write_text("mine")
    (folder / "train" / "cat" / "old.gif").write_text("old")
    (folder / "train" / "cat" / "._b.png").write_text("what other systems leave")
    (folder / "train" / ".cache").mkdir()
    assert len(_own(folder).train.labels) == 4
    assert "2 files are neither PNG, JPEG nor WebP, and are ignored" in caplog.text


def test_photographs_with_a_second_picture_inside_are_jpeg_all_the_same(folder):
    two = [Image.new("RGB", (6, 6), color) for color in ("white", "black")]
    two[0].save(folder / "test" / "cat" / "e.mpo", save_all=True, append_images=two[1:])
    (folder / "test" / "cat" / "e.mpo").rename(folder / "test" / "cat" / "e.jpg")
    assert _own(folder).test.files == ["test/cat/e.jpg", "test/dog/f.png", "test/cat/e.png"]
    assert _own(folder).test.pixels(0, 1).min() > 250


@pytest.mark.parametrize("how", ["text", "cut short", "another format"])
def test_a_corrupt_image_is_named(folder, how):
    path = folder / "test" / "cat" / "e.png"
    if how == "another format":
        Image.new("RGB", (6, 6)).save(path, format="GIF")
    elif how == "text":
        path.write_text("no image")
    else:
        noise = np.random.default_rng(0).integers(0, 256, (50, 50, 3), dtype=np.uint8)
        Image.fromarray(noise).save(path)
        path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(ValueError, match=rf"^{path} cannot be read as an image \(.*\); replace or remove it, and run"):
        _everything(_own(folder).test)


def test_a_class_in_test_that_train_lacks_is_named(folder):
    _save(folder / "test" / "bird" / "g.png")
    with pytest.raises(ValueError) as caught:
        _own(folder)
    assert str(caught.value) == (
        f"{folder}/test has images of class bird, but {folder}/train has no such folder; "
        "add training images of it, or take it out of test/"
    )


def test_an_empty_class_folder_is_named(folder):
    (folder / "train" / "bird").mkdir()
    (folder / "train" / "bird" / "bird.bmp").write_text("")
    with pytest.raises(ValueError) as caught:
        _own(folder)
    assert str(caught.value) == (
        f"no images found in {folder}/train/bird (1 files of other formats were ignored); "
        "add PNG, JPEG or WebP files, or delete the folder"
    )


def test_images_beside_the_class_folders_are_no_images_of_a_class(tmp_path):
    for part in ("train", "test"):
        _save(tmp_path / part / "a.png")
    with pytest.raises(ValueError) as caught:
        _own(tmp_path)
    assert str(caught.value) == (
        f"no images found in {tmp_path}/train: put PNG, JPEG or WebP files into {tmp_path}/train/<class>/"
    )


@pytest.mark.parametrize("reader", [image_folder.listing_digest, _own])
def test_a_missing_folder_is_named(tmp_path, reader):
    with pytest.raises(ValueError) as caught:
        reader(tmp_path / "none")
    assert str(caught.value) == (
        f"data.folder is {tmp_path / 'none'}, but there is no such folder; name the one that holds train/ and test/"
    )
    (tmp_path / "train").mkdir()
    with pytest.raises(ValueError) as caught:
        reader(tmp_path)
    assert str(caught.value) == (
        f"data.folder is {tmp_path}, but it has no folder test/; "
        "it needs train/ and test/, each with a folder per class"
    )


def test_listing_digest_follows_every_change_of_an_image_and_nothing_else(folder):
    states = [image_folder.listing_digest(folder)]
    changes = [
        lambda: (folder / "train" / "cat" / "b.PNG").rename(folder / "train" / "cat" / "bb.png"),
        lambda: os.utime(folder / "test" / "dog" / "f.png", ns=(1, 1)),
        lambda: (folder / "train" / "cat" / "deeper" / "c.jpeg").unlink(),
        lambda: _save(folder / "train" / "dog" / "new.webp"),
        lambda: (folder / "train" / "dog").rename(folder / "train" / "wolf"),
        # Of equal sizes.
        lambda: _swap(folder / "test" / "cat" / "e.png", folder / "test" / "dog" / "f.png"),
    ]
    for change in changes:
        change()
        states.append(image_folder.listing_digest(folder))
    assert len(set(states)) == len(changes) + 1
    (folder / "train" / "cat" / "notes.txt").write_text("mine")
    (folder / "train" / ".cache.png").write_text("hidden")
    assert image_folder.listing_digest(folder) == states[-1] == image_folder.listing_digest(str(folder))


def _swap(one, other):
    one.rename(one.with_suffix(".kept"))
    other.rename(one)
    one.with_suffix(".kept").rename(other)


def test_importing_the_sources_is_cheap():
    code = (
        "import sys; from secateur.images import sources; print(*{'numpy', 'PIL', 'torch', 'yaml'} & set(sys.modules))"
    )
    library = Path(sources.__file__).parents[2]
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=library, check=True)
    assert result.stdout.strip() == ""
