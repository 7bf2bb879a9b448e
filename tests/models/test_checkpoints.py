"""A checkpoint gives back what was saved, and says what is wrong with any other file."""

import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from secateur import Refused
from secateur.artifacts import provenance
from secateur.evaluation import measuring
from secateur.graph import folding
from secateur.images import downloads, sources, store
from secateur.models import checkpoints, state_dicts, tensor_files, zoo
from secateur.models.description import NetworkDescription
from secateur.training import optimisation

ABOUT = {
    "name": "vgg_small",
    "arguments": {"widths": [4, 4, 4, 4, 4, 4], "hidden": 5, "channels": 1},
    "classes": ["cat", "dog", "eel"],
    "shape": [1, 8, 8],
}
DESCRIBED = NetworkDescription.from_dict(ABOUT)
NORMALISED = NetworkDescription.from_dict(ABOUT | {"mean": [0.5], "std": [0.5]})


def small():
    model = zoo.build("vgg_small", 3, **ABOUT["arguments"])
    model(torch.randn(4, 1, 8, 8))
    return model


def same(model, other):
    mine, others = model.state_dict(), other.state_dict()
    return list(mine) == list(others) and all(torch.equal(mine[name], others[name]) for name in mine)


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "trained.pt"
    checkpoints.save(path, small(), DESCRIBED, {"seed": 3})
    return path


def refusal(kind, call, *arguments):
    """The one line with which a call refuses."""
    with pytest.raises(kind) as refused:
        call(*arguments)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_a_model_comes_back_as_it_was_saved_in_eval_mode(tmp_path):
    model = small()
    checkpoints.save(tmp_path / "trained.pt", model, DESCRIBED, {"seed": 3})
    found = checkpoints.load(tmp_path / "trained.pt")
    assert (found.description, found.facts) == (DESCRIBED, {"seed": 3})
    again = found.model
    assert not again.training and all(parameter.requires_grad for parameter in again.parameters())
    pixels = torch.randn(2, 1, 8, 8)
    with torch.no_grad():
        assert torch.equal(again(pixels), model.eval()(pixels))


def test_loading_draws_no_random_numbers(saved):
    before = torch.random.get_rng_state()
    checkpoints.load(saved)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_equal_models_are_equal_files(tmp_path):
    model = small()
    for name in ("one.pt", "another.pt"):
        checkpoints.save(tmp_path / name, model, DESCRIBED, {})
    assert (tmp_path / "one.pt").read_bytes() == (tmp_path / "another.pt").read_bytes()


def test_a_failed_save_leaves_the_old_file_and_nothing_else(saved, tmp_path):
    before = saved.read_bytes()
    with pytest.raises(Exception, match="pickle"):
        checkpoints.save(saved, small(), DESCRIBED, {"seed": lambda: None})
    assert saved.read_bytes() == before and list(tmp_path.iterdir()) == [saved]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"classes": 10}, "its classes is 10"),
        ({"arguments": [1]}, "its arguments is [1]"),
        ({"factory": 5}, "its factory is 5"),
        ({"name": "vgg_smal"}, "vgg_smal"),
        ({"arguments": {"widht": 4}}, "vgg_small knows no argument widht"),
        ({"removed": {}}, "is a retrained network; pruning.load reads it"),
    ],
)
def test_a_file_that_describes_no_dense_network_is_named(saved, change, why):
    content = torch.load(saved, weights_only=True)
    torch.save(content | {"about": content["about"] | change}, saved)
    message = refusal(Refused, checkpoints.load, saved)
    assert message.startswith(f"{saved} ") and why in message


def test_a_fact_is_no_part_of_the_description(tmp_path):
    with pytest.raises(ValueError, match="^name is part of a network's description"):
        checkpoints.save(tmp_path / "a.pt", small(), DESCRIBED, {"name": "other"})


def test_a_missing_file_is_named(tmp_path):
    path = tmp_path / "trained.pt"
    assert refusal(FileNotFoundError, checkpoints.load, path) == f"there is no checkpoint {path}"


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", b"{}", bytes(range(256)) * 9])
def test_what_is_no_checkpoint_is_refused(tmp_path, content):
    path = tmp_path / "trained.pt"
    path.write_bytes(content)
    assert refusal(ValueError, checkpoints.load, path) == f"{path} is no checkpoint of torch, or cut short"


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_a_truncated_checkpoint_is_refused(saved, share):
    content = saved.read_bytes()
    saved.write_bytes(content[: int(len(content) * share)])
    message = refusal(ValueError, checkpoints.load, saved)
    assert message == f"{saved} is cut short or damaged; delete it and make or fetch it again"


@pytest.mark.parametrize("legacy", [False, True])
def test_python_objects_are_not_loaded(tmp_path, legacy):
    path = tmp_path / "whole.pt"
    torch.save(small(), path, _use_new_zipfile_serialization=not legacy)
    message = refusal(ValueError, checkpoints.load, path)
    expected = (
        f"{path} holds Python objects, which are not loaded because they can run code; "
        "save its state_dict alone: torch.save(model.state_dict(), path)"
    )
    assert message == (f"{path} is no checkpoint of torch, or cut short" if legacy else expected)


