"""The zoo is torchvision's VGG in names and numbers, refuses what it does not know, and freezes what it is told to."""

import hashlib
import logging
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch
import torchvision
from torch import nn

from secateur import models


def on_meta(build, *arguments, **options):
    """A model without memory: its shapes are all that is looked at."""
    with torch.device("meta"):
        return build(*arguments, **options)


def shapes(model):
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


def kinds(module):
    """What each layer is and does; `inplace` changes memory, not the function."""
    return [str(layer).replace(", inplace=True", "").replace("inplace=True", "") for layer in module]


def plain(name):
    return on_meta(getattr(torchvision.models, name))


def table_a1():
    """The adapted classifier of the thesis, line by line."""
    return nn.Sequential(
        *(nn.Linear(25088, 4096), nn.ReLU(), nn.Dropout(0.5), nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout(0.5)),
        *(nn.Linear(4096, 1000), nn.ReLU(), nn.Linear(1000, 500), nn.ReLU(), nn.Linear(500, 10), nn.Dropout(0.25)),
    )


def compact():
    """The VGG16 that weighs little."""
    return models.build("vgg16_bn", 10)


@pytest.mark.parametrize("name", ["vgg16", "vgg16_bn"])
def test_convolutions_are_torchvisions(name):
    ours, theirs = on_meta(models.build, name, 10), plain(name)
    assert kinds(ours.features) == kinds(theirs.features)
    assert shapes(ours.features) == shapes(theirs.features)


@pytest.mark.parametrize("name", ["vgg16", "vgg16_bn"])
def test_the_appended_head_is_table_a1(name):
    ours = on_meta(models.build, name, 10, head="appended")
    assert kinds(ours.classifier) == kinds(on_meta(table_a1))
    assert str(ours.avgpool) == str(plain(name).avgpool)
    assert {key: shape for key, shape in shapes(ours).items() if not key.startswith(ours.head)} == shapes(plain(name))


def test_vgg16_has_4224_channels():
    convolutions = [layer for layer in on_meta(models.build, "vgg16", 10).modules() if isinstance(layer, nn.Conv2d)]
    assert len(convolutions) == 13
    assert sum(layer.out_channels for layer in convolutions) == 4224


def test_vgg16_bn_computes_what_torchvisions_features_compute():
    ours, theirs = compact().eval(), torchvision.models.vgg16_bn(init_weights=False).features.eval()
    theirs.load_state_dict(ours.features.state_dict())
    pixels = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        maps = theirs(pixels)
        assert maps.shape == (2, 512, 1, 1)
        assert torch.equal(ours(pixels), ours.classifier(maps.flatten(1)))


def test_vgg_small_takes_images_of_any_size_and_either_color():
    model = models.build("vgg_small", 7, widths=[4, 4, 6, 6, 8, 8], hidden=5, channels=1)
    for size in (8, 16, 33):
        assert model(torch.zeros(2, 1, size, size)).shape == (2, 7)
    widths = [layer.out_channels for layer in model.modules() if isinstance(layer, nn.Conv2d)]
    assert widths == [4, 4, 6, 6, 8, 8]
    assert [name for name, layer in model.named_modules() if isinstance(layer, nn.Linear)] == [
        "classifier.0",
        "classifier.2",
    ]


@pytest.mark.parametrize(
    ("name", "options"),
    [("vgg_small", {}), ("vgg16", {}), ("vgg16_bn", {}), ("vgg16_bn", {"head": "appended"})],
)
def test_torch_fx_traces_every_model(name, options):
    torch.fx.symbolic_trace(on_meta(models.build, name, 10, **options))


def test_the_zoo_is_built_without_importing_torchvision():
    code = (
        "import sys; from secateur import models; models.build('vgg_small', 2); assert 'torchvision' not in sys.modules"
    )
    folder = Path(models.__file__).parent.parent
    subprocess.run([sys.executable, "-c", code], check=True, cwd=folder)


