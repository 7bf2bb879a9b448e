import dataclasses
import functools
import hashlib
import json
import os
import re
from types import SimpleNamespace

import h5py
import hypothesis
import numpy as np
import pytest
import torch
from hypothesis import strategies

from secateur import Refused
from secateur.images import arrays, sources, splits, store, writing
from secateur.study import settings, vocabulary

SPLIT = {"seed": 0, "rank": 180, "validation": 180, "test": 360, "train": None, "rank_from": "train"}
DATA = {"source": "digits", "name": "digits", "size": 8, "color": "gray", "mean": [0.5], "std": [0.25]}


def _source(train, test=None, classes=None):
    """A source from numbers of images by class; pixel values name the row."""
    classes = classes or tuple(f"class{label}" for label in range(len(train)))
    return arrays.Source(classes, _part(train), None if test is None else _part(test))


def _part(sizes):
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(len(sizes)), sizes))

    def pixels(start, stop):
        rows = np.arange(start, stop, dtype=np.uint64)[:, None, None, None]
        return np.broadcast_to(
            rows >> np.arange(0, 64).astype(np.uint64).reshape(1, 8, 8), (stop - start, 1, 8, 8)
        ).astype(np.uint8)

    return arrays.Part(labels.astype(np.int64), pixels)


@functools.cache
def _digits():
    return sources.opened(DATA)


def _sizes(rows):
    return {name: len(split.index) for name, split in rows.items()}


@pytest.fixture
def prepared(tmp_path):
    """(paths of the four files, rows) of the digits."""
    rows = splits.divided(_digits(), SPLIT)
    paths = {name: tmp_path / "images" / f"{name}.h5" for name in vocabulary.SPLITS}
    writing.write(_digits(), rows, paths, DATA, {"rule": "prepare_images"})
    return paths, rows


def test_digits_divide_as_the_design_says():
    assert _sizes(splits.divided(_digits(), SPLIT)) == {"train": 1077, "rank": 180, "validation": 180, "test": 360}


def test_default_shares_of_digits_round_to_the_nearest_image():
    shares = SPLIT | {"rank": 0.1, "validation": 0.1, "test": 0.2}
    sizes = {"train": 1078, "rank": 180, "validation": 180, "test": 359}
    assert _sizes(splits.divided(_digits(), shares)) == sizes


def test_cifar10_divides_as_the_design_says():
    source = _source([5000] * 10, [1000] * 10)
    for share in (5000, 0.1):
        rows = splits.divided(source, SPLIT | {"rank": share, "validation": share})
        assert _sizes(rows) == {"train": 40000, "rank": 5000, "validation": 5000, "test": 10000}
        assert np.bincount(source.train.labels[rows["rank"].index]).tolist() == [500] * 10


def test_rank_can_come_from_test_and_the_rest_is_reported():
    source = _source([50] * 4, [30] * 4)
    rows = splits.divided(source, SPLIT | {"rank": 0.2, "validation": 20, "rank_from": "test"})
    assert _sizes(rows) == {"train": 180, "rank": 24, "validation": 20, "test": 96}
    assert [rows[name].part for name in vocabulary.SPLITS] == ["train", "test", "train", "test"]
    assert np.bincount(source.test.labels[rows["rank"].index]).tolist() == [6] * 4


def test_rank_images_may_be_those_of_validation():
    """Neither split takes images that it would not take without the other, and nothing else changes."""
    source = _source([50] * 4)
    plain = splits.divided(source, SPLIT | {"rank": 10, "validation": 40, "test": 20})
    for rank in (40, 12):
        rows = splits.divided(source, SPLIT | {"rank": rank, "validation": 40, "test": 20, "rank_from": "validation"})
        assert {*rows["rank"].index} <= {*rows["validation"].index} and len(rows["rank"].index) == rank
        assert len(rows["train"].index) == len(plain["train"].index) + 10 and rows["rank"].part == "train"
        assert not {*rows["train"].index} & {*rows["validation"].index}
    with pytest.raises(Refused, match="split.rank wants 41 images, but only 40 of the source's validation images"):
        splits.divided(source, SPLIT | {"rank": 41, "validation": 40, "test": 20, "rank_from": "validation"})
    config = {"data": {"source": "digits"}, "model": {"name": "vgg_small"}}
    config["split"] = {"rank_from": "validation", "validation": 0.2}
    assert settings.checked(config)["split"]["rank"] == 0.2