def test_a_bare_state_dict_is_not_ours(tmp_path):
    path = tmp_path / "weights.pth"
    torch.save(small().state_dict(), path)
    assert refusal(ValueError, checkpoints.load, path) == (
        f"{path} is no checkpoint of this workflow: it does not say which network it holds. "
        "Give it as model.weights and train with epochs: 0 to turn it into one"
    )


def test_another_architecture_is_refused_with_its_first_names(tmp_path):
    path = tmp_path / "trained.pt"
    state = small().state_dict()
    renamed = {name.replace("features.0.", "stem."): tensor for name, tensor in state.items()}
    tensor_files.write(path, {"state_dict": renamed, "about": ABOUT})
    assert refusal(ValueError, checkpoints.load, path) == (
        f"{path} belongs to another network: it lacks features.0.weight and has stem.weight. "
        "Give a matching file, or model.name"
    )
    tensor_files.write(path, {"state_dict": {"stem.weight": torch.zeros(1)}, "about": ABOUT})
    message = refusal(ValueError, checkpoints.load, path)
    assert "it lacks features.0.weight, features.1.weight, features.1.bias and 31 more and has stem.weight" in message


def test_another_number_of_classes_names_the_layer(tmp_path):
    path = tmp_path / "weights.pth"
    torch.save(small().state_dict(), path)
    model = zoo.build("vgg_small", 4, **ABOUT["arguments"])
    assert refusal(ValueError, state_dicts.adopt, model, path) == (
        f"{path} belongs to another network: classifier.2.weight is 3x5 there but 4x5 here; "
        "are the classes, widths and head the same?"
    )


@pytest.mark.parametrize("nested", [None, *state_dicts.NESTED])
@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16, torch.float32])
def test_checkpoints_in_the_wild_are_read(tmp_path, nested, legacy, half):
    model, path = small(), tmp_path / "wild.th"
    state = {
        f"module.{name}": tensor.to(half) if tensor.dim() > 1 else tensor for name, tensor in model.state_dict().items()
    }
    content = {nested: state, "epoch": 9, "optimizer": {"lr": 0.1}} if nested else state
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    again = state_dicts.adopt(zoo.build("vgg_small", 3, **ABOUT["arguments"]), path)
    for name, tensor in model.state_dict().items():
        expected = tensor.to(half).float() if tensor.dim() > 1 else tensor
        assert torch.equal(again.state_dict()[name], expected)
        assert again.state_dict()[name].dtype == tensor.dtype


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod."])
def test_what_wrappers_put_before_every_name_is_dropped(tmp_path, prefix):
    model, path = small(), tmp_path / "wild.pt"
    state = {f"{prefix}{name}": tensor for name, tensor in model.state_dict().items()}
    torch.save({**state, "n_averaged": torch.tensor(3)}, path)
    again = state_dicts.adopt(zoo.build("vgg_small", 3, **ABOUT["arguments"]), path)
    assert same(again, model)


def test_a_module_named_module_keeps_its_name(tmp_path):
    path = tmp_path / "wild.pt"
    torch.save({"module.weight": torch.ones(2, 2), "head.weight": torch.ones(1)}, path)
    assert list(state_dicts.state_dict_of(path)) == ["module.weight", "head.weight"]


def test_an_averaged_model_without_weights_has_an_empty_state_dict(tmp_path):
    path = tmp_path / "averaged.pt"
    torch.save({"n_averaged": torch.tensor(3)}, path)
    assert state_dicts.state_dict_of(path) == {}


def test_batches_that_nobody_counted_are_counted_from_0_each_batchnorm_on_its_own(tmp_path):
    model, path = small(), tmp_path / "old.pth"
    state = {name: tensor for name, tensor in model.state_dict().items() if "num_batches" not in name}
    torch.save(state, path)
    again = state_dicts.adopt(zoo.build("vgg_small", 3, **ABOUT["arguments"]), path, assign=True)
    again.train()(torch.randn(4, 1, 8, 8))
    counts = [tensor for name, tensor in again.state_dict().items() if "num_batches" in name]
    assert [int(count) for count in counts] == [1] * 6


