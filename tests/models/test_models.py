"""The zoo has the names and numbers of the literature, refuses what it does not know, freezes what it is told to."""

import hashlib
import itertools
import logging
import re
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch
import torchvision
from torch import nn

from secateur import cost
from secateur.models import description, first_weights, freezing, resnets, torchvision_models, zoo
from secateur.study import architectures


def on_meta(build, *arguments, **options):
    """A model without memory: its shapes are all that is looked at."""
    with torch.device("meta"):
        return build(*arguments, **options)


def shapes(model):
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


def kinds(module):
    """Type and settings of each layer; `inplace` changes memory, not the function."""
    return [str(layer).replace(", inplace=True", "").replace("inplace=True", "") for layer in module]


def plain(name):
    return on_meta(getattr(torchvision.models, name))


def table_a1():
    """The adapted classifier of the thesis, line by line."""
    return nn.Sequential(
        *(nn.Linear(25088, 4096), nn.ReLU(), nn.Dropout(0.5), nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout(0.5)),
        *(nn.Linear(4096, 1000), nn.ReLU(), nn.Linear(1000, 500), nn.ReLU(), nn.Linear(500, 10), nn.Dropout(0.25)),
    )


def described(name, classes, **arguments):
    return description.NetworkDescription(name, arguments, tuple(range(classes)), (3, 32, 32))


def compact():
    """The VGG16 that weighs little."""
    return zoo.build("vgg16_bn", 10)


@pytest.mark.parametrize("name", ["vgg16", "vgg16_bn"])
def test_convolutions_are_torchvisions(name):
    ours, theirs = on_meta(zoo.build, name, 10), plain(name)
    assert kinds(ours.features) == kinds(theirs.features)
    assert shapes(ours.features) == shapes(theirs.features)


@pytest.mark.parametrize("name", ["vgg16", "vgg16_bn"])
def test_the_appended_head_is_table_a1(name):
    ours = on_meta(zoo.build, name, 10, head="appended")
    assert kinds(ours.classifier) == kinds(on_meta(table_a1))
    assert str(ours.avgpool) == str(plain(name).avgpool)
    assert {
        key: shape for key, shape in shapes(ours).items() if not key.startswith(ours.trainable_parts["head"])
    } == shapes(plain(name))


def test_vgg16_has_4224_channels():
    convolutions = [layer for layer in on_meta(zoo.build, "vgg16", 10).modules() if isinstance(layer, nn.Conv2d)]
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
    model = zoo.build("vgg_small", 7, widths=[4, 4, 6, 6, 8, 8], hidden=5, channels=1)
    for size in (8, 16, 33):
        assert model(torch.zeros(2, 1, size, size)).shape == (2, 7)
    widths = [layer.out_channels for layer in model.modules() if isinstance(layer, nn.Conv2d)]
    assert widths == [4, 4, 6, 6, 8, 8]
    assert [name for name, layer in model.named_modules() if isinstance(layer, nn.Linear)] == [
        "classifier.0",
        "classifier.2",
    ]


