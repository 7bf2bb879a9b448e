"""An exported network gives the logits of the smaller one in every form, and says what is wrong with a damaged one."""

import copy
import dataclasses
import json
import types

import pytest
import torch
import yaml

from secateur.analysis import intervals
from secateur.artifacts import ledgers, tables
from secateur.export import card as export_card
from secateur.export import card_facts, formats, latency
from secateur.figures import documents
from secateur.models import zoo
from secateur.models.description import NetworkDescription
from secateur.pruning import removal, stored
from secateur.study import consistency, settings
from secateur.study.levels import Terms
from support.studies import TINY, Workflow

ABOUT = {
    "name": "vgg_small",
    "arguments": {"widths": [6, 6, 8, 8, 10, 10], "hidden": 12, "channels": 1},
    "classes": ["cat", "dog", "eel"],
    "shape": [1, 16, 16],
    "mean": [0.5],
    "std": [0.25],
    "provenance": {"study": "told in the manifest"},
}
DESCRIBED = NetworkDescription.from_dict(ABOUT)
KEPT = {"provenance": ABOUT["provenance"]}
CHANNELS = {"features.0": [1, 4], "features.7": [0, 2, 7], "features.17": [3]}


def pictures(count):
    return torch.randn(count, 1, 16, 16, generator=torch.Generator().manual_seed(count))


@pytest.fixture(scope="module")
def dense():
    torch.manual_seed(0)
    model = zoo.build("vgg_small", 3, **ABOUT["arguments"])
    model(torch.randn(32, 1, 16, 16))
    return model.eval()


@pytest.fixture(scope="module")
def exported(dense, tmp_path_factory):
    folder = tmp_path_factory.mktemp("export") / "smaller"
    formats.write(dense, CHANNELS, pictures(4), folder, DESCRIBED, KEPT)
    return folder


@pytest.fixture
def folder(exported, tmp_path):
    """A copy of the exported network, to be damaged."""
    for path in exported.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


@torch.no_grad()
def logits(dense, images):
    return removal.removed(dense, CHANNELS, images)(images)


def test_load_gives_the_smaller_model_back_to_the_last_bit_in_eval_mode(dense, exported):
    model = stored.load(exported)
    assert not any(module.training for module in model.modules())
    assert model.features[0].out_channels == 4 and model.features[1].num_features == 4
    with torch.no_grad():
        assert torch.equal(model(pictures(9)), logits(dense, pictures(9)))


def test_loading_draws_no_random_numbers(exported):
    before = torch.random.get_rng_state()
    stored.load(exported)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("count", [1, 3, 33])
def test_the_program_and_onnx_take_batches_of_any_size(dense, exported, count):
    wanted = logits(dense, pictures(count))
    with (exported / "model.pt2").open("rb") as file:
        program = torch.export.load(file).module()
    torch.testing.assert_close(program(pictures(count)), wanted, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(formats.runner(exported / "model.onnx")(pictures(count)), wanted, rtol=1e-5, atol=1e-6)


def test_the_architecture_is_plain_data_without_the_story_of_the_checkpoint(exported):
    facts = json.loads((exported / "architecture.json").read_text())
    assert facts["removed"] == CHANNELS
    assert facts["about"] == {key: value for key, value in ABOUT.items() if key != "provenance"}


def test_no_file_tells_where_the_code_lay(exported):
    place = formats.__file__.rpartition("/secateur/")[0].encode()
    assert [path.name for path in exported.iterdir() if place in path.read_bytes()] == []


def test_the_same_network_is_the_same_files(dense, exported, tmp_path):
    formats.write(dense, CHANNELS, pictures(4), tmp_path, DESCRIBED, KEPT)
    for name in ("weights.safetensors", "architecture.json", "model.pt2"):
        assert (tmp_path / name).read_bytes() == (exported / name).read_bytes()


def test_exporting_leaves_the_dense_model_alone(dense, tmp_path):
    before = copy.deepcopy(dense.state_dict())
    formats.write(dense, {}, pictures(2), tmp_path, DESCRIBED, KEPT)
    assert all(torch.equal(value, before[key]) for key, value in dense.state_dict().items())
    with torch.no_grad():
        assert torch.equal(stored.load(tmp_path)(pictures(5)), dense(pictures(5)))


def test_a_network_with_a_branch_that_is_gone_comes_back(tmp_path):
    torch.manual_seed(0)
    described = NetworkDescription("resnet20", {}, ("a", "b"), (3, 8, 8))
    model, images = zoo.build("resnet20", 2).eval(), torch.randn(3, 3, 8, 8)
    channels = {"layer1.0.conv1": list(range(16)), "layer2.1.conv1": [1, 30]}
    smaller = removal.removed(model, channels, images)
    # The two files that load reads; the others would take ten seconds more.
    formats._write_weights(smaller, tmp_path / stored.WEIGHTS)
    text = formats._architecture(described, {}, channels, tmp_path / stored.WEIGHTS)
    (tmp_path / stored.ARCHITECTURE).write_text(text)
    with torch.no_grad():
        assert torch.equal(stored.load(tmp_path)(images), smaller(images))


def cut(path):
    path.write_bytes(path.read_bytes()[:-7])


def flipped(path):
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)


