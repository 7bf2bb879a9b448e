"""A network of the user's own is found, read and called, and every way in which that fails names the thing."""

import sys
import textwrap

import pytest
import torch
from torch import nn

from secateur.models import checkpoints, description, first_weights
from secateur.models.description import NetworkDescription
from secateur.study import own_network

NETS = """
    import torch
    from torch import nn

    from parts.blocks import block

    WIDTH = 4


    class Net(nn.Module):
        def __init__(self, classes, width=WIDTH, channels=3):
            super().__init__()
            self.conv = block(channels, width)
            self.scale = torch.linspace(0, 1, 3).tolist()
            self.register_buffer("shift", torch.full((1,), 2.0), persistent=False)
            self.linear = nn.Linear(width, classes)

        def forward(self, pixels):
            return self.linear(torch.relu(self.conv(pixels)).mean((2, 3)) + self.shift)


    def small(num_classes, width=WIDTH, head="any"):
        return Net(num_classes, width)


    def broken(classes):
        raise KeyError("no such width")


    def nothing(classes):
        return None


    def branching(classes):
        class Branching(Net):
            def forward(self, pixels):
                return super().forward(pixels if pixels.sum() > 0 else -pixels)

        return Branching(classes)


    def choosy(classes):
        class Choosy(Net):
            def forward(self, pixels):
                assert pixels.shape[2] > 100, "too small"
                return super().forward(pixels)

        return Choosy(classes)


    def fixed():
        return Net(10)
    """
BLOCKS = """
    from torch import nn


    def block(inputs, outputs):
        return nn.Conv2d(inputs, outputs, 3, padding=1)
    """


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with a module of the user's own and a package that it imports."""
    (tmp_path / "parts").mkdir()
    for name, text in {"nets": NETS, "parts/__init__": "", "parts/blocks": BLOCKS, "unrelated": "x = 1"}.items():
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(text))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def about(factory, **arguments):
    classes, shape = ("cat", "dog", "eel"), (3, 8, 8)
    return NetworkDescription(own_network.name_of(factory), arguments, classes, shape, factory)


def refusal(call, *arguments):
    """The one line with which a call refuses."""
    with pytest.raises(ValueError) as refused:
        call(*arguments)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_a_factory_is_called_with_its_arguments_and_the_number_of_classes(folder):
    before = list(sys.path)
    model = description.built(about("nets:small", width=6))
    assert model.conv.out_channels == 6 and model.linear.out_features == 3
    assert sys.path == before
    description.refuse_misfit(model, about("nets:small"))
    assert description.built(about("nets:Net", classes=5)).linear.out_features == 5


def test_a_factory_may_lie_in_a_package_without_init(folder):
    (folder / "mine").mkdir()
    (folder / "mine" / "deep.py").write_text((folder / "nets.py").read_text())
    own_network.check("mine.deep:small")
    assert description.built(about("mine.deep:small")).linear.out_features == 3


def test_a_checkpoint_of_a_factory_comes_back_whole(folder):
    model = description.built(about("nets:small", width=5)).eval()
    checkpoints.save("trained.pt", model, about("nets:small", width=5), {})
    before = torch.random.get_rng_state()
    again = checkpoints.load("trained.pt").model
    assert torch.equal(torch.random.get_rng_state(), before)
    pixels = torch.randn(2, 3, 8, 8)
    with torch.no_grad():
        assert torch.equal(again(pixels), model(pixels))


def test_weights_of_a_factory_are_read_and_what_does_not_fit_is_listed(folder):
    state = description.built(about("nets:small")).state_dict()
    torch.save({"net": {f"module.{name}": tensor for name, tensor in state.items()}}, "wild.th")
    model = first_weights.initialised(about("nets:small"), "wild.th")
    assert torch.equal(model.conv.weight, state["conv.weight"])
    torch.save({**state, "extra": torch.zeros(1)}, "more.th")
    assert "more.th belongs to another network: it has extra." in refusal(
        first_weights.initialised, about("nets:small"), "more.th"
    )
    assert refusal(first_weights.initialised, about("nets:small"), "imagenet").startswith(
        "there are no ImageNet weights of nets.small"
    )


def test_a_module_of_the_same_name_in_another_folder_is_another_module(folder, tmp_path, monkeypatch):
    assert description.built(about("nets:small")).conv.out_channels == 4
    other = tmp_path / "other"
    (other / "parts").mkdir(parents=True)
    for name in ("nets.py", "parts/__init__.py", "parts/blocks.py"):
        text = (folder / name).read_text().replace("WIDTH = 4", "WIDTH = 7").replace("padding=1", "padding=0")
        (other / name).write_text(text)
    monkeypatch.chdir(other)
    conv = description.built(about("nets:small")).conv
    assert (conv.out_channels, conv.padding) == (7, (0, 0))


def test_where_a_module_was_looked_for_is_said(folder):
    message = refusal(own_network.check, "net:small")
    assert message.startswith("model.factory is net:small, but there is no module net; did you mean nets?; looked in ")
    assert f"looked in {folder}" in message
    assert refusal(own_network.check, "nets.deep:small").startswith(
        "model.factory is nets.deep:small, but there is no module nets.deep;"
    )


def test_a_function_that_is_not_there_is_named_with_the_nearest(folder):
    assert refusal(own_network.check, "nets:smal").startswith(
        f"model.factory is nets:smal, but {folder / 'nets.py'} defines no smal; did you mean small?; it defines Net, "
    )
    # Only a run can tell what stands in a branch, so that the check lets it pass.
    (folder / "nets.py").write_text("if True:\n    pass\n")
    own_network.check("nets:small")
    assert refusal(description.built, about("nets:small")) == (
        f"model.factory is nets:small, but {folder / 'nets.py'} defines no function small"
    )


