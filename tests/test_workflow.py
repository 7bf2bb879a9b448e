"""The graph: a small study over all rules, and which edits rerun which rules."""

import re
import shutil

import numpy as np
import pytest
import torch
import yaml

from conftest import ROOT, TINY, Workflow
from secateur import checkpoints, folding, images, levels, tables

pytestmark = pytest.mark.study

RELEVANCE = "workflow/secateur/relevance.py"
PLOTS = {"plot_strategies": 2, "plot_statistics": 3, "plot_deltas": 2, "plot_layers": 2}
TABLES = {"collect_evaluations": 1, "tabulate_accuracy": 1}
SETTINGS = {"write_settings": 1, "describe_study": 1}
REPORT = {"report": 1}
# Two seeds x (two readings and the weights x two statistics, two combined, four mixed, two random).
EVALUATIONS = {"evaluate_pruning": 28}
AFTER_RANKING = EVALUATIONS | TABLES | PLOTS | REPORT
RELEVANCE_RANKINGS = {"rank_by_statistic": 8, "rank_combined": 4, "rank_mixed": 8}


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
        config_edit(criteria__deltas=["0.0", "0.5", "1.0"]),
        {"rank_mixed": 4, "evaluate_pruning": 4} | TABLES | PLOTS | SETTINGS | REPORT,
    ),
    "a draw more": (
        config_edit(criteria__random=3),
        {"rank_at_random": 2, "evaluate_pruning": 2} | TABLES | PLOTS | SETTINGS | REPORT,
    ),
    "another level": (config_edit(levels=[0, 0.25, 1]), AFTER_RANKING | SETTINGS),
    "another question": (config_edit(question="Why?"), SETTINGS | REPORT),
    "another name": (config_edit(study="other"), SETTINGS | REPORT),
    "a mirror": (config_edit(data__mirror="https://mirror.example"), SETTINGS | REPORT),
    "another confidence": (config_edit(figures={"confidence": 0.9}), TABLES | PLOTS | SETTINGS | REPORT),
    "another reduction of one reading": (
        config_edit(readings__relevance={"reduce": "sum"}),
        {"summarise_relevance": 2, "rank_by_statistic": 4, "rank_combined": 2, "rank_mixed": 4}
        | {"evaluate_pruning": 10} | TABLES | PLOTS | SETTINGS | REPORT,
    ),
    "fewer images for one reading": (
        config_edit(readings__relevance={"images": 30}),
        {"extract_relevance": 2, "summarise_relevance": 2, "rank_by_statistic": 4, "rank_combined": 2, "rank_mixed": 4}
        | {"evaluate_pruning": 10} | TABLES | PLOTS | SETTINGS | REPORT,
    ),
    "more epochs": (
        config_edit(training__epochs=3),
        {"train_model": 2, "list_units": 2, "extract_relevance": 4, "summarise_relevance": 4, "summarise_weights": 2}
        | {"rank_by_statistic": 12, "rank_combined": 4, "rank_mixed": 8, "rank_at_random": 4}
        | AFTER_RANKING | SETTINGS,
    ),
    "a plot's code": (text_edit("workflow/plot_layers.py", "What each", "What one"), {"plot_layers": 2} | REPORT),
    "a caption": (text_edit("report/plot_layers.rst", "The share", "What share"), REPORT),
    "a comment in the relevance module": (text_edit(RELEVANCE, "import torch\n", "# Why.\nimport torch\n"), {}),
    "the relevance module": (
        text_edit(RELEVANCE, "scatter_(1, target[:, None], 1.0)", "scatter_(1, target[:, None], 2.0)"),
        {"extract_relevance": 4, "summarise_relevance": 4} | RELEVANCE_RANKINGS | {"evaluate_pruning": 20}
        | TABLES | PLOTS | REPORT,
    ),
    "what surrounds every job": (text_edit("workflow/secateur/jobs.py", '"done"', '"finished"'), {}),
    "an environment": (text_edit("envs/figures.yaml", "seaborn >=0.13", "seaborn >=0.13.2"), PLOTS | REPORT),
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


