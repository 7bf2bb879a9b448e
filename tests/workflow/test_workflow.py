"""The graph: a small study over all rules, and which edits rerun which rules."""

import collections
import hashlib
import importlib.util
import json
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pandas
import pytest
import torch
import yaml

from secateur.artifacts import tables
from secateur.graph import folding
from secateur.images import store
from secateur.jobs import devices
from secateur.models import checkpoints, zoo
from secateur.study import levels
from support.studies import ROOT, TINY, Workflow

pytestmark = pytest.mark.study

RELEVANCE = "workflow/secateur/relevance/propagation.py"
PLOTS = {
    "plot_strategies": 2, "plot_statistics": 3, "plot_deltas": 2, "plot_controls": 3, "plot_floors": 2, "plot_layers": 2
}  # fmt: skip
TABLES = {
    "collect_evaluations": 1, "tabulate_accuracy": 1, "tabulate_thesis": 1, "judge_thesis": 1, "write_study_page": 1,
    "compare_relevance": 2,
}  # fmt: skip
SETTINGS = {"write_settings": 1, "describe_study": 1, "write_study_page": 1}
# The study page says how many images were read.
STABILITY = {"plot_stability": 1, "describe_study": 1, "write_study_page": 1}
REPORT = {"report": 1}
# Two seeds x (two readings and the weights, with their controls; two that mix; random), and those that are chosen from.
EVALUATIONS = {"evaluate_pruning": 18, "evaluate_choosing": 10}
AFTER_RANKING = EVALUATIONS | TABLES | PLOTS | REPORT
RELEVANCE_RANKINGS = {"rank_by_statistic": 4, "rank_mixed": 4, "rank_controls": 4}
AFTER_ONE_READING = (
    {"summarise_relevance": 2, "rank_by_statistic": 2, "rank_mixed": 2, "rank_controls": 2}
    | {"evaluate_pruning": 6, "evaluate_choosing": 4}
    | STABILITY | TABLES | PLOTS | SETTINGS | REPORT
)  # fmt: skip
THESIS = yaml.safe_load(TINY)["readings"]["thesis"]


def text_edit(path, old, new):
    def edit(folder):
        text = (folder / path).read_text()
        assert old in text, f"{old!r} is not in {path}"
        (folder / path).write_text(text.replace(old, new, 1))

    return edit


def config_edit(**changes):
    def edit(folder):
        path = folder / "config" / "config.yaml"
        config = yaml.safe_load(path.read_text())
        for name, value in changes.items():
            *parents, last = name.split("__")
            place = config
            for parent in parents:
                place = place[parent]
            place[last] = value
        path.write_text(yaml.safe_dump(config, sort_keys=False))

    return edit


def touch(*patterns):
    def edit(folder):
        for pattern in patterns:
            for path in folder.glob(pattern):
                path.touch()

    return edit


# Runs when Python starts: where this machine is fast in bfloat16, it no longer is, and the other way round.
ANOTHER_MACHINE = """
import torch

from secateur.jobs import devices

fast = devices.fast_in_bfloat16(torch.device("cpu"))
devices.fast_in_bfloat16 = lambda device: not fast
devices.FEW = 0
"""


def another_machine(folder):
    (folder / "workflow" / "sitecustomize.py").write_text(ANOTHER_MACHINE)