# Parameters and multiply-adds for 32x32 images. ResNets with option A: He et al. 2016, table 6 (0.27, 0.46, 0.66, 0.85,
# 1.7 M), and Li et al. 2017, table 1, for the multiply-adds of ResNet-56 (1.25e8) and ResNet-110 (2.53e8). The wide
# ResNet-20, MobileNetV1 and DenseNet40-24 with 100 classes: counted from github.com/athglentis/feather. vgg16 has
# torchvision's 138,357,544 and the appended layers; vgg16_bn torchvision's 14,723,136 in the features and a small head.
HALF = (3, 32, 32, 64, 64, 128, 128, 128, 256, 256, 256, 256, 256, 256)
POSITIONS = [side * side for side in (32, 32, 16, 16, 8, 8, 8, 4, 4, 4, 2, 2, 2)]
HALF_PARAMETERS = sum((9 * inputs + 3) * outputs for inputs, outputs in itertools.pairwise(HALF))
HALF_MACS = sum(9 * i * o * n for (i, o), n in zip(itertools.pairwise(HALF), POSITIONS, strict=True))
COUNTED = [
    ("vgg_small", {}, 10, 465_714, 40_489_600),
    ("vgg16", {}, 10, 138_357_544 + 1001 * 500 + 501 * 10, 437_335_208),
    ("vgg16_bn", {}, 10, 14_723_136 + 513 * 512 + 513 * 10, 313_463_808),
    ("vgg16_bn_half", {}, 10, HALF_PARAMETERS + 257 * 256 + 257 * 10, HALF_MACS + 256 * 256 + 256 * 10),
    ("vgg16_bn", {"head": "appended"}, 10, 138_365_992 + 1001 * 500 + 501 * 10, 437_335_208),
    ("resnet20", {}, 10, 269_722, 40_551_040),
    ("resnet20", {"shortcut": "B"}, 10, 272_474, 40_813_184),
    ("resnet32", {}, 10, 464_154, 68_862_592),
    ("resnet44", {}, 10, 658_586, 97_174_144),
    ("resnet56", {}, 10, 853_018, 125_485_696),
    ("resnet110", {}, 10, 1_727_962, 252_887_680),
    ("resnet20_wide", {}, 100, 1_096_196, 162_378_240),
    ("mobilenet_v1", {}, 100, 3_315_428, 46_446_592),
    ("densenet40_24", {}, 100, 714_196, 288_155_424),
]


@pytest.mark.parametrize(("name", "options", "classes", "parameters", "macs"), COUNTED)
def test_every_model_has_the_size_of_the_literature(name, options, classes, parameters, macs):
    model = on_meta(zoo.build, name, classes, **options)
    torch.fx.symbolic_trace(model)
    assert cost.count(model.eval(), torch.zeros(1, 3, 32, 32, device="meta")) == cost.Cost(parameters, macs)


def test_the_table_of_sizes_holds_the_whole_zoo():
    assert {name for name, *_ in COUNTED} == set(zoo.ARCHITECTURES) == set(architectures.ZOO)


@pytest.mark.parametrize("name", [name for name in zoo.ARCHITECTURES if name not in ("vgg16", "vgg16_bn")])
@pytest.mark.parametrize(("channels", "classes"), [(3, 10), (1, 3)])
def test_every_model_takes_small_images_of_either_color(name, channels, classes):
    model = zoo.build(name, classes, channels=channels).eval()
    graph = torch.fx.symbolic_trace(model)
    for size in (architectures.ZOO[name].smallest, 32):
        pixels = torch.randn(2, channels, size, size)
        with torch.no_grad():
            assert model(pixels).shape == (2, classes)
            assert torch.equal(graph(pixels), model(pixels))