def test_without_test_images_of_its_own_rank_from_test_shares_the_carved_ones():
    rows = splits.divided(_source([50] * 4), SPLIT | {"rank": 10, "validation": 10, "test": 40, "rank_from": "test"})
    assert _sizes(rows) == {"train": 150, "rank": 10, "validation": 10, "test": 30}
    assert {split.part for split in rows.values()} == {"train"}


@hypothesis.given(
    strategies.lists(strategies.integers(4, 30), min_size=2, max_size=6),
    strategies.integers(1, 20),
    strategies.integers(1, 20),
    strategies.integers(0, 3),
)
@hypothesis.settings(max_examples=60, deadline=None)
def test_splits_are_disjoint_complete_and_in_the_order_of_the_source(sizes, rank, validation, seed):
    source = _source(sizes)
    split = SPLIT | {"seed": seed, "rank": rank, "validation": validation, "test": 0.2}
    try:
        rows = splits.divided(source, split)
    except ValueError:
        return
    together = np.concatenate([rows[name].index for name in vocabulary.SPLITS])
    assert sorted(together) == list(range(sum(sizes)))
    assert all((np.diff(split.index) > 0).all() for split in rows.values())
    assert (len(rows["rank"].index), len(rows["validation"].index)) == (rank, validation)


@hypothesis.given(strategies.lists(strategies.integers(0, 50), min_size=1, max_size=9), strategies.data())
@hypothesis.settings(deadline=None)
def test_apportioned_counts_are_exact_and_within_one_of_proportion(sizes, data):
    hypothesis.assume(sum(sizes))
    wanted = data.draw(strategies.integers(0, sum(sizes)))
    counts = splits.apportioned(wanted, sizes)
    assert sum(counts) == wanted
    for count, size in zip(counts, sizes, strict=True):
        assert 0 <= count <= size and abs(count - wanted * size / sum(sizes)) < 1


def test_the_seed_of_the_split_decides_alone():
    one, same, other = (splits.divided(_digits(), SPLIT | {"seed": seed}) for seed in (1, 1, 2))
    assert all(np.array_equal(one[name].index, same[name].index) for name in vocabulary.SPLITS)
    assert not np.array_equal(one["rank"].index, other["rank"].index)


def test_the_number_of_validation_images_does_not_change_who_ranks():
    one, other = (splits.divided(_digits(), SPLIT | {"validation": number}) for number in (180, 90))
    assert np.array_equal(one["rank"].index, other["rank"].index)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"rank": 400},
            "split.rank wants 400 images, but only 100 of the source's train images are left for it; "
            "lower split.rank, or give more images",
        ),
        (
            {"rank": 60, "validation": 60},
            "split.validation wants 60 images, but only 40 of the source's train images are left for it; "
            "lower split.validation, or give more images",
        ),
        (
            {"rank": 50, "rank_from": "test"},
            "split.rank wants 50 images, but only 20 of the source's test images are left for it; "
            "lower split.rank, or give more images",
        ),
        (
            {"rank": 20, "rank_from": "test"},
            "split.rank takes every test image, and leaves none to report on; lower split.rank",
        ),
        ({"rank": 0.001}, "split.rank is 0.001, which rounds to none of 100 images; raise it"),
        ({"rank": 2.5}, "split.rank is 2.5: give a share below 1, or a whole number of images"),
        (
            {"rank": 50, "validation": 50},
            "class cat has no image left to train on: the source has 50, and the splits take all "
            "(rank 25, validation 25, test 10); lower split.rank or split.validation, or give more images of cat",
        ),
    ],
)
def test_a_split_that_cannot_be_is_refused_with_its_reason(change, message):
    with pytest.raises(ValueError) as caught:
        splits.divided(_source([50, 50], [10, 10], ("cat", "dog")), SPLIT | {"rank": 10, "validation": 10} | change)
    assert str(caught.value) == message