def test_equal_seeds_start_equal():
    def started(seed):
        torch.manual_seed(seed)
        return models.build("vgg_small", 3).state_dict()

    assert all(torch.equal(started(1)[key], started(1)[key]) for key in started(1))
    assert not torch.equal(started(1)["features.0.weight"], started(2)["features.0.weight"])


WRONG = [
    ("vgg_smal", 2, {}, "unknown model 'vgg_smal'; did you mean vgg_small?; known: vgg_small, vgg16, vgg16_bn"),
    ("vgg_small", 2, {"width": 3}, "vgg_small knows no argument width; did you mean widths?; known: widths, hidden, "),
    ("vgg16", 2, {"widths": [1]}, "vgg16 knows no argument widths; known: head, channels"),
    ("vgg16", 2, {"head": "compct"}, "unknown head 'compct'; did you mean compact?; known: appended, compact"),
    ("vgg_small", ["cat"], {}, "classes must be how many there are, a whole number from 1, got ['cat']"),
    (
        "vgg_small",
        2,
        {"widths": [8, 0]},
        "vgg_small has six convolutions; widths must be six numbers from 1, got [8, 0]",
    ),
]


@pytest.mark.parametrize(("name", "classes", "options", "message"), WRONG)
def test_what_the_zoo_does_not_know_is_refused(name, classes, options, message):
    with pytest.raises(ValueError) as refused:
        models.build(name, classes, **options)
    assert str(refused.value).startswith(message)


def trained(model):
    return {name.rpartition(".")[0] for name, parameter in model.named_parameters() if parameter.requires_grad}


def in_training_mode(model):
    return {name for name, layer in model.named_modules() if layer.training and not any(layer.children())}


def test_the_head_of_the_thesis_is_its_appended_layers_and_all_else_stays_in_eval_mode():
    model = on_meta(models.build, "vgg16", 10)
    models.trainable(model, "head")
    models.train_mode(model)
    assert trained(model) == {"classifier.8", "classifier.10"}
    # ReLU before the first appended linear layer goes with the frozen one before it; it does the same in both modes.
    assert in_training_mode(model) == {"classifier.8", "classifier.9", "classifier.10", "classifier.11"}


def test_a_trained_classifier_leaves_frozen_batchnorm_in_eval_mode():
    model = on_meta(models.build, "vgg16_bn", 10)
    models.trainable(model, "classifier")
    models.train_mode(model)
    assert trained(model) == {"classifier.0", "classifier.3"}
    assert in_training_mode(model) == {f"classifier.{index}" for index in range(4)}


@pytest.mark.parametrize("name", ["vgg_small", "vgg16_bn"])
def test_all_trains_everything(name):
    model = on_meta(models.build, name, 10)
    models.trainable(model, "head" if name == "vgg16_bn" else "classifier")
    models.trainable(model, "all")
    models.train_mode(model)
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert all(module.training for module in model.modules())
    assert models.frozen(model) == set()


def test_a_network_without_an_appended_head_has_none_to_train():
    with pytest.raises(
        ValueError, match="^trainable is head, but this network has no appended head; use classifier or all$"
    ):
        models.trainable(models.build("vgg_small", 2), "head")
    with pytest.raises(
        ValueError, match="^unknown trainable 'heads'; did you mean head\\?; known: head, classifier, all$"
    ):
        models.trainable(models.build("vgg_small", 2), "heads")


@pytest.fixture(scope="module")
def plain_file(tmp_path_factory):
    """torchvision's plain vgg16_bn, its huge classifier as strided views of one number: a small file."""
    state = {name: torch.zeros(()).expand(shape) for name, shape in shapes(plain("vgg16_bn")).items()}
    for name in ("features.0.weight", "features.40.bias", "features.41.running_mean"):
        state[name] = torch.full(state[name].shape, 3.0)
    path = tmp_path_factory.mktemp("weights") / "vgg16_bn.pth"
    torch.save(state, path)
    return path


