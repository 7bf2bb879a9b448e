"""The results of a study in a notebook: tables, plans, networks and figures are those of the workflow."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pandas
import pytest
import torch
from matplotlib.figure import Figure

import secateur.results
from secateur import Refused
from secateur.analysis import sparsity, tickets
from secateur.artifacts import tickets_table
from secateur.results import columns, contents
from secateur.sparsity import feather
from secateur.study import page_options
from secateur.training import loop
from support.studies import ROOT

pytestmark = pytest.mark.study
MEASURED = ROOT / "docs" / "measured"


@pytest.fixture(scope="module")
def study(tiny_study):
    return secateur.results.open(tiny_study.folder / "results")


@pytest.fixture
def copy(tiny_study, tmp_path):
    """A copy of the small study's results."""
    ignored = shutil.ignore_patterns("report.html", "relevance", "plans")
    return shutil.copytree(tiny_study.folder / "results", tmp_path / "results", ignore=ignored)


# ---- tables --------------------------------------------------------------------------------------------------


def described(study, table):
    """The columns of a table that are described, without those that only some studies have."""
    shown = study.table(table, partial=True)
    meanings = columns.meanings(table, shown)
    assert list(meanings) == list(shown) and all(meanings.values())
    first = {name.partition(".")[0] for name in shown}
    wanted = {name for name in columns.TABLES[table] if name not in columns.SOMETIMES.get(table, ())}
    return {name for name in wanted if name in set(shown) or (name.endswith(".*") and name[:-2] in first)} == wanted


def test_all_columns_of_all_tables_are_described_and_no_others(study):
    assert study.tables == [
        *("evaluations", "curves", "verdict", "units", "training", "statistics", "by_class", "stability"),
        "conservation",
    ]
    assert [table for table in study.tables if not described(study, table)] == []
    assert study.missing.empty
    assert list(study.columns("ranking")["column"]) == ["unit", "layer", "channel"]
    assert columns.TABLES.keys() == {*contents.TABLES, "ranking"}


@pytest.mark.parametrize(
    ("name", "tables"),
    {
        "resnet20-cifar10-scoring": ["curves", "retraining", "retraining.means", "selection.history"],
        "resnet20-cifar10-allocation": ["evaluations", "curves", "sensitivity"],
    }.items(),
)
def test_columns_of_kept_studies_are_described_and_what_was_not_kept_is_missing(name, tables):
    kept = secateur.results.open(MEASURED / name)
    assert [table for table in tables if not described(kept, table)] == []
    missing = kept.missing.drop_duplicates("table").set_index("table")["rule"]
    assert missing[["training", "network"]].to_list() == ["train_model"] * 2
    assert not {*tables} & {*missing.index}


def test_columns_of_networks_with_zeros_are_those_of_their_tables():
    known = {name: {*meanings} for name, meanings in columns.TABLES.items()}
    history = {*loop.COLUMNS, "seed"}
    assert known["sparsity"] == {*sparsity.VARIANTS.gathered, "left.*"}
    assert known["tickets"] == {*tickets.KINDS.gathered, "left.*"}
    assert known["sparsity.history"] == history | {*feather.COLUMNS, *sparsity.VARIANTS.columns}
    assert known["tickets.history"] == history | {*tickets.KINDS.columns}
    assert known["tickets.masks"] == {*tickets_table.OF_MASKS}
    for name, cells in {"sparsity": sparsity.VARIANTS, "tickets": tickets.KINDS}.items():
        rows = pandas.DataFrame(1.0, range(2), cells.gathered).assign(seed=[0, 1], empty="", **{"left.a": 0.5})
        named = dict(zip(cells.columns, cells.dense, strict=True))
        means = sparsity.means(rows.assign(**named), None, 0.95, 100, 0, cells)
        assert known[f"{name}.means"] == {*means.columns.drop("left.a"), "left.*"}


def test_files_come_from_the_rules_that_are_named(tiny_study, study):
    asked = contents.rankings(study.study)
    for table in contents.TABLES.values():
        asked |= table.files(study.study)
    assert len(asked) > 70
    lines = [line.split("\t") for line in tiny_study.run("--summary").splitlines()]
    rules = {line[0]: line[2] for line in lines if line[0].startswith("results/")}
    assert {path: rules[f"results/{path}"] for path in asked} == asked


def test_tables_need_neither_torch_nor_matplotlib(study):
    code = (
        "import sys, secateur.results\n"
        f"study = secateur.results.open({str(study.folder)!r})\n"
        "print(len(study.table('curves')), len(study.ranking('random.0')), len(study.missing), study)\n"
        "print({'torch', 'matplotlib'} & {*sys.modules})"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT / "workflow")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.splitlines()[-1] == "set()"


# ---- plans and networks --------------------------------------------------------------------------------------


