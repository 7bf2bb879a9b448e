"""The options of each stage: the settings that its results depend on, and no others.

Snakemake runs a stage again when its options change. Neither Snakemake nor torch is needed.
"""

from collections.abc import Mapping
from typing import Any

import yaml

from secateur.artifacts import files, shipped
from secateur.study import contents, criteria_names, kinds, own_network, vocabulary
from secateur.study.study import Study

Options = dict[str, Any]


def machine(study: Study) -> Options:
    """Threads and device of a computation with torch."""
    return {"threads": study.settings["threads"], "device": study.settings["device"]}


def precision(study: Study) -> Options:
    """The precision of evaluation where the study fixes it.

    What `auto` comes to is the machine's choice, and changes no answer.
    """
    asked = study.settings["evaluation"]["precision"]
    return {} if asked == "auto" else {"precision": asked}


def catalogue() -> dict[str, Any]:
    """{source: its files, checksums and terms}, of the images that are known."""
    return yaml.safe_load(shipped.file("data/sources.yaml").read_text(encoding="utf-8"))


def images(study: Study, listing: str | None = None) -> Options:
    """The source of the images and how they are split; `listing` is the digest of a folder's listing."""
    data = {key: value for key, value in study.settings["data"].items() if key != "mirror"}
    options = {"data": data, "split": study.settings["split"]}
    return options if listing is None else options | {"listing": listing}


def download(source: str) -> Options:
    """The files of a download and their checksums."""
    return {"source": source, "entry": catalogue()[source]}


def network(study: Study) -> Options:
    """The network, and the code behind one of the user's own."""
    model = study.settings["model"]
    options = {"model": model | {"weights": contents.weights(model)}}
    if model["factory"]:
        options["factory"] = own_network.digest_of(model["factory"])
    return options


def training(study: Study) -> Options:
    """The network and its schedule."""
    schedule = {key: value for key, value in study.settings["training"].items() if key != "seeds"}
    return {**network(study), "training": schedule, "seed": study.seed, **machine(study)}


def units(study: Study) -> Options:
    """The network's architecture, and which of its channels may be units."""
    criteria = study.settings["criteria"]
    return {**network(study), "residual": criteria["residual"], "linear": criteria["linear"]}


def levels(study: Study) -> Options:
    """The highest level, its terms, and the readings that must score what it removes."""
    keys = ("rule", "at", "bias", "pool", "seed", "precision")
    readings = {}
    for name, reading in study.readings.items():
        readings[name] = {key: reading[key] for key in keys}
    return {"level": study.settings["levels"][-1], "terms": study.terms, "readings": readings, **units(study)}


def extraction(study: Study, reading: str) -> Options:
    """The choices behind a reading's relevance."""
    return {"reading": criteria_names.extraction(study.readings[reading]), **machine(study)}


def summary(study: Study, reading: str) -> Options:
    """The reduction to statistics, and the choices with which the relevance must have been extracted."""
    chosen = study.readings[reading]
    return {
        "absolute": chosen["absolute"],
        "reduce": chosen["reduce"],
        "reading": criteria_names.extraction(chosen),
    }


def image_scores(study: Study) -> Options:
    """The count of images that scores look at."""
    return {"images": study.settings["criteria"]["images"], **machine(study)}


def reading_choices(study: Study, name: str) -> Options | None:
    """The settings of a reading but for its shards, which change no result; None for another name."""
    reading = study.readings.get(name, {})
    return {key: value for key, value in reading.items() if key != "shards"} or None


def statistics_ranking(study: Study, source: str) -> Options:
    """The choices behind the rankings of a source."""
    return {
        "statistics": study.statistics,
        "reading": reading_choices(study, source),
        "unit_score": study.settings["criteria"]["unit_score"],
    }


def mixed_ranking(study: Study, reading: str) -> Options:
    """The choices behind the lists that mix a reading with the weights."""
    return {
        "reading": reading_choices(study, reading),
        "combined": study.mixing["alternate"],
        "deltas": study.mixing["deltas"],
        "mixes": study.statistic,
        "weight": study.weights[0],
    }


