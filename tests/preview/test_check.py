"""What is said of a study before any long job, and what stops it there; all in a few seconds."""

import re
import textwrap

import pytest
import torch
import yaml

from secateur import console
from secateur.cost import Cost
from secateur.jobs import devices
from secateur.models import zoo
from secateur.preview import estimates, timing
from secateur.study import criteria_names, settings
from support.studies import ROOT, TINY, Workflow

NETS = """
    from torch import nn


    def make(classes, width=6):
        return nn.Sequential(
            nn.Conv2d(1, width, 3), nn.ReLU(), nn.Conv2d(width, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
            nn.Linear(4, classes),
        )
    """
OWN = {
    "study": "own",
    "data": {"source": "digits", "size": 16},
    "model": {"factory": "nets:make", "arguments": {"width": 5}},
    "training": {"seeds": [0], "epochs": 1},
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with a network of the user's own."""
    (tmp_path / "nets.py").write_text(textwrap.dedent(NETS))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SECATEUR_DATA", raising=False)
    return tmp_path


@pytest.fixture
def said(folder, capsys):
    """Run the command on settings, and give back (exit status, output, errors)."""

    def run(config):
        (folder / "study.yaml").write_text(yaml.safe_dump(config))
        return console.main(["check", "study.yaml"]), *capsys.readouterr()

    return run


def refused(result):
    """The one line of a refusal, without the command and the study that it begins with."""
    status, output, errors = result
    assert (status, output, errors.count("\n")) == (1, "", 1)
    return errors.strip().removeprefix("secateur check: study.yaml: ")


def words(text):
    """The lines of a text, each with single spaces, whatever the width of its columns."""
    return [" ".join(line.split()) for line in text.splitlines()]


def test_the_default_study_is_described_from_units_to_disk(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    assert console.main(["check"]) == 0
    output = words(capsys.readouterr().out)
    assert output[0] == "Study digits: its settings are valid, and its network can be traced"
    assert "Units: 352 can be removed; the savings are of one unit alone" in output
    assert "features.0 16 155 9,792" in output
    assert "classifier.0: its features are those of a linear layer, and linear is protected" in output
    assert "classifier.2: its channels are what the model puts out" in output
    assert "train 1,077, rank 180, validation 180, test 360" in output
    assert any(
        line.startswith("Evaluation: 85 criteria x 9 levels x 2 floor(s) x 3 seed(s) = 4,590 ") for line in output
    )
    (images,) = [line for line in output if line.startswith("images ")]
    # 1,797 images of 8 x 8 bytes.
    assert images == "images 1 - 115.0 kB 1,797 images"
    assert any(
        line.startswith("Times are for one job after the other, from one forward, evaluation") for line in output
    )


def test_a_network_of_ones_own_is_built_traced_and_counted(said):
    status, output, _ = said(OWN)
    assert status == 0
    assert words(output)[1].startswith("nets:make from random weights; images 1x16x16, 10 classes; ")
    # Nine taps and a bias, and nine taps of each of four filters that read it, at 14 x 14 and 12 x 12 positions.
    assert "0 5 46 6,948" in words(output)
    assert "6: its channels are what the model puts out" in words(output)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("lable", "readings.one.target names lable, which is no class of the images; did you mean label?"),
        (12, "readings.one.target names 12, which is no class of the images; numbers go from 0 to 9"),
    ],
)
def test_a_reading_that_explains_no_class_of_the_images_is_refused(said, target, message):
    assert refused(said(OWN | {"readings": {"one": {"target": target}}})) == message


def test_readings_of_one_class_and_of_each_are_timed(said):
    readings = {"seven": {"target": "7"}, "also_seven": {"target": 7}, "every": {"target": "all"}}
    status, output, _ = said(OWN | {"readings": readings})
    assert status == 0 and "readings: also_seven on rank, every on rank, seven on rank" in words(output)


def test_a_count_of_training_images_is_shown_and_refused_where_there_are_fewer(said):
    recipe = {"schedule": "step", "milestones": [0.3, 0.6], "warm_up": 0.5, "crop": 2, "clip": 3, "nesterov": False}
    study = OWN | {"readings": {}, "training": OWN["training"] | recipe}
    status, output, _ = said(study | {"split": {"train": 300}})
    assert status == 0 and "train 300, rank 180, validation 180, test 359" in output
    assert refused(said(study | {"split": {"train": 1079}})) == (
        "split.train wants 1079 images, but only 1078 of the source's train images are left for it; lower split.train, "
        "or give more images"
    )