@pytest.mark.parametrize("shortcut", ["A", "B"])
def test_a_resnet_computes_what_its_paper_says(shortcut):
    """The slow obvious way: block by block from the state_dict, with plain functions."""
    torch.manual_seed(0)
    model = zoo.build("resnet20", 5, shortcut=shortcut).eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    state, pixels = model.state_dict(), torch.randn(2, 3, 32, 32)

    def convolved(maps, conv, norm, stride=1):
        weight = state[f"{conv}.weight"]
        maps = nn.functional.conv2d(maps, weight, stride=stride, padding=weight.shape[2] // 2)
        parts = (state[f"{norm}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
        return nn.functional.batch_norm(maps, *parts)

    maps = convolved(pixels, "conv1", "bn1").relu()
    for stage in (1, 2, 3):
        for block in range(3):
            name, stride = f"layer{stage}.{block}", 2 if stage > 1 and block == 0 else 1
            inner = convolved(maps, f"{name}.conv1", f"{name}.bn1", stride).relu()
            inner = convolved(inner, f"{name}.conv2", f"{name}.bn2")
            if stride == 2 and shortcut == "A":
                empty = torch.zeros(2, maps.shape[1] // 2, *inner.shape[2:])
                maps = torch.cat([empty, maps[:, :, ::2, ::2], empty], 1)
            elif stride == 2:
                maps = convolved(maps, f"{name}.shortcut.0", f"{name}.shortcut.1", 2)
            maps = (inner + maps).relu()
    with torch.no_grad():
        expected = maps.mean((2, 3)) @ state["linear.weight"].T + state["linear.bias"]
        torch.testing.assert_close(model(pixels), expected, atol=1e-5, rtol=1e-5)


def test_padding_says_how_much_it_adds_and_may_be_narrowed():
    padded = zoo.build("resnet20", 10).layer2[0].shortcut
    assert isinstance(padded, resnets.Padded)
    assert (padded.before, padded.after, padded.stride) == (8, 8, 2)
    padded.before, padded.after = 1, 3
    maps = padded(torch.ones(1, 5, 4, 4))
    assert maps.shape == (1, 9, 2, 2)
    assert maps[0, :, 0, 0].tolist() == [0] + [1] * 5 + [0] * 3


@pytest.mark.parametrize(
    "name", ["resnet18", "densenet121", "googlenet", "squeezenet1_0", "efficientnet_b0", "vit_b_32"]
)
def test_any_classifier_of_torchvision_is_built_by_its_name(name):
    model = on_meta(zoo.build, name, 7)
    torch.fx.symbolic_trace(model)
    assert model.eval()(torch.zeros(2, 3, 224, 224, device="meta")).shape == (2, 7)
    assert not any(getattr(module, "inplace", False) for module in model.modules())
    freezing.trainable(model, "head")
    assert len(trained(model)) == 1


def test_studies_may_name_torchvisions_convolutional_classifiers():
    known = set(torchvision.models.list_models(module=torchvision.models))
    assert set(architectures.TORCHVISION) <= known
    left_out = {name for name in known if not name.startswith(("vit_", "swin_", "maxvit_"))}
    assert left_out - set(architectures.TORCHVISION) - set(zoo.ARCHITECTURES) == {"regnet_y_128gf"}


@pytest.mark.parametrize("name", sorted({*architectures.SMALLEST, "mobilenet_v2", "vgg11_bn", "regnet_y_400mf"}))
def test_torchvisions_networks_take_the_smallest_images_that_a_study_may_have(name):
    size = architectures.SMALLEST.get(name, 32)
    assert zoo.build(name, 3).eval()(torch.zeros(2, 3, size, size)).shape == (2, 3)


def test_the_zoo_is_built_without_importing_torchvision():
    code = (
        "import sys; from secateur import models; models.build('resnet20', 2); assert 'torchvision' not in sys.modules"
    )
    folder = Path(zoo.__file__).parents[2]
    subprocess.run([sys.executable, "-c", code], check=True, cwd=folder)


def test_equal_seeds_start_equal():
    def started(seed):
        torch.manual_seed(seed)
        return zoo.build("vgg_small", 3).state_dict()

    assert all(torch.equal(started(1)[key], started(1)[key]) for key in started(1))
    assert not torch.equal(started(1)["features.0.weight"], started(2)["features.0.weight"])


WRONG = [
    ("vgg_smal", 2, {}, "unknown model 'vgg_smal'; did you mean vgg_small?; known: vgg_small, vgg16, vgg16_bn"),
    ("vgg_small", 2, {"width": 3}, "vgg_small knows no argument width; did you mean widths?; known: widths, hidden, "),
    ("vgg16", 2, {"widths": [1]}, "vgg16 knows no argument widths; known: head, channels"),
    ("vgg16", 2, {"head": "compct"}, "unknown head 'compct'; did you mean compact?; known: appended, compact"),
    ("resnet20", 2, {"shortcut": "C"}, "unknown shortcut 'C'; known: A, B"),
    ("resnet18", 2, {"width": 2}, "resnet18 knows no argument width; known: channels"),
    ("resnet18", 2, {"channels": 1}, "resnet18 takes images of three channels, not 1; set data.color to rgb"),
    ("resnet21", 2, {}, "unknown model 'resnet21'; did you mean resnet"),
    ("vgg_small", ["cat"], {}, "classes must be their count, a whole number from 1, got ['cat']"),
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
        zoo.build(name, classes, **options)
    assert str(refused.value).startswith(message)


def trained(model):
    return {name.rpartition(".")[0] for name, parameter in model.named_parameters() if parameter.requires_grad}


def in_training_mode(model):
    return {name for name, layer in model.named_modules() if layer.training and not any(layer.children())}


def test_the_head_of_the_thesis_is_its_appended_layers_and_all_else_stays_in_eval_mode():
    model = on_meta(zoo.build, "vgg16", 10)
    freezing.trainable(model, "head")
    freezing.train_mode(model)
    assert trained(model) == {"classifier.8", "classifier.10"}
    # ReLU before the first appended linear layer goes with the frozen one before it; it does the same in both modes.
    assert in_training_mode(model) == {"classifier.8", "classifier.9", "classifier.10", "classifier.11"}


def test_a_trained_classifier_leaves_frozen_batchnorm_in_eval_mode():
    model = on_meta(zoo.build, "vgg16_bn", 10)
    freezing.trainable(model, "classifier")
    freezing.train_mode(model)
    assert trained(model) == {"classifier.0", "classifier.3"}
    assert in_training_mode(model) == {f"classifier.{index}" for index in range(4)}


@pytest.mark.parametrize("name", ["vgg_small", "vgg16_bn", "resnet20", "mobilenet_v2"])
def test_all_trains_everything(name):
    model = on_meta(zoo.build, name, 10)
    freezing.trainable(model, "classifier")
    freezing.trainable(model, "all")
    freezing.train_mode(model)
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert all(module.training for module in model.modules())
    assert freezing.frozen(model) == set()


def test_a_network_without_an_appended_head_has_none_to_train():
    with pytest.raises(
        ValueError, match="^trainable is head, but this network has no appended head; use classifier or all$"
    ):
        freezing.trainable(zoo.build("vgg_small", 2), "head")
    with pytest.raises(
        ValueError, match="^unknown trainable 'heads'; did you mean head\\?; known: head, classifier, all$"
    ):
        freezing.trainable(zoo.build("vgg_small", 2), "heads")
    with pytest.raises(
        ValueError, match="^trainable is classifier, but this network has no classifier that is known as such; use all$"
    ):
        freezing.trainable(nn.Linear(2, 2), "classifier")


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
    model = first_weights.initialised(described("vgg16_bn", classes=10), str(plain_file))
    assert (model.features[0].weight == 3).all() and (model.features[3].weight == 0).all()
    assert torch.equal(model.classifier[3].weight, random.classifier[3].weight)
    assert f"weights are from {plain_file}; classifier.0, classifier.3 are randomly initialised" in caplog.text


def test_of_plain_weights_all_but_the_appended_layers_is_loaded(plain_file, caplog):
    caplog.set_level(logging.INFO)
    # The meta device copies nothing; the log says what would be.
    with torch.device("meta"), warnings.catch_warnings(action="ignore"):
        first_weights.initialised(described("vgg16_bn", head="appended", classes=10), plain_file)
    assert f"weights are from {plain_file}; classifier.8, classifier.10 are randomly initialised" in caplog.text


def test_a_file_of_the_adapted_model_is_loaded_whole(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    first = zoo.build("vgg_small", 3)
    torch.save({"state_dict": first.state_dict()}, tmp_path / "own.pt")
    second = first_weights.initialised(described("vgg_small", classes=3), tmp_path / "own.pt")
    assert all(torch.equal(second.state_dict()[key], tensor) for key, tensor in first.state_dict().items())
    assert f"all weights are from {tmp_path / 'own.pt'}" in caplog.text


def test_weights_for_another_number_of_classes_are_refused(tmp_path):
    path = tmp_path / "own.pt"
    torch.save(zoo.build("vgg_small", 3).state_dict(), path)
    with pytest.raises(ValueError) as refused:
        first_weights.initialised(described("vgg_small", classes=4), path)
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
    model = first_weights.initialised(described("vgg16_bn", classes=10), "imagenet")
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
        first_weights.initialised(described("vgg16_bn", classes=10), "imagenet")
    message = str(refused.value)
    assert message.startswith("the ImageNet weights of vgg16_bn could not be downloaded (")
    assert message.endswith(
        f"put the file {file.as_uri()} into {tmp_path}/hub/checkpoints, "
        "or set model.weights to a local file with a state_dict"
    )
    assert "\n" not in message


def test_the_small_network_has_no_imagenet_weights():
    with pytest.raises(
        ValueError, match="^there are no ImageNet weights of vgg_small; there are of vgg16, vgg16_bn and torchvision's"
    ):
        first_weights.initialised(described("vgg_small", classes=2), "imagenet")


def old_densenet(classes):
    """A state_dict as torchvision's file of densenet121 has it: names with a dot more, no counts of batches."""
    state = zoo.build("densenet121", classes).state_dict()
    split = {key: re.sub(r"(denselayer\d+\.(?:norm|conv))([12])\.", r"\1.\2.", key) for key in state}
    return {name: state[key] for key, name in split.items() if "num_batches" not in key}


@pytest.mark.parametrize("name", ["resnet18", "densenet121"])
def test_of_torchvisions_weights_all_but_the_last_layer_is_loaded(name, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    state = old_densenet(1000) if name == "densenet121" else zoo.build(name, 1000).state_dict()
    weights = torchvision.models.get_model_weights(name)
    monkeypatch.setattr(weights, "get_state_dict", lambda self, **options: state)
    model = first_weights.initialised(described(name, classes=5), "imagenet")
    own = model.state_dict()
    (head,) = model.trainable_parts["head"]
    same = [key for key, tensor in torchvision_models.renamed(state).items() if torch.equal(own[key], tensor)]
    assert {key for key in own if key not in same and "num_batches" not in key} == {f"{head}weight", f"{head}bias"}
    assert (
        f"weights are from torchvision's ImageNet weights of {name}; {head[:-1]} are randomly initialised"
        in caplog.text
    )


def test_a_checkpoint_of_torchvisions_network_with_other_classes_is_no_plain_one(tmp_path):
    torch.save(zoo.build("resnet18", 5).state_dict(), tmp_path / "own.pt")
    first_weights.initialised(described("resnet18", classes=5), tmp_path / "own.pt")
    with pytest.raises(ValueError, match="fc.weight is 5x512 there but 4x512 here"):
        first_weights.initialised(described("resnet18", classes=4), tmp_path / "own.pt")


@pytest.mark.parametrize(
    ("name", "shape", "classes", "message"),
    [
        (
            "resnet18",
            [3, 32, 32],
            3,
            "resnet18 gives (2, 2) for two images of 3x32x32, but there are 3 classes: (2, 3)",
        ),
        ("alexnet", [3, 32, 32], 2, "alexnet cannot take images of 3x32x32: RuntimeError: "),
        ("resnet20", [1, 32, 32], 2, "resnet20 cannot take images of 1x32x32: RuntimeError: "),
    ],
)
def test_what_does_not_fit_the_images_is_said_before_training(name, shape, classes, message):
    described = description.NetworkDescription(name, {}, ("cat",) * classes, tuple(shape))
    with pytest.raises(ValueError) as refused:
        description.refuse_misfit(zoo.build(name, 2), described)
    assert str(refused.value).startswith(message)
    assert "\n" not in str(refused.value)