def combined_ranking(study: Study, reading: str) -> Options:
    """The choices behind a list that takes a reading and the weights in turns, and nothing else."""
    return mixed_ranking(study, reading) | {"combined": True, "deltas": []}


def random_ranking(study: Study) -> Options:
    """The seed and the names of random rankings."""
    return {"seed": study.seed, "criteria": study.families["random"]}


def score_ranking(study: Study, criterion: str) -> Options:
    """How the scores behind a ranking are made comparable."""
    return {**study.scores[criterion], "unit_score": study.settings["criteria"]["unit_score"]}


def file_ranking(study: Study, criterion: str, seed: str) -> Options:
    """How a file of the user's own is made comparable, and its content, wherever it lies."""
    criteria = study.settings["criteria"]
    chosen = {key: criteria[key] for key in ("normalise", "scope", "unit_score")}
    path = contents.own_file(study.settings, criterion, seed)
    return chosen | {"content": contents.of(files.found(path))}


def mixture_ranking(study: Study, mixture: str) -> Options:
    """The two criteria that a mixture mixes."""
    chosen = study.mixtures[mixture]
    return {"first": chosen["first"], "second": chosen["second"]}


def evaluation(study: Study, family: str) -> Options:
    """The criteria and levels of a family's evaluation."""
    return {
        "criteria": study.families[family],
        "levels": study.settings["levels"],
        "terms": study.terms,
        **precision(study),
        **machine(study),
    }


def tables(study: Study) -> Options:
    """The criteria and seeds of the study's tables, and how their intervals are made."""
    return {
        "criteria": study.criteria,
        "seeds": study.seeds,
        "choose_on": study.choose_on,
        "seed": study.seed,
        **study.settings["figures"],
    }


def ranked_on(study: Study, criterion: str) -> str | None:
    """The split that a criterion looks at: "none" for weights and chance, None where its name does not tell."""
    parts = criterion.split(".")
    reading = next((part for part in parts if part in study.readings), None)
    if reading:
        return study.readings[reading]["split"]
    if criterion in study.scores:
        of_images = study.scores[criterion]["score"] in vocabulary.IMAGE_SCORES
        return "rank" if of_images else "none"
    return "none" if {*study.weights, "random"}.intersection(parts) else None


def schedule(study: Study, kind: str) -> Options:
    """The training of the networks of a kind."""
    retraining = study.retraining
    if kinds.KINDS[kind].trains == "statistics":
        return {key: retraining[key] for key in ("batchnorm_images", "batch_size")}
    keys = [key for key in study.settings["training"] if key != "seeds"]
    if kinds.KINDS[kind].start == "fresh":
        fresh = {key: study.settings["training"][key] for key in keys}
        return fresh | {"epochs": retraining["scratch_epochs"]}
    return {key: retraining[key] for key in keys}


def retraining(study: Study, kind: str, level: str) -> Options:
    """The level and the training of one retrained network; `level` is its text in paths."""
    levels = {str(number): number for number in study.retraining["levels"]}
    return {
        "level": levels[level],
        "training": schedule(study, kind),
        "steps": study.retraining["steps"] if kinds.KINDS[kind].in_steps else 1,
        "terms": study.terms[0],
        **precision(study),
        "model": network(study)["model"],
        "seed": study.seed,
        **machine(study),
    }


def retraining_tables(study: Study) -> Options:
    """The cells of the tables and the figure of retraining."""
    retrained = study.retraining
    schedules = {}
    if retrained["criteria"]:
        schedules = {kind: schedule(study, kind) for kind in study.retrained_kinds}
    return {
        "title": study.title,
        "kinds": [kinds.NONE.name, *study.retrained_kinds],
        "seeds": study.seeds,
        "seed": study.seed,
        "schedules": schedules,
        "steps": retrained.get("steps"),
        "budget": study.settings["evaluation"]["budget"],
        "criteria": retrained["criteria"],
        "levels": retrained["levels"],
        **study.settings["figures"],
    }