EDITS = {
    "nothing": (lambda folder: None, {}),
    "touched code": (touch("workflow/**/*.py", "rules/*", "Snakefile", "envs/*", "report/*"), {}),
    "touched settings": (touch("config/*", "profiles/*/*"), {}),
    "touched tables": (touch("results/**/*.csv", "results/**/*.json"), {}),
    "settings in another order": (
        lambda folder: (folder / "config/config.yaml").write_text(
            yaml.safe_dump(yaml.safe_load((folder / "config/config.yaml").read_text()), sort_keys=True)
        ),
        {},
    ),
    "a delta more": (
        config_edit(criteria__mixing__deltas=["0.0", "0.5", "1.0"]),
        {"rank_mixed": 4, "evaluate_pruning": 4, "evaluate_choosing": 4} | TABLES | PLOTS | SETTINGS | REPORT,
    ),
    "a draw more": (
        config_edit(criteria__random=3),
        {"rank_at_random": 2, "rank_controls": 6, "evaluate_pruning": 8} | TABLES | PLOTS | SETTINGS | REPORT,
    ),
    "a reading that is only combined": (
        config_edit(criteria__mixing__readings=["relevance"], criteria__mixing__alternate_only=["thesis"]),
        {"rank_combined": 2, "evaluate_pruning": 2} | TABLES | PLOTS | {"plot_deltas": 1, "plot_controls": 2}
        | SETTINGS | REPORT,
    ),
    "fewer statistics of one reading": (
        config_edit(criteria__compared=["relevance", "weight"]),
        {"evaluate_pruning": 2, "evaluate_choosing": 2} | TABLES | PLOTS | {"plot_statistics": 2} | SETTINGS | REPORT,
    ),
    "another level": (config_edit(levels=[0, 0.25, 0.75]), AFTER_RANKING | SETTINGS),
    "a recovery": (
        config_edit(evaluation__recovery=["none", "batchnorm"]),
        EVALUATIONS | {"plot_recovery": 1} | TABLES | PLOTS | SETTINGS | REPORT,
    ),
    "another question": (config_edit(question="Why?"), SETTINGS | REPORT),
    "another name": (config_edit(study="other"), SETTINGS | REPORT | {"judge_thesis": 1}),
    "a study that shares networks and relevance": (
        config_edit(study="other", question="And now?", levels=[0, 0.25], criteria__mixing__deltas=["0.0"]),
        {"rank_mixed": 4} | AFTER_RANKING | SETTINGS,
    ),
    "a seed in the place of another": (
        config_edit(training__seeds=[0, 2]),
        {"train_model": 1, "extract_relevance": 2, "summarise_relevance": 2, "summarise_weights": 1}
        | {"list_units": 1, "rank_at_random": 1, "rank_by_statistic": 3, "rank_mixed": 2, "rank_controls": 3}
        | {"evaluate_pruning": 9, "evaluate_choosing": 5} | TABLES | PLOTS | SETTINGS | REPORT | STABILITY,
    ),
    "a mirror": (config_edit(data__mirror="https://mirror.example"), SETTINGS | REPORT),
    "another confidence": (config_edit(figures={"confidence": 0.9}), TABLES | PLOTS | SETTINGS | REPORT),
    "another reduction of one reading": (
        config_edit(readings__relevance={"reduce": "sum"}), AFTER_ONE_READING
    ),
    "fewer images for one reading": (
        config_edit(readings__relevance={"images": 30}), {"extract_relevance": 2} | AFTER_ONE_READING
    ),
    "a reading that ends early": (
        config_edit(readings__relevance={"until": {"stability": 0.9}}), {"extract_relevance": 2} | AFTER_ONE_READING
    ),
    "a reading in shards": (
        config_edit(readings__thesis=THESIS | {"shards": 3}),
        {"extract_relevance_shard": 6, "merge_relevance": 2} | AFTER_ONE_READING,
    ),
    "more epochs": (
        config_edit(training__epochs=3),
        {"train_model": 2, "extract_relevance": 4, "summarise_relevance": 4, "summarise_weights": 2}
        | {"rank_by_statistic": 6, "rank_mixed": 4, "rank_controls": 6}
        | AFTER_RANKING | SETTINGS | STABILITY,
    ),
    "a plot's code": (
        text_edit("workflow/secateur/figures/layers.py", "Removed share", "Lost share"), {"plot_layers": 2} | REPORT
    ),
    "the lines of the figures of curves": (
        text_edit("workflow/secateur/figures/lines.py", "own shares", "shares"),
        {name: count for name, count in PLOTS.items() if name != "plot_layers"} | REPORT,
    ),
    "a caption": (text_edit("report/plot_layers.rst", "The share", "What share"), REPORT),
    "a comment in the relevance module": (text_edit(RELEVANCE, "import torch\n", "# Why.\nimport torch\n"), {}),
    "the relevance module": (
        text_edit(RELEVANCE, "torch.zeros_like(logits)", "torch.ones_like(logits)"),
        {"extract_relevance": 4, "summarise_relevance": 4} | RELEVANCE_RANKINGS
        | {"evaluate_pruning": 12, "evaluate_choosing": 8}
        | TABLES | PLOTS | REPORT | STABILITY,
    ),
    "what surrounds every job": (text_edit("workflow/secateur/jobs/script.py", '"done"', '"finished"'), {}),
    "another machine": (another_machine, {}),
    "a precision of evaluation": (config_edit(evaluation__precision="bfloat16"), AFTER_RANKING | SETTINGS),
    "an environment": (
        text_edit("envs/figures.yaml", "seaborn >=0.13", "seaborn >=0.13.2"),
        PLOTS | REPORT | {"plot_stability": 1, "write_study_page": 1},
    ),
    "a comment in an environment": (text_edit("envs/figures.yaml", "# Draws", "# It draws"), {}),
}  # fmt: skip


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_reruns_only_what_it_invalidates(tiny_study, name, tmp_path):
    edit, wanted = EDITS[name]
    kept = {part: tmp_path / part for part in ("workflow", "config", "report", "envs", "Snakefile")}
    for part, copy in kept.items():
        source = tiny_study.folder / part
        shutil.copytree(source, copy) if source.is_dir() else shutil.copy2(source, copy)
    try:
        edit(tiny_study.folder)
        assert tiny_study.planned() == wanted
    finally:
        for part, copy in kept.items():
            target = tiny_study.folder / part
            if target.is_dir():
                shutil.rmtree(target)
                shutil.copytree(copy, target)
            else:
                shutil.copy2(copy, target)


def test_machines_of_other_arithmetic_share_what_auto_measured(tiny_study, tmp_path, monkeypatch):
    network = tiny_study.folder / "results/digits/vgg_small/0"
    manifest = json.loads((network / "evaluation/weight.json").read_text())
    wanted = tables.read(network / "evaluation/weight.csv")
    options = manifest["options"] | {"code": manifest["code_digest"], "torch": torch.__version__}
    ran = {True: "bfloat16", False: "float32"}

    def evaluated(fast, **more):
        monkeypatch.setattr(devices, "fast_in_bfloat16", lambda device: fast)
        monkeypatch.setattr(devices, "FEW", 0)
        found = script("evaluate_pruning").evaluate_pruning(
            network / "training/trained.pt",
            tiny_study.folder / "results/digits/images/test.h5",
            {name: network / f"ranking/{name}.csv" for name in options["criteria"]},
            tmp_path / "table.csv",
            tmp_path / "bits.h5",
            tmp_path / "plans",
            options | more,
            50,
        )
        return found["precision"], tables.read(tmp_path / "table.csv")

    assert "precision" not in manifest["options"]
    # Of few images, `auto` is float32 on every machine.
    assert manifest["precision"] == {"asked": "auto", "ran": "float32", "rows": {"float32": len(wanted)}}
    for fast in (False, True):
        found, table = evaluated(fast)
        # What the first machine measured.
        assert found == {"asked": "auto", "ran": ran[fast], "rows": {"float32": len(wanted)}}
        assert table["accuracy"].tolist() == wanted["accuracy"].tolist()
    found, table = evaluated(False, precision="bfloat16")
    assert found == {"asked": "bfloat16", "ran": "bfloat16", "rows": {"bfloat16": len(wanted)}}
    assert table["accuracy"].tolist() == wanted["accuracy"].tolist()
    assert table["loss"].tolist() == pytest.approx(wanted["loss"].tolist(), abs=1e-2)