def test_a_study_without_relevance_is_described_without_it(said):
    status, output, _ = said(OWN | {"readings": {}})
    assert status == 0 and "readings: none, so no relevance is computed" in words(output)
    assert not any(line.startswith("relevance ") for line in words(output))


def test_a_network_that_fails_or_a_level_that_it_does_not_allow_is_one_line(said):
    assert refused(said(OWN | {"model": {"factory": "nets:make", "arguments": {"wide": 5}}})).startswith(
        "model.arguments do not fit model.factory nets:make, which takes (classes, width=6): "
    )
    assert refused(said(OWN | {"levels": [30]})).startswith("levels: got 30, but a level is the share of units removed")
    assert refused(said(OWN | {"levels": [0.99]})) == (
        "levels: 0.99 removes all 9 units of the network, and nothing would be left; lower it"
    )
    assert refused(said(OWN | {"levels": [0.8], "evaluation": {"keep_at_least": [2]}})) == (
        "level 0.8 is 7 of 9 units, but with keep_at_least 2 only 5 can be removed; lower the level or the floor"
    )
    # Of 45x196 + 180x144 + 40 products, 18x196 + 36x144 + 20 are left with two channels of each layer.
    floored = {"keep_at_least": [2], "budget": "macs"}
    assert refused(said(OWN | {"levels": [0.8], "evaluation": floored})).endswith(
        "multiply-adds, but with keep_at_least 2 no more than a share of 0.748 can be removed; lower the level or the "
        "floor"
    )
    assert refused(said(OWN | {"results": "nets.py/results"})).endswith(
        "nets.py is no folder that can be written to; name another"
    )
    assert refused(said(OWN | {"export": [{"criterion": "weight.mean", "level": 0.75}]})).startswith(
        "export: level 0.75 of weight.mean is none of the study's levels"
    )


def test_a_file_of_scores_is_compared_with_the_units(said, folder):
    channels = [("0", index) for index in range(5)] + [("2", index) for index in range(4)]
    rows = [f"{layer},{index},{number}" for number, (layer, index) in enumerate(channels)]
    study = OWN | {"criteria": {"files": {"mine": "mine.csv"}}}
    (folder / "mine.csv").write_text("\n".join(["layer,channel,score", *rows]) + "\n")
    status, output, _ = said(study)
    assert status == 0 and "mine: scores of all 9 channels, mine.csv" in words(output)
    (folder / "mine.csv").write_text("\n".join(["layer,channel,score", *rows, "2,7,1"]) + "\n")
    assert refused(said(study)) == (
        "mine.csv names channel 7 of layer 2, but the layer has 4; 1 of its 10 channels cannot be removed"
    )
    (folder / "mine.csv").write_text("\n".join(["layer,channel,score", *rows[1:]]) + "\n")
    assert refused(said(study)).startswith("mine.csv lacks channel 0 of layer 0; it has 8 of the 9 channels")


def test_coupled_units_are_listed_and_images_that_are_not_there_are_counted(said, folder):
    torch.save(zoo.build("resnet20", 10).state_dict(), folder / "weights.th")
    study = {
        "study": "residual",
        "data": {"source": "cifar10"},
        "split": {"rank_from": "test", "rank": 2000},
        "model": {"name": "resnet20", "weights": "weights.th"},
        "training": {"seeds": [0], "epochs": 0},
    }
    status, output, _ = said(study)
    assert status == 0
    lines = words(output)
    assert lines[1].startswith("resnet20 from weights.th; images 3x32x32, 10 classes; 269,722 parameters, ")
    assert any(line.startswith("conv1 + 9 coupled [1] 16 ") for line in lines)
    assert any(line.startswith("[1] coupled: 16 units, each a channel of all layers conv1, layer1") for line in lines)
    assert "Images of 10 classes (fetched later, by rule fetch_images)" in lines
    assert "train 45,000, rank 2,000, validation 5,000, test 8,000" in lines
    torch.save({"conv1.weight": torch.zeros(3)}, folder / "weights.th")
    assert "weights.th" in refused(said(study))


