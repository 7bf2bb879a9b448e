"""Recoveries: what pruned networks get back without training."""

import copy

import pytest
import torch
from torch import nn

from secateur import Refused, recovery
from secateur.models import zoo
from support.halves import TRAIN

OPTIONS = {"batchnorm_images": 30, "batch_size": 16}


def dense():
    torch.manual_seed(5)
    return zoo.build("vgg_small", 2, widths=[4, 4, 6, 6, 8, 8], hidden=6, channels=1).eval()


def test_one_batch_gives_batchnorm_its_own_mean_and_unbiased_variance():
    model = dense()
    pixels = TRAIN.normalised(slice(None))
    recovery.reestimate(model, [pixels])
    first = model.features[0](pixels).transpose(0, 1).flatten(1)
    torch.testing.assert_close(model.features[1].running_mean, first.mean(1), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(model.features[1].running_var, first.var(1), rtol=1e-4, atol=1e-5)
    # The next layer saw what the batch itself normalised.
    hidden = nn.functional.batch_norm(model.features[0](pixels), None, None, *model.features[1].parameters(), True)
    second = model.features[3](hidden.relu()).transpose(0, 1).flatten(1)
    torch.testing.assert_close(model.features[4].running_mean, second.mean(1), rtol=1e-4, atol=1e-5)


def test_batches_count_alike_and_nothing_else_changes():
    model = dense()
    before = {name: tensor.clone() for name, tensor in model.named_parameters()}
    first, second = TRAIN.normalised(slice(0, 20)), TRAIN.normalised(slice(20, 40))
    means = []
    for batch in ([first], [second], [first, second]):
        recovery.reestimate(model, batch)
        means.append(model.features[1].running_mean.clone())
    torch.testing.assert_close(means[2], (means[0] + means[1]) / 2)
    assert not model.training and model.features[1].momentum == 0.1
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.named_parameters())


def test_a_network_whose_batchnorm_keeps_no_statistics_is_refused():
    plain = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2, track_running_stats=False))
    for model in (plain, plain[0]):
        with pytest.raises(
            Refused, match="^evaluation.recovery or sensitivity.recovery names batchnorm, but the network has no"
        ):
            recovery.RECOVERIES["batchnorm"].refuse(model)
    recovery.RECOVERIES["batchnorm"].refuse(dense())


def test_a_treatment_is_named_by_all_that_changes_its_result():
    def stamp(images=TRAIN, seed=1, **changes):
        return recovery.treatment("batchnorm", dense(), recovery.Material(images, OPTIONS | changes, seed)).stamp

    first = stamp()
    assert first == stamp() and first["images"] == TRAIN.identity
    assert first not in (stamp(seed=2), stamp(batch_size=8), stamp(batchnorm_images=20))
    assert recovery.seed_of(0, "batchnorm", 1) not in (recovery.seed_of(0, "batchnorm", 2), recovery.seed_of(0, "x", 1))


def test_no_option_of_a_recovery_hides_the_identity_of_its_images():
    """The section `recovery` has a key `images` too: a count."""
    options = {"images": 20, "split": "rank", "fit": "patches", "target": "sums", "batchnorm": "online", "ridge": 1e-3}
    others = copy.copy(TRAIN)
    others.identity = "another"
    stamps = []
    for images in (TRAIN, others):
        stamps.append(recovery.treatment("reconstructed", dense(), recovery.Material(images, options, 1)).stamp)
    assert stamps[0] != stamps[1]