def script(name):
    """A script of the workflow, as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "workflow" / f"{name}.py")
    spec.loader.exec_module(module := importlib.util.module_from_spec(spec))
    return module


def test_every_rule_of_the_workflow_ran(tiny_study):
    texts = "".join(p.read_text() for p in (ROOT / "rules").glob("*.smk"))
    rules = set(re.findall(r"^(?:use )?rule (?:\w+ as )?(\w+)(?: with)?:", texts, flags=re.M))
    ran = set(re.findall(r"^(\w+) +\d+$", tiny_study.output, flags=re.M))
    # The test of shards below merges, that of criteria takes weights and scores, tests/export exports,
    # tests/retraining retrains, tests/preview checks, test_bad_input.py checks levels.
    scoring = {"score_weights", "score_images", "list_stages", "rank_by_score", "rank_by_file", "rank_mixture"}
    scoring |= {"score_first_weights", "score_images_at_first"}
    retraining = {"retrain_model", "collect_retraining", "plot_retraining", "plot_recovery", "plot_epochs"}
    # The test below packs; the rules of rules/compare.smk are indented, and test_compare.py runs them.
    others = {"fetch_images", "take_weights", "plot_scores", "export_model", "check_study", "check", "check_levels"}
    others |= {"crate"}
    # tests/verdicts has a study with a list that is only combined.
    parts = {"merge_relevance", "extract_relevance_shard", "rank_combined"}
    # test_selection.py has criteria that are learned, scores of first weights, and scores by cost.
    learned = {"learn_gates", "rank_shuffled", "rank_uniform", "fit_scorer", "score_by_scorer", "plot_scorers"}
    learned |= {"rank_per_cost"}
    # tests/pruning has levels that are shared out, and criteria in steps.
    learned |= {"measure_sensitivity", "rank_allocated", "plot_sensitivity", "rank_rescored"}
    # test_sparsity.py has sparse networks.
    sparse = {"train_sparse", "collect_sparsity", "plot_sparsity", "export_sparse"}
    # test_tickets.py has tickets.
    tickets = {"rewind_weights", "prune_ticket", "train_ticket", "collect_tickets", "plot_tickets", "plot_redrawn"}
    assert rules - ran == others | scoring | retraining | parts | learned | sparse | tickets


def test_a_finished_study_is_packed_and_unpacked_it_is_a_study(tiny_study, tmp_path):
    tiny_study.run("--cores", "1", "crate")
    assert tiny_study.planned("crate") == {}
    with zipfile.ZipFile(tiny_study.folder / "results/crate.zip") as crate:
        crate.extractall(tmp_path)
    rows = pandas.read_csv(tmp_path / "digests.csv").set_index("path")
    for path in filter(Path.is_file, (tmp_path / "results").rglob("*")):
        name = path.relative_to(tmp_path).as_posix()
        assert rows["sha256"][name] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert path.read_bytes() == (tiny_study.folder / name).read_bytes()
    environment = {"PYTHONPATH": str(tmp_path / "workflow")}
    text = subprocess.run(
        tiny_study.command("-n", "all", "--configfile", "results/settings.yaml"), cwd=tmp_path,
        env=tiny_study.environment | environment, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert "train_model" in text


CELLS = {
    "relevance": "relevance.mean_abs",
    "thesis": "thesis.max",
    "mixed.thesis": "combined.thesis",
    "mixed.relevance": "mixed.relevance.0.5",
    "random": "uniform.random.1",
    "controls.weight.mean_abs": "shuffled.weight.mean_abs.0",
}


def test_the_numbers_of_the_tables_can_be_recomputed_by_plain_torch(tiny_study):
    results = tiny_study.folder / "results"
    network = results / "digits/vgg_small/1"
    model = checkpoints.load(network / "training/trained.pt").model
    with store.opened(results / "digits/images/test.h5") as shown:
        pixels, labels = shown.normalised(slice(None)), torch.as_tensor(shown.labels[:])
    for family, criterion in CELLS.items():
        order = tables.read(network / f"ranking/{criterion}.csv")
        found = tables.read(network / f"evaluation/{family}.csv")
        row = found.query("level == 0.5 and keep_at_least == 0 and criterion == @criterion").iloc[0]
        masked = folding.folded(model)
        with torch.no_grad():
            for layer, channel in order[["layer", "channel"]].to_numpy()[: levels.removed_at(0.5, len(order))]:
                convolution = masked.get_submodule(layer)
                convolution.weight[channel] = 0
                convolution.bias[channel] = 0
            logits = masked(pixels)
        assert row["accuracy"] == pytest.approx((logits.argmax(1) == labels).double().mean().item(), abs=1e-9)
        assert row["loss"] == pytest.approx(torch.nn.functional.cross_entropy(logits, labels).item(), rel=1e-5)


def test_statistics_can_be_recomputed_from_relevance_of_single_images(tiny_study):
    from secateur.relevance import propagation

    network = tiny_study.folder / "results/digits/vgg_small/0"
    model = checkpoints.load(network / "training/trained.pt").model
    with store.opened(tiny_study.folder / "results/digits/images/rank.h5") as shown:
        maps = propagation.propagate(model, shown.normalised(slice(None)))
    table = tables.read(network / "statistics/relevance.csv")
    for layer, part in table.groupby("layer", sort=False):
        total = maps[layer].double().abs().mean(0).sum((1, 2))
        np.testing.assert_allclose(part["mean_abs"], total / total.sum(), rtol=1e-4)


READINGS = """
readings:
  whole: {images: 100}
  sharded: {images: 60, shards: 3}
  banded: {rule: [{to: 0.5, rule: zplus}, {to: 1, rule: epsilon=0.01}], seed: logit}
  early: {until: {stability: 0.8, at_least: 2}}
  few: {classes: ["3", 5], target: label}
  four: {target: "4", precision: float64, images: 20}
  every: {target: all, precision: float64, images: 20}
