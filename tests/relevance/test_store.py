"""The relevance file: what is in it, and that killed, divided and early ended runs give the same file."""

import importlib.util

import h5py
import numpy as np
import pytest
import torch
from scipy import stats

from secateur.jobs import prefetch
from secateur.relevance import partial_file, rows, stability, store
from support.studies import ROOT

R = {
    "features.0": np.random.default_rng(0).normal(size=(23, 3, 2, 2)),
    "features.10": np.random.default_rng(1).normal(size=(23, 2, 1, 1)),
    "features.2": np.ones((23, 1, 1, 1)),
}
TARGETS = np.arange(23) % 4
STARTS = np.linspace(-1, 2, 23)
LABELS = np.arange(23) % 3
COLUMNS = {"row": np.arange(100, 123), "label": LABELS}
ABOUT = {"classes": ["cat", "dog", "frog"], "part": [0, 23, 23], "whole": ["features.0", "features.2"]}


def batches(start, size=5, stop=None, total=23, values=R, ends=()):
    first = start
    while first < total:
        if stop is not None and first >= stop:
            raise KeyboardInterrupt
        last = min([first + size, total, *(end for end in ends if end > first)])
        layers = {name: part[first:last].astype(np.float32) for name, part in values.items()}
        yield layers, TARGETS[first:last], STARTS[first:last]
        first = last


def contents(path):
    with h5py.File(path) as file:
        found = {}
        file.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
        return found


def same(one, other):
    one, other = contents(one), contents(other)
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name])


def test_the_file_holds_sums_over_images_and_rows_by_image(tmp_path):
    store.write(tmp_path / "r.h5", batches, COLUMNS, "stamp", ABOUT)
    found = contents(tmp_path / "r.h5")
    np.testing.assert_allclose(found["features.0/map_sum"], R["features.0"].sum(0), rtol=1e-5)
    np.testing.assert_allclose(found["features.0/map_abs_sum"], np.abs(R["features.0"]).sum(0), rtol=1e-5)
    np.testing.assert_allclose(found["features.0/per_image"], R["features.0"].sum((2, 3)), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found["features.0/per_image_abs"], np.abs(R["features.0"]).sum((2, 3)), rtol=1e-5)
    for name, wanted in (("target", TARGETS), ("start", STARTS), ("label", LABELS), ("row", COLUMNS["row"])):
        np.testing.assert_array_equal(found[name], wanted)
    maps, images = store.read(tmp_path / "r.h5")
    assert images == 23 and list(maps) == ["features.0", "features.10", "features.2"]
    np.testing.assert_allclose(maps["features.10"][0], R["features.10"].mean(0), rtol=1e-5)
    assert [p.name for p in tmp_path.iterdir()] == ["r.h5"]


@pytest.mark.parametrize("stop", [0, 5, 15, 20])
def test_a_stopped_run_continues_to_the_same_numbers(tmp_path, monkeypatch, stop):
    monkeypatch.setattr(partial_file, "SECONDS_BETWEEN_FLUSHES", 0)
    store.write(tmp_path / "whole.h5", batches, COLUMNS, "stamp", ABOUT)
    with pytest.raises(KeyboardInterrupt):
        store.write(tmp_path / "r.h5", lambda start: batches(start, stop=stop), COLUMNS, "stamp", ABOUT)
    begun = []

    def rest(start):
        begun.append(start)
        return batches(start)

    store.write(tmp_path / "r.h5", rest, COLUMNS, "stamp", ABOUT)
    assert begun == [stop]
    same(tmp_path / "whole.h5", tmp_path / "r.h5")


def test_working_ahead_changes_no_bit_and_loses_no_more_than_a_flush(tmp_path, monkeypatch):
    monkeypatch.setattr(partial_file, "SECONDS_BETWEEN_FLUSHES", 0)
    store.write(tmp_path / "whole.h5", batches, COLUMNS, "stamp", ABOUT)
    begun = []

    def ahead(start, **options):
        begun.append(start)
        return prefetch.ahead(batches(start, **options))

    with pytest.raises(KeyboardInterrupt):
        store.write(tmp_path / "r.h5", lambda start: ahead(start, stop=15), COLUMNS, "stamp", ABOUT)
    store.write(tmp_path / "r.h5", ahead, COLUMNS, "stamp", ABOUT)
    assert begun == [0, 15]
    same(tmp_path / "whole.h5", tmp_path / "r.h5")