def test_a_class_too_rare_to_train_on_is_named():
    with pytest.raises(ValueError, match=r"^class lynx has no image left to train on: the source has 1, "):
        splits.divided(_source([50, 1], [10, 10], ("cat", "lynx")), SPLIT | {"rank": 25, "validation": 25})


@pytest.mark.parametrize("rank_from", ["train", "test"])
def test_a_count_of_training_images_leaves_the_other_splits_as_they_are(rank_from):
    source, split = _source([50, 30, 20]), SPLIT | {"rank": 5, "validation": 20, "test": 20, "rank_from": rank_from}
    whole, some, fewer = (splits.divided(source, split | {"train": count}) for count in (None, 30, 12))
    for name in ("rank", "validation", "test"):
        assert np.array_equal(some[name].index, whole[name].index)
    # In proportion to what is left of each class, and smaller sets within larger ones.
    assert np.bincount(source.train.labels[some["train"].index]).tolist() == [15, 9, 6]
    assert set(fewer["train"].index) < set(some["train"].index) < set(whole["train"].index)
    assert len(fewer["train"].index) == 12
    every = splits.divided(source, split | {"train": len(whole["train"].index)})
    assert np.array_equal(every["train"].index, whole["train"].index)


@pytest.mark.parametrize(
    ("count", "message"),
    [
        (
            81,
            "split.train wants 81 images, but only 80 of the source's train images are left for it; lower split.train, "
            "or give more images",
        ),
        (1, "split.train is 1, which leaves class dog no image to train on; raise it"),
    ],
)
def test_a_count_of_training_images_that_cannot_be_is_refused(count, message):
    with pytest.raises(ValueError) as caught:
        splits.divided(
            _source([50, 50], [10, 10], ("cat", "dog")), SPLIT | {"rank": 10, "validation": 10, "train": count}
        )
    assert str(caught.value) == message


def test_splits_that_show_no_image_of_a_class_are_logged(caplog):
    splits.divided(_source([90, 3], [10, 0], ("cat", "lynx")), SPLIT | {"rank": 5, "validation": 5})
    assert [record.getMessage() for record in caplog.records] == [
        f"{split} has no image of 1 classes: lynx" for split in ("rank", "validation", "test")
    ]


def test_files_hold_pixels_labels_and_rows_of_the_source(prepared):
    paths, rows = prepared
    everything = _digits().train.pixels(0, 1797)
    for name, path in paths.items():
        with h5py.File(path) as file:
            index = file["index"][:]
            assert np.array_equal(index, rows[name].index) and index.dtype == np.int64
            assert np.array_equal(file["pixels"], everything[index])
            assert np.array_equal(file["labels"], _digits().train.labels[index])
            assert file["labels"].dtype == np.int64
            assert file["pixels"].chunks is None


def test_files_say_what_they_are(prepared):
    paths, rows = prepared
    with h5py.File(paths["rank"]) as file:
        facts = dict(file.attrs)
        pixels = hashlib.sha256(file["pixels"][:].tobytes()).hexdigest()
    assert json.loads(facts["classes"]) == list("0123456789")
    assert json.loads(facts["provenance"]) == {"rule": "prepare_images"}
    assert (facts["split"], facts["part"], facts["source"], facts["name"]) == ("rank", "train", "digits", "digits")
    assert (facts["mean"].tolist(), facts["std"].tolist()) == ([0.5], [0.25])
    assert facts["complete"]
    assert facts["pixels_sha256"] == pixels
    assert facts["split_sha256"] == hashlib.sha256(b"train" + rows["rank"].index.tobytes()).hexdigest()