def cells(study):
    """Rows of the table of evaluations on the test images: every criterion, level, seed and floor once in a while."""
    table = study.table("evaluations")
    return table[table["split"] == "test"].iloc[::17].to_dict("records")


def test_plans_are_those_of_the_evaluation(study):
    shared = 0
    for row in cells(study):
        plan = study.plan(row["criterion"], row["level"], row["seed"], row["keep_at_least"])
        widths = study.ranking(row["criterion"], row["seed"]).groupby("layer").size()
        for layer, width in widths.items():
            assert len(plan.get(layer, [])) / width == pytest.approx(row[f"removed.{layer}"], abs=1e-9)
            shared += 1
    assert shared > 100


def test_networks_have_the_accuracy_of_the_table(study):
    images = study.images("test")
    pixels, labels = images.normalised(slice(None)), torch.from_numpy(images.labels)
    compared = 0
    for row in cells(study):
        cell = {"seed": row["seed"], "keep_at_least": row["keep_at_least"]}
        if isinstance(row["empty"], str):
            with pytest.raises(Refused, match=f"no smaller network of {row['criterion']} at level {row['level']}: "):
                study.network(row["criterion"], row["level"], **cell)
            continue
        network = study.network(row["criterion"], row["level"], **cell)
        with torch.no_grad():
            right = network(pixels).argmax(1) == labels
        assert int(right.sum()) == round(row["accuracy"] * row["images"]), row
        assert sum(tensor.numel() for tensor in network.parameters()) == row["parameters"]
        compared += 1
    assert compared > 8


def test_the_dense_network_is_that_of_level_0(study):
    first, other = study.dense(1).state_dict(), study.network("random.1", 0, seed=1).state_dict()
    assert all(torch.equal(first[name], other[name]) for name in first)
    assert not torch.equal(first["features.0.weight"], study.dense().state_dict()["features.0.weight"])


# ---- figures -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["strategies.relevance", "floors.thesis", "layers.relevance", "stability"])
def test_figures_are_those_of_the_report(study, name):
    figure = study.figure(name)
    assert isinstance(figure, Figure)
    assert figure._repr_svg_() == (study.folder / "figures" / f"{name}.svg").read_text(encoding="utf-8")


def test_figures_have_a_line_for_each_criterion(study):
    (legend,) = study.figure("deltas.relevance").legends
    assert [text.get_text() for text in legend.get_texts()] == ["random", "delta 0.0", "delta 0.5"]
    drawn = {path.stem for path in (study.folder / "figures").glob("*.svg")}
    assert {*study.figures} == drawn
    # One line, thick, and a mark of empty layers for each; thin ones are seeds.
    axes = study.figure("statistics.weight").axes[0]
    wide = [line for line in axes.lines if line.get_linewidth() == 2]
    assert len(wide) == 1 + len(page_options.curves(study.study, "statistics", "weight")["statistics"])


# ---- what is refused -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ask", "message"),
    {
        "criterion": (lambda study: study.plan("relevance.mean_ab", 0.5), r"mean_ab'; did you mean relevance.mean_abs"),
        "draws": (lambda study: study.ranking("random"), "draws, name one of them: random.0, random.1"),
        "level": (lambda study: study.network("weight.max", 0.6), r"0.6; did you mean 0.5\?; known: 0, 0.5, 0.75"),
        "percent": (lambda study: study.plan("weight.max", 50), r"a share, from 0 to 1"),
        "seed": (lambda study: study.dense(2), "unknown seed of the study tiny: 2; known: 0, 1"),
        "kind": (lambda study: study.network("weight.max", 0.5, kind="retrained"), "kind of weight.max .*known: none"),
        "floor": (lambda study: study.plan("weight.max", 0.5, keep_at_least=0.2), r"floor .*0\.2.* 0, 0\.1"),
        "split": (lambda study: study.images("tests"), "unknown split: 'tests'; did you mean test"),
        "table": (lambda study: study.table("curve"), "unknown table: 'curve'; did you mean curves"),
        "not asked": (lambda study: study.table("tickets"), "has no table tickets: .* the key tickets"),
        "figure": (lambda study: study.figure("strategies.thesi"), "did you mean strategies.thesis"),
        "variant": (lambda study: study.sparse("feather", 0.9), "unknown variant of sparse training"),
        "round": (lambda study: study.ticket(1, "original"), "unknown round with tickets"),
    }.values(),
)
def test_names_that_the_study_lacks_are_refused_in_one_line(study, ask, message):
    with pytest.raises(Refused, match=message) as refused:
        ask(study)
    assert "\n" not in str(refused.value)