def test_every_rule_of_the_workflow_ran(tiny_study):
    rules = set(re.findall(r"^rule (\w+):", "".join(p.read_text() for p in (ROOT / "rules").glob("*.smk")), flags=re.M))
    ran = set(re.findall(r"^(\w+) +\d+$", tiny_study.output, flags=re.M))
    assert rules - ran == {"fetch_images"}


def test_the_numbers_of_the_tables_can_be_recomputed_by_plain_torch(tiny_study):
    results = tiny_study.folder / "results"
    network = results / "digits/vgg_small/1"
    model, _ = checkpoints.load(network / "training/trained.pt")
    with images.opened(results / "digits/images/test.h5") as shown:
        pixels, labels = shown.normalised(slice(None)), torch.as_tensor(shown.labels[:])
    for criterion in ("relevance.mean_abs", "thesis.max", "combined.thesis", "mixed.relevance.0.5", "random.1"):
        order = tables.read(network / f"ranking/{criterion}.csv")
        row = tables.read(network / f"evaluation/{criterion}.csv").query("level == 0.5").iloc[0]
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
    from secateur import relevance

    network = tiny_study.folder / "results/digits/vgg_small/0"
    model, _ = checkpoints.load(network / "training/trained.pt")
    with images.opened(tiny_study.folder / "results/digits/images/rank.h5") as shown:
        maps = relevance.propagate(model, shown.normalised(slice(None)))
    table = tables.read(network / "statistics/relevance.csv")
    for layer, part in table.groupby("layer", sort=False):
        total = maps[layer].double().abs().mean(0).sum((1, 2))
        np.testing.assert_allclose(part["mean_abs"], total / total.sum(), rtol=1e-4)


def test_every_ranking_is_a_permutation_and_delta_0_is_the_weight_list(tiny_study):
    folder = tiny_study.folder / "results/digits/vgg_small/0"
    units = tables.read(folder / "units/units.csv")
    assert len(units) == 36
    found = {path.stem: tables.read(path)["unit"].tolist() for path in (folder / "ranking").glob("*.csv")}
    assert len(found) == 14
    assert all(sorted(order) == units["unit"].tolist() for order in found.values())
    assert found["mixed.relevance.0.0"] == found["weight.mean_abs"]


def test_splits_are_disjoint_and_of_the_sizes_asked_for(tiny_study):
    import h5py

    rows, sizes = [], {}
    for name in ("train", "rank", "validation", "test"):
        with h5py.File(tiny_study.folder / f"results/digits/images/{name}.h5") as file:
            rows += [(file.attrs["part"], int(i)) for i in file["index"][:]]
            sizes[name] = len(file["labels"])
    assert len(set(rows)) == len(rows) == 1797
    assert sizes == {"train": 1557, "rank": 60, "validation": 60, "test": 120}


def test_the_same_study_gives_the_same_tables(tiny_study):
    path = tiny_study.folder / "results/digits/vgg_small/0/evaluation/relevance.max.csv"
    before = path.read_bytes()
    tiny_study.run("--cores", "2", "--forcerun", "evaluate_pruning", "--", str(path.relative_to(tiny_study.folder)))
    assert path.read_bytes() == before


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
        path.write_text(re.sub(r"    message:\n.*\n", "", path.read_text()))
    text = workflow.run("--workflow-profile", "slurm", "-n", "--", "all")
    jobs = dict(re.findall(r"^(?:local)?rule (\w+):\n.*?^    resources: ([^\n]+)", text, flags=re.M | re.S))
    assert len(jobs) == 20  # with "all"
    assert {"mem_mb=8000", "runtime=720", "gpu=1"} <= set(jobs["train_model"].split(", "))
    assert {"mem_mb=8000", "runtime=240", "gpu=1"} <= set(jobs["evaluate_pruning"].split(", "))
    assert {"mem_mb=2000", "runtime=30"} <= set(jobs["plot_layers"].split(", "))
    assert "gpu" not in jobs["plot_layers"]