def test_of_plain_weights_all_but_the_head_is_loaded(plain_file, caplog):
    caplog.set_level(logging.INFO)
    torch.manual_seed(0)
    random = compact()
    torch.manual_seed(0)
    model = models.initialised("vgg16_bn", 10, str(plain_file))
    assert (model.features[0].weight == 3).all() and (model.features[3].weight == 0).all()
    assert torch.equal(model.classifier[3].weight, random.classifier[3].weight)
    assert f"weights are from {plain_file}; classifier.0, classifier.3 start at random" in caplog.text


def test_of_plain_weights_all_but_the_appended_layers_is_loaded(plain_file, caplog):
    caplog.set_level(logging.INFO)
    # The meta device copies nothing; the log says what would be.
    with torch.device("meta"), warnings.catch_warnings(action="ignore"):
        models.initialised("vgg16_bn", 10, plain_file, head="appended")
    assert f"weights are from {plain_file}; classifier.8, classifier.10 start at random" in caplog.text


def test_a_file_of_the_adapted_model_is_loaded_whole(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    first = models.build("vgg_small", 3)
    torch.save({"state_dict": first.state_dict()}, tmp_path / "own.pt")
    second = models.initialised("vgg_small", 3, tmp_path / "own.pt")
    assert all(torch.equal(second.state_dict()[key], tensor) for key, tensor in first.state_dict().items())
    assert f"all weights are from {tmp_path / 'own.pt'}" in caplog.text


def test_weights_for_another_number_of_classes_are_refused(tmp_path):
    path = tmp_path / "own.pt"
    torch.save(models.build("vgg_small", 3).state_dict(), path)
    with pytest.raises(ValueError) as refused:
        models.initialised("vgg_small", 4, path)
    assert str(refused.value) == (
        f"{path} belongs to another network: classifier.2.weight is 3x64 there but 4x64 here; "
        "are the classes, widths and head the same?"
    )


@pytest.fixture
def elsewhere(monkeypatch, tmp_path):
    """Set where torchvision's weights of vgg16_bn come from, with an empty cache."""
    weights = torchvision.models.VGG16_BN_Weights.IMAGENET1K_V1.value
    before = weights.url
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    yield lambda url: object.__setattr__(weights, "url", url)
    object.__setattr__(weights, "url", before)


def test_imagenet_weights_come_through_torchvision_and_its_hash(elsewhere, plain_file, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    named = tmp_path / f"vgg16_bn-{hashlib.sha256(plain_file.read_bytes()).hexdigest()[:8]}.pth"
    shutil.copy(plain_file, named)
    elsewhere(named.as_uri())
    model = models.initialised("vgg16_bn", 10, "imagenet")
    assert (model.features[0].weight == 3).all()
    assert "weights are from torchvision's ImageNet weights of vgg16_bn; classifier.0" in caplog.text
    assert (tmp_path / "hub" / "checkpoints" / named.name).exists()


@pytest.mark.parametrize("there", [False, True])
def test_imagenet_weights_that_cannot_be_had_say_what_to_fetch_and_where_to_put_it(elsewhere, tmp_path, there):
    file = tmp_path / "vgg16_bn-00000000.pth"
    if there:
        file.write_bytes(b"another file, with another hash")
    elsewhere(file.as_uri())
    with pytest.raises(OSError) as refused:
        models.initialised("vgg16_bn", 10, "imagenet")
    message = str(refused.value)
    assert message.startswith("the ImageNet weights of vgg16_bn are not to be had (")
    assert message.endswith(
        f"put the file {file.as_uri()} into {tmp_path}/hub/checkpoints, "
        "or set model.weights to a local file with a state_dict"
    )
    assert "\n" not in message


def test_the_small_network_has_no_imagenet_weights():
    with pytest.raises(ValueError, match="^there are no ImageNet weights of vgg_small; there are of vgg16, vgg16_bn$"):
        models.initialised("vgg_small", 2, "imagenet")
