"""The page on studies side by side says what their tables say, on results whose truth is constructed."""

import dataclasses
import re
import shutil

import numpy as np
import pandas
import pytest
import yaml

from secateur import ranking, statistics
from secateur.analysis import averages, intervals
from secateur.artifacts import correctness, tables
from secateur.figures import documents
from secateur.study import criteria_names, settings, vocabulary
from secateur.verdicts import across, across_families, across_page, across_retraining, across_words
from secateur.verdicts.across import AHEAD, BEHIND, UNTOLD, WITHOUT
from support.pages import written
from support.studies import ROOT

IMAGES, CHOOSING, CLASSES = 800, 300, 10
LEVELS = (0, 0.1, 0.2, 0.3, 0.5)
STUDY = """
study: NAME-digits
question: "Which?"
data: {source: digits}
split: {rank: 180, validation: 60}
model: {name: NAME}
training: {seeds: [0], epochs: 1}
levels: [0.1, 0.2, 0.3, 0.5]
readings: {relevance: {}, relevance_sum: {reduce: sum}, relevance_mean: {reduce: mean}}
criteria:
  random: 2
  mixing: {readings: [relevance], deltas: ["0.5"]}
  scores: [l1, {name: l1_share, score: l1, normalise: layer_share}, taylor_activation]
evaluation: {choose_on: rank, recovery: [none, batchnorm]}
figures: {resamples: 200}
retraining: {criteria: [relevance.mean_abs, l1, random.0], levels: [0.3], epochs: 1, scratch: false}
"""
# What a criterion loses with each share of the units; all others lose LOST.
LOST = 1.0
RELEVANCE_AHEAD = {"relevance.mean_abs": 0.5, "random": 2.5, "l1": 1.5, "combined.relevance": 0.6}
MAX_AHEAD = RELEVANCE_AHEAD | {"weight.max": 0.2}


def accuracy(lost, criterion, level):
    """Falls in a straight line; draws and statistics of one name alike unless they are named themselves."""
    shared = next((name for name in lost if criterion == name or criterion.startswith(f"{name}.")), None)
    return max(0.1, 0.9 - lost.get(criterion, lost.get(shared, LOST)) * level)


def evaluated(criterion, right, level, split):
    """A row of an evaluation; l1 takes units of less cost, so that it has more multiply-adds left."""
    power = 1 if criterion.startswith("l1") else 2
    return {
        "criterion": criterion,
        "budget": "units",
        "recovery": "none",
        "keep_at_least": 0,
        "level": level,
        "realised": level,
        "units": round(100 * level),
        "parameters": round(1000 * (1 - level) ** 2),
        "macs": round(100_000 * (1 - level) ** power),
        "images": IMAGES if split == "test" else CHOOSING,
        "loss": 1 - right.mean(),
        "accuracy": right.mean(),
        "empty": "conv1" if level == 0.5 and criterion == "l1" else "",
        **{f"accuracy.{name}": right.mean() for name in range(CLASSES)},
    }


def family(criteria, lost, split, generator):
    """(table, bits) of a family's criteria on one split: the same images are hard for all."""
    hard = np.random.default_rng(0).permutation(np.linspace(0, 1, IMAGES if split == "test" else CHOOSING))
    rows, right = [], []
    for criterion in criteria:
        for level in LEVELS:
            noisy = hard if level == 0 else hard + generator.normal(0, 0.02, len(hard))
            right.append(noisy < accuracy(lost, criterion, level))
            rows.append(evaluated(criterion, right[-1], level, split))
    return pandas.DataFrame(rows), np.stack(right)


def beside(table):
    """A table with rows of another recovery behind it, of which the page may read nothing."""
    return pandas.concat([table, table.assign(recovery="batchnorm", accuracy=0.0)], ignore_index=True)


