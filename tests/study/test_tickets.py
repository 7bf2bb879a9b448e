"""Tickets in a study's settings: rounds, kinds, what a network depends on, and every contradiction in one line."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secateur import Refused
from secateur.study import page_options, reinitialisations, retraining_checks, settings, stage_files, stage_options
from secateur.study import tickets as study_tickets
from secateur.study.study import Study

LEAST = {"data": {"source": "digits", "size": 16}, "model": {"name": "vgg_small"}, "training": {"epochs": 10}}


def of(sections=None, **tickets):
    return Study.of({**LEAST, **(sections or {}), "tickets": {"sparsity": [0.9], **tickets}})


def test_rounds_meet_every_level_and_close_equal_shares_between():
    study = of(sparsity=[0.9, 0.8], rounds=4)
    assert [one.sparsity for one in study.rounds.values()] == [0.415196, 0.658005, 0.8, 0.9]
    assert [one.asked for one in study.rounds.values()] == [False, False, True, True]
    shares = [1 - one.sparsity for one in study.rounds.values()]
    assert shares[1] / shares[0] == pytest.approx(shares[0], abs=1e-5)
    assert [one.sparsity for one in of(rounds=1).rounds.values()] == [0.9]
    # Without a value no round closes more than a fifth of what is left.
    assert len(of().rounds) == 11 and len(of(sparsity=[0.36]).rounds) == 2
    full = [1 - one.sparsity for one in of(sparsity=[0.8, 0.9, 0.95, 0.98]).rounds.values()]
    assert len(full) == 21 and min(after / before for before, after in zip(full, full[1:], strict=False)) > 0.8 - 1e-5
    # Near 1 the shares that are left have digits, not the shares that are zero.
    assert len({one.sparsity for one in of(sparsity=[0.9999996], rounds=60).rounds.values()}) == 60


@given(st.lists(st.integers(5, 99), min_size=1, max_size=5, unique=True), st.integers(0, 12))
def test_every_round_closes_more_than_the_one_before(percents, more):
    levels = sorted(percent / 100 for percent in percents)
    config = {"tickets": {"sparsity": levels, "rounds": len(levels) + more, "kinds": ["original"]}}
    made = study_tickets.rounds(config)
    assert len(made) == len(levels) + more and [one.sparsity for one in made if one.asked] == levels
    shares = [one.sparsity for one in made]
    assert shares == sorted(set(shares)) and [one.place for one in made] == list(range(1, len(made) + 1))


def test_every_kind_is_trained_at_a_level_and_the_original_alone_between():
    study = of(rounds=2, kinds=["dist"])
    assert [cell.path for cell in study.tickets] == ["1/original", "2/original", "2/random", "2/dist"]
    assert [cell.kind for cell in of(rounds=1).tickets] == [one.name for one in reinitialisations.ALL]
    assert Study.of(LEAST).tickets == [] and Study.of(LEAST).ticket_figures == []
    assert settings.checked(study.settings) == study.settings


def test_a_round_prunes_what_the_one_before_trained_and_tickets_go_back_to_one_network():
    dense = {"network": "<network>/training/trained.pt", "mask": []}
    assert stage_files.ticket_round("1") == dense
    assert stage_files.ticket_round("2")["network"] == "<network>/tickets/1/original/network.pt"
    assert stage_files.ticket_round("2")["mask"] == "<network>/tickets/1/mask.h5"
    assert stage_files.rewound(of()) == "<network>/training/initial.pt"
    assert stage_files.rewound(of(rewind=2)) == "<network>/tickets/rewound.pt"


def test_a_network_depends_on_its_own_kind_and_share_of_zeros():
    study = of(rounds=2)
    options = stage_options.ticket(study, "2", "dist")
    assert (options["kind"], options["sparsity"], options["rewind"]) == ("dist", 0.9, 0)
    fewer = of(rounds=2, kinds=["dist"])
    assert stage_options.ticket(fewer, "2", "dist") == options
    assert stage_options.ticket(of(rounds=2, rewind=3), "2", "dist") == options | {"rewind": 3}
    assert stage_options.ticket_round(of(rounds=2, rewind=3), "1") == stage_options.ticket_round(study, "1")
    assert page_options.tickets_figure(study, "kinds")["levels"] == {2: 0.9}


def test_redrawn_first_weights_of_channels_are_kinds_of_retraining():
    names = [one.name for one in reinitialisations.OF_CHANNELS]
    assert names == ["sign", "dist", "dist_normal", "abs", "sign+dist", "random_scaled"]
    study = of({"retraining": {"criteria": ["l1"], "levels": [0.5], "redrawn": True}, "levels": [0.5],
                "criteria": {"scores": ["l1"]}})  # fmt: skip
    made = [cell.kind for cell in study.cells if cell.criterion == "l1"]
    assert made == ["batchnorm", "retrained", "scratch", *names]
    assert stage_files.retrained_from(study, "l1", "abs") == "<network>/training/initial.pt"
    assert stage_options.schedule(study, "abs") == stage_options.schedule(study, "scratch")
    assert {cell.kind for cell in study.by_epoch} == {"retrained", "scratch", *names}
    assert {*names} <= {*retraining_checks.KINDS}


WRONG = {
    "a percentage": ({"sparsity": [90]}, "tickets.sparsity: got 90, but a level is the share of weights that are zero"),
    "all weights": ({"sparsity": [1]}, "tickets.sparsity: got 1, but a level is the share of weights that are zero"),
    "a level twice": ({"sparsity": [0.9, 0.9]}, "tickets.sparsity: [0.9, 0.9] names one value twice"),
    "no level": ({"sparsity": []}, "tickets.sparsity"),
    "a kind": ({"kinds": ["distt"]}, 'tickets.kinds is "distt", but must be one of original, random, sign, dist'),
    "its nearest": ({"kinds": ["mask-shuffled"]}, "did you mean mask_shuffled?"),
    "few rounds": ({"sparsity": [0.8, 0.9], "rounds": 1}, "tickets.rounds is 1, but each of the 2 levels of tickets"),
    "no round": ({"rounds": 0}, "tickets.rounds: 0 is less than the minimum of 1"),
    "a rewind": ({"rewind": 10}, "tickets.rewind is 10, but training has 10 epochs, of which at least one has to be"),
    "digits": ({"sparsity": [0.12345678901]}, "tickets.sparsity names 0.12345678901, but tables are written with nine"),
    "many rounds": ({"sparsity": [0.01], "rounds": 40}, "of 40 rounds closes less than a thousandth of the weights"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_mistake_is_one_line(case):
    changes, message = WRONG[case]
    with pytest.raises(Refused, match=re.escape(message)) as refused:
        of(**changes)
    assert "\n" not in str(refused.value)


def test_tickets_need_a_training_of_all_weights(tmp_path):
    (tmp_path / "w.pt").write_bytes(b"")
    given_weights = {"model": {"name": "vgg_small", "weights": str(tmp_path / "w.pt")}}
    with pytest.raises(Refused, match=r"^tickets train first weights .* but training.epochs is 0: the given weights"):
        of(given_weights | {"training": {"epochs": 0, "seeds": [0]}})
    with pytest.raises(Refused, match=r"^tickets prune all weights .* but model.trainable is classifier; set it to"):
        of({"model": {"name": "vgg16_bn", "trainable": "classifier"}, "data": {"source": "cifar10", "size": 32}})