def test_widths_are_shown_with_the_level_that_meets_them_and_else_refused(said):
    even = {"name": "even", "score": "l1", "scope": "widths", "widths": {5: 3, "2": 3}}
    gates = {"name": "gates.mlp", "widths": {5: 2, 4: 2}, "draws": 3, "start": "fpgm", "epochs": 4}
    study = OWN | {"readings": {}, "levels": [0.3, 0.6], "criteria": {"scores": [even], "learned": [gates]}}
    status, output, errors = said(study)
    lines = words(output)
    assert status == 0, errors
    met = "criteria.scores: even is met at level 0.3, without 3 of 9 units; layers: "
    assert f"{met}1 of 5 units keep 3, 1 of 4 units keep 3" in lines
    # The scores that gates start at and that stand beside them are computed too: l1, fpgm and taylor_activation.
    assert any(line.startswith("scores 3 ") for line in lines)
    assert any(line.startswith("selection 3 ") and line.endswith(" 12 epochs") for line in lines)
    assert any("gates.mlp (5), controls.gates.mlp (8)" in line for line in lines)
    assert refused(said(study | {"levels": [0.3]})) == (
        "criteria.learned: gates.mlp removes 5 of 9 units, which none of the study's levels does; levels: add 0.6"
    )
    thin = {"criteria": {"learned": [gates | {"widths": {5: 1, 4: 3}}]}, "evaluation": {"keep_at_least": [2]}}
    assert refused(said(study | thin)) == (
        "criteria.learned: gates.mlp keeps 1 of the 5 channels of 0, but with evaluation.keep_at_least 2 level 0.6 "
        "keeps 2; change one of the two"
    )
    assert refused(said(study | {"criteria": {"learned": [gates | {"start": "bn_scale"}]}})).startswith(
        "criteria.learned: bn_scale needs a BatchNorm with weights right behind every layer, and 0 has none"
    )


def test_cells_of_retraining_are_counted_one_by_one(said):
    own = {"criterion": "weight.max", "levels": [0.3], "kinds": ["retrained"]}
    retrain = {"criteria": [own, "weight.mean"], "levels": [0.6], "scratch": False}
    status, output, _ = said(OWN | {"readings": {}, "levels": [0.3, 0.6], "retraining": retrain})
    # One of the first, two of the second, and random.0 like each.
    (line,) = [line for line in words(output) if line.startswith("retraining ")]
    assert status == 0 and line.startswith("retraining 6 ") and line.endswith(" 3 criteria, 2 levels, 2 kinds")


def test_a_score_that_the_network_cannot_have_is_refused_by_its_layer(said):
    assert refused(said(OWN | {"criteria": {"scores": ["l1", {"name": "scale", "score": "bn_scale"}]}})) == (
        "criteria.scores: bn_scale needs a BatchNorm with weights right behind every layer, and 0 has none; leave "
        "bn_scale out of criteria.scores"
    )
    scores = ["l1", "l2", "fpgm", "taylor", "taylor_activation", "gradient", "activation", "apoz"]
    status, output, _ = said(OWN | {"criteria": {"scores": scores}})
    assert status == 0 and any(line.startswith("scores 8 ") for line in words(output))


def test_recoveries_are_counted_and_refused_for_a_network_without_batchnorm(said):
    recovered = {"evaluation": {"recovery": ["none", "batchnorm"], "batchnorm_images": 100}}
    line = "evaluation.recovery or sensitivity.recovery names batchnorm, but the network has no BatchNorm with running"
    assert refused(said(OWN | recovered)) == f"{line} statistics; leave batchnorm out"
    status, output, _ = said(OWN | recovered | {"model": {"name": "vgg_small"}})
    text = " ".join(words(output))
    line = "each, and the dense network, is evaluated as it is and after recovery. BatchNorm re-estimated: running"
    assert status == 0 and f"{line} statistics re-estimated on up to 100 training images" in text
    assert any(text.endswith("images, after 2 recoveries") for text in words(output))


def estimated(stage, **changes):
    """The seconds of a stage, by a forward pass of 3 s."""
    sizes = {"train": 1000, "rank": 100, "validation": 100, "test": 400}
    study = {"data": {"source": "digits"}, "model": {"name": "vgg_small"}, "readings": {}, "training": {"seeds": [0]}}
    config = settings.checked(study | changes)
    timed = timing.Timed(forward=3.0, evaluated=0.5, readings={}, slower={})
    basis = estimates.Basis(config, criteria_names.of(config), sizes, timed, Cost(1000, 1000), 10)
    return {stage.name: stage.seconds for stage in estimates.estimated(basis)}[stage]


def test_scorers_cost_their_fits_and_what_their_descriptors_read():
    one = {"name": "scorer.own", "scope": "global", "level": 0.5, "epochs": 2}

    def seconds(**entry):
        return estimated("selection", criteria={"learned": [one | entry]}, levels=[0.5])

    # A step counts three passes, a validation one; descriptors read 100 rank images to fit, and again to score.
    assert seconds() == 3 * (2 * (3 * 1000 + 100) + 2 * 3 * 100)
    assert seconds(gradients=False) == 3 * 2 * (3 * 1000 + 100)
    assert seconds(loss="distillation") == 3 * (2 * (4 * 1000 + 100) + 2 * 3 * 100)
    assert seconds(fit="none") == 3 * 2 * 3 * 100