def test_equal_settings_make_equal_files(prepared, tmp_path):
    paths, rows = prepared
    again = {name: tmp_path / "again" / f"{name}.h5" for name in vocabulary.SPLITS}
    writing.write(_digits(), rows, again, DATA, {"rule": "prepare_images"})
    assert all(paths[name].read_bytes() == again[name].read_bytes() for name in vocabulary.SPLITS)


def test_files_of_an_image_folder_name_every_image(tmp_path):
    source = _source([8, 8], [4, 4])
    names = [f"train/größe/{row}.png" for row in range(16)]
    source = source._replace(train=source.train._replace(files=names))
    rows = splits.divided(source, SPLIT | {"rank": 2, "validation": 2})
    paths = {name: tmp_path / f"{name}.h5" for name in vocabulary.SPLITS}
    writing.write(source, rows, paths, DATA, {})
    with h5py.File(paths["rank"]) as file:
        assert file["files"].asstr()[:].tolist() == [names[row] for row in rows["rank"].index]


def test_nothing_appears_when_an_image_cannot_be_read(tmp_path):
    source = _source([50, 50], [10, 10])

    def broken(start, stop):
        raise ValueError("f.png cannot be read as an image")

    source = source._replace(test=source.test._replace(pixels=broken))
    rows = splits.divided(source, SPLIT | {"rank": 10, "validation": 10})
    with pytest.raises(ValueError, match=r"^f.png cannot be read"):
        writing.write(source, rows, {name: tmp_path / f"{name}.h5" for name in vocabulary.SPLITS}, DATA, {})
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_noticed_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(writing.shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    rows = splits.divided(_digits(), SPLIT)
    with pytest.raises(OSError) as caught:
        writing.write(_digits(), rows, {name: tmp_path / f"{name}.h5" for name in vocabulary.SPLITS}, DATA, {})
    assert str(caught.value) == (
        f"1797 images need 115,008 bytes in {tmp_path}, but its disk has 1,000 left; free some and run again"
    )
    assert list(tmp_path.iterdir()) == []


def test_images_are_asked_for_in_pieces_and_once_only(tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "CHUNK", 640)
    source, asked = _source([50, 50], [10, 10]), []

    def pixels(start, stop):
        asked.append((start, stop))
        return part(start, stop)

    part = source.train.pixels
    source = source._replace(train=source.train._replace(pixels=pixels))
    rows = splits.divided(source, SPLIT | {"rank": 10, "validation": 10})
    paths = {name: tmp_path / f"{name}.h5" for name in vocabulary.SPLITS}
    writing.write(source, rows, paths, DATA, {})
    assert asked == [(start, start + 10) for start in range(0, 100, 10)]
    with store.opened(paths["train"]) as train:
        assert np.array_equal(train.pixels, part(0, 100)[rows["train"].index])


def test_images_that_stand_in_two_splits_are_logged(tmp_path, caplog):
    source = _source([50, 50], [10, 10])

    def same_as_test(start, stop):
        return source.test.pixels(start % 20, start % 20 + stop - start)

    rows = splits.divided(source, SPLIT | {"rank": 10, "validation": 10})
    paths = {name: tmp_path / f"{name}.h5" for name in vocabulary.SPLITS}
    writing.write(source, rows, paths, DATA, {})
    # Rows 0 to 19 of train and of test have the same pixels here.
    shared = int((rows["train"].index < 20).sum())
    assert f"{shared} image(s) of train occur, pixel by pixel, in test as well" in caplog.text


def test_pixels_are_mapped_and_not_read(prepared):
    paths, _ = prepared
    with store.opened(paths["test"]) as shown:
        assert isinstance(shown.pixels, np.memmap)
        assert shown.pixels.shape == (360, 1, 8, 8) and len(shown) == 360
        assert shown.labels.dtype == np.int64 and shown.labels.shape == (360,)
        assert (shown.classes, shown.mean, shown.std) == (tuple("0123456789"), (0.5,), (0.25,))
        assert (shown.name, shown.split) == ("digits", "test")


def test_normalised_is_what_torchvision_computes():
    from torchvision.transforms import functional

    pixels = np.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=np.uint8)
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    known = functional.normalize(functional.to_tensor(pixels), mean, std)
    assert torch.equal(store.normalise(torch.from_numpy(pixels.transpose(2, 0, 1)), mean, std), known)


