"""The classes of a study's images, as settings may name them before any image is read."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from secateur.images import sources
from secateur.study import classes, settings


@pytest.fixture
def folder(tmp_path):
    """Two classes of two images each, for training and for test."""
    for part in ("train", "test"):
        for name in ("cat", "dog"):
            (tmp_path / part / name).mkdir(parents=True)
            for number in range(2):
                Image.new("L", (8, 8), number).save(tmp_path / part / name / f"{number}.png")
    return tmp_path


def study(folder, **readings):
    data = {"source": "image_folder", "folder": str(folder), "size": 8, "color": "gray"}
    return {"data": data, "model": {"name": "vgg_small"}, "readings": readings or {"relevance": {}}}


def test_names_known_beforehand_are_those_of_the_images(folder):
    data = {"source": "image_folder", "folder": str(folder), "size": 8, "color": "gray"}
    assert classes.of(data) == sources.opened(data).classes == ("cat", "dog")
    digits = {"source": "digits", "size": 8, "color": "gray", "folder": None}
    assert classes.of(digits) == sources.opened(digits).classes
    assert [len({*classes.KNOWN[name]}) for name in ("cifar10", "cifar100")] == [10, 100]
    # The official numbers of both are the order of the alphabet.
    assert all(list(classes.KNOWN[name]) == sorted(classes.KNOWN[name]) for name in ("cifar10", "cifar100"))


@pytest.mark.skipif(
    not (Path(os.environ.get("SECATEUR_DATA") or "nowhere") / "cifar-10-batches-py").is_dir(), reason="needs CIFAR-10"
)
def test_the_names_of_cifar10_are_the_official_ones():
    with (Path(os.environ["SECATEUR_DATA"]) / "cifar-10-batches-py" / "batches.meta").open("rb") as file:
        assert tuple(pickle.load(file)["label_names"]) == classes.CIFAR10


def test_a_class_that_the_images_do_not_have_is_refused_by_name_and_by_number(folder):
    assert settings.checked(study(folder, own={"classes": ["cat", 1]}))
    for wanted, message in (
        ("cats", "readings.own.classes names cats, which is no class of the images; did you mean cat?"),
        ("whale", "readings.own.classes names whale, which is no class of the images; known: cat, dog"),
        (2, "readings.own.classes names 2, which is no class of the images; numbers go from 0 to 1"),
    ):
        with pytest.raises(ValueError) as caught:
            settings.checked(study(folder, own={"classes": [wanted]}))
        assert str(caught.value) == message
    cifar = {"data": {"source": "cifar100"}, "model": {"name": "resnet20"}}
    assert settings.checked(cifar | {"readings": {"own": {"classes": ["maple_tree", 99]}}})
    with pytest.raises(ValueError, match="names maple, which is no class of the images; did you mean "):
        settings.checked(cifar | {"readings": {"own": {"classes": ["maple"]}}})


def test_one_class_alone_is_no_study(folder):
    for path in (folder / "train/dog").iterdir():
        path.unlink()
    (folder / "train/dog").rmdir()
    with pytest.raises(ValueError) as caught:
        settings.checked(study(folder))
    assert str(caught.value) == (
        f"data.folder is {folder}, but {folder}/train has only the class cat; a network tells classes apart, so give "
        "two or more"
    )
    (folder / "train/cat").rename(folder / "train/.cat")
    with pytest.raises(ValueError, match="train has no folder of a class; a network tells classes apart"):
        settings.checked(study(folder))


@pytest.mark.parametrize("target", ["..", ".", "../../train", "../../..", "../dog", "itself", "nowhere"])
def test_a_link_that_leads_in_a_circle_is_named(folder, target):
    link = folder / "train/cat/itself"
    link.symlink_to(target)
    if target in ("../dog", "nowhere"):
        # Images that lie in another class too, and a link to nothing, which is no image.
        settings.checked(study(folder))
        return
    with pytest.raises(ValueError) as caught:
        settings.checked(study(folder))
    assert str(caught.value).startswith(f"data.folder: {link} ") and str(caught.value).endswith(
        ("remove it", "remove the link")
    )
    assert "\n" not in str(caught.value)


def test_some_classes_are_a_task_of_their_own():
    def of(chosen, **data):
        study = {"data": {"source": "digits", "size": 8} | data, "model": {"name": "resnet20"}, "readings": {}}
        return settings.checked(study | {"data": study["data"] | {"classes": chosen}})["data"]

    data, whole = of(["7", 2]), sources.opened(of(None))
    part, rows = sources.opened(data), np.flatnonzero(np.isin(whole.train.labels, [2, 7]))
    assert part.classes == classes.of(data) == ("2", "7") and data["name"] == "digits.2_classes"
    assert np.array_equal(part.train.labels, whole.train.labels[rows] == 7)
    expected = np.concatenate([whole.train.pixels(row, row + 1) for row in rows[3:60]])
    assert np.array_equal(part.train.pixels(3, 60), expected)
    assert of(["7", 2], name="sevens")["name"] == "sevens"
    for chosen, message in (
        ([], r"data.classes: got \[\], but a task has two classes or more"),
        (["7", 7], "data.classes has only the class 7; a network tells classes apart"),
        ([12, 1], "data.classes names 12, which is no class of the images; numbers go from 0 to 9"),
    ):
        with pytest.raises(ValueError, match=message):
            of(chosen)