def edited(key, value):
    def edit(path):
        path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))

    return edit


DAMAGES = {
    "weights cut short": ("weights.safetensors", cut, "is damaged, or of another export: its SHA-256 is not"),
    "a flipped bit": ("weights.safetensors", flipped, "is damaged, or of another export: its SHA-256 is not"),
    "architecture cut short": ("architecture.json", cut, "is damaged ("),
    "no text": ("architecture.json", lambda path: path.write_bytes(b"\xff\xfe\x00"), "is damaged ("),
    "another file": (
        "architecture.json",
        lambda path: path.write_text("[1]"),
        "describes no exported network: it must",
    ),
    "another format": ("architecture.json", edited("format", 2), "is of format 2, written by secateur 0.1.0; this is"),
    "a foreign layer": (
        "architecture.json",
        edited("removed", {"conv1": [0]}),
        "describes no network that can be built",
    ),
    "an unknown network": (
        "architecture.json",
        edited("about", ABOUT | {"name": "vgg_smal"}),
        "describes no network that can be built here (",
    ),
    "another network": (
        "architecture.json",
        edited("removed", {"features.0": [1]}),
        "belongs to another network: features.0.weight is 4x1x3x3 there but 5x1x3x3 here",
    ),
    "nothing about it": ("architecture.json", edited("about", None), "describes no exported network: its about is N"),
    "a removed that is no dict": (
        "architecture.json",
        edited("removed", [1]),
        "describes no network that can be built",
    ),
    "classes that are a number": ("architecture.json", edited("about", ABOUT | {"classes": 3}), "its classes is 3"),
    "too little about it": (
        "architecture.json",
        edited("about", {"name": "vgg_small"}),
        "its about lacks arguments, cl",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_named_with_the_remedy(folder, damage):
    name, edit, message = DAMAGES[damage]
    edit(folder / name)
    with pytest.raises(ValueError) as caught:
        stored.load(folder)
    text = str(caught.value)
    assert message in text and str(folder) in text and "\n" not in text
    assert damage == "another network" or "export again" in text


@pytest.mark.parametrize("name", ["weights.safetensors", "architecture.json"])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"^there is no .*{name}; an exported network is a folder with arch"):
        stored.load(folder)


def test_an_empty_layer_is_refused_by_name_and_nothing_is_written(dense, tmp_path):
    with pytest.raises(ValueError) as caught:
        formats.write(dense, {"features.7": list(range(8))}, pictures(2), tmp_path / "export", DESCRIBED, KEPT)
    assert str(caught.value) == (
        "nothing would be left of features.7, and such a network gives all images the same logits: "
        "export a lower level, or keep a part of every layer by evaluation.keep_at_least"
    )
    assert not (tmp_path / "export").exists()


def test_images_of_another_shape_are_refused(dense, tmp_path):
    with pytest.raises(ValueError, match=r"^the network takes images of \[1, 16, 16\], but these are \[1, 8, 8\]$"):
        formats.write(dense, {}, torch.zeros(2, 1, 8, 8), tmp_path, DESCRIBED, KEPT)


def test_what_is_missing_in_a_description_is_listed():
    with pytest.raises(
        ValueError, match="^about lacks arguments, shape: a network is described by name, arguments, classes, shape$"
    ):
        NetworkDescription.from_dict({"name": "vgg_small", "classes": ["a"]})


def test_a_file_that_differs_from_torch_is_refused_and_nothing_is_left(dense, tmp_path, monkeypatch):
    own = formats.runner
    monkeypatch.setattr(formats, "runner", lambda path: lambda images: own(path)(images) + 0.01)
    with pytest.raises(RuntimeError, match=r"^model.onnx differs from torch by 0\.\d+ of the logits' range, more than"):
        formats.write(dense, CHANNELS, pictures(2), tmp_path, DESCRIBED, KEPT)
    assert list(tmp_path.iterdir()) == []


def test_logits_that_are_no_numbers_are_refused(dense, tmp_path):
    broken = copy.deepcopy(dense)
    torch.nn.init.constant_(broken.classifier[0].weight, float("nan"))
    with pytest.raises(RuntimeError, match="differs from torch by nan of the logits' range"):
        formats.write(broken, CHANNELS, pictures(2), tmp_path, DESCRIBED, KEPT)
    assert list(tmp_path.iterdir()) == []


class Counting(torch.nn.Module):
    def forward(self, images):
        return images.flatten(1)[:, :3] * sum(1.0 for _ in images)


def test_a_forward_that_counts_its_images_is_refused_in_one_line():
    with pytest.raises(ValueError, match="^torch.export cannot take Counting for batches of any size: ") as caught:
        formats._program(Counting(), pictures(2))
    assert "\n" not in str(caught.value)


def test_a_missing_package_is_named_with_its_remedy():
    with pytest.raises(
        ImportError, match=r"^nowhere is not installed; install it with: pip install 'secateur\[export\]'"
    ):
        stored.needed("nowhere.torch")


# ---- latency ---------------------------------------------------------------------------------------------------


class Clock:
    """A clock that stands still but while a network runs, and notes who ran."""

    def __init__(self):
        self.now, self.ran = 0.0, []

    def __call__(self):
        return self.now

    def network(self, name, seconds):
        def run(images):
            self.ran.append(name)
            self.now += seconds * len(images)

        return run


def test_pairs_run_in_turns_and_every_run_counts_once():
    clock = Clock()
    dense, smaller = clock.network("dense", 0.03), clock.network("smaller", 0.008)
    table = latency.measured(dense, smaller, [pictures(1)], pairs=3, clock=clock)
    # Each warms up once and is timed once; then 20 ms take one run of the dense network, and three of the smaller.
    assert clock.ran[:4] == ["dense", "dense", "smaller", "smaller"]
    one, three = ["dense"], ["smaller"] * 3
    assert clock.ran[4:] == one + three + three + one + one + three
    assert table["dense_ms"].tolist() == pytest.approx([30] * 3)
    assert table["smaller_ms"].tolist() == pytest.approx([8] * 3)


def test_the_ratio_is_the_median_over_pairs_and_not_that_of_medians():
    import pandas

    table = pandas.DataFrame({"batch": 1, "pair": range(3), "dense_ms": [10, 30, 20], "smaller_ms": [10, 10, 5]})
    (row,) = latency.summary(table).to_dict("records")
    assert row == {
        "batch": 1, "pairs": 3, "dense_ms": 20, "smaller_ms": 10, "ratio": 3, "ratio_low": 2, "ratio_high": 3.5
    }  # fmt: skip


def test_a_network_is_as_fast_as_itself(dense):
    table = latency.measured(dense, copy.deepcopy(dense), [pictures(1), pictures(32)], pairs=7)
    assert table.groupby("batch").size().to_dict() == {1: 7, 32: 7}
    assert latency.summary(table)["ratio"].between(0.6, 1.6).all()


def test_denormals_are_flushed_for_the_length_of_the_block_only():
    tiny = torch.full((4,), 1e-30)
    with latency.denormals_flushed():
        flushed = (tiny * 1e-10).sum() == 0
    assert flushed == torch.set_flush_denormal(False)
    assert (tiny * 1e-10).sum() > 0


def test_wilsons_interval_is_the_textbooks_and_has_a_width_at_the_ends():
    low, high = intervals.wilson(80, 100)
    z = 1.959964
    middle, half = (0.8 + z**2 / 200) / (1 + z**2 / 100), z * (0.0016 + z**2 / 40000) ** 0.5 / (1 + z**2 / 100)
    assert (low, high) == pytest.approx((middle - half, middle + half), abs=1e-6)
    assert intervals.wilson(100, 100)[0] < 0.97


# ---- the card --------------------------------------------------------------------------------------------------

NETWORK = {"low": 0.7, "high": 0.9, "loss": 0.6}
FACTS = card_facts.Facts(
    description=DESCRIBED,
    training={"epoch": 7},
    accuracy=card_facts.AccuracyFacts(
        change=card_facts.Change(-0.1, low=-0.125, high=-0.075), confidence=0.95, resamples=2000, precision="bfloat16"
    ),
    agreeing=119,
    checked=32,
    criterion="relevance.mean_abs",
    data=card_facts.DataFacts(
        name="pets", title="Some pets", licence="CC BY 4.0", citation="A. Vet, 2001", images=120
    ),
    dense=card_facts.NetworkFacts(
        accuracy=0.9, **NETWORK, parameters=1_000_000, macs=5_000_000, bytes=4_000_321,
        by_class={"cat": 0.91, "dog": 0.89, "eel": float("nan")},
    ),
    smaller=card_facts.NetworkFacts(
        accuracy=0.8, **NETWORK, parameters=250_000, macs=1_000_000,
        by_class={"cat": 0.81, "dog": 0.79, "eel": float("nan")},
    ),
    differences={"weights.safetensors": 0.0, "model.pt2": 0.0, "model.onnx": 2.5e-7},
    files={"weights.safetensors": 1_000_100, "architecture.json": 900, "model.pt2": 1_100_000, "model.onnx": 1_000_500},
    images=120,
    terms=Terms(keep_at_least=0.05, round_to=1, budget="units"),
    latency=[
        card_facts.BatchLatency(
            batch=batch, pairs=15, dense_ms=9.0, smaller_ms=3.0, ratio=ratio, ratio_low=2.9, ratio_high=3.1, threads=1,
            clock="processor time",
        )
        for batch, ratio in ((1, 2.75), (32, 3.25))
    ],
    kind="none",
    level=0.5,
    schedule="",
    origin="",
    processor="a processor",
    ranked_on="rank",
    ranked_on_choosing=False,
    realised=0.5,
    secateur="0.1.0",
    seed=3,
    study="pets",
    tolerance=1e-4,
    units=card_facts.UnitCounts(removed=24, all=48),
    versions={"torch": "2.6.0", "onnxruntime": "1.20.1"},
    widths={"features.0": [6, 4]},
)  # fmt: skip


def card(**changes):
    return documents.as_markdown(export_card.blocks(dataclasses.replace(FACTS, **changes)))


def test_the_card_says_what_the_facts_say():
    text = card()
    for line in (
        "# vgg_small on pets without 50 % of its units",
        "24 of 48 units were removed, in the order of `relevance.mean_abs`. Test accuracy is 80 % where the dense "
        "network has 90 %: -10.00 points, 95 % interval -12.50 to -7.50. It is faster than the dense network by 2.75 "
        "times at batch 1 and 3.25 times at batch 32",
        "| parameters | 1,000,000 | 250,000 | 25 % |",
        "| cat | 91 % | 81 % |",
        "| eel | no image | no image |",
        "| `model.onnx` | 1,000,500 | 2.5e-07 |",
        "| the dense checkpoint | 4,000,321 |  |",
        "level 0.5 requested and 0.5 realised, a share of the units; at least 5 % of every layer's channels were kept.",
        "Some pets. Licence: CC BY 4.0. To cite: A. Vet, 2001.",
        "Trained with seed 3, epoch 7 kept. Units were ranked on the rank images",
        "the study's evaluation (bfloat16); the network read back from this folder is right or wrong as in this "
        "evaluation on 119 of 120 images",
        "- Images other than the 120 test images of pets",
        "- Speed other than in batches of 1 and 32 with one thread on a processor",
        "- Runtimes other than torch 2.6.0 and onnxruntime 1.20.1",
        "with mean 0.5 and std 0.25.",
    ):
        assert line in text


def test_the_card_follows_other_numbers():
    text = card(
        seed=11,
        ranked_on="test",
        terms=Terms(keep_at_least=0, round_to=8, budget="macs"),
        level=0.25,
        criterion="weight.max",
    )
    assert "of seed 11" in text and "Trained with seed 11" in text
    assert "**Units were ranked on the test images, on which the accuracies below are reported as well.**" in text
    assert "level 0.25 requested" in text and "no floor" in text and "`weight.max`" in text
    assert "ranked on the validation images" in card(ranked_on="validation")
    assert "No images were used for the ranking" in card(ranked_on="none")


def test_the_card_says_where_the_images_that_ranked_choose_too():
    assert "on the rank images, which are not reported." in card()
    text = card(ranked_on_choosing=True)
    assert "on the rank images, on which the study's criteria are compared as well, to choose among them." in text
    assert "nothing else" not in text


def test_the_card_of_a_retrained_network_says_what_it_was_before():
    before = dataclasses.replace(FACTS.smaller, accuracy=0.4)
    text = card(kind="retrained", schedule="pruned at once, then 2 epochs", pruned=before)
    assert "| pruned, not trained again | 40 % |" in text and "Retrained: pruned at once, then 2 epochs" in text
    assert "was not trained again" not in text and "BatchNorm is kept" not in text


def test_the_card_is_a_page_of_the_report_too():
    text = documents.as_html(export_card.blocks(FACTS))
    assert "<h1>vgg_small on pets without 50 % of its units</h1>" in text
    assert "<li>Retraining: after its channels were removed, the network was not trained again.</li>" in text


def test_the_manifest_has_plain_data_of_every_fact():
    """Keys that readers of manifests know; the network before it was retrained stands there only if there is one."""
    data = card_facts.manifest(FACTS)
    assert json.loads(json.dumps(data))["about"] == DESCRIBED.as_dict() | {"epoch": 7}
    assert set(data["dense"]) == {"accuracy", "low", "high", "loss", "by_class", "parameters", "macs", "bytes"}
    assert "bytes" not in data["smaller"] and "pruned" not in data
    assert data["terms"] == {"keep_at_least": 0.05, "round_to": 1, "budget": "units"}
    assert data["units"] == {"removed": 24, "all": 48} and data["latency"][1]["ratio"] == 3.25
    before = dataclasses.replace(FACTS.smaller, parameters=None, macs=None)
    data = card_facts.manifest(dataclasses.replace(FACTS, pruned=before))
    assert set(data["pruned"]) == {"accuracy", "low", "high", "loss", "by_class"}


# ---- settings --------------------------------------------------------------------------------------------------


def study(**entry):
    return {
        "data": {"source": "digits", "size": 16},
        "model": {"name": "vgg_small"},
        "export": [{"criterion": "relevance.mean_abs", "level": 0.3} | entry],
    }


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            {"level": 0.35},
            "export: level 0.35 of relevance.mean_abs is none of the study's levels (0, 0.1, 0.2, 0.3, 0.4,",
        ),
        (
            {"level": 30},
            "export.level: got 30, but a level is the share of units removed, a fraction from 0 to below 1",
        ),
        ({"lvel": 0.3}, "unknown key export.lvel; did you mean level? Known here: criterion, level, kind"),
    ],
)
def test_a_level_that_is_not_of_the_study_is_refused(entry, message):
    with pytest.raises(ValueError) as caught:
        settings.checked(study(**entry))
    assert message in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"level": 0.4}, "export asks for level 0.4 of relevance.mean_abs as scratch, but retraining does not name"),
        ({}, "export asks for level 0.3 of relevance.mean_abs as scratch, but retraining.scratch is false; turn it on"),
    ],
)
def test_a_network_that_is_not_retrained_is_not_exported_so(entry, message):
    retrained = {"criteria": ["relevance.mean_abs"], "levels": [0.3], "epochs": 1, "scratch": False}
    with pytest.raises(ValueError) as caught:
        settings.checked(study(kind="scratch", **entry) | {"retraining": retrained})
    assert message in str(caught.value)