def export(study: Study, name: str) -> Options:
    """The choices behind an exported network, and the facts of the study that its card states."""
    entry = study.exported[name]
    source = catalogue()[study.settings["data"]["source"]]
    split = ranked_on(study, entry["criterion"])
    kind, origin = entry["kind"], ""
    if study.settings["model"]["weights"] is not None:
        origin = "It starts from weights made elsewhere, which may have seen any of these images."
    return {
        **entry,
        "schedules": {} if kind == kinds.NONE.name else {kind: schedule(study, kind)},
        "steps": study.retraining.get("steps"),
        "terms": study.terms[0],
        "ranked_on": split,
        "ranked_on_choosing": split is not None and split == study.choose_on,
        "origin": origin,
        "data": {"name": study.dataset, **{key: source[key] for key in ("title", "licence", "citation")}},
        "seed": study.seed,
        "threads": study.settings["threads"],
        **study.settings["figures"],
    }


def source_figure(study: Study, source: str) -> Options:
    """The lines of a figure of one reading or of one of the weights."""
    return {
        "title": study.title,
        "mixes": study.statistic,
        "weight": study.weights[0],
        "deltas": study.mixing["deltas"],
        "statistics": study.statistics,
        "combined": study.mixing["alternate"] and source in study.mixed,
        "reading": reading_choices(study, source),
    }


def curves(study: Study, figure: str, source: str, statistic: str | None = None) -> Options:
    """The lines of a figure of curves (figures/lines.py), of a source or of one criterion of it."""
    name = source if statistic is None else f"{source}.{statistic}"
    return {"figure": figure, "name": name, **source_figure(study, source)}


def scores_curves(study: Study) -> Options:
    """The lines of the figure of all scores, files and mixtures, and those that they stand beside."""
    sources = (*list(study.readings)[:1], study.weights[0])
    return {
        "figure": "scores",
        "title": study.title,
        "criteria": study.more,
        "beside": [f"{source}.{study.statistic}" for source in sources],
    }


def stability_figure(study: Study) -> Options:
    """The agreement at which each reading stops."""
    return {"title": study.title, "until": {name: reading["until"] for name, reading in study.readings.items()}}


def judged_readings(study: Study) -> list[str]:
    """The readings that the verdict names, in the order of its keys, each once."""
    verdict = study.verdict
    parts = [verdict[key] for key in ("ours", "faithful", "clean") if verdict.get(key)]
    return list(dict.fromkeys([*parts, *verdict.get("reductions", [])]))


def printed_tables(study: Study) -> Options:
    """The readings that stand beside the printed tables of the source."""
    verdict = study.verdict
    return {
        "readings": [verdict[key] for key in ("ours", "faithful") if verdict.get(key)],
        "weights": study.weights,
    }


def verdict(study: Study, shipped_studies: Mapping[str, str]) -> Options:
    """The parts and facts of the verdict's page; `shipped_studies` is {study: the path of its file}."""
    path = shipped_studies.get(study.name)
    return {
        "verdict": study.verdict,
        "choose_on": study.choose_on,
        "study": study.name,
        "seeds": study.seeds,
        "seed": study.seed,
        "model": study.settings["model"],
        "rank_from": study.settings["split"]["rank_from"],
        "epochs": study.settings["training"]["epochs"],
        "data": {"name": study.dataset, "size": study.settings["data"]["size"]},
        "random": study.draws,
        "readings": {name: reading_choices(study, name) for name in judged_readings(study)},
        "criteria": {
            "mixes": study.statistic,
            "weights": study.weights,
            "deltas": study.mixing["deltas"],
            "statistics": study.statistics,
        },
        "command": f"make study STUDY={path}" if path else "make study",
        **study.settings["figures"],
    }