def test_a_folder_that_holds_no_results_is_refused(copy):
    with pytest.raises(Refused, match="there is no folder .*nothing; name the folder"):
        secateur.results.open(copy / "nothing")
    with pytest.raises(Refused, match=f"has no settings.yaml; did you mean {copy}"):
        secateur.results.open(copy / "tables")
    with pytest.raises(Refused, match=f"did you mean {copy}"):
        secateur.results.open(copy.parent)
    settings = copy / "settings.yaml"
    settings.unlink()
    with pytest.raises(Refused, match=f"make it by: snakemake --cores 1 {settings}"):
        secateur.results.open(copy)


@pytest.mark.parametrize(("kept", "message"), [(0.5, "cut short"), (0.98, "cut short"), (0.001, "no settings")])
def test_settings_that_were_cut_short_are_refused(copy, kept, message):
    settings = copy / "settings.yaml"
    text = settings.read_text()
    settings.write_text(text[: int(kept * len(text))])
    with pytest.raises(Refused, match="settings.yaml is not as it was written"):
        secateur.results.open(copy)
    (copy / ".sha256").unlink()
    with pytest.raises(Refused, match=message):
        secateur.results.open(copy)


def test_damaged_files_are_refused_by_the_digests_beside_them(copy):
    study = secateur.results.open(copy)
    table = copy / "tables" / "curves.csv"
    table.write_text(table.read_text().replace("0.5", "0.6", 1))
    network = copy / "digits" / "vgg_small" / "0" / "training" / "trained.pt"
    network.write_bytes(network.read_bytes()[:-100])
    for ask in (lambda: study.table("curves"), lambda: study.figure("deltas.thesis"), study.dense):
        with pytest.raises(Refused, match="is not as it was written: it was damaged or edited since"):
            ask()
    for ledger in (table, network):
        (ledger.parent / ".sha256").unlink()
    table.write_text(table.read_text()[:-5])
    with pytest.raises(Refused, match=r"curves.csv is cut short: its last line has no end; delete it and run again"):
        study.table("curves")
    with pytest.raises(Refused, match="trained.pt"):
        study.dense()


def test_a_study_that_has_not_ended_says_what_is_missing_and_what_makes_it(copy):
    study = secateur.results.open(copy)
    (copy / "tables" / "curves.csv").unlink()
    place = "digits/vgg_small/1"
    for path in ("units/units.csv", "ranking/random.1.csv", "training/trained.pt"):
        (copy / place / path).unlink()
    assert study.missing.to_numpy().tolist() == [
        ["curves", "tables/curves.csv", "collect_evaluations"],
        ["units", f"{place}/units/units.csv", "list_units"],
        ["network", f"{place}/training/trained.pt", "train_model"],
        ["ranking", f"{place}/ranking/random.1.csv", "rank_at_random"],
    ]
    assert "curves" not in study.tables
    with pytest.raises(
        Refused, match="rule collect_evaluations makes it: snakemake --cores 1 results/tables/curves.csv"
    ):
        study.table("curves")
    with pytest.raises(Refused, match="the rule list_units makes it"):
        study.table("units")
    assert study.table("units", partial=True)["seed"].unique() == [0]
    for ask in (
        lambda: study.dense(1),
        lambda: study.figure("strategies.thesis"),
        lambda: study.plan("random.1", 0, 1),
    ):
        with pytest.raises(
            Refused, match=" is missing; the rule (train_model|collect_evaluations|rank_at_random) makes"
        ):
            ask()


# ---- the notebook and its page -------------------------------------------------------------------------------


def test_the_notebook_runs_on_a_finished_study(copy, monkeypatch):
    notebook = json.loads((ROOT / "docs" / "notebook.ipynb").read_text(encoding="utf-8"))
    assert notebook["nbformat"] == 4
    (copy.parent / "docs").mkdir()
    monkeypatch.chdir(copy.parent / "docs")
    names = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            assert (cell["outputs"], cell["execution_count"]) == ([], None)
            exec("".join(cell["source"]), names)
    rows = names["rows"]
    first = rows[(rows["seed"] == 0) & (rows["keep_at_least"] == 0)]
    assert names["accuracy"] == pytest.approx(first["accuracy"].item(), abs=1e-9)
    assert isinstance(names["figure"], Figure) and len(names["shown"]) == 3
    assert np.isfinite(names["shown"]["accuracy_low"]).all()


def test_the_page_has_every_column():
    spec = importlib.util.spec_from_file_location("reference", ROOT / "docs" / "write_notebook_reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    text = (ROOT / "docs" / "notebook.md").read_text(encoding="utf-8")
    assert text == module.updated(text), "run make docs"


def test_the_page_has_every_method():
    text = (ROOT / "docs" / "notebook.md").read_text(encoding="utf-8")
    public = [name for name in vars(secateur.results.study_results.StudyResults) if not name.startswith("_")]
    assert [name for name in public if f"`.{name}" not in text] == []