def test_nothing_is_exported_twice():
    config = study()
    config["export"] += [
        {"criterion": "relevance.mean_abs", "level": 0.30},
        {"criterion": "relevance.max", "level": 0.3},
    ]
    with pytest.raises(ValueError, match="export"):
        settings.checked(config)


def test_a_criterion_that_is_not_of_the_study_is_refused():
    consistency.check_named({"export": [{"criterion": "random.0"}], "retraining": None}, ["random.0"])
    wrong = {"export": [{"criterion": "relevance.mean_ab"}], "retraining": None}
    with pytest.raises(ValueError) as caught:
        consistency.check_named(wrong, ["relevance.mean_abs", "random.0"])
    assert str(caught.value) == (
        "export names relevance.mean_ab, which is no criterion of the study; did you mean relevance.mean_abs?"
    )


# ---- the workflow ----------------------------------------------------------------------------------------------

CRITERION = "uniform.relevance.mean_abs"
PLACE = f"results/digits/vgg_small/1/export/{CRITERION}/0.5"


@pytest.fixture(scope="module")
def exporting(tiny_study):
    """The small study with one export of one network."""
    (tiny_study.folder / "export.yaml").write_text(yaml.safe_dump({"export": [{"criterion": CRITERION, "level": 0.5}]}))
    overlay = ("--configfile", "config/config.yaml", "export.yaml")
    tiny_study.run("--cores", "1", *overlay, "--rerun-triggers", "mtime", "--", f"{PLACE}/card.html")
    return types.SimpleNamespace(folder=tiny_study.folder / PLACE, study=tiny_study, overlay=overlay)