def finished(folder, lost, name="resnet20", retraining=True):
    """A results folder of a study in which criteria lose so much."""
    told = yaml.safe_load(STUDY.replace("NAME", name))
    if not retraining:
        del told["retraining"]
    config, generator = settings.checked(told), np.random.default_rng(1)
    place = folder / config["data"]["name"] / name / "0" / "evaluation"
    for path in (place, folder / "tables"):
        path.mkdir(parents=True)
    (folder / "settings.yaml").write_text(yaml.safe_dump(config))
    planned, tested, choosing = criteria_names.of(config), [], []
    for one, criteria in planned.items():
        table, right = family(criteria, lost, "test", generator)
        tables.write(beside(table), place / f"{one}.csv")
        correctness.write(np.concatenate([right, np.zeros_like(right)]), place / f"{one}.h5")
        tested.append((table, right))
    for one in criteria_names.choosing(config, planned):
        choosing.append((0, "rank", family(planned[one], lost, "rank", generator)[0]))
    table = averages.evaluations([*((0, "test", beside(table)) for table, _ in tested), *choosing])
    tables.write(table, folder / "tables" / "evaluations.csv")
    tables.write(beside(averaged(tested)), folder / "tables" / "curves.csv")
    if retraining:
        tables.write(retrained(tested, config["retraining"]), folder / "tables" / "retraining.means.csv")
    return folder


def averaged(tested):
    """The columns of tables/curves.csv that the page reads; draws are averaged."""
    rows, right = pandas.concat([table for table, _ in tested]), np.concatenate([own for _, own in tested])
    rows = rows.reset_index(drop=True).assign(criterion=[vocabulary.without_draw(name) for name in rows["criterion"]])
    cells = {keys: right[part.index].mean(0) for keys, part in rows.groupby(["criterion", "level"], sort=False)}
    found = []
    for (criterion, level), part in rows.groupby(["criterion", "level"], sort=False):
        own, dense, random = (cells[keys] for keys in ((criterion, level), (criterion, 0), ("random", level)))
        row = dict(part.iloc[0][["recovery", "keep_at_least", "parameters", "macs"]], criterion=criterion, level=level)
        row |= {"accuracy": own.mean(), "collapsed": float(part["empty"].ne("").any())}
        row |= {"accuracy_change": own.mean() - dense.mean(), "versus_random": own.mean() - random.mean()}
        row |= dict(zip(("accuracy_low", "accuracy_high"), dense.mean() + bounds(own, dense), strict=True))
        found.append(row | dict(zip(("versus_random_low", "versus_random_high"), bounds(own, random), strict=True)))
    return pandas.DataFrame(found)


def bounds(right, reference):
    generator = np.random.default_rng(0)
    return np.array(intervals.paired_bootstrap(right, reference, 0.95, 200, generator))


