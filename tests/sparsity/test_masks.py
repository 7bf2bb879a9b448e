"""Masks of weights: exact counts, whole or refused files, and zeros that hold in every step of a training."""

import itertools

import h5py
import pytest
import torch
from torch import nn

from secateur import Refused
from secateur.models import zoo
from secateur.sparsity import masks
from secateur.sparsity.weights import prunable, zeros_at
from secateur.study.levels import fraction
from secateur.training import hooks, loop, optimisation
from support.halves import OPTIONS, TRAIN, VALIDATION, Killed, network, same

LONG = OPTIONS | {"epochs": 3, "weight_decay": 0.05}


def flat(by_name):
    return torch.cat([by_name[name].flatten() for name in by_name])


def masked(sparsity=0.7):
    model = network()
    left = masks.pruned(model, sparsity)
    masks.close(model, left)
    return model, left


def test_the_smallest_weights_of_all_layers_are_closed_exactly_as_many_as_the_level_says():
    model = network()
    left = masks.pruned(model, 0.7)
    weights = {name: weight.detach() for name, weight in prunable(model).items()}
    count = len(flat(weights))
    zeros = zeros_at(fraction(0.7), count)
    assert masks.zeros_of(left) == zeros
    smallest = flat(weights).abs().argsort(stable=True)[:zeros]
    assert torch.equal(torch.nonzero(~flat(left)).flatten(), smallest.sort().values)
    name = next(iter(left))
    assert masks.left_of(left)[name] == left[name].double().mean().item()


def test_the_next_round_closes_more_and_opens_nothing():
    model, before = masked(0.5)
    with torch.no_grad():
        # A weight that is left may be zero: it is closed in its turn, behind those that the masks have closed.
        for weight in prunable(model).values():
            weight.mul_(torch.rand(weight.shape, generator=torch.Generator().manual_seed(1)))
    masks.close(model, before)
    after = masks.pruned(model, 0.8, before)
    assert not (flat(after) & ~flat(before)).any()
    assert masks.zeros_of(after) == zeros_at(fraction(0.8), len(flat(after)))
    with pytest.raises(Refused, match="closes only"):
        masks.pruned(model, 0.3, before)


def test_a_level_that_empties_a_layer_is_refused_with_its_name():
    model = network()
    with torch.no_grad():
        model.features[7].weight.mul_(1e-6)
    with pytest.raises(Refused, match=r"leaves no weight in features\.7, so that"):
        masks.pruned(model, 0.6)


# ---- files ---------------------------------------------------------------------------------------------------