def test_a_weight_that_layers_share_is_one_when_it_is_loaded(tmp_path):
    class Shared(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = torch.nn.Linear(3, 3), torch.nn.Linear(3, 3)
            self.b.weight = self.a.weight

    state = Shared().state_dict()
    for assign in (False, True):
        model = state_dicts.adopt(Shared(), "file", dict(state), assign=assign)
        assert model.a.weight is model.b.weight and torch.equal(model.a.weight, state["a.weight"])
        groups = optimisation.parameters(model, 0.1)
        assert [len(group["params"]) for group in groups] == [1, 2]


def test_missing_and_extra_weights_are_both_listed(tmp_path):
    path = tmp_path / "weights.pth"
    state = small().state_dict()
    state.pop("classifier.2.bias")
    torch.save({**state, "neck.weight": torch.zeros(1), "neck.bias": torch.zeros(1)}, path)
    model = zoo.build("vgg_small", 3, **ABOUT["arguments"])
    assert refusal(ValueError, state_dicts.adopt, model, path) == (
        f"{path} belongs to another network: it lacks classifier.2.bias and has neck.weight, neck.bias. "
        "Give a matching file, or model.name"
    )


@pytest.mark.parametrize("name", ["resnet20", "mobilenet_v1", "densenet40_24", "mnasnet0_5", "regnet_x_400mf"])
def test_every_kind_of_network_comes_back(tmp_path, name):
    described = NetworkDescription(name, {"channels": 3}, ("cat", "dog"), (3, 32, 32))
    model = zoo.build(name, 2)
    checkpoints.save(tmp_path / "trained.pt", model, described, {})
    before = torch.random.get_rng_state()
    again = checkpoints.load(tmp_path / "trained.pt").model
    assert torch.equal(torch.random.get_rng_state(), before)
    assert same(again, model)


@pytest.mark.parametrize("content", [{}, {"epoch": 3}, [torch.zeros(2)], {"state_dict": {"a": 1.0}}])
def test_a_file_without_a_state_dict_is_refused(tmp_path, content):
    path = tmp_path / "other.pt"
    torch.save(content, path)
    assert refusal(ValueError, state_dicts.state_dict_of, path) == (
        f"{path} holds no state_dict; save one with torch.save(model.state_dict(), path)"
    )


def shown(**changes):
    facts = {"classes": ("cat", "dog", "eel"), "pixels": np.zeros((2, 1, 8, 8)), "mean": (0.5,), "std": (0.5,)}
    return SimpleNamespace(**facts | changes)


def test_the_images_of_training_are_accepted():
    checkpoints.same_images(NORMALISED, shown(), "trained.pt")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": ("cat", "cow", "eel")}, "classes is cat, dog, eel, but the classes of these is cat, cow, eel"),
        ({"pixels": np.zeros((2, 3, 8, 8))}, "shape is 1, 8, 8, but the shape of these is 3, 8, 8"),
        ({"std": (0.25,)}, "std is 0.5, but the std of these is 0.25"),
    ],
)
def test_other_images_are_refused(changes, message):
    text = refusal(ValueError, checkpoints.same_images, NORMALISED, shown(**changes), "a.pt")
    assert text == f"a.pt was trained on images whose {message}; train on these images first"


with_data = pytest.mark.skipif("SECATEUR_DATA" not in os.environ, reason="SECATEUR_DATA names no folder of real data")


@with_data
def test_the_checkpoint_that_was_trained_for_this_project_fits_vgg16_bn():
    path = Path(os.environ["SECATEUR_DATA"]) / "vgg16_bn-cifar10.pt"
    model = zoo.build("vgg16_bn", 10)
    assert list(state_dicts.state_dict_of(path)) == list(model.state_dict())
    state_dicts.adopt(model, path)
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())


@pytest.fixture(scope="module")
def real_images(tmp_path_factory):
    """Pixels and labels of the 10,000 test images of CIFAR-10."""
    folder = tmp_path_factory.mktemp("cifar10")
    facts = downloads.fetched(downloads.catalogue()["cifar10"], folder, Path(os.environ["SECATEUR_DATA"]))
    provenance.write(folder / "verified.json", **facts)
    source = sources.opened({"source": "cifar10", "size": 32, "color": "rgb"}, folder / "verified.json")
    return torch.from_numpy(source.test.pixels(0, 10_000)), torch.from_numpy(source.test.labels)


# Mean and standard deviation of the images that the networks were trained on.
HALF, OF_RESNETS = (0.5, 0.5, 0.5), ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def adopted(name, file):
    return state_dicts.adopt(zoo.build(name, 10), Path(os.environ["SECATEUR_DATA"]) / file)


def measured(model, shown, mean, std, total=10_000):
    pixels, labels = shown
    rows = (slice(start, start + 250) for start in range(0, total, 250))
    batches = ((store.normalise(pixels[r], mean, std), labels[r]) for r in rows)
    return measuring.over(measuring.prepared(model), batches)


@with_data
def test_of_10000_real_test_images_resnet20_gets_9173_right(real_images):
    """Its maker states an error of 8.27 %: an oracle of loader, model, option A, normalisation and evaluation."""
    model = adopted("resnet20", "resnet20-12fca82f.th")
    assert measured(model, real_images, *OF_RESNETS).right.sum() == 9173


@with_data
@pytest.mark.parametrize(
    ("name", "file", "right"),
    [
        ("vgg16_bn", "vgg16_bn-cifar10.pt", 452),
        ("resnet32", "resnet32-d509ac18.th", 466),
        ("resnet56", "resnet56-4bfd9763.th", 470),
    ],
)
def test_of_500_real_test_images_each_network_gets_its_count_right(real_images, name, file, right):
    """Counted where all 10,000 give what the makers state: benchmarks/checkpoints.py."""
    statistics = (HALF, HALF) if name == "vgg16_bn" else OF_RESNETS
    model = adopted(name, file)
    found = measured(model, real_images, *statistics, total=500).right
    assert found.sum() == right
    assert list(measured(folding.folded(model), real_images, *statistics, total=500).right) == list(found)