def test_normalise_leaves_its_input_alone():
    pixels = torch.full((1, 3, 2, 2), 255.0)
    assert torch.equal(store.normalise(pixels, (0.5,) * 3, (0.5,) * 3), torch.ones(1, 3, 2, 2))
    assert torch.equal(pixels, torch.full((1, 3, 2, 2), 255.0))


def test_normalised_takes_slices_and_rows(prepared):
    with store.opened(prepared[0]["rank"]) as shown:
        wanted = (torch.from_numpy(np.array(shown.pixels)).double() / 255 - 0.5) / 0.25
        for rows in (slice(3, 9), np.array([7, 2, 2, 170])):
            given = shown.normalised(rows)
            assert given.dtype == torch.float32
            torch.testing.assert_close(given.double(), wanted[rows], rtol=0, atol=1e-6)


def test_batches_keep_the_order_of_the_rows(prepared):
    with store.opened(prepared[0]["rank"]) as shown:
        found = list(store.batches(shown, 64, np.arange(150)))
        assert [first for first, _, _ in found] == [0, 64, 128]
        assert [len(labels) for _, _, labels in found] == [64, 64, 22]
        assert torch.equal(torch.cat([pixels for _, pixels, _ in found]), shown.normalised(slice(0, 150)))
        assert torch.cat([labels for _, _, labels in found]).tolist() == shown.labels[:150].tolist()
        assert sum(len(labels) for _, _, labels in store.batches(shown, 64)) == 180
        assert [first for first, _, _ in store.batches(shown, 64, start=100)] == [100, 164]
        (_, _, labels), *_ = store.batches(shown, 3, rows := np.array([9, 4, 170, 2]))
        assert labels.tolist() == shown.labels[rows[:3]].tolist()
        ends = [0, 50, 100, 180]
        assert [first for first, _, _ in store.batches(shown, 64, start=20, ends=ends)] == [20, 50, 100, 164]


def test_rows_are_chosen_by_the_name_or_number_of_their_class(prepared):
    with store.opened(prepared[0]["rank"]) as shown:
        assert store.chosen(shown).tolist() == list(range(180))
        assert store.chosen(shown, most=7).tolist() == list(range(7))
        wanted = [row for row, label in enumerate(shown.labels) if label in (3, 8)]
        assert store.chosen(shown, ["3", 8]).tolist() == wanted
        assert store.chosen(shown, ["3", 8], 5).tolist() == wanted[:5]
        named = dataclasses.replace(shown, classes=("bird", "cat", "dog", "frog", *shown.classes[4:]))
        for classes, message in (
            (["dgo"], "digits has no class dgo; did you mean dog?"),
            (["whale"], "digits has no class whale; known: bird, cat, dog, frog, 4, 5, 6, 7, 8, 9"),
            ([10], "digits has no class 10; known: 0 to 9"),
        ):
            with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
                store.chosen(named, classes)
        fewer = dataclasses.replace(named, labels=np.where(shown.labels == 1, 0, shown.labels))
        with pytest.raises(ValueError, match="^none of the 180 rank images is of class cat$"):
            store.chosen(fewer, ["cat"])


@hypothesis.given(strategies.integers(0, 200), strategies.integers(1, 9), strategies.integers(1, 40))
def test_shards_are_the_same_batches_in_the_same_order(count, total, size):
    parts = [store.shard(count, number, total, size) for number in range(total)]
    assert [first for first, _ in parts] == [0, *(last for _, last in parts[:-1])] and parts[-1][1] == count
    assert all(first % size == 0 or first == count for first, _ in parts)


def _refused(path):
    with pytest.raises(ValueError) as caught, store.opened(path):
        pass
    return str(caught.value)


