"""Tickets in a whole study: pruned in rounds, gone back, trained under masks, and made again only where needed."""

import re

import numpy as np
import pytest
import torch
import yaml

from secateur.artifacts import tables
from secateur.models import checkpoints
from secateur.sparsity import masks
from secateur.study import seeds
from support.studies import ON_DIGITS, ROOT, finished

NETWORK = "results/digits/vgg_small/0"
TICKETS = {
    "study": "tickets",
    **yaml.safe_load(ON_DIGITS),
    "training": {"seeds": [0], "epochs": 2, "batch_size": 64, "learning_rate": 0.05, "flip": False},
    "readings": {},
    "criteria": {"statistics": ["mean_abs"], "controls": False, "random": 1},
    "levels": [0.5],
    "tickets": {"sparsity": [0.6], "rounds": 2, "rewind": 1, "kinds": ["sign", "mask_shuffled"]},
    "retraining": {"criteria": [{"criterion": "random.0", "kinds": ["sign+dist"]}], "levels": [0.5]},
}


@pytest.fixture(scope="module")
def tickets_study(tmp_path_factory):
    """A small study of tickets, finished."""
    return finished(tmp_path_factory.mktemp("tickets"), TICKETS)


def weights_of(path):
    state = torch.load(path, weights_only=True)["state_dict"]
    return {name: value for name, value in state.items() if name.endswith("weight") and value.dim() > 1}


def test_every_round_closes_the_smallest_weights_of_the_network_before_it(tickets_study):
    network = tickets_study.folder / NETWORK
    model = checkpoints.load(network / "training/initial.pt").model
    before, trained = None, network / "training/trained.pt"
    for place, share in ((1, 0.367544), (2, 0.6)):
        flat = torch.cat([value.flatten() for value in weights_of(trained).values()]).abs()
        if before is not None:
            assert not flat[~before].any()
            flat[~before] = -1
        zeros = int((len(flat) - 1) * share) + 1
        left = masks.read(network / f"tickets/{place}/mask.h5", model)
        closed = ~torch.cat([left[name].flatten() for name in weights_of(trained)])
        assert closed.sum() == zeros and flat[closed].max() <= flat[~closed].min()
        before, trained = ~closed, network / f"tickets/{place}/original/network.pt"


def test_zeros_are_counted_on_files_and_shuffled_masks_have_as_many(tickets_study):
    network = tickets_study.folder / NETWORK
    counts = {}
    for kind in ("original", "random", "sign", "mask_shuffled"):
        weights = weights_of(network / f"tickets/2/{kind}/network.pt")
        counts[kind] = {name: int((value == 0).sum()) for name, value in weights.items()}
        (row,) = tables.read(network / f"tickets/2/{kind}/network.csv").to_dict("records")
        assert (row["kind"], row["round"], row["zeros"]) == (kind, 2, sum(counts[kind].values()))
        assert len(tables.read(network / f"tickets/2/{kind}/history.csv")) == 1
    assert len({str(count) for count in counts.values()}) == 1


def test_the_rewound_network_is_one_epoch_of_the_same_training(tickets_study):
    """By the history: the losses of its one epoch are those of the dense network's first."""
    network = tickets_study.folder / NETWORK
    facts = checkpoints.load(network / "tickets/rewound.pt").facts
    first = tables.read(network / "training/history.csv").iloc[0]
    assert facts["epoch"] == 1 and facts["train_loss"] == pytest.approx(first["train_loss"], rel=1e-8)
    assert facts["validation_loss"] == pytest.approx(first["validation_loss"], rel=1e-8)
    original = tables.read(network / "tickets/1/original/history.csv")
    dense = tables.read(network / "training/history.csv").iloc[1]
    assert list(original["epoch"]) == [2] and original["learning_rate"].iloc[0] == dense["learning_rate"]


def test_the_seed_of_a_ticket_is_that_of_its_network_alone():
    assert seeds.derived(0, "tickets", 0) != seeds.derived(0, "tickets", 1)


def test_the_example_of_the_docs_draws_as_the_study_does(tickets_study):
    """Where a shuffled mask is open, its network of the study is not zero, which another seed would not meet."""
    text = (ROOT / "docs" / "tickets.md").read_text(encoding="utf-8")
    example = re.search(r"```python\n(.*?)```", text, flags=re.DOTALL).group(1)
    network = tickets_study.folder / NETWORK
    found = {}
    exec(example.replace("results/.../{seed}", str(network)).replace('"sign"', '"mask_shuffled"'), found)
    trained = weights_of(network / "tickets/2/mask_shuffled/network.pt")
    assert {*found["left"]} == {*trained}
    for name, left in found["left"].items():
        assert torch.equal(left, trained[name] != 0), name


def test_tables_and_figures_have_every_network(tickets_study):
    folder = tickets_study.folder / "results"
    rows = tables.read(folder / "tables/tickets.csv")
    cells = sorted(zip(rows["round"], rows["kind"], strict=True))
    kinds = ("mask_shuffled", "original", "random", "sign")
    assert cells == [(0, "dense"), (1, "original"), *((2, kind) for kind in kinds)]
    means = tables.read(folder / "tables/tickets.means.csv").set_index(["kind", "round"])
    accuracy = rows.set_index(["kind", "round"])["accuracy"]
    change = accuracy["sign", 2] - accuracy["original", 2]
    assert means.loc[("sign", 2), "versus_original"] == pytest.approx(change, abs=1e-8)
    assert np.isnan(means.loc[("original", 2), "versus_original"])
    left = tables.read(folder / "tables/tickets.masks.csv")
    assert left.groupby("round").size().to_dict() == {1: 8, 2: 8}
    assert list(left["layer"].head(3)) == ["features.0", "features.3", "features.7"]
    for name in ("kinds", "layers"):
        assert "</svg>" in (folder / f"figures/tickets.{name}.svg").read_text()
    assert "versus_random" in (folder / "figures/tickets.kinds.html").read_text()
    assert "Tickets are what 2 round(s)" in (folder / "tables" / "description.html").read_text()
    assert "sign+dist" in (folder / "tables/retraining.csv").read_text()
    assert "</svg>" in (folder / "figures/retraining.redrawn.svg").read_text()


def edited(**changes):
    """Settings of the study with changes of its section."""
    settings = yaml.safe_load(yaml.safe_dump(TICKETS))
    settings["tickets"].update(changes)
    return settings


DRAWN = {"collect_tickets": 1, "plot_tickets": 2, "write_settings": 1, "describe_study": 1, "write_study_page": 1}
EDITS = {
    "a kind more": (edited(kinds=["sign", "mask_shuffled", "abs"]), {**DRAWN, "train_ticket": 1}),
    "another kind": (edited(kinds=["sign", "dist"]), {**DRAWN, "train_ticket": 1}),
    "no rewind": (edited(rewind=0), {**DRAWN, "train_ticket": 5, "prune_ticket": 1}),
    "a level more": (
        edited(sparsity=[0.6, 0.7], rounds=3),
        {**DRAWN, "check_levels": 1, "prune_ticket": 1, "train_ticket": 4},
    ),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_makes_again_only_what_it_invalidates(tickets_study, name):
    settings, wanted = EDITS[name]
    assert tickets_study.planned_with(settings, "all") == wanted