"""
NETWORK = "results/digits/vgg_small/1"
MORE = ("--configfile", "config/config.yaml", "more.yaml")


@pytest.fixture(scope="module")
def more_readings(tiny_study):
    """The small study with more readings, in batches of few images, up to their statistics."""
    (tiny_study.folder / "more.yaml").write_text(READINGS)
    sizes = [f"{rule}:images_per_batch=16" for rule in ("extract_relevance", "extract_relevance_shard")]
    wanted = [f"{NETWORK}/statistics/{name}.csv" for name in ("early", "few", "four", "every")]
    wanted += [f"{NETWORK}/ranking/{name}.mean_abs.csv" for name in ("whole", "sharded")]
    wanted += [f"{NETWORK}/relevance/banded.h5"]
    tiny_study.run("--cores", "2", *MORE, "--set-resources", *sizes, "--", *wanted)
    return tiny_study


def relevance_of(study, name):
    """Every number of a relevance file."""
    found = {}
    with h5py.File(study.folder / NETWORK / f"relevance/{name}.h5") as file:
        file.visititems(lambda path, item: found.update({path: item[:]} if isinstance(item, h5py.Dataset) else {}))
    return found


def test_shards_merge_into_the_file_of_one_job(more_readings):
    whole, sharded = (relevance_of(more_readings, name) for name in ("whole", "sharded"))
    assert list(whole) == list(sharded)
    for name in whole:
        if "map" in name:
            np.testing.assert_allclose(sharded[name], whole[name], rtol=1e-9)
        else:
            np.testing.assert_array_equal(sharded[name], whole[name])
    folder = more_readings.folder / NETWORK
    one, other = ((folder / f"ranking/{name}.mean_abs.csv").read_bytes() for name in ("whole", "sharded"))
    assert one == other
    assert sorted(path.name for path in (folder / "relevance").glob("sharded*")) == ["sharded.h5"]


def test_readings_that_differ_only_in_their_statistics_share_one_extraction(tmp_path):
    summed = "  relevance_sum: {reduce: sum, shards: 4}\n"
    workflow = Workflow(tmp_path / "study", TINY.replace("  thesis:", f"{summed}  thesis:"))
    planned = workflow.planned()
    assert planned["extract_relevance"] == 4 and "extract_relevance_shard" not in planned
    assert planned["summarise_relevance"] == 6 and planned["rank_by_statistic"] == 8


def test_bands_of_depth_are_a_setting(more_readings):
    from secateur.relevance import propagation

    model = checkpoints.load(more_readings.folder / NETWORK / "training/trained.pt").model
    with store.opened(more_readings.folder / "results/digits/images/rank.h5") as shown:
        bands = {0.5: "zplus", 1: "epsilon=0.01"}
        maps = propagation.propagate(model, shown.normalised(slice(None)), rule=bands, start="logit")
    found = relevance_of(more_readings, "banded")
    for layer, R in maps.items():
        np.testing.assert_allclose(found[f"{layer}/map_sum"], R.double().sum(0), rtol=1e-3, atol=1e-4)


def test_relevance_that_is_there_need_not_be_read_again_in_shards(tiny_study):
    text = yaml.safe_dump({"readings": {"thesis": {"shards": 2}}})
    (tiny_study.folder / "shards.yaml").write_text(text)
    overlay = ("--configfile", "config/config.yaml", "shards.yaml", "--", "all")
    assert tiny_study.planned(*overlay)["extract_relevance_shard"] == 4
    assert tiny_study.planned("--rerun-triggers", "mtime", *overlay) == {}


def test_a_reading_that_ends_early_says_after_how_many_images(more_readings):
    folder = more_readings.folder / NETWORK / "statistics"
    curve = tables.read(folder / "early.stability.csv")
    assert curve["images"].tolist() == [50] and curve["spearman"].iloc[0] >= 0.8
    assert json.loads((folder / "early.json").read_text())["images"] == 50
    whole = tables.read(folder / "whole.stability.csv")
    assert whole["images"].tolist() == [50, 60] and whole["spearman"].iloc[0] == curve["spearman"].iloc[0]


def test_the_study_page_says_how_many_images_each_reading_read(tiny_study):
    text = (tiny_study.folder / "results/tables/description.html").read_text()
    assert "<td>relevance</td><td>alpha2beta1</td><td>rank images, used for nothing else</td><td>60</td>" in text
    assert "<td>thesis</td><td>alpha2beta1</td><td>the test images, which are also reported on</td><td>120</td>" in text


def test_the_study_page_says_for_how_many_images_relevance_is_not_conserved(tiny_study):
    text = (tiny_study.folder / "results/tables/description.html").read_text()
    folders = [tiny_study.folder / f"results/digits/vgg_small/{seed}/statistics" for seed in (0, 1)]
    kept = [tables.read(folder / "relevance.conservation.csv") for folder in folders]
    assert [len(table) for table in kept] == [6, 6]
    shares = (kept[0]["not_conserved"] + kept[1]["not_conserved"]) / 2
    assert f"<td>all are read</td><td>{100 * shares[0]:.1f} %</td><td>{100 * shares.max():.1f} %</td>" in text


def test_a_reading_of_classes_reads_their_images_only(more_readings):
    found = relevance_of(more_readings, "few")
    with store.opened(more_readings.folder / "results/digits/images/rank.h5") as shown:
        wanted = np.flatnonzero(np.isin(shown.labels, (3, 5)))
    assert found["row"].tolist() == wanted.tolist()
    assert found["target"].tolist() == found["label"].tolist()
    table = tables.read(more_readings.folder / NETWORK / "statistics/few.by_class.csv")
    assert table["class"].unique().tolist() == ["3", "5"]
    part = table[(table["class"] == "3") & (table["layer"] == "features.0")]
    rows = found["features.0/per_image_abs"][found["label"] == 3].astype(float).mean(0)
    np.testing.assert_allclose(part["mean_abs"], rows / rows.sum(), rtol=1e-6)


@pytest.mark.parametrize(
    ("reading", "message"),
    [
        ({"classes": ["thre"]}, "readings.wrong.classes names thre, which is no class of the images; known: 0, 1, 2"),
        ({"target": "al"}, "readings.wrong.target names al, which is no class of the images; did you mean all?"),
    ],
)
def test_a_class_that_the_images_lack_is_refused_before_any_job(more_readings, reading, message):
    (more_readings.folder / "wrong.yaml").write_text(yaml.safe_dump({"readings": {"wrong": reading}}))
    text = more_readings.run("-n", *MORE, "wrong.yaml", "--", f"{NETWORK}/relevance/wrong.h5", check=False)
    assert f"The study's settings: {message}" in text


def test_a_reading_explains_one_class_or_each_in_turn_for_every_image(more_readings):
    from secateur.relevance import propagation

    model = checkpoints.load(more_readings.folder / NETWORK / "training/trained.pt").model
    with store.opened(more_readings.folder / "results/digits/images/rank.h5") as shown:
        pixels = shown.normalised(slice(0, 20))
    four, every = (relevance_of(more_readings, name) for name in ("four", "every"))
    assert set(four["target"]) == {4} and set(every["target"]) == {-1}
    each = [propagation.propagate(model, pixels, target=number, dtype=torch.float64) for number in range(10)]
    for layer in each[0]:
        R = torch.stack([maps[layer] for maps in each])
        for found, wanted in ((four, R[4:5]), (every, R)):
            for kind, values in (("", wanted.mean(0)), ("_abs", wanted.abs().mean(0))):
                np.testing.assert_allclose(found[f"{layer}/map{kind}_sum"], values.sum(0), rtol=1e-6, atol=1e-12)
                np.testing.assert_allclose(found[f"{layer}/per_image{kind}"], values.sum((2, 3)), rtol=1e-5, atol=1e-6)
    folder = more_readings.folder / NETWORK / "statistics"
    kept = tables.read(folder / "every.conservation.csv")
    assert len(kept) == 6
    table, rows = tables.read(folder / "every.by_class.csv"), every["features.0/per_image_abs"].astype(float)
    part = table[(table["class"] == "3") & (table["layer"] == "features.0")]
    mean = rows[every["label"] == 3].mean(0)
    np.testing.assert_allclose(part["mean_abs"], mean / mean.sum(), rtol=1e-6)


def test_every_ranking_is_a_permutation_and_delta_0_is_the_weight_list(tiny_study):
    folder = tiny_study.folder / "results/digits/vgg_small/0"
    units = tables.read(folder / "units/units.csv")
    assert len(units) == 36
    found = {path.stem: tables.read(path)["unit"].tolist() for path in (folder / "ranking").glob("*.csv")}
    assert len(found) == 25
    assert all(sorted(order) == units["unit"].tolist() for order in found.values())
    assert found["mixed.relevance.0.0"] == found["weight.mean_abs"]


def test_splits_are_disjoint_and_of_the_sizes_asked_for(tiny_study):
    rows, sizes = [], {}
    for name in ("train", "rank", "validation", "test"):
        with h5py.File(tiny_study.folder / f"results/digits/images/{name}.h5") as file:
            rows += [(file.attrs["part"], int(i)) for i in file["index"][:]]
            sizes[name] = len(file["labels"])
    assert len(set(rows)) == len(rows) == 1797
    assert sizes == {"train": 1557, "rank": 60, "validation": 60, "test": 120}


def test_the_same_study_gives_the_same_tables(tiny_study):
    path = tiny_study.folder / "results/digits/vgg_small/0/evaluation/relevance.csv"
    before, plans = path.read_bytes(), path.parent / "plans"
    kept = {name: name.read_bytes() for name in plans.rglob("*.npz")}
    for gone in (False, True):
        if gone:
            shutil.rmtree(plans)
        again = ("--forcerun", "evaluate_pruning", "--", str(path.relative_to(tiny_study.folder)))
        # Only what is computed again can depend on the hash seed of an interpreter.
        tiny_study.run("--cores", "2", *again, cold=gone)
        assert path.read_bytes() == before
    assert {name: name.read_bytes() for name in plans.rglob("*.npz")}.items() <= kept.items()


def test_one_job_for_all_criteria_gives_the_same_tables(tiny_study, tmp_path):
    wanted = (tiny_study.folder / "results/tables/evaluations.csv").read_bytes()
    together = tiny_study.copied(tmp_path / "copy")
    config_edit(evaluation__together=True)(together.folder)
    (together.folder / "results/tables/evaluations.csv").unlink()
    text = together.run("--cores", "2", "results/tables/evaluations.csv")
    assert re.search(r"^evaluate_pruning +2$", text, re.M) and re.search(r"^evaluate_choosing +2$", text, re.M)
    assert (together.folder / "results/tables/evaluations.csv").read_bytes() == wanted


def test_a_floor_keeps_a_part_of_every_layer_at_every_level(tiny_study):
    table = tables.read(tiny_study.folder / "results/tables/evaluations.csv")
    shares = [column for column in table if column.startswith("removed.")]
    floored = table[table["keep_at_least"] == 0.1]
    assert floored[shares].max().max() < 1 and floored["empty"].isna().all()
    assert table[table["keep_at_least"] == 0]["empty"].notna().any()
    realised = floored.groupby(["split", "seed", "criterion"])["realised"].apply(list)
    assert all(values == [0, 18 / 36, 27 / 36] or values == [0, 0.5, 0.75] for values in realised)


def test_controls_keep_what_they_say(tiny_study):
    table = tables.read(tiny_study.folder / "results/tables/evaluations.csv")
    rows = table[(table["keep_at_least"] == 0) & (table["split"] == "test") & (table["seed"] == 0)]
    shares = rows.set_index(["criterion", "level"])[[column for column in table if column.startswith("removed.")]]
    own, shuffled = shares.loc["relevance.mean_abs"], shares.loc["shuffled.relevance.mean_abs.1"]
    np.testing.assert_array_equal(own, shuffled)
    uniform = shares.loc["uniform.relevance.mean_abs"]
    assert (uniform.loc[0.5] == 0.5).all() and uniform.loc[0.75].between(0.6, 0.9).all()


CRITERIA = """
study: criteria
data: {source: digits, size: 16}
split: {rank: 60, validation: 60, test: 120}
model: {name: vgg_small, arguments: {widths: [4, 4, 6, 6, 8, 8], hidden: 12}, weights: first.pt}
training: {seeds: [1], epochs: 2, batch_size: 32, learning_rate: 0.05, flip: false}
criteria:
  statistics: [mean_abs]
  mixing: {alternate: false, deltas: []}
  controls: [both.0.5]
  random: 1
  scores:
    - bn_scale
    - fpgm
    - taylor
    - apoz
    - {name: taylor_share, score: taylor, normalise: layer_share}
    - {name: l1_even, score: l1, scope: layer}
    - {name: l1_staged, score: l1, scope: stage}
    - {name: l1_wide, score: l1, scope: widths, widths: {4: 1, 6: 3, features.17: 4, 8: 6}}
  images: 50
  files: {mine: mine.csv, order: "order.{seed}.csv"}
  mixtures: [{name: both, first: taylor, second: mine, deltas: ["0.0", "0.5"]}]