def test_a_factory_that_raises_is_named_with_its_line(folder):
    number = (folder / "nets.py").read_text().split("\n").index('    raise KeyError("no such width")') + 1
    assert refusal(description.built, about("nets:broken")) == (
        f'model.factory nets:broken failed: {folder / "nets.py"}:{number} (raise KeyError("no such width")): '
        "KeyError: 'no such width'"
    )


def test_a_module_that_cannot_be_imported_is_named_with_its_line(folder):
    (folder / "parts" / "blocks.py").write_text("import no_such_package\n")
    assert refusal(description.built, about("nets:small")) == (
        f"model.factory nets:small failed: {folder / 'parts/blocks.py'}:1 (import no_such_package): "
        "ModuleNotFoundError: No module named 'no_such_package'"
    )
    (folder / "nets.py").write_text("def small(:\n    pass\n")
    assert refusal(own_network.check, "nets:small").startswith(
        f"model.factory nets:small failed: {folder / 'nets.py'}:1 (def small(:): SyntaxError: "
    )


def test_arguments_that_do_not_fit_are_said_with_those_that_do(folder):
    assert refusal(description.built, about("nets:small", widht=3)) == (
        "model.arguments do not fit model.factory nets:small, which takes (num_classes, width=4, head='any'): "
        "got an unexpected keyword argument 'widht'"
    )


def test_what_is_no_network_is_refused(folder):
    assert refusal(description.built, about("nets:nothing")) == (
        "model.factory nets:nothing gave a NoneType, no torch.nn.Module"
    )


def test_a_network_that_does_not_fit_the_images_is_refused_before_training(folder):
    model = description.built(about("nets:fixed"))
    assert refusal(description.refuse_misfit, model, about("nets:fixed")) == (
        "model.factory nets:fixed gives (2, 10) for two images of 3x8x8, but there are 3 classes: (2, 3)"
    )
    model = description.built(about("nets:choosy"))
    message = refusal(description.refuse_misfit, model, about("nets:choosy"))
    assert message.startswith(f"model.factory nets:choosy cannot take images of 3x8x8: {folder / 'nets.py'}:")
    assert message.endswith('(assert pixels.shape[2] > 100, "too small"): AssertionError: too small')


def test_a_network_that_cannot_be_traced_is_refused_before_training(folder):
    model = description.built(about("nets:branching"))
    message = refusal(description.refuse_misfit, model, about("nets:branching"))
    assert message.startswith(f"torch.fx cannot trace Branching: {folder / 'nets.py'}:")
    assert "pixels.sum() > 0" in message


@pytest.mark.parametrize(
    "factory", ["os:system", "torch.hub:load", "secateur.artifacts.files:write_text", "builtins:exec"]
)
def test_a_checkpoint_cannot_have_code_of_others_called(folder, factory):
    checkpoints.save("evil.pt", nn.Linear(1, 1), about(factory, command="touch gotcha"), {})
    message = refusal(checkpoints.load, "evil.pt")
    assert "which is code of an installed package" in message or "there is no module builtins" in message
    assert not (folder / "gotcha").exists()


def test_what_a_module_imports_from_others_cannot_be_called_by_its_name_there(folder):
    (folder / "nets.py").write_text("from os import system\nfrom torchvision.models import resnet18\n")
    for name in ("system", "resnet18"):
        own_network.check(f"nets:{name}")
        assert "which is code of an installed package" in refusal(description.built, about(f"nets:{name}"))


@pytest.mark.parametrize(
    ("file", "old", "new", "changes"),
    [
        ("nets.py", "WIDTH = 4", "WIDTH = 5", True),
        ("parts/blocks.py", "padding=1", "padding=0", True),
        ("parts/__init__.py", "", "x = 3\n", True),
        ("nets.py", "WIDTH = 4", "WIDTH = 4  # channels", False),
        ("unrelated.py", "x = 1", "x = 2", False),
    ],
)
def test_what_a_factory_reaches_of_the_users_own_decides_reruns(folder, file, old, new, changes):
    before = own_network.digest_of("nets:small")
    path = folder / file
    path.write_text(path.read_text().replace(old, new, 1) if old else new)
    assert (own_network.digest_of("nets:small") != before) == changes


def test_relative_imports_are_followed(folder):
    for name, text in {
        "__init__": "",
        "a": "from .b import f\nfrom . import c\n",
        "b": "f = 1\n",
        "c": "g = 1\n",
    }.items():
        (folder / "parts" / f"{name}.py").write_text(text)
    digests = [own_network.digest_of("parts.a:f")]
    for name in ("b", "c"):
        (folder / "parts" / f"{name}.py").write_text("f = g = 2\n")
        digests.append(own_network.digest_of("parts.a:f"))
    assert len(set(digests)) == 3


def test_folders_without_init_are_followed_inside_a_package(folder):
    (folder / "parts" / "deep").mkdir()
    (folder / "parts" / "deep" / "nets.py").write_text("def make(classes):\n    pass\n")
    (folder / "nets.py").write_text("from parts.deep.nets import make\n")
    own_network.check("parts.deep.nets:make")
    assert {*own_network.modules_reached("nets:make")} == {"nets", "parts", "parts.deep.nets"}


def test_a_factory_is_checked_and_digested_without_torch(folder):
    import subprocess
    from pathlib import Path

    package = Path(own_network.__file__).parents[2]
    code = (
        "import sys; from secateur.study import own_network; own_network.check('nets:small');"
        "own_network.digest_of('nets:small');"
        "assert not {'torch', 'nets'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": str(package)})