@pytest.mark.study
def test_an_exported_network_of_a_study_is_the_one_that_was_evaluated(exporting):
    from secateur.images import store

    results = exporting.study.folder / "results"
    table = tables.read(results / "digits/vgg_small/1/evaluation/controls.relevance.mean_abs.csv")
    row = table.query("criterion == @CRITERION and level == 0.5 and keep_at_least == 0").iloc[0]
    model = stored.load(exporting.folder)
    with store.opened(results / "digits/images/test.h5") as shown, torch.no_grad():
        pixels = shown.normalised(slice(None))
        right = model(pixels).argmax(1) == torch.as_tensor(shown.labels[:])
        right_onnx = formats.runner(exporting.folder / "model.onnx")(pixels).argmax(1) == torch.as_tensor(
            shown.labels[:]
        )
    assert right.double().mean().item() == pytest.approx(row["accuracy"], abs=1e-9)
    assert right_onnx.double().mean().item() == pytest.approx(row["accuracy"], abs=1e-9)
    facts = json.loads((exporting.folder / "manifest.json").read_text())
    assert facts["smaller"]["parameters"] == row["parameters"] == sum(p.numel() for p in model.parameters())
    assert facts["smaller"]["macs"] == row["macs"]
    assert facts["agreeing"] == facts["images"] == 120
    assert facts["rule"] == "export_model" and facts["code_digest"]
    manifest = json.loads(
        (results / "digits/vgg_small/1/evaluation/controls.relevance.mean_abs.json").read_text(encoding="utf-8")
    )
    assert facts["accuracy"]["precision"] == manifest["precision"]["ran"] in ("float32", "bfloat16")
    assert "Units were ranked on the rank images" in (exporting.folder / "README.md").read_text()
    assert sorted(path.name for path in exporting.folder.iterdir() if path.name != ledgers.NAME) == sorted(
        [*formats.FILES, "README.md", "card.html", "latency.csv", "manifest.json"]
    )


@pytest.mark.study
def test_a_study_exports_once_for_each_seed_and_only_what_it_names(exporting):
    planned = exporting.study.planned("--rerun-triggers", "mtime", *exporting.overlay, "--", "all")
    assert planned["export_model"] == 1
    assert "export_model" not in exporting.study.planned("all")


@pytest.mark.study
@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            {"criterion": "relevance.mean", "level": 0.5},
            "The study's settings: export names relevance.mean, which is no cri",
        ),
        (
            {"criterion": CRITERION, "level": 0.3},
            "The study's settings: export: level 0.3 of uniform.relevance.mean_abs is",
        ),
    ],
)
def test_a_wrong_export_stops_the_study_before_any_job(tmp_path, entry, message):
    workflow = Workflow(tmp_path / "study", TINY + yaml.safe_dump({"export": [entry]}))
    text = workflow.run("-n", "all", check=False)
    assert message in text and "Traceback" not in text