def test_another_stamp_other_images_or_a_broken_partial_start_afresh(tmp_path, monkeypatch):
    monkeypatch.setattr(partial_file, "SECONDS_BETWEEN_FLUSHES", 0)
    others = COLUMNS | {"row": np.arange(23)}
    for stamp, columns, prepare in (
        ("new", COLUMNS, lambda: None),
        ("old", others, lambda: None),
        ("old", COLUMNS, lambda: (tmp_path / "r.h5.partial").write_bytes(b"no HDF5")),
    ):
        with pytest.raises(KeyboardInterrupt):
            store.write(tmp_path / "r.h5", lambda start: batches(start, stop=10), COLUMNS, "old", ABOUT)
        prepare()
        begun = []
        store.write(
            tmp_path / "r.h5", lambda start, begun=begun: begun.append(start) or batches(start), columns, stamp, ABOUT
        )
        assert begun == [0]


def test_a_run_killed_while_it_was_finished_has_only_to_be_finished(tmp_path, monkeypatch):
    join = store._join

    def killed(sources, path, attributes):
        path.write_bytes(b"half a file")
        raise KeyboardInterrupt

    monkeypatch.setattr(store, "_join", killed)
    with pytest.raises(KeyboardInterrupt):
        store.write(tmp_path / "r.h5", batches, COLUMNS, "stamp", ABOUT)
    monkeypatch.setattr(store, "_join", join)
    store.write(tmp_path / "r.h5", lambda start: iter(()), COLUMNS, "stamp", ABOUT)
    assert store.read(tmp_path / "r.h5")[1] == 23


def test_a_truncated_or_foreign_file_is_named(tmp_path):
    store.write(tmp_path / "r.h5", batches, COLUMNS, "stamp", ABOUT)
    whole = (tmp_path / "r.h5").read_bytes()
    (tmp_path / "r.h5").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="r.h5 is no readable relevance file .*; delete it and run again"):
        store.read(tmp_path / "r.h5")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["pixels"] = [1]
    with pytest.raises(ValueError, match="other.h5 is not a finished relevance file; delete it and run again"):
        store.read(tmp_path / "other.h5")


def test_relevance_that_is_not_finite_is_refused(tmp_path):
    broken = {name: values.copy() for name, values in R.items()}
    broken["features.10"][[8, 9], 1] = np.array([np.inf, np.nan])[:, None, None]
    with pytest.raises(ValueError, match="relevance of layer features.10 is NaN or infinite for 2 of 5 .*bias: true"):
        store.write(tmp_path / "r.h5", lambda s: batches(s, values=broken), COLUMNS, "stamp", ABOUT)


def test_too_few_images_are_an_error(tmp_path):
    columns = {"row": np.arange(30), "label": np.zeros(30)}
    with pytest.raises(ValueError, match="has relevance of 23 images, expected 30"):
        store.write(tmp_path / "r.h5", batches, columns, "stamp", ABOUT)


# ---- shards --------------------------------------------------------------------------------------------------


def shards(folder, cuts, size=5):
    """Finished files of the images between each two of `cuts`."""
    for number, (first, last) in enumerate(zip(cuts, cuts[1:], strict=False)):

        def part(start, first=first, last=last):
            return batches(first + start, size, total=last)

        columns = {name: values[first:last] for name, values in COLUMNS.items()}
        about = ABOUT | {"part": [first, last, 23]}
        store.write(folder / f"shard-{number}.h5", part, columns, f"stamp {number}", about)
    return [folder / f"shard-{number}.h5" for number in range(len(cuts) - 1)]


@pytest.mark.parametrize("cuts", [(0, 23), (0, 10, 23), (0, 5, 5, 15, 23), (0, 0, 23, 23)])
def test_merged_shards_are_the_file_of_one_run(tmp_path, monkeypatch, cuts):
    monkeypatch.setattr(rows, "CHUNK", 4)
    store.write(tmp_path / "whole.h5", batches, COLUMNS, "stamp", ABOUT | {"provenance": "whole"})
    store.merge(shards(tmp_path, cuts), tmp_path / "merged.h5", "merged")
    whole, merged = contents(tmp_path / "whole.h5"), contents(tmp_path / "merged.h5")
    assert list(whole) == list(merged)
    for name in whole:
        if "map" in name:
            np.testing.assert_allclose(merged[name], whole[name], rtol=1e-12)
        else:
            np.testing.assert_array_equal(merged[name], whole[name])
    assert store.about(tmp_path / "merged.h5") == ABOUT | {"provenance": "merged"}
    assert store.by_class(tmp_path / "merged.h5")[0] == ["cat", "dog", "frog"]