def test_a_file_holds_eight_weights_in_a_byte_and_comes_back(tmp_path):
    model, left = masked()
    masks.write(tmp_path / "mask.h5", left, {"round": 1})
    again = masks.read(tmp_path / "mask.h5", model)
    assert all(torch.equal(again[name], left[name]) for name in left) and again.keys() == left.keys()
    with h5py.File(tmp_path / "mask.h5") as file:
        assert sum(data.size for data in file.values()) == sum(-(-mask.numel() // 8) for mask in left.values())


def _cut(path):
    path.write_bytes(path.read_bytes()[:-200])


def _text(path):
    path.write_text("no file of masks")


def _bits(path):
    with h5py.File(path, "r+") as file:
        name = next(iter(file))
        file[name][0] ^= 255


def _shorter(path):
    with h5py.File(path, "r+") as file:
        name = next(iter(file))
        data, shape = file[name][:-1], file[name].attrs["shape"]
        del file[name]
        file[name] = data
        file[name].attrs["shape"] = shape


def _moved(path):
    """As many weights, but others."""
    with h5py.File(path, "r+") as file:
        name = next(iter(file))
        file[name][:] = file[name][:][::-1]


def _odd(path):
    with h5py.File(path, "r+") as file:
        file.attrs["zeros"] = "many"


def _without_count(path):
    with h5py.File(path, "r+") as file:
        del file.attrs["zeros"]


@pytest.mark.parametrize("damage", [_cut, _text, _bits, _shorter, _moved, _odd, _without_count])
def test_a_damaged_file_is_refused_with_its_name_and_a_remedy(tmp_path, damage):
    model, left = masked()
    path = tmp_path / "mask.h5"
    masks.write(path, left, {})
    damage(path)
    with pytest.raises(Refused, match=r"mask\.h5.*delete it and run again"):
        masks.read(path, model)


def test_masks_of_another_network_are_refused(tmp_path):
    model, left = masked()
    masks.write(tmp_path / "mask.h5", left, {})
    wider = zoo.build("vgg_small", 2, widths=[4, 4, 4, 4, 4, 6], hidden=6, channels=1)
    with pytest.raises(Refused, match="holds masks of another network: classifier.0.weight, features.17.weight"):
        masks.read(tmp_path / "mask.h5", wider)
    with pytest.raises(FileNotFoundError):
        masks.read(tmp_path / "none.h5", model)
    masks.write(tmp_path / "mask.h5", left, {"seed": 0, "round": 2})
    masks.read(tmp_path / "mask.h5", model, {"seed": 0, "round": 2})
    with pytest.raises(Refused, match=r"mask\.h5 holds masks of round 2, and not of round 1; delete it"):
        masks.read(tmp_path / "mask.h5", model, {"seed": 0, "round": 1})
    masks.refuse_open(model, left, "network.pt")
    with torch.no_grad():
        model.features[0].weight.fill_(1)
    with pytest.raises(Refused, match=r"network\.pt has weights of features\.0\.weight where its mask has none"):
        masks.refuse_open(model, left, "network.pt")


# ---- training ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_masks_hold_after_every_step(optimizer, monkeypatch):
    model, left = masked()
    seen = []
    steps = optimisation.OPTIMIZERS[optimizer]

    def watched(parameters, options):
        made = steps(parameters, options)
        inner = made.step

        def step():
            inner()
            seen.append(all(not weight.detach()[~left[name]].any() for name, weight in prunable(model).items()))

        made.step = step
        return made

    monkeypatch.setitem(optimisation.OPTIMIZERS, optimizer, watched)
    loop.train(model, TRAIN, VALIDATION, LONG | {"optimizer": optimizer}, 7, hook=masks.hook(model, left))
    assert len(seen) == LONG["epochs"] * 4 and all(seen)
    # Without the hook they do not.
    free, _ = masked()
    loop.train(free, TRAIN, VALIDATION, LONG | {"optimizer": optimizer}, 7)
    assert any(weight.detach()[~left[name]].any() for name, weight in prunable(free).items())


def test_masks_of_ones_train_bit_for_bit_as_no_hook():
    plain, hooked = network(), network()
    ones = {name: torch.ones(weight.shape, dtype=torch.bool) for name, weight in prunable(hooked).items()}
    masks.close(hooked, ones)
    history = loop.train(hooked, TRAIN, VALIDATION, LONG, 7, hook=masks.hook(hooked, ones))
    assert history == loop.train(plain, TRAIN, VALIDATION, LONG, 7, hook=hooks.NEUTRAL) and same(plain, hooked)


def test_a_gradient_that_is_not_finite_does_not_pass_a_mask():
    model, left = masked()
    hook = masks.hook(model, left)
    for weight in prunable(model).values():
        weight.grad = torch.full_like(weight, float("nan"))
    hook.after_backward()
    assert all(torch.equal(weight.grad == 0, ~left[name]) for name, weight in prunable(model).items())


def test_a_killed_training_under_masks_ends_in_the_weights_of_one_that_was_not(tmp_path, monkeypatch):
    whole, left = masked()
    loop.train(whole, TRAIN, VALIDATION, LONG, 7, hook=masks.hook(whole, left))
    epochs, counted = loop._epoch, itertools.count()

    def killed(*arguments):
        if next(counted) == 2:
            raise Killed
        return epochs(*arguments)

    resumed, _ = masked()
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(loop, "_epoch", killed)
        loop.train(resumed, TRAIN, VALIDATION, LONG, 7, tmp_path / "p", "s", masks.hook(resumed, left))
    again, _ = masked()
    loop.train(again, TRAIN, VALIDATION, LONG, 7, tmp_path / "p", "s", masks.hook(again, left))
    assert same(again, whole)


def test_a_shared_weight_has_one_mask():
    class Shared(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False)
            self.second.weight = self.first.weight

    assert list(masks.pruned(Shared(), 0.5)) == ["first.weight"]
