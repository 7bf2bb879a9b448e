"""The relevance file: what is in it, and that a killed run ends in the same file."""

import h5py
import numpy as np
import pytest

from secateur import relevance_store

R = {
    "features.0": np.random.default_rng(0).normal(size=(23, 3, 2, 2)),
    "features.10": np.random.default_rng(1).normal(size=(23, 2, 1, 1)),
    "features.2": np.ones((23, 1, 1, 1)),
}
TARGETS = np.arange(23) % 4


def batches(start, size=5, stop=None):
    for first in range(start, 23, size):
        if stop is not None and first >= stop:
            raise KeyboardInterrupt
        rows = slice(first, min(first + size, 23))
        yield {name: values[rows].astype(np.float32) for name, values in R.items()}, TARGETS[rows]


def contents(path):
    with h5py.File(path) as file:
        found = {}
        file.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
        return found


def test_the_file_holds_sums_over_images_and_rows_by_image(tmp_path):
    relevance_store.write(tmp_path / "r.h5", batches, 23, "stamp", {"rule": "alpha2beta1"})
    found = contents(tmp_path / "r.h5")
    np.testing.assert_allclose(found["features.0/map_sum"], R["features.0"].sum(0), rtol=1e-5)
    np.testing.assert_allclose(found["features.0/map_abs_sum"], np.abs(R["features.0"]).sum(0), rtol=1e-5)
    np.testing.assert_allclose(found["features.0/per_image"], R["features.0"].sum((2, 3)), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found["features.0/per_image_abs"], np.abs(R["features.0"]).sum((2, 3)), rtol=1e-5)
    np.testing.assert_array_equal(found["target"], TARGETS)
    maps, images = relevance_store.read(tmp_path / "r.h5")
    assert images == 23 and list(maps) == ["features.0", "features.10", "features.2"]
    np.testing.assert_allclose(maps["features.10"][0], R["features.10"].mean(0), rtol=1e-5)
    assert [p.name for p in tmp_path.iterdir()] == ["r.h5"]


@pytest.mark.parametrize("stop", [0, 5, 15, 20])
def test_a_stopped_run_continues_to_the_same_numbers(tmp_path, monkeypatch, stop):
    monkeypatch.setattr(relevance_store, "SECONDS_BETWEEN_FLUSHES", 0)
    relevance_store.write(tmp_path / "whole.h5", batches, 23, "stamp", {})
    with pytest.raises(KeyboardInterrupt):
        relevance_store.write(tmp_path / "r.h5", lambda start: batches(start, stop=stop), 23, "stamp", {})
    begun = []

    def rest(start):
        begun.append(start)
        return batches(start)

    relevance_store.write(tmp_path / "r.h5", rest, 23, "stamp", {})
    assert begun == [stop]
    whole, resumed = contents(tmp_path / "whole.h5"), contents(tmp_path / "r.h5")
    assert whole.keys() == resumed.keys()
    for name in whole:
        np.testing.assert_array_equal(whole[name], resumed[name])


def test_another_stamp_or_a_broken_partial_starts_afresh(tmp_path, monkeypatch):
    monkeypatch.setattr(relevance_store, "SECONDS_BETWEEN_FLUSHES", 0)
    with pytest.raises(KeyboardInterrupt):
        relevance_store.write(tmp_path / "r.h5", lambda start: batches(start, stop=10), 23, "old", {})
    for prepare in (lambda: None, lambda: (tmp_path / "r.h5.partial").write_bytes(b"no HDF5")):
        prepare()
        begun = []
        relevance_store.write(
            tmp_path / "r.h5", lambda start, begun=begun: begun.append(start) or batches(start), 23, "new", {}
        )
        assert begun == [0]


def test_a_run_killed_while_it_was_finished_starts_afresh(tmp_path, monkeypatch):
    settle = relevance_store._settle

    def killed(file, attributes):
        file["features.0"].move("map_sum_1", "map_sum")
        raise KeyboardInterrupt

    monkeypatch.setattr(relevance_store, "_settle", killed)
    with pytest.raises(KeyboardInterrupt):
        relevance_store.write(tmp_path / "r.h5", batches, 23, "stamp", {})
    monkeypatch.setattr(relevance_store, "_settle", settle)
    relevance_store.write(tmp_path / "r.h5", batches, 23, "stamp", {})
    assert relevance_store.read(tmp_path / "r.h5")[1] == 23


def test_a_truncated_or_foreign_file_is_named(tmp_path):
    relevance_store.write(tmp_path / "r.h5", batches, 23, "stamp", {})
    whole = (tmp_path / "r.h5").read_bytes()
    (tmp_path / "r.h5").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="r.h5 is no readable relevance file .*; delete it and run again"):
        relevance_store.read(tmp_path / "r.h5")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["pixels"] = [1]
    with pytest.raises(ValueError, match="other.h5 is not a finished relevance file; delete it and run again"):
        relevance_store.read(tmp_path / "other.h5")


def test_too_few_images_are_an_error(tmp_path):
    with pytest.raises(ValueError, match="has relevance of 23 images, expected 30"):
        relevance_store.write(tmp_path / "r.h5", batches, 30, "stamp", {})