def test_a_recovery_costs_its_images_and_an_evaluation_more():
    def seconds(stage, **evaluation):
        return estimated(stage, evaluation={"choose_on": "rank", **evaluation})

    recovered = {"recovery": ["none", "batchnorm"], "batchnorm_images": 50}
    once, twice = seconds("evaluation"), seconds("evaluation", **recovered)
    assert twice / once == pytest.approx((2 * 400 * 0.5 + 50 * 3) / (400 * 0.5))
    # What chooses is evaluated as pruned.
    assert seconds("choosing") == seconds("choosing", **recovered)


def test_a_reading_of_classes_that_its_split_does_not_show_is_refused(said):
    study = OWN | {"split": {"rank": 4}, "readings": {"some": {"classes": ["8", "9"]}}}
    assert refused(said(study)) == (
        "readings.some.classes: none of the 4 rank images is of class 8, 9; name other classes, or another split"
    )
    assert refused(said(OWN | {"readings": {"some": {"classes": ["eight"]}}})).startswith(
        "readings.some.classes names eight, which is no class of the images; known: 0, 1, 2"
    )


def test_a_reading_that_is_known_to_explode_is_warned_of(said):
    def of(**reading):
        status, output, _ = said(OWN | {"readings": {"own": reading}})
        assert status == 0
        return output

    assert "Warnings" not in of(rule="epsilon") and "Warnings" not in of(rule="alpha2beta1", bias=False)
    output = of(rule="epsilon_gamma_flat", bias=False)
    _, _, warning = output.partition("Warnings\n")
    assert " ".join(warning.partition("\n\n")[0].split()).startswith(
        "readings.own: bias is false, but the rule gamma and epsilon needs the bias in its denominators, which come"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "data: {source: digits}\nlevels: [0.1]\nlevels: [0.2]\n",
            "the key levels stands twice, in lines 2 and 3; keep one of them",
        ),
        (
            "data:\n  source: digits\n  size: 16\n  size: 32\n",
            "the key data.size stands twice, in lines 3 and 4; keep one of them",
        ),
        (
            "export:\n- {criterion: a, level: 0.1}\n- criterion: b\n  'criterion': c\n",
            "the key export.criterion stands twice, in lines 3 and 4; keep one of them",
        ),
        ("seed: 1\ndata: {source: a, source: b}\n", "the key data.source stands twice, in line 2; keep one of them"),
        ('{"seed": 1,\n"seed": 2}', "the key seed stands twice, in lines 1 and 2; keep one of them"),
        # Keys that are merged in may be given again: that is what merging is for.
        ("a: &a {rule: zplus}\nreadings: {b: {<<: *a, rule: epsilon}}\n", "unknown key a"),
        (None, "there is no such file; name the file of a study"),
        ("data: [", "this is no YAML: "),
        ("study: 2024-13-45", "this is no YAML: month must be in 1..12"),
        ("question: 2024-02-30", "this is no YAML: day is out of range for month"),
        (f"seed: {'9' * 5000}", "this is no YAML: Exceeds the limit"),
        ("seed: !!int abc", "this is no YAML: "),
        ("seed: !!bool foo", "this is no YAML: "),
        ("seed: !!timestamp foo", "this is no YAML: "),
        ("data: " + "[" * 3000, "this is no YAML: "),
        ("levels", "this is no study; a study is keys and values"),
    ],
)
def test_a_file_that_is_no_study_is_one_line(folder, capsys, content, message):
    if content:
        (folder / "study.yaml").write_text(content)
    status = console.main(["check", "study.yaml"])
    assert refused((status, *capsys.readouterr())).startswith(message)


@pytest.mark.parametrize(("fast", "few"), [(False, 0), (True, 0), (True, 2000)])
def test_what_auto_comes_to_here_is_said(said, monkeypatch, fast, few):
    monkeypatch.setattr(devices, "FEW", few)
    monkeypatch.setattr(devices, "fast_in_bfloat16", lambda device: fast)
    status, output, _ = said(OWN | {"device": "cpu"})
    lines = output.splitlines()
    place = lines.index(f"Arithmetic: this cpu has {'fast' if fast else 'no fast'} instructions for bfloat16")
    ran = "bfloat16" if fast and not few else "float32"
    assert status == 0
    assert lines[place + 1 : place + 3] == [
        f"  evaluation in {ran} (auto: bfloat16 where it is fast, for {few:,} images or more)",
        "",
    ]