@pytest.mark.parametrize("size", [0, 100, 5000])
def test_a_file_that_was_cut_short_is_refused(prepared, size):
    path = prepared[0]["rank"]
    path.write_bytes(path.read_bytes()[:size])
    message = _refused(path)
    assert message.startswith(f"{path} is truncated or not an HDF5 file (")
    assert message.endswith("; delete it and run again")


def test_another_hdf5_file_is_refused(tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["weights"] = np.zeros(3)
    assert _refused(tmp_path / "other.h5") == (
        f"{tmp_path}/other.h5 is no file of images of this workflow: "
        "it has no dataset `pixels` of four dimensions and uint8; delete it and run again"
    )


@pytest.mark.parametrize(
    ("spoil", "cause"),
    [
        (lambda file: file.attrs.pop("complete"), "it was not written to its end"),
        (lambda file: file.attrs.update(complete=False), "it was not written to its end"),
        (lambda file: file.pop("labels"), "labels"),
        (lambda file: file.attrs.pop("classes"), "classes"),
        (
            lambda file: file["labels"].write_direct(np.full(180, 10)),
            "its labels range from 10 to 10, but it has 10 cl",
        ),
        (lambda file: file.attrs.update(mean=[0.1, 0.2]), "its images have 1 channels, but its mean has 2 values"),
    ],
)
def test_an_incomplete_file_is_refused(prepared, spoil, cause):
    path = prepared[0]["rank"]
    with h5py.File(path, "r+") as file:
        spoil(file)
    message = _refused(path)
    assert message.startswith(f"{path} is no file of images of this workflow: ") and cause in message
    assert message.endswith("; delete it and run again")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError) as caught, store.opened(tmp_path / "no.h5"):
        pass
    assert str(caught.value) == f"there is no file of images {tmp_path}/no.h5; run the workflow up to prepare_images"


def test_the_script_makes_four_files_of_an_image_folder(tmp_path):
    from PIL import Image

    import prepare_images

    for part, number in (("train", 12), ("test", 4)):
        for label, name in enumerate(("cat", "dog")):
            (tmp_path / part / name).mkdir(parents=True)
            for row in range(number):
                Image.new("L", (9, 7), 20 * row + label).save(tmp_path / part / name / f"{row}.png")
    paths = {name: tmp_path / "images" / f"{name}.h5" for name in vocabulary.SPLITS}
    data = DATA | {"source": "image_folder", "name": "mine", "folder": str(tmp_path)}
    prepare_images.prepare_images(data, SPLIT | {"rank": 0.25, "validation": 4}, None, paths, {})
    for name, number in {"train": 14, "rank": 6, "validation": 4, "test": 8}.items():
        with store.opened(paths[name]) as shown, h5py.File(paths[name]) as file:
            assert len(shown) == number and shown.classes == ("cat", "dog") and shown.name == "mine"
            gray = [20 * int(path.split("/")[2][:-4]) + ("dog" in path) for path in file["files"].asstr()]
            assert shown.pixels[:, 0, 0, 0].tolist() == gray


@pytest.mark.skipif("SECATEUR_DATA" not in os.environ, reason="SECATEUR_DATA names no folder with real CIFAR")
def test_real_cifar10_is_divided_as_the_design_says(tmp_path):
    import fetch_images
    import prepare_images

    verified = tmp_path / "data" / "verified.json"
    fetch_images.fetch_images("cifar10", verified, os.environ["SECATEUR_DATA"], None, {})
    paths = {name: tmp_path / f"{name}.h5" for name in vocabulary.SPLITS}
    data = {"source": "cifar10", "name": "cifar10", "size": 32, "color": "rgb", "mean": [0.5] * 3, "std": [0.5] * 3}
    prepare_images.prepare_images(data, SPLIT | {"rank": 5000, "validation": 5000}, verified, paths, {})
    for name, number in {"train": 40000, "rank": 5000, "validation": 5000, "test": 10000}.items():
        with store.opened(paths[name]) as shown:
            assert shown.pixels.shape == (number, 3, 32, 32)
            assert np.bincount(shown.labels).tolist() == [number // 10] * 10