def test_shards_that_leave_a_gap_are_refused(tmp_path):
    one, two, three = shards(tmp_path, (0, 10, 15, 23))
    for given, message in (
        ([one, three], "shard-2.h5 has images 15 to 23 of 23, but those before it end at 10; the shards were made"),
        ([one, two], "shard-1.h5 has images 10 to 15 of 23, but those before it end at 10; the shards were made"),
    ):
        with pytest.raises(ValueError, match=message):
            store.merge(given, tmp_path / "merged.h5", "merged")
    assert not (tmp_path / "merged.h5").exists()


# ---- how many images are enough ------------------------------------------------------------------------------

MANY = 420
NOISY = {
    name: np.random.default_rng(len(name)).gamma(2, np.linspace(1, 3, 40)[:, None, None], (MANY, 40, 2, 2))
    for name in ("a", "bc")
}
MANY_COLUMNS = {"row": np.arange(MANY), "label": np.arange(MANY) % 7}
ENDS = stability.points(MANY)


def noisy(start, stop=None):
    for layers, *_ in batches(start, 40, stop, MANY, NOISY, ENDS):
        yield layers, np.zeros(len(layers["a"])), np.ones(len(layers["a"]))


def slow_agreement(images):
    """Spearman's correlation of the two halves' shares, layer by layer."""
    halves = stability.halves(MANY_COLUMNS["label"][:images])
    shares = []
    for half in (0, 1):
        sums = [np.abs(values[:images][halves == half]).sum((0, 2, 3)) for values in NOISY.values()]
        shares.append(np.concatenate([part / part.sum() for part in sums]))
    return stats.spearmanr(*shares).statistic


def test_the_curve_compares_halves_of_more_and_more_images(tmp_path, monkeypatch):
    monkeypatch.setattr(rows, "CHUNK", 64)
    store.write(tmp_path / "r.h5", noisy, MANY_COLUMNS, "stamp", ABOUT)
    curve = store.stability_of(tmp_path / "r.h5")
    assert curve[:, 0].tolist() == [50, 100, 200, 400, 420]
    np.testing.assert_allclose(curve[:, 1], [slow_agreement(images) for images in (50, 100, 200, 400, 420)])


@pytest.mark.parametrize("at_least", [2, 101])
def test_reading_ends_when_two_halves_agree(tmp_path, at_least):
    wanted = 100 if at_least == 2 else 200
    until = {"stability": slow_agreement(100) - 1e-9, "at_least": at_least}
    assert slow_agreement(50) < until["stability"] < slow_agreement(200)
    store.write(tmp_path / "r.h5", noisy, MANY_COLUMNS, "stamp", ABOUT, until)
    store.write(tmp_path / "whole.h5", noisy, MANY_COLUMNS, "stamp", ABOUT)
    found, whole = contents(tmp_path / "r.h5"), contents(tmp_path / "whole.h5")
    maps, images = store.read(tmp_path / "r.h5")
    assert images == wanted
    np.testing.assert_allclose(maps["a"][0], NOISY["a"][:wanted].mean(0), rtol=1e-5)
    for name in ("row", "label", "target", "a/per_image", "bc/per_image_abs"):
        np.testing.assert_array_equal(found[name], whole[name][:wanted])
    np.testing.assert_array_equal(found["stability"], whole["stability"][: len(found["stability"])])
    assert found["stability"][-1, 0] == wanted