def retrained(tested, options):
    """The columns of tables/retraining.means.csv: BatchNorm gives back a part of what was lost, retraining more."""
    found, given = [], {"none": 0.0, "batchnorm": 0.45, "retrained": 0.8}
    for table, own in tested:
        for place, row in table[table["criterion"].isin(options["criteria"]) & table["level"].isin([0.3])].iterrows():
            for kind, share in given.items():
                right = own[place] | (np.linspace(0, 1, IMAGES) < share)
                others = {"none": own[place], "random": np.linspace(0, 1, IMAGES) < share, "dense": own[place - 3]}
                cell = {"criterion": vocabulary.without_draw(row["criterion"]), "level": 0.3, "kind": kind}
                cell |= {"accuracy": right.mean(), "macs": row["macs"], "collapsed": 0.0}
                for name, other in others.items():
                    ends = (right.mean() - other.mean(), *bounds(right, other))
                    cell |= dict(
                        zip((f"versus_{name}", f"versus_{name}_low", f"versus_{name}_high"), ends, strict=True)
                    )
                found.append(cell)
    return pandas.DataFrame(found)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Two studies in which relevance is ahead of all statistics of the weights."""
    place = tmp_path_factory.mktemp("across")
    return [finished(place / name, RELEVANCE_AHEAD, name) for name in ("resnet20", "resnet56")]


@pytest.fixture(scope="module")
def blocks(folders):
    return across_page.blocks([across.read(folder) for folder in folders], folders)


@pytest.fixture(scope="module")
def contradicted(folders, tmp_path_factory):
    """The first study beside one in which the largest weight is ahead of relevance."""
    return [folders[0], finished(tmp_path_factory.mktemp("other") / "results", MAX_AHEAD, "resnet56", retraining=False)]


@pytest.fixture(scope="module")
def other(contradicted):
    return across_page.blocks([across.read(folder) for folder in contradicted], contradicted)


def under(blocks, heading, kind):
    """The contents of one kind below a heading."""
    found, inside = [], False
    for name, content in blocks:
        inside = content.startswith(heading) if name == "heading" else inside
        found += [content] if inside and name == kind else []
    return found


def headline(blocks):
    return under(blocks, "Relevance and the statistics", "list")[0][0]


def test_the_headline_holds_only_where_every_statistic_of_the_weights_is_behind(blocks, other):
    assert headline(blocks).startswith("Relevance is ahead of all six statistics of the weights, in every network")
    assert headline(other).startswith(
        "Relevance is not ahead of all six statistics of the weights everywhere: of thirty-six"
    )
    assert "behind in" in headline(other)
    named = next(
        line
        for line in under(other, "Relevance and", "list")[0]
        if line.startswith("`relevance.mean_abs` against `weight.max`")
    )
    assert "ResNet-56 at 20 % by -5." in named and "ResNet-20 at 20 %" not in named


def test_the_range_of_the_headline_is_that_of_its_table(blocks):
    (table,) = under(blocks, "Relevance and the statistics", "table")
    shown = [float(cell.split()[0]) for cell in table.iloc[:, 1:].to_numpy().flat]
    assert f"differences go from {min(shown):+.1f} to {max(shown):+.1f} points" in headline(blocks)


def numbers(text):
    """The numbers of a text; what stands in code are names."""
    return re.findall(r"\d[\d,]*(?:\.\d+)?", re.sub(r"`[^`]*`", "", text))


def test_every_number_of_the_text_is_in_a_table(blocks, other):
    for page in (blocks, other):
        cells = [
            " ".join(map(str, [*content.columns, *content.to_numpy().flat]))
            for kind, content in page
            if kind == "table"
        ]
        known = {number for text in cells for number in re.findall(r"\d[\d,]*(?:\.\d+)?", text)}
        lists = [line for kind, content in page if kind == "list" for line in content]
        for text in [*lists, *(content for kind, content in page if kind in ("title", "heading", "text"))]:
            assert set(numbers(text)) <= known, text


def test_every_criterion_of_the_study_is_in_the_table_once(folders, blocks):
    config = yaml.safe_load((folders[0] / "settings.yaml").read_text())
    asked = {name for one in criteria_names.of(config).values() for name in one}
    asked = {re.sub(r"^random\.\d$", "random", name) for name in asked if not across.is_control(name)}
    repeated = {f"relevance_{how}.{one}" for how in ("sum", "mean") for one in ("max", "min", "max_abs", "min_abs")}
    first, second = under(blocks, "Every criterion", "table")
    for table in (first, second):
        assert sorted(table["criterion"]) == sorted(f"`{name}`" for name in asked - repeated)


def test_differences_are_those_of_the_images(folders):
    study = across.read(folders[0])
    right = study.results.right
    for second in ("weight.mean_abs", "random"):
        found = across.difference(study, "relevance.mean_abs", second, 0.2)
        assert found.estimate == pytest.approx(np.mean(right("relevance.mean_abs", 0.2) - right(second, 0.2)), abs=1e-7)
        assert found.low < found.estimate < found.high and found.verdict == AHEAD
    lost = across.difference(study, "relevance.mean_abs", "dense", 0.2)
    assert lost.estimate == pytest.approx(-0.1, abs=0.02) and lost.low < lost.estimate < lost.high


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.01, 0.02, AHEAD), (-0.02, -0.01, BEHIND), (-0.01, 0.01, UNTOLD), (np.nan, np.nan, WITHOUT)],
)
def test_ahead_is_what_an_interval_without_zero_says(low, high, verdict):
    assert across.Difference(0.0, low, high).verdict == verdict


def test_between_levels_accuracy_is_on_a_straight_line(folders):
    study = across.read(folders[0])
    a, b = (study.macs("relevance.mean_abs", level) for level in (0.1, 0.2))
    ends = [study.cell("relevance.mean_abs", level)["accuracy"] for level in (0.1, 0.2)]
    wanted = np.interp(0.75, [b, a], ends[::-1])
    assert across.between(study, "relevance.mean_abs", 0.75).mean() == pytest.approx(wanted)
    assert across.between(study, "relevance.mean_abs", a).mean() == pytest.approx(ends[0])
    assert across.between(study, "relevance.mean_abs", 1.0).mean() == pytest.approx(study.results.dense())
    assert across.between(study, "relevance.mean_abs", 0.2) is None


def test_the_best_of_a_family_is_chosen_on_the_images_that_choose(folders):
    study = across.read(folders[0])
    table = study.results.table
    family = [f"weight.{one}" for one in statistics.STATISTICS]
    rows = table[(table["split"] == "rank") & table["criterion"].isin(family) & (table["level"] == 0.2)]
    assert across_families.chosen(study, family, 0.2) == rows.loc[rows["accuracy"].idxmax(), "criterion"]
    assert set(across_families.families_of(study)["scores of weights, shares of their layer"]) == {"l1_share"}


def test_like_is_compared_with_like(folders):
    assert across_families.alike(across.read(folders[0])) == {
        "layer_share": ("relevance.mean_abs", "l1_share"),
        "sum": ("relevance_sum.mean_abs", "l1"),
        "mean": ("relevance_mean.mean_abs", "weight.mean_abs"),
    }


def test_the_l1_norm_as_a_share_is_the_mean_absolute_weight_as_a_share():
    filters = {
        "a": np.random.default_rng(0).normal(size=(6, 3, 3, 3)),
        "b": np.random.default_rng(1).normal(size=(4, 6, 1, 1)),
    }
    means = statistics.of_weights(filters)[["layer", "channel", "mean_abs"]].rename(columns={"mean_abs": "score"})
    norms = statistics.of_scores({layer: np.abs(W).reshape(len(W), -1).sum(1) for layer, W in filters.items()})
    shares = [ranking.normalised(table, "score", "layer_share")["score"] for table in (means, norms)]
    np.testing.assert_allclose(*shares, rtol=1e-12)


def test_retraining_is_left_out_where_a_study_has_none(blocks, other, contradicted):
    assert len(under(blocks, "After retraining", "table")) == 2
    assert len(under(other, "After retraining", "table")) == 1
    assert not list(across_retraining.retraining([across.read(contradicted[1])]))


def test_retraining_with_one_draw_of_chance_tells_no_criterion_from_it(folders):
    study = across.read(folders[0])
    ends = {f"versus_random_{end}": np.nan for end in ("low", "high")}
    lines = list(across_retraining.sentences(dataclasses.replace(study, retrained=study.retrained.assign(**ends))))
    (said,) = [line for line in lines if "against random units" in line]
    assert "of two comparisons no interval (one draw) in two;" in said
    assert "not told apart" not in said and "ahead" not in said and "behind" not in said


def test_a_kind_that_was_not_made_of_a_criterion_is_a_dash(folders):
    study = across.read(folders[0])
    rows = study.retrained
    made = rows[(rows["criterion"] != "l1") | (rows["kind"] != "batchnorm")]
    (table,) = under(across_retraining.retraining([dataclasses.replace(study, retrained=made)]), "After", "table")
    cells = table.set_index("criterion")["BatchNorm"]
    assert cells["`l1`"] == "-" and cells["`relevance.mean_abs`"] != "-"


def test_results_of_a_version_that_learned_nothing_are_read(folders, tmp_path):
    shutil.copytree(folders[0], tmp_path / "earlier")
    config = yaml.safe_load((tmp_path / "earlier/settings.yaml").read_text())
    del config["criteria"]["learned"]
    (tmp_path / "earlier/settings.yaml").write_text(yaml.safe_dump(config))
    assert across.read(tmp_path / "earlier").criteria == across.read(folders[0]).criteria


def test_the_controls_say_which_part_of_a_ranking_matters(blocks):
    said = under(blocks, "Which channels", "list")[0]
    assert any(
        line.startswith("ResNet-20, `relevance.mean_abs` at 20 %") and "which channels by +" in line for line in said
    )


@pytest.mark.parametrize(("count", "words"), [(0, "no"), (7, "seven"), (20, "twenty"), (47, "forty-seven")])
def test_counts_are_words(count, words):
    assert across_words.in_words(count) == words


def test_the_command_writes_the_page(folders, blocks):
    assert written("write_resnets", folders) == documents.as_markdown(blocks)


def test_a_folder_without_a_finished_study_is_refused(tmp_path, folders):
    with pytest.raises(
        ValueError, match=f"^{re.escape(str(tmp_path))} is no finished study: it has no settings.yaml; "
    ):
        across.read(tmp_path)


def test_results_with_settings_of_an_earlier_version_are_refused(tmp_path, folders):
    config = yaml.safe_load((folders[0] / "settings.yaml").read_text())
    config["criteria"] |= {"mixed": config["criteria"].pop("mixing")["readings"]}
    (tmp_path / "settings.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(ValueError, match="earlier version, whose settings or tables were others; run"):
        across.read(tmp_path)


def test_settings_from_before_a_key_came_have_its_default(tmp_path, folders):
    config = yaml.safe_load((folders[0] / "settings.yaml").read_text())
    for key in ("weights_per", "files_per", "learned"):
        del config["criteria"][key]
    del config["tickets"], config["recovery"]
    (tmp_path / "settings.yaml").write_text(yaml.safe_dump(config))
    assert across.settings_of(tmp_path) == across.settings_of(folders[0])


def test_a_study_of_several_networks_is_refused(tmp_path, folders):
    config = yaml.safe_load((folders[0] / "settings.yaml").read_text())
    config["training"]["seeds"] = [0, 1]
    (tmp_path / "settings.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(ValueError, match="is a study of 2 networks; this page compares studies of one network each$"):
        across.read(tmp_path)


@pytest.mark.parametrize("name", ["resnet20", "resnet56"])
def test_a_shipped_resnet_study_has_both_sides_of_what_the_page_compares(name, tmp_path, monkeypatch):
    monkeypatch.setenv("SECATEUR_DATA", str(tmp_path))
    told = yaml.safe_load((ROOT / "config" / "studies" / f"{name}-cifar10.yaml").read_text())
    (tmp_path / told["model"]["weights"]).touch()
    config = settings.checked(told)
    study = across.Study(config, None, None, None)
    assert list(across_families.alike(study)) == ["layer_share", "sum", "mean"]
    scores = {*vocabulary.WEIGHT_SCORES, *vocabulary.IMAGE_SCORES}
    assert sorted(across_families.divided(study)) == sorted((f"{score}_share", score) for score in scores)
    assert {*across.LEVELS, across.MIDDLE} <= {*config["levels"]} and config["evaluation"]["choose_on"] == "rank"


def test_the_vgg_study_has_the_share_of_bn_scale_beside_relevance():
    told = yaml.safe_load((ROOT / "config" / "studies" / "vgg16-cifar10.yaml").read_text())
    assert {"name": "bn_scale_share", "score": "bn_scale", "normalise": "layer_share"} in told["criteria"]["scores"]


def test_counts_of_a_hundred_and_more_are_digits():
    assert [across_words.in_words(count) for count in (0, 19, 42, 99, 100, 1200)] == [
        *("no", "nineteen", "forty-two", "ninety-nine"),
        *("100", "1,200"),
    ]