ROUNDED = {
    "device": "cpu",
    "evaluation": {"precision": "bfloat16"},
    "readings": {
        "exact": {},
        "rounded": {"precision": "bfloat16"},
        "another": {"precision": "bfloat16", "reduce": "sum"},
    },
    "training": OWN["training"] | {"precision": "bfloat16"},
}


def test_bfloat16_on_a_processor_that_is_slow_in_it_is_warned_of_with_its_factor(said, monkeypatch):
    monkeypatch.setattr(devices, "fast_in_bfloat16", lambda device: False)
    status, output, _ = said(OWN | ROUNDED)
    lines = output.splitlines()
    place = lines.index("  evaluation in bfloat16 (as set)")
    warned = [line.split(": bfloat16 takes ") for line in lines[place + 1 : place + 4]]
    assert status == 0
    assert [part for part, _ in warned] == ["  evaluation", "  readings another, rounded", "  training"]
    for _, rest in warned:
        assert re.fullmatch(r"[0-9.e+]+ times as long here as float32, on 8 images; set float32", rest)
    assert lines[place + 4] == ""


def test_bfloat16_on_a_processor_that_is_fast_in_it_is_no_warning(said, monkeypatch):
    monkeypatch.setattr(devices, "fast_in_bfloat16", lambda device: True)
    assert "times as long" not in said(OWN | ROUNDED)[1]


@pytest.mark.study
def test_the_rule_writes_and_prints_what_the_command_says(tmp_path, monkeypatch, capsys):
    criteria = {
        "scores": ["l1", "taylor"],
        "mixtures": [{"name": "both", "first": "l1", "second": "taylor", "deltas": ["0.5"]}],
    }
    config = yaml.safe_load(TINY) | {"criteria": yaml.safe_load(TINY)["criteria"] | criteria}
    workflow = Workflow(tmp_path / "study", yaml.safe_dump(config))
    output = workflow.run("--cores", "1", "check")
    text = (workflow.folder / "results/check.txt").read_text()
    assert text in output
    monkeypatch.chdir(workflow.folder)
    assert console.main(["check"]) == 0
    # All but the time: the families of the command are those of the rules.
    assert untimed(capsys.readouterr().out) == untimed(text)
    planned = workflow.planned("all")
    jobs = {line.split()[0]: int(line.split()[1]) for line in text.partition("Time and disk")[2].splitlines()[2:-5]}
    assert jobs["evaluation"] == planned["evaluate_pruning"]
    assert jobs["choosing"] == planned["evaluate_choosing"]
    assert jobs["relevance"] == planned["extract_relevance"]
    assert jobs["training"] == planned["train_model"]


def untimed(text):
    before, _, after = text.partition("Time and disk")
    return before, [line.split()[:2] for line in after.splitlines()]


GATED = """
    import torch
    from torch import nn


    class Gated(nn.Module):
        def __init__(self, classes):
            super().__init__()
            self.stem, self.down, self.up = nn.Conv2d(1, 6, 3), nn.Conv2d(6, 4, 1), nn.Conv2d(4, 6, 1)
            self.last, self.head = nn.Conv2d(6, 6, 3), nn.Linear(6, classes)

        def forward(self, x):
            x = self.stem(x).relu()
            gate = self.up(self.down(x.mean((2, 3), keepdim=True)).relu()).sigmoid()
            return self.head(self.last(x * gate).relu().mean((2, 3)))
    """


def test_units_without_relevance_are_named_and_a_level_that_needs_them_is_refused(said, folder):
    """Of 16 units the four of the layer that only makes gates cannot be ranked; the gates go with what they gate."""
    (folder / "gates.py").write_text(textwrap.dedent(GATED))
    config = OWN | {"model": {"factory": "gates:Gated"}, "levels": [0.5]}
    status, output, errors = said(config)
    assert (status, errors) == (0, "")
    line = "readings.relevance: 4 of 16 units have no relevance and are never removed by its rankings, because their"
    assert f"{line} layers only gate others: down" in " ".join(output.split())
    message = (
        "readings.relevance: level 0.8 is 13 of 16 units, but 4 have no score and with keep_at_least 0 only 12 can be "
        "removed; lower the level or the floor; or leave the reading out (readings: {})"
    )
    assert refused(said(config | {"levels": [0.8]})) == message
    assert said(config | {"levels": [0.8], "readings": {}})[0] == 0