levels: [0, 0.5]
"""
CHANNELS = [
    (f"features.{index}", channel)
    for index, width in zip((0, 3, 7, 10, 14, 17), (4, 4, 6, 6, 8, 8), strict=True)
    for channel in range(width)
]


def save_weights(path, seed):
    torch.manual_seed(seed)
    torch.save(zoo.build("vgg_small", 10, widths=[4, 4, 6, 6, 8, 8], hidden=12, channels=1).state_dict(), path)


@pytest.fixture(scope="module")
def criteria_study(tmp_path_factory):
    """A small study of scores, files and mixtures, finished, with its report."""
    workflow = Workflow(tmp_path_factory.mktemp("criteria"), CRITERIA)
    rows = [f"{layer},{channel},{score}" for score, (layer, channel) in enumerate(CHANNELS)]
    (workflow.folder / "mine.csv").write_text("\n".join(["layer,channel,score", *rows[::-1]]))
    rows = [f"{layer},{channel}" for layer, channel in CHANNELS[::-1]]
    (workflow.folder / "order.1.csv").write_text("\n".join(["layer,channel", *rows]))
    (workflow.folder / "foreign.csv").write_text("layer,channel\nfeatures.1,0\n")
    save_weights(workflow.folder / "first.pt", 0)
    workflow.output = workflow.run("--cores", "2", "all", "report")
    return workflow


GIVEN = ("first.pt", "mine.csv", "order.1.csv")


def moved(study, tmp_path):
    """The same files, found through SECATEUR_DATA instead of in the working folder."""
    for name in GIVEN:
        shutil.move(study.folder / name, tmp_path / name)
    study.environment["SECATEUR_DATA"] = str(tmp_path)


def copied(study, tmp_path):
    for name in GIVEN:
        shutil.copyfile(study.folder / name, tmp_path / name)
        shutil.copyfile(tmp_path / name, study.folder / name)


def named_elsewhere(study, tmp_path):
    for name in GIVEN:
        shutil.move(study.folder / name, tmp_path / name)
    weights, files = f"{tmp_path}/first.pt", {"mine": f"{tmp_path}/mine.csv", "order": f"{tmp_path}/order.{{seed}}.csv"}
    config_edit(model__weights=weights, criteria__files=files)(study.folder)


def other_scores(study, tmp_path):
    text_edit("mine.csv", "features.0,0,0", "features.0,0,99")(study.folder)


def other_weights(study, tmp_path):
    save_weights(study.folder / "first.pt", 1)


AFTER_FIGURES = {
    "collect_evaluations": 1, "tabulate_accuracy": 1, "plot_scores": 1, "plot_strategies": 1, "plot_statistics": 2,
    "plot_layers": 1, "plot_controls": 1, "write_study_page": 1, "compare_relevance": 1, "report": 1,
}  # fmt: skip
EDITS_OF_GIVEN_FILES = {
    moved: {},
    copied: {},
    named_elsewhere: SETTINGS | REPORT,
    other_scores: {"rank_by_file": 1, "rank_mixture": 2, "rank_controls": 1, "evaluate_pruning": 3} | AFTER_FIGURES,
    other_weights: (
        {"take_weights": 1, "check_levels": 1, "train_model": 1, "list_units": 1, "list_stages": 1}
        | {"extract_relevance": 1, "summarise_relevance": 1, "summarise_weights": 1}
        | {"score_weights": 3, "score_images": 2}
        | {"rank_by_statistic": 2, "rank_by_score": 8, "rank_by_file": 2, "rank_mixture": 2, "rank_at_random": 1}
        | {"rank_controls": 1, "evaluate_pruning": 7} | AFTER_FIGURES | STABILITY
    ),
}  # fmt: skip


@pytest.mark.parametrize("edit", EDITS_OF_GIVEN_FILES)
def test_the_content_of_given_files_decides_what_runs_and_not_their_place(criteria_study, edit, tmp_path):
    kept, before = tmp_path / "kept", dict(criteria_study.environment)
    kept.mkdir()
    for name in (*GIVEN, "config/config.yaml"):
        shutil.copy2(criteria_study.folder / name, kept / Path(name).name)
    try:
        edit(criteria_study, tmp_path)
        assert criteria_study.planned() == EDITS_OF_GIVEN_FILES[edit]
    finally:
        criteria_study.environment = before
        for name in (*GIVEN, "config/config.yaml"):
            shutil.copy2(kept / Path(name).name, criteria_study.folder / name)


def test_given_weights_are_copied_for_training_and_not_kept(criteria_study):
    assert "take_weights" in criteria_study.output
    assert not list((criteria_study.folder / "results/weights").glob("*.pt"))
    first = torch.load(criteria_study.folder / "first.pt", weights_only=True)
    model = checkpoints.load(criteria_study.folder / NETWORK / "training/initial.pt").model
    assert all(torch.equal(first[name], tensor) for name, tensor in model.state_dict().items())


def ranked(study, name):
    return tables.read(study.folder / NETWORK / f"ranking/{name}.csv")


def test_scores_files_and_mixtures_are_ranked_evaluated_and_drawn(criteria_study):
    folder = criteria_study.folder / NETWORK
    names = ["bn_scale", "fpgm", "taylor", "apoz", "taylor_share", "l1_even", "l1_staged", "l1_wide", "mine", "order"]
    found = tables.read(criteria_study.folder / "results/tables/curves.csv")
    assert {*names, "both.0.0", "both.0.5"} <= set(found["criterion"])
    picture = (criteria_study.folder / "results/figures/scores.svg").read_text()
    assert all(f">{name}</text>" in picture for name in [*names, "both.0.5", "relevance.mean_abs", "random"])
    for name in names:
        assert sorted(ranked(criteria_study, name)["unit"]) == list(range(36))
    manifest = json.loads((folder / "ranking/taylor_share.json").read_text())
    assert manifest["options"] == {
        "name": "taylor_share", "score": "taylor", "normalise": "layer_share", "scope": "global", "unit_score": "sum"
    }  # fmt: skip
    assert json.loads((folder / "statistics/taylor.json").read_text())["read"] == {"split": "rank", "images": 50}
    even = tables.read(folder / "evaluation/scores.csv").query("criterion == 'l1_even' and level == 0.5").iloc[0]
    assert {even[f"removed.{layer}"] for layer, _ in CHANNELS} == {0.5}
    # A ring at the level of its widths, in each of four panels and in the legend.
    assert ">its widths are met</text>" in picture
    assert "System Message" not in (criteria_study.folder / "results/report.html").read_text()
    wide = tables.read(folder / "evaluation/scores.csv").query("criterion == 'l1_wide' and level == 0.5").iloc[0]
    lost = {"features.0": 3, "features.3": 3, "features.7": 3, "features.10": 3, "features.14": 2, "features.17": 4}
    widths = collections.Counter(layer for layer, _ in CHANNELS)
    assert {layer: wide[f"removed.{layer}"] * widths[layer] for layer in lost} == pytest.approx(lost)


def test_controls_of_any_criterion_keep_what_they_say(criteria_study):
    table = tables.read(criteria_study.folder / NETWORK / "evaluation/controls.both.0.5.csv")
    assert table["criterion"].unique().tolist() == ["uniform.both.0.5", "shuffled.both.0.5.0"]
    shares = table[table["level"] == 0.5].set_index("criterion")[[f"removed.{layer}" for layer in dict(CHANNELS)]]
    assert (shares.loc["uniform.both.0.5"] == 0.5).all()
    mixtures = tables.read(criteria_study.folder / NETWORK / "evaluation/mixtures.csv")
    own = mixtures.query("criterion == 'both.0.5' and level == 0.5")[shares.columns].iloc[0]
    np.testing.assert_array_equal(own, shares.loc["shuffled.both.0.5.0"])
    within = ranked(criteria_study, "uniform.both.0.5").groupby("layer")["channel"].agg(list)
    pandas.testing.assert_series_equal(within, ranked(criteria_study, "both.0.5").groupby("layer")["channel"].agg(list))
    assert (criteria_study.folder / "results/figures/controls.both.0.5.svg").exists()


def test_files_of_the_users_own_rank_by_score_or_by_order(criteria_study):
    mine, order = (ranked(criteria_study, name)[["layer", "channel"]].to_numpy().tolist() for name in ("mine", "order"))
    assert mine == [list(channel) for channel in CHANNELS] == order[::-1]
    both, taylor = (ranked(criteria_study, name)["unit"].tolist() for name in ("both.0.0", "taylor"))
    assert both == taylor and ranked(criteria_study, "both.0.5")["unit"].tolist()[:2] == [taylor[0], 0]


def test_scores_of_images_can_be_recomputed_by_plain_torch(criteria_study):
    model = checkpoints.load(criteria_study.folder / NETWORK / "training/trained.pt").model
    with store.opened(criteria_study.folder / "results/digits/images/rank.h5") as shown:
        pixels, labels = shown.normalised(slice(0, 50)), torch.as_tensor(shown.labels[:50])
    found = tables.read(criteria_study.folder / NETWORK / "statistics/taylor.csv").groupby("layer", sort=False)["score"]
    wanted = {layer: 0 for layer, _ in found}
    for pixel, label in zip(pixels, labels, strict=True):
        model.zero_grad()
        torch.nn.functional.cross_entropy(model(pixel[None]), label[None]).backward()
        for layer in wanted:
            W = model.get_submodule(layer).weight
            wanted[layer] += (W.detach() * W.grad).double().sum((1, 2, 3)).square() / len(labels)
    for layer, scores in found:
        np.testing.assert_allclose(scores, wanted[layer], rtol=1e-3, atol=1e-7)


def test_another_score_computes_that_one_alone(criteria_study):
    path = criteria_study.folder / "config/config.yaml"
    before = path.read_text()
    try:
        path.write_text(before.replace("    - apoz\n", "    - apoz\n    - gradient\n"))
        planned = criteria_study.planned()
    finally:
        path.write_text(before)
    assert planned == {
        "score_images": 1, "rank_by_score": 1, "evaluate_pruning": 1, "collect_evaluations": 1, "tabulate_accuracy": 1,
        "plot_scores": 1, "plot_strategies": 1, "plot_statistics": 2, "plot_layers": 1, "plot_controls": 1,
        "write_settings": 1, "describe_study": 1, "write_study_page": 1, "report": 1,
        "compare_relevance": 1,
    }  # fmt: skip


def test_a_file_with_channels_that_the_network_does_not_have_is_refused_by_name(criteria_study):
    (criteria_study.folder / "more.yaml").write_text("criteria: {files: {foreign: foreign.csv}}")
    target = f"{NETWORK}/ranking/foreign.csv"
    text = criteria_study.run("--cores", "1", *MORE, "--", target, check=False)
    assert (
        "rank_by_file: foreign.csv names channel 0 of layer features.1, but no channel of the layer features.1 can be "
        "removed; did you mean features." in text
    )


def test_the_workflow_can_be_used_as_a_module_from_another_folder(tiny_study, tmp_path):
    (tmp_path / "Snakefile").write_text(
        'configfile: "mine.yaml"\n\n\nmodule secateur:\n    snakefile:\n'
        f'        "{tiny_study.folder}/workflow/Snakefile"\n'
        "    config:\n        config\n\n\nuse rule * from secateur as pruning_*\n"
    )
    shutil.copy(tiny_study.folder / "config/config.yaml", tmp_path / "mine.yaml")
    done = tiny_study.run(
        "--directory", str(tmp_path), "--snakefile", str(tmp_path / "Snakefile"), "--cores", "2",
        "results/digits/vgg_small/0/ranking/random.0.csv", "--workflow-profile", "none",
    )  # fmt: skip
    assert "pruning_rank_at_random" in done
    assert (tmp_path / "results/digits/vgg_small/0/ranking/random.0.csv").exists()


def test_the_shim_runs_on_its_own(tiny_study):
    assert "Nothing to be done" in tiny_study.run("--snakefile", "workflow/Snakefile", "-n", "all")


def test_the_slurm_profile_plans_every_job_with_its_resources(tmp_path):
    workflow = Workflow(tmp_path / "study", TINY + "device: cuda\n")
    for path in (workflow.folder / "rules").glob("*.smk"):
        # A plan prints a rule's message or its resources, not both.
        path.write_text(re.sub(r"^ +message:\n.*\n", "", path.read_text(), flags=re.M))
    text = workflow.run("--workflow-profile", "slurm", "-n", "--", "all")
    jobs = dict(re.findall(r"^ *(?:local)?rule (\w+):\n.*?^ +resources: ([^\n]+)", text, flags=re.M | re.S))
    assert len(jobs) == 28  # with "all"
    assert {"mem_mb=8000", "runtime=720", "gpu=1"} <= set(jobs["train_model"].split(", "))
    assert {"mem_mb=8000", "runtime=240", "gpu=1"} <= set(jobs["evaluate_pruning"].split(", "))
    assert {"mem_mb=2000", "runtime=10"} <= set(jobs["plot_layers"].split(", "))
    assert "gpu" not in jobs["plot_layers"]


WITHOUT_RELEVANCE = """
study: plain
data: {source: digits, size: 16}
split: {rank: 60, validation: 60, test: 120}
model: {name: vgg_small, arguments: {widths: [4, 4, 6, 6, 8, 8], hidden: 12}}
training: {seeds: [0], epochs: 1, batch_size: 64, learning_rate: 0.05, flip: false, rotation: 0}
readings: {}
criteria: {statistics: [mean_abs], random: 1, controls: false, scores: [l1]}
evaluation: {keep_at_least: [0, 0.1]}
levels: [0, 0.5]
"""


@pytest.fixture(scope="module")
def without_relevance(tmp_path_factory):
    """A small study of weights and a score of weights alone, finished, with its report."""
    workflow = Workflow(tmp_path_factory.mktemp("plain"), WITHOUT_RELEVANCE)
    workflow.output = workflow.run("--cores", "2", "all", "report")
    return workflow


def test_a_study_without_relevance_is_whole(without_relevance):
    results = without_relevance.folder / "results"
    figures = sorted(path.stem for path in (results / "figures").glob("*.svg"))
    assert figures == ["floors.weight", "layers.weight", "scores", "statistics.weight"]
    found = tables.read(results / "tables/curves.csv")
    assert set(found["criterion"]) == {"weight.mean_abs", "l1", "random"}
    assert not (results / "digits/vgg_small/0/relevance").exists()
    assert (results / "report.html").stat().st_size > 100_000
    assert without_relevance.planned() == {}


def test_no_figure_of_a_study_without_relevance_is_empty(without_relevance):
    results = without_relevance.folder / "results"
    shown = {"floors.weight": "weight.mean_abs", "layers.weight": "weight.mean_abs", "scores": "l1"}
    for name, criterion in (shown | {"statistics.weight": "mean_abs"}).items():
        picture = (results / f"figures/{name}.svg").read_text()
        assert f">{criterion}</text>" in picture and ">random</text>" in picture
        assert "relevance" not in picture
        assert (results / f"figures/{name}.html").read_text().count("<tr>") > 4
    page = (results / "tables" / "description.html").read_text().partition("<h2>Settings</h2>")[0]
    assert "No image was read to rank channels." in page and "relevance" not in page


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        (
            {"readings": {}, "evaluation": {"keep_at_least": [0, 0.1]}, "criteria": {"files": {"mine": "mine.csv"}}},
            {"plot_statistics": 1, "plot_layers": 1, "plot_floors": 1, "plot_controls": 1, "plot_scores": 1},
        ),
        (
            {"readings": {"relevance": {}}, "criteria": {"mixing": {"readings": []}}},
            {"plot_strategies": 1, "plot_statistics": 2, "plot_layers": 1, "plot_controls": 1, "plot_stability": 1},
        ),
    ],
)
def test_only_figures_that_show_something_are_drawn(tmp_path, changes, wanted):
    study = yaml.safe_load(WITHOUT_RELEVANCE) | {"criteria": {}, "evaluation": {}} | changes
    workflow = Workflow(tmp_path, yaml.safe_dump(study))
    (workflow.folder / "mine.csv").write_text("layer,channel\nfeatures.0,0\n")
    planned = workflow.planned()
    assert {rule: count for rule, count in planned.items() if rule.startswith("plot_")} == wanted
    assert ("extract_relevance" in planned) == bool(study["readings"]) and "rank_mixed" not in planned
