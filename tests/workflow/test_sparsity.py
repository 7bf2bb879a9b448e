"""Sparse networks in a whole study: trained, counted, tested, compared, drawn, and made again only where needed."""

import numpy as np
import pandas
import pytest
import torch
import yaml

from secateur.artifacts import correctness, tables
from secateur.images import store
from secateur.models import checkpoints
from secateur.pruning import stored
from secateur.sparsity import remaining
from support.studies import ON_DIGITS, finished

NETWORK = "results/digits/vgg_small"
SPARSE = {
    "study": "sparse",
    **yaml.safe_load(ON_DIGITS),
    "training": {"seeds": [0, 1], "epochs": 3, "batch_size": 64, "learning_rate": 0.05, "clip": 3, "flip": False},
    "readings": {},
    "criteria": {"statistics": ["mean_abs"], "controls": False, "random": 1},
    "levels": [0.5],
    "sparsity": {
        "levels": [0.9],
        "variants": {"feather": {}, "slow": {"schedule": "adaptive"}, "half": {"drop": 0.5}},
        "export": [{"variant": "slow", "level": 0.9}],
    },
}


@pytest.fixture(scope="module")
def sparse_study(tmp_path_factory):
    """A small study of sparse networks, finished."""
    return finished(tmp_path_factory.mktemp("sparse"), SPARSE)


def rows(workflow, name="sparsity"):
    return tables.read(workflow.folder / f"results/tables/{name}.csv")


def test_zeros_are_counted_in_the_files_and_the_accuracy_is_that_of_the_file(sparse_study):
    table = rows(sparse_study).query("variant == 'half' and seed == 1")
    (row,) = table.to_dict("records")
    folder = sparse_study.folder / NETWORK / "1/sparsity/half/0.9"
    state = torch.load(folder / "network.pt", weights_only=True)["state_dict"]
    weights = [value for name, value in state.items() if name.endswith("weight") and value.dim() > 1]
    count, zeros = (sum(int(value) for value in values) for values in zip(*map(_counted, weights), strict=True))
    assert (row["weights"], row["zeros"]) == (count, zeros) == (count, int((count - 1) * 0.9) + 1)
    assert row["bytes"] == (folder / "network.pt").stat().st_size > row["bytes_compressed"]
    with store.opened(sparse_study.folder / "results/digits/images/test.h5") as images, torch.no_grad():
        model = checkpoints.load(folder / "network.pt").model.eval()
        right = model(images.normalised(slice(None))).argmax(1).numpy() == images.labels[:]
    np.testing.assert_array_equal(correctness.read(folder / "network.h5", 1)[0], right)
    assert row["accuracy"] == pytest.approx(right.mean())
    closed = 1 - (count - 0.5 * zeros) / count
    assert row["gradient_density"] == pytest.approx(1 - closed, abs=1e-3)


def _counted(weight):
    return weight.numel(), (weight == 0).sum()


def test_means_and_differences_are_those_of_the_rows(sparse_study):
    table, means = rows(sparse_study), rows(sparse_study, "sparsity.means").set_index(["variant", "level"])
    accuracy = table.set_index(["variant", "level", "seed"]).sort_index()["accuracy"]
    change = accuracy["slow", 0.9] - accuracy["feather", 0.9]
    assert means.loc[("slow", 0.9), "versus_feather"] == pytest.approx(change.mean(), abs=1e-8)
    to_dense = (accuracy["slow", 0.9] - accuracy["dense", 0]).mean()
    assert means.loc[("slow", 0.9), "versus_dense"] == pytest.approx(to_dense, abs=1e-8)
    dense = tables.read(sparse_study.folder / NETWORK / "1/evaluation/random.csv").query("level == 0")
    assert accuracy["dense", 0, 1] == dense["accuracy"].iloc[0]
    assert pandas.isna(means.loc[("feather", 0.9), "versus_feather"])


def test_histories_end_at_the_level_and_start_as_the_dense_one(sparse_study):
    folder = sparse_study.folder / NETWORK / "0"
    dense = tables.read(folder / "training/history.csv")
    history = tables.read(folder / "sparsity/feather/0.9/history.csv")
    assert list(history["learning_rate"]) == list(dense["learning_rate"])
    assert history["sparsity"].iloc[-1] == pytest.approx(0.9, abs=1e-3) and history["threshold"].is_monotonic_increasing
    assert set(history.columns) - set(dense.columns) == {
        "sparsity",
        "threshold",
        "scale",
        "regrowth",
        "gradient_density",
    }


def test_the_figures_are_drawn_and_their_pages_name_the_settings(sparse_study):
    figures = sparse_study.folder / "results/figures"
    for name in ("levels", "training", "layers", "dropped"):
        assert "</svg>" in (figures / f"sparsity.{name}.svg").read_text()
        assert "half.drop_rule" in (figures / f"sparsity.{name}.html").read_text()
    assert "make no step and no prediction faster" in (figures / "sparsity.levels.html").read_text()
    assert (
        "Sparse networks (feather, half, slow)" in (sparse_study.folder / "results/tables/description.html").read_text()
    )


def test_an_exported_network_computes_what_the_sparse_one_does(sparse_study):
    folder = sparse_study.folder / NETWORK / "0"
    exported = stored.load(folder / "export/sparsity.slow/0.9").eval()
    whole = checkpoints.load(folder / "sparsity/slow/0.9/network.pt").model.eval()
    images = torch.randn(4, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(exported(images), whole(images), rtol=0, atol=1e-4)
    card = (folder / "export/sparsity.slow/0.9/README.md").read_text()
    (row,) = rows(sparse_study).query("variant == 'slow' and seed == 0").to_dict("records")
    left = remaining.counted(exported, images)
    assert f"{row['zeros']:,} of {row['weights']:,} weights" in card
    # Of the files beside the card, from which silent units may be missing.
    assert f"{left.macs_left:,}" in card and f"{left.weights - left.zeros:,}" in card
    assert "make nothing faster on hardware" in card and "`schedule` | adaptive" in card


def edited(change):
    """Settings of the study after a change of its section."""
    settings = yaml.safe_load(yaml.safe_dump(SPARSE))
    change(settings["sparsity"])
    return settings


DRAWN = {"collect_sparsity": 1, "plot_sparsity": 4, "write_settings": 1, "describe_study": 1, "write_study_page": 1}
EXPORTED = {**DRAWN, "export_sparse": 2}
EDITS = {
    "a scale, and a level more": (
        edited(lambda section: section["variants"]["slow"].update(scale_low=0.2, levels=[0.9, 0.95])),
        {**EXPORTED, "train_sparse": 4},
    ),
    "a share, and a variant less": (
        edited(lambda section: section.update(variants={"slow": {"schedule": "adaptive"}, "half": {"drop": 0.9}})),
        # Without a second share at its level, one that is dropped makes no line.
        {**DRAWN, "plot_sparsity": 3, "train_sparse": 2, "check_levels": 1},
    ),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_trains_again_only_what_it_invalidates(sparse_study, name):
    settings, wanted = EDITS[name]
    assert sparse_study.planned_with(settings, "all") == wanted