@pytest.mark.parametrize("stop", [0, 50, 90, 140, 200])
def test_a_stopped_run_ends_at_the_same_number_of_images(tmp_path, monkeypatch, stop):
    monkeypatch.setattr(partial_file, "SECONDS_BETWEEN_FLUSHES", 0)
    until = {"stability": slow_agreement(200) - 1e-9, "at_least": 2}
    store.write(tmp_path / "whole.h5", noisy, MANY_COLUMNS, "stamp", ABOUT, until)
    assert store.read(tmp_path / "whole.h5")[1] == 200
    join = store._join

    def killed(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(store, "_join", killed)
    with pytest.raises(KeyboardInterrupt):
        store.write(tmp_path / "r.h5", lambda start: noisy(start, stop), MANY_COLUMNS, "stamp", ABOUT, until)
    monkeypatch.setattr(store, "_join", join)
    store.write(tmp_path / "r.h5", noisy, MANY_COLUMNS, "stamp", ABOUT, until)
    same(tmp_path / "whole.h5", tmp_path / "r.h5")


def test_a_ranking_that_never_settles_takes_all_images(tmp_path):
    store.write(tmp_path / "r.h5", noisy, MANY_COLUMNS, "stamp", ABOUT, {"stability": 0.9999999, "at_least": 2})
    assert store.read(tmp_path / "r.h5")[1] == MANY


# ---- by class ------------------------------------------------------------------------------------------------


def test_means_by_class_are_those_of_its_images(tmp_path, monkeypatch):
    monkeypatch.setattr(rows, "CHUNK", 4)
    columns = COLUMNS | {"label": np.where(LABELS == 1, 0, LABELS)}
    store.write(tmp_path / "r.h5", batches, columns, "stamp", ABOUT)
    classes, layers = store.by_class(tmp_path / "r.h5")
    assert classes == ["cat", "frog"]
    for name, values in R.items():
        signed, absolute, positions = layers[name]
        assert positions == values[0, 0].size
        for place, label in enumerate((0, 2)):
            part = values[columns["label"] == label]
            np.testing.assert_allclose(signed[place], part.sum((2, 3)).mean(0), rtol=1e-4, atol=1e-6)
            np.testing.assert_allclose(absolute[place], np.abs(part).sum((2, 3)).mean(0), rtol=1e-5)


# ---- conservation --------------------------------------------------------------------------------------------


def test_what_is_left_of_the_start_is_told_of_layers_that_every_path_crosses(tmp_path, monkeypatch):
    monkeypatch.setattr(rows, "CHUNK", 4)
    starts = np.where(np.arange(23) == 7, 0, STARTS)
    monkeypatch.setitem(globals(), "STARTS", starts)
    store.write(tmp_path / "r.h5", batches, COLUMNS, "stamp", ABOUT)
    kept = store.kept(tmp_path / "r.h5")
    assert list(kept) == ["features.0", "features.2"]
    others = np.arange(23) != 7
    shares = R["features.0"].sum((1, 2, 3))[others] / starts[others]
    np.testing.assert_allclose(kept["features.0"][others], shares, rtol=1e-4, atol=1e-5)
    assert kept["features.0"][7] == 1


# ---- relevance of something else -----------------------------------------------------------------------------

READING = {"rule": "alpha2beta1", "images": None}
OF_NETWORK = {"dataset": "digits", "model": "vgg_small", "seed": "0"}


@pytest.mark.parametrize(
    ("reading", "network", "message"),
    [
        ({"rule": "zplus"}, {}, "r.h5 holds relevance of rule alpha2beta1, but the study asks for rule zplus; delete"),
        ({"images": 30}, {}, "r.h5 holds relevance of images None, but the study asks for images 30; delete the file"),
        ({}, {"model": "vgg16"}, "r.h5 holds relevance of model vgg_small, but the study asks for model vgg16"),
        ({}, {"seed": "1"}, "r.h5 holds relevance of seed 0, but the study asks for seed 1"),
    ],
)
def test_relevance_of_another_rule_or_network_is_refused(tmp_path, reading, network, message):
    about = ABOUT | {"reading": READING, "provenance": {"wildcards": OF_NETWORK | {"reading": "relevance"}}}
    store.write(tmp_path / "r.h5", batches, COLUMNS, "stamp", about)
    store.refuse_other(tmp_path / "r.h5", READING, OF_NETWORK)
    with pytest.raises(ValueError, match=message):
        store.refuse_other(tmp_path / "r.h5", READING | reading, OF_NETWORK | network)


def test_shards_of_another_reading_or_network_are_refused(tmp_path):
    for number, rule in ((0, "alpha2beta1"), (1, "zplus")):
        first, last = (0, 10) if number == 0 else (10, 23)
        about = ABOUT | {"part": [first, last, 23], "reading": {"rule": rule}}
        columns = {name: values[first:last] for name, values in COLUMNS.items()}
        part = lambda start, first=first, last=last: batches(first + start, total=last)  # noqa: E731
        store.write(tmp_path / f"{number}.h5", part, columns, "stamp", about)
    with pytest.raises(ValueError, match="1.h5 was read with another reading than .*0.h5; delete the shards and run"):
        store.merge([tmp_path / "0.h5", tmp_path / "1.h5"], tmp_path / "merged.h5", "merged")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_sums_made_where_relevance_lies_are_those_made_here(dtype, tmp_path):
    place = ROOT / "workflow" / "extract_relevance.py"
    spec = importlib.util.spec_from_file_location("extract_relevance", place)
    spec.loader.exec_module(extract := importlib.util.module_from_spec(spec))
    layers = {name: torch.from_numpy(values).to(dtype) for name, values in R.items()}
    given = layers, torch.from_numpy(TARGETS), torch.from_numpy(STARTS).to(dtype)
    arrays, targets, starts = extract._arrays(*given)
    sums, *rest = extract._summed(*given)
    np.testing.assert_array_equal(rest, [targets, starts])
    assert list(sums) == list(arrays)
    for name, wanted in arrays.items():
        for one, other in zip(sums[name], store.sums_of(wanted), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)
    for kind, found in (("array", arrays), ("sums", sums)):
        columns = {"row": COLUMNS["row"], "label": LABELS}
        store.write(tmp_path / f"{kind}.h5", lambda _, f=found: [(f, *rest)], columns, "stamp", ABOUT)
    one, other = contents(tmp_path / "array.h5"), contents(tmp_path / "sums.h5")
    assert all(np.allclose(one[name], other[name], rtol=1e-6) for name in one if name != "layers")


def test_the_means_over_classes_are_those_of_one_answer_after_the_other(network, pictures):
    from secateur.relevance import propagation

    propagator = propagation.Propagator(network, start="logit", linear=["classifier.0"])
    each = ((maps, targets, starts) for maps, targets, starts in propagator.each_class(pictures))
    plain = (({name: R.numpy() for name, R in maps.items()}, t.numpy(), s.numpy()) for maps, t, s in each)
    layers, targets, starts = store.averaged(plain)
    alone = [propagation.Propagator(network, start="logit", linear=["classifier.0"])(pictures, c) for c in range(5)]
    assert list(layers) == list(alone[0][0]) and targets.tolist() == [-1] * 8
    np.testing.assert_allclose(starts, torch.stack([start for _, _, start in alone]).mean(0), rtol=1e-12)
    for name, found in layers.items():
        R = torch.stack([maps[name] for maps, _, _ in alone])
        signed, absolute = R.mean(0), R.abs().mean(0)
        np.testing.assert_allclose(found.per_image, signed.sum((2, 3)), rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(found.per_image_abs, absolute.sum((2, 3)), rtol=1e-9)
        np.testing.assert_allclose(found.map_sum, signed.sum(0), rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(found.map_abs_sum, absolute.sum(0), rtol=1e-9)


def test_one_class_at_a_time_is_in_memory_and_no_graph_is_kept(network, pictures):
    from secateur.relevance import propagation

    each = propagation.Propagator(network).each_class(pictures)
    assert torch.is_grad_enabled()
    first, targets, _ = next(each)
    assert torch.is_grad_enabled() and targets.tolist() == [0] * 8
    assert all(R.shape[0] == 8 and R.grad_fn is None for R in first.values())


def script(name):
    place = ROOT / "workflow" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, place)
    spec.loader.exec_module(found := importlib.util.module_from_spec(spec))
    return found


@pytest.mark.parametrize(("rule", "bias", "pool", "lost", "refused"), [
    ("zplus", False, "proportional", 6, True), ("zplus", False, "proportional", 5, False),
    ("zplus", True, "proportional", 10, False), ("epsilon", True, "proportional", 10, False),
    ("gradient", False, "proportional", 10, False), ("alpha2beta1", False, "gradient", 10, False),
])  # fmt: skip
def test_relevance_that_got_lost_fails_the_job_unless_the_rule_absorbs_it(rule, bias, pool, lost, refused):
    shares = {"stem": np.array([0.0] * lost + [1.0] * (10 - lost)), "last": np.ones(10)}
    reading, check = {"rule": rule, "bias": bias, "pool": pool}, script("summarise_relevance")._refuse_lost
    if not refused:
        check(shares, 0.001, reading)
        return
    with pytest.raises(
        ValueError, match=r"^relevance was lost: 60 % of the images have none at stem, which is on every"
    ):
        check(shares, 0.001, reading)
