"""Networks evaluated after a recovery: against plain torch, within the cache, and without a trace."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from secateur import Refused, ranking, recovery
from secateur.models import zoo
from secateur.pruning import plan_cache, plans, removal, sweep
from secateur.study import recovery_checks, seeds
from secateur.units import finding
from support import halves
from support.halves import TRAIN, VALIDATION

OPTIONS = {"batchnorm_images": 40, "batch_size": 16}
SEED = 7
TEST = VALIDATION.normalised(slice(None))
LABELS = torch.as_tensor(VALIDATION.labels)
LEVELS = (0, 0.3, 0.6)
SCHEDULE = {"flip": False, "rotation": 0, "label_smoothing": 0.0}
EPOCH = recovery_checks.epoch(
    {
        "model": {"trainable": "all"},
        "training": {**halves.OPTIONS, **SCHEDULE, "seeds": [0]},
        "recovery": {"epoch": {"schedule": "cosine"}},
    }
)


def dense(name):
    torch.manual_seed(5)
    arguments = {"widths": [4, 4, 6, 6, 8, 8], "hidden": 6} if name == "vgg_small" else {"shortcut": "A"}
    model = zoo.build(name, 2, channels=1, **arguments).eval()
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.normal_(layer.bias, 0, 0.3)
            layer.running_mean.normal_(0, 0.5)
    return model


def treatment(model, **changes):
    return recovery.treatment("batchnorm", model, recovery.Material(TRAIN, OPTIONS | changes, SEED))


def prepared(model, store=None, **changes):
    def batches():
        return zip(TEST.split(10), LABELS.split(10), strict=True)

    given = {"batchnorm": treatment(model, **changes)}
    return sweep.Network(model, batches, LABELS.numpy(), TEST[:8], "float32", store, given)


def order_of(model):
    table = finding.table(finding.find(model, TEST[:2]))
    return ranking.table(ranking.at_random(table["unit"].nunique(), 3), table)


def by_hand(model, channels):
    """Logits after re-estimation by plain torch: filters set to zero, train mode with a momentum of None."""
    norms = {f"features.{place}": f"features.{place + 1}" for place in (0, 3, 7, 10, 14, 17)}
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    for layer, indices in channels.items():
        norm = norms.get(layer) or layer.replace("conv", "bn")
        for name in (f"{layer}.weight", f"{norm}.weight", f"{norm}.bias"):
            state[name][indices] = 0
    order = torch.randperm(len(TRAIN), generator=seeds.torch_generator(SEED, "batchnorm"))
    copy = dense("vgg_small" if "features.0.weight" in state else "resnet20")
    copy.load_state_dict(state)
    for layer in copy.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.reset_running_stats()
            layer.momentum = None
            layer.train()
    with torch.no_grad():
        for rows in order[:40].tensor_split(3):
            copy(TRAIN.normalised(rows.numpy()))
        return copy.eval()(TEST)


@pytest.mark.parametrize("name", ["vgg_small", "resnet20"])
def test_what_is_measured_after_reestimation_is_what_plain_torch_measures(name):
    model = dense(name)
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    order = order_of(model)
    points = list(prepared(model).points(order, LEVELS))
    assert [(point.recovery, point.level) for point in points] == [
        (recovered, level) for recovered in ("none", "batchnorm") for level in LEVELS
    ]
    pruned, treated = points[:3], points[3:]
    for point, other in zip(treated, pruned, strict=True):
        logits = by_hand(model, plans.plan(order, point.level))
        losses = F.cross_entropy(logits, LABELS, reduction="none")
        np.testing.assert_allclose(point.measured.losses, losses, rtol=2e-4, atol=1e-5)
        assert point.measured.loss == pytest.approx(losses.mean().item(), rel=1e-5)
        np.testing.assert_array_equal(point.measured.right, logits.argmax(1) == LABELS)
        # The networks are the same, and the check of removal too; the dense one has been re-estimated as well.
        assert (point.units, point.cost, point.empty) == (other.units, other.cost, other.empty)
        assert point.deviation < 1e-5 and point.measured.loss != pytest.approx(other.measured.loss, rel=1e-3)
    # The evaluation leaves no trace in the network.
    assert all(torch.equal(tensor, before[key]) for key, tensor in model.state_dict().items())


def test_a_network_with_an_empty_layer_is_reestimated_too():
    """Its logits are the same for every image, and others than before: each BatchNorm behind puts out its bias."""
    model = dense("vgg_small")
    channels = {"features.7": list(range(6)), "features.0": [1]}
    network = prepared(model)
    measured, empty, deviation = network.evaluated(channels, "batchnorm")
    logits = by_hand(model, channels)
    assert empty == ["features.7"] and deviation is None
    torch.testing.assert_close(logits, logits[:1].expand(len(logits), -1))
    np.testing.assert_allclose(measured.losses, F.cross_entropy(logits, LABELS, reduction="none"), rtol=1e-4)
    assert measured.loss != pytest.approx(network.evaluated(channels)[0].loss, rel=1e-3)


class UnaskedError(AssertionError):
    """A plan that is known was evaluated again."""


def test_each_plan_is_evaluated_once_for_each_recovery(tmp_path):
    model, wanted = dense("vgg_small"), [0.3, 0.6]
    order = order_of(model)

    def network(**changes):
        return prepared(model, plan_cache.Store(tmp_path, {}, LABELS.numpy(), 2), **changes)

    def unasked():
        raise UnaskedError

    # Killed after its first plan after re-estimation.
    first = network()
    points = first.points(order, wanted)
    done = [next(points) for _ in range(3)]
    points.close()
    assert len(list(tmp_path.rglob("*.npz"))) == 3
    again = network()
    again.batches = unasked
    points = again.points(order, wanted)
    for point in done:
        resumed = next(points)
        assert (resumed.recovery, resumed.level, resumed.deviation) == (point.recovery, point.level, point.deviation)
        assert resumed.measured.loss == point.measured.loss
        np.testing.assert_array_equal(resumed.measured.losses, point.measured.losses)
    with pytest.raises(UnaskedError):
        next(points)
    # Another count of images is another treatment, and the networks as pruned are still known.
    other = network(batchnorm_images=20)
    other.batches = unasked
    points = other.points(order, wanted)
    assert [next(points).measured.loss for _ in wanted] == [point.measured.loss for point in done[:2]]
    with pytest.raises(UnaskedError):
        next(points)


def trained_by_hand(smaller):
    """One epoch of plain SGD: the drawn images in their order, a cosine from the highest rate, decay of no bias."""
    drawn = torch.randperm(len(TRAIN), generator=seeds.torch_generator(SEED, "epoch"))[:40].sort().values
    order = torch.randperm(40, generator=seeds.torch_generator(SEED, "order", 1))
    kinds = (nn.Conv2d, nn.Linear)
    decayed = [module.weight for module in smaller.modules() if isinstance(module, kinds)]
    others = [one for one in smaller.parameters() if not any(one is weight for weight in decayed)]
    groups = [{"params": decayed, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.SGD(groups, 0.1, momentum=0.9, nesterov=True)
    smaller.train()
    for step, rows in enumerate(order.tensor_split(3)):
        for group in optimizer.param_groups:
            group["lr"] = 0.1 * (1 + np.cos(np.pi * step / 3)) / 2
        optimizer.zero_grad()
        pixels, labels = TRAIN.normalised(drawn[rows].numpy()), torch.as_tensor(TRAIN.labels[drawn[rows].numpy()])
        F.cross_entropy(smaller(pixels), labels).backward()
        optimizer.step()
    return smaller.eval()


def test_after_one_epoch_a_network_is_what_plain_torch_trains():
    options = EPOCH | {"images": 40, "weight_decay": 0.01, "learning_rate": 0.1}
    model = dense("resnet20")
    given = {"epoch": recovery.treatment("epoch", model, recovery.Material(TRAIN, options, SEED))}
    network = sweep.Network(model, lambda: [(TEST, LABELS)], LABELS.numpy(), TEST[:8], "float32", None, given)
    order = order_of(model)
    points = [point for point in network.points(order, LEVELS) if point.recovery == "epoch"]
    losses = []
    for point in points:
        channels = plans.plan(order, point.level, coupled=network.coupled)
        logits = trained_by_hand(removal.narrowed(model, channels, network.coupled))(TEST).detach()
        np.testing.assert_allclose(point.measured.losses, F.cross_entropy(logits, LABELS, reduction="none"), atol=1e-4)
        losses.append(point.measured.loss)
    # The dense network is trained too, and every plan is another network.
    assert len({*losses}) == 3 and points[0].level == 0


def test_an_epoch_that_diverges_names_its_own_setting():
    options = EPOCH | {"learning_rate": 1e30, "images": None}
    with pytest.raises(Refused, match=r"set recovery\.epoch\.learning_rate lower"):
        recovery.epoch(dense("vgg_small"), recovery.Material(TRAIN, options, SEED))
