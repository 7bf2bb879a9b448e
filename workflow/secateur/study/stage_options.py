"""The options of each stage: the settings that its results depend on, and no others.

Snakemake runs a stage again when its options change. Neither Snakemake nor torch is needed.
"""

from typing import Any

from secateur.artifacts import files, plain_yaml, shipped
from secateur.study import (
    contents,
    criteria_names,
    criterion_families,
    kinds,
    learned,
    learned_checks,
    own_network,
    recovery_checks,
    retraining_checks,
    sparse,
    tickets,
    vocabulary,
)
from secateur.study.study import Study

Options = dict[str, Any]
# Settings of a reading that decide which units have relevance.
PROPAGATION = ("rule", "at", "bias", "pool", "seed", "precision")


def _chosen(settings, *keys):
    """These settings of a section."""
    return {key: settings[key] for key in keys}


def _without(settings, *keys):
    """All settings of a section but these."""
    return {key: value for key, value in settings.items() if key not in keys}


def _of_text(level, cells):
    """The level of some networks that has this text in paths."""
    return {str(cell.level): cell.level for cell in cells}[level]


def machine(study: Study) -> Options:
    """Threads and device of a computation with torch."""
    return _chosen(study.settings, "threads", "device")


def precision(study: Study) -> Options:
    """The precision of evaluation where the study fixes it.

    With `auto` the machine decides, and the predictions are those of float32 either way.
    """
    fixed = study.settings["evaluation"]["precision"] != "auto"
    return _chosen(study.settings["evaluation"], "precision") if fixed else {}


def catalogue() -> dict[str, Any]:
    """{source: its files, checksums and licence} of all known images."""
    return plain_yaml.parsed(shipped.file("data/sources.yaml").read_text(encoding="utf-8"))


def terms(study: Study) -> Options:
    """Title, licence and citation of the study's images."""
    return _chosen(catalogue()[study.settings["data"]["source"]], "title", "licence", "citation")


def images(study: Study, listing: str | None = None) -> Options:
    """The source of the images and their split; `listing` is the digest of the listing of an image folder."""
    data = study.settings["data"]
    # Settings that are younger than studies which have run count only where they are set.
    left_out = ["mirror"] + [key for key, value in (("classes", None), ("copy", True)) if data[key] is value]
    options = {"data": _without(data, *left_out), "split": study.settings["split"]}
    if listing is not None:
        options["listing"] = listing
    return options


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
    schedule = _without(study.settings["training"], "seeds")
    return {**network(study), "training": schedule, "seed": study.seed, **machine(study)}


def units(study: Study) -> Options:
    """The network's architecture, and the settings that decide which of its channels are units."""
    return {**network(study), **_chosen(study.settings["criteria"], "residual", "linear")}


def levels(study: Study) -> Options:
    """The highest level, its terms, and the readings, which must give relevance to the units that it removes.

    With widths these too, and all levels, of which one must meet each.
    """
    readings = {}
    for name, reading in study.readings.items():
        readings[name] = _chosen(reading, *PROPAGATION)
    options = {"level": study.settings["levels"][-1], "terms": study.terms, "readings": readings, **units(study)}
    if study.widths:
        options |= {"widths": study.widths, "levels": study.settings["levels"]}
    if recoveries := recovery_checks.every(study.settings):
        options["recoveries"] = recoveries
    if study.allocated:
        options["allocated"] = list(study.allocated)
    if study.variants:
        ramps = {name: _chosen(variant, *sparse.OF_RAMP) for name, variant in study.variants.items()}
        options["sparse"] = {"ramps": ramps, "training": _chosen(study.settings["training"], "epochs", "batch_size")}
    if study.tickets:
        options["tickets"] = _chosen(tickets.of(study.settings), "sparsity")
    if study.entries:
        options["learned"] = learned_facts(study)
        options["learned_levels"] = retraining_checks.learned_levels(study.settings)
    return options


def extraction(study: Study, reading: str) -> Options:
    """The choices behind a reading's relevance."""
    return {"reading": criteria_names.extraction(study.readings[reading]), **machine(study)}


def summary(study: Study, reading: str) -> Options:
    """The reduction to statistics, and the choices with which the relevance must have been extracted."""
    chosen = study.readings[reading]
    return {**_chosen(chosen, "absolute", "reduce"), "reading": criteria_names.extraction(chosen)}


def image_scores(study: Study) -> Options:
    """The count of images behind scores of images."""
    return {"images": study.settings["criteria"]["images"], **machine(study)}


def reading_choices(study: Study, name: str) -> Options | None:
    """The settings of a reading without its shards, which change no result; None for a name of no reading."""
    if name not in study.readings:
        return None
    return _without(study.readings[name], "shards", "per")


def statistics_ranking(study: Study, source: str, per: str | None = None) -> Options:
    """The choices behind the rankings of a source; `per` is the cost that its scores are divided by."""
    options = {
        "statistics": study.statistics,
        "reading": reading_choices(study, source),
        "unit_score": study.settings["criteria"]["unit_score"],
    }
    return options | ({"per": per} if per else {})


def mixed_ranking(study: Study, reading: str) -> Options:
    """The choices behind the lists that mix a reading with the weights."""
    return {
        "reading": reading_choices(study, reading),
        "combined": study.mixing["alternate"],
        "deltas": study.mixing["deltas"],
        "statistic": study.statistic,
        "weight": study.weights[0],
    }


def combined_ranking(study: Study, reading: str) -> Options:
    """The choices behind the list that alternates between a reading and the weights, without mixed lists."""
    return mixed_ranking(study, reading) | {"combined": True, "deltas": []}


def random_ranking(study: Study) -> Options:
    """The seed and the names of random rankings."""
    return {"seed": study.seed, "criteria": study.families["random"]}


def score_ranking(study: Study, criterion: str) -> Options:
    """The score behind a ranking, its normalisation and its scope."""
    return {"unit_score": study.settings["criteria"]["unit_score"], **study.scored[criterion]}


def learned_facts(study: Study) -> list[Options]:
    """The facts of learned criteria that a network may refuse: pruning-models, and the files of scorers."""
    facts = []
    for entry in study.entries.values():
        if not learned.scores_units(entry):
            facts.append(_chosen(entry, "name", "model"))
        elif not learned.fitted(entry):
            files_of = learned_checks.contents_of(entry, study.seeds)
            facts.append({**_chosen(entry, "name", "gradients", "scope"), "files": files_of})
        else:
            facts.append({"name": entry["name"]})
    return facts


def learning(study: Study, criterion: str) -> Options:
    """All that one draw of a learned criterion depends on: its entry, its draw, the network and the whole schedule."""
    entry = study.learned[criterion]
    of_training = _without(study.settings["training"], "seeds")
    own = {key: value for key, value in entry.items() if key in of_training}
    return {
        **network(study),
        "learned": _without(entry, "name", "draws", *own) | learned_checks.code_of(entry),
        "draw": learned.draw_of(criterion),
        # It starts from trained weights, which need no warm-up, and the loss of gates is the cross-entropy.
        "training": of_training | {"warm_up": 0, "loss": "cross_entropy"} | own,
        "seed": study.seed,
        **_chosen(study.settings["criteria"], "residual", "linear"),
        **machine(study),
    }


def fitting(study: Study, criterion: str) -> Options:
    """All that one draw of a scorer depends on; with a level these are the terms of the study's levels too."""
    options = learning(study, criterion)
    options["learned"] = _without(options["learned"], "file")
    if study.learned[criterion]["scope"] == "global":
        options["terms"] = study.terms[0]
    return options


def scoring(study: Study, criterion: str, seed: int | str) -> Options:
    """The choices behind the scores that a scorer gives, and the content of its file where it was fitted elsewhere."""
    entry = study.scorers[criterion]
    options = {
        **_chosen(entry, "calibration", "gradients", "scope"),
        **_chosen(study.settings["criteria"], "residual", "linear"),
    }
    if entry["file"] is not None:
        path = contents.scorer_file(study.settings, criterion, seed)
        options["content"] = contents.of(files.found(path))
    return options | machine(study)


def shuffled_ranking(study: Study, entry: str) -> Options:
    """The widths at which random channels stand beside a learned criterion, and the seed of their draws."""
    return {"widths": study.entries[entry]["widths"], "seed": study.seed}


def controls_ranking(study: Study) -> Options:
    """The seed of shuffled channels."""
    return {"seed": study.seed}


def file_ranking(study: Study, criterion: str, seed: str) -> Options:
    """The normalisation and scope of a file of the user's own, and its content, wherever it lies."""
    chosen = _chosen(study.settings["criteria"], "normalise", "scope", "unit_score")
    path, per = contents.own_file(study.settings, criterion, seed), vocabulary.costed(criterion)[1]
    return chosen | {"content": contents.of(files.found(path))} | ({"per": per} if per else {})


def mixture_ranking(study: Study, mixture: str) -> Options:
    """The two criteria of a mixture."""
    return _chosen(study.mixtures[mixture], "first", "second")


def evaluation(study: Study, job: str) -> Options:
    """The criteria and levels of an evaluation, and the recoveries where there are any beside `none`."""
    return _evaluated(study, study.evaluated[job]) | _recoveries(study, study.recovered)


def choosing(study: Study, job: str) -> Options:
    """The same on the images that choose; of networks as pruning left them, where no verdict asks after recoveries."""
    return _evaluated(study, study.choosing[job]) | _recoveries(study, study.chosen_after)


def comparison(study: Study) -> Options:
    """The rule of relevance, the images, and all that decides which pruned networks are compared with the dense one.

    Nothing for a study of which none is compared.
    """
    if study.explained is None:
        return {}
    return {
        "name": study.explained,
        "reading": _chosen(study.readings[study.explained], "rule", "bias", "pool", "seed"),
        "criteria": study.looked_at,
        "families": criterion_families.of(study.settings),
        "choose_on": study.choose_on,
        "statistic": study.statistic,
        "terms": study.terms[0],
        **study.settings["input_relevance"],
        "seed": study.seed,
        **machine(study),
    }


def sensitivity(study: Study) -> Options:
    """The steps and images of a measurement of sensitivity, and the recovery before it."""
    settings = study.settings
    return {
        **_chosen(settings["sensitivity"], "steps", "images", "split"),
        "recoveries": recovery_checks.of_sensitivity(settings),
        "seed": study.seed,
        **precision(study),
        **machine(study),
    }


def allocation(study: Study) -> Options:
    """The levels for which a budget is shared out, and their terms: those of the first floor."""
    return {"levels": study.settings["levels"], "terms": study.terms[0]}


def rescoring(study: Study, criterion: str) -> Options:
    """The score behind a criterion in steps, its steps and terms, and the recovery between them."""
    entry, settings = study.rescored[criterion], study.settings
    options = {
        **_chosen(entry, "steps", "against"),
        "level": settings["levels"][-1],
        "terms": study.terms[0],
        "recoveries": recovery_checks.of_steps(settings, entry),
        "seed": study.seed,
        **machine(study),
    }
    reading = study.rescored_reading(criterion)
    if reading is None:
        chosen = study.scored[entry["criterion"]]
        comparison = {**_chosen(chosen, "normalise"), **_per(chosen.get("per"))}
        options |= {"score": chosen["score"], "images": settings["criteria"]["images"]}
    else:
        plain, per = vocabulary.costed(entry["criterion"])
        comparison = _per(per)
        options |= {
            "reading": reading_choices(study, reading),
            "statistic": plain.removeprefix(f"{reading}."),
            "images": study.readings[reading]["images"],
        }
    return options | {"comparison": {"unit_score": settings["criteria"]["unit_score"], **comparison}}


def _per(cost):
    return {"per": cost} if cost else {}


def _recoveries(study, names):
    if not names:
        return {}
    return {"recoveries": recovery_checks.options(study.settings), "seed": study.seed}


def _evaluated(study, criteria):
    return {
        "criteria": criteria,
        "levels": study.settings["levels"],
        "terms": study.terms,
        **precision(study),
        **machine(study),
    }


def ranked_on(study: Study, criterion: str) -> str | None:
    """The split of the images that a criterion ranks on.

    The text "none" stands for rankings by weights and at random, which need no images; None for criteria whose name
    does not tell.
    """
    chosen = study.learned.get(criterion.removeprefix("uniform."))
    if chosen is not None:
        return _learned_on(chosen)
    made_from = _made_from(study, criterion)
    if made_from is not None:
        return made_from
    if criterion in study.scored:
        of_images = study.scored[criterion]["score"] in vocabulary.IMAGE_SCORES
        return "rank" if of_images else "none"
    beside = criterion.removeprefix("shuffled.").rpartition(".")[0]
    if beside in study.entries:
        # At given widths no image decides; without them, the gates do.
        return "none" if study.entries[beside]["widths"] else "train"
    parts = criterion.split(".")
    for part in parts:
        if part in study.readings:
            return study.readings[part]["split"]
    if "random" in parts or not {*study.weights}.isdisjoint(parts):
        return "none"
    return None


def _made_from(study, criterion):
    """The split of a criterion whose levels are shared out, or that is in steps, and of its controls; None for others.

    A reading on test images stays one. Otherwise it is the split by which levels are shared out; of steps that of the
    reading, or the rank images, which score or calibrate.
    """
    plain = criterion.removeprefix("uniform.")
    if plain.startswith("shuffled."):
        plain = plain.removeprefix("shuffled.").rpartition(".")[0]
    if plain in study.allocated:
        of_order = ranked_on(study, study.allocated[plain])
        return "test" if of_order == "test" else study.settings["sensitivity"]["split"]
    if plain in study.rescored:
        reading = study.rescored_reading(plain)
        return "rank" if reading is None else study.readings[reading]["split"]
    return None


def _learned_on(entry):
    """The split that a learned criterion ranks on: a scorer that is not fitted here reads only images of gradients."""
    if not learned.scores_units(entry) or (learned.fitted(entry) and entry["fit"] != "none"):
        return "train"
    return entry["calibration"]["split"] if entry["gradients"] else "none"


def schedule(study: Study, kind: str, criterion: str = "") -> Options:
    """The schedule by which networks of a kind are trained, or the images that re-estimate their BatchNorm.

    Kinds of learned criteria need the `criterion`, a draw or the name of all: its gate phase stands in `gates`.
    """
    if kinds.KINDS[kind].learned:
        return _learned_schedule(study, kind, criterion)
    if kind in recovery_checks.OPTIONS:
        return recovery_checks.OPTIONS[kind](study.settings)
    of_training = _without(study.settings["training"], "seeds")
    if kinds.KINDS[kind].whole:
        return of_training | {"epochs": study.retraining["scratch_epochs"]}
    changes = dict(kinds.KINDS[kind].changes)
    if changes.get("optimizer") == "adam":
        changes["learning_rate"] = study.retraining["adam_learning_rate"]
    return _chosen(study.retraining, *of_training) | changes | _start(study)


def _start(study):
    """The start of a retraining, where that is not the network as pruned."""
    start = study.retraining["start"]
    return {"start": {"kind": start, **recovery_checks.OPTIONS[start](study.settings)}} if start in kinds.STARTS else {}


def _learned_schedule(study, kind, criterion):
    """The gate phase of a learned criterion, and the schedule after it: as many images in all as other kinds see."""
    name = criterion if criterion in study.entries else vocabulary.without_draw(criterion)
    of_phase = learning(study, f"{name}.0")
    schedule = {"gates": {"name": name, **of_phase["learned"], "training": of_phase["training"]}}
    if kinds.KINDS[kind].trains == "weights":
        of_training = _without(study.settings["training"], "seeds")
        epochs = study.retraining["epochs"] - of_phase["training"]["epochs"]
        schedule |= {**_chosen(study.retraining, *of_training), "epochs": epochs}
    return schedule


def retraining(study: Study, criterion: str, kind: str, level: str) -> Options:
    """The level and the schedule of one retrained network; `level` is its text in paths."""
    return {
        "level": _of_text(level, study.cells),
        "training": schedule(study, kind, criterion),
        "steps": study.retraining["steps"] if kinds.KINDS[kind].in_steps else 1,
        "terms": study.terms[0],
        **precision(study),
        "model": network(study)["model"],
        "seed": study.seed,
        **machine(study),
    }


def sparse_training(study: Study, variant: str, level: str) -> Options:
    """The network, the schedule, a variant and a level; `level` is its text in paths."""
    return {
        **training(study),
        "variant": sparse.options_of(study.variants[variant]),
        "level": _of_text(level, study.sparse_cells),
        **precision(study),
    }


def rewinding(study: Study) -> Options:
    """The network, its schedule, and the epochs of it that are trained again, of which the last is kept."""
    options = training(study)
    return {**options, "training": options["training"] | {"select": "last"}, "rewind": study.rewind}


def ticket_round(study: Study, place: str) -> Options:
    """The share of weights that is zero after a round of pruning; `place` is its text in paths."""
    return {"sparsity": study.rounds[int(place)].sparsity}


def ticket(study: Study, place: str, kind: str) -> Options:
    """The network, the schedule from the epoch to which it goes back, and a re-initialisation."""
    return {
        **training(study),
        "rewind": study.rewind,
        "kind": kind,
        "sparsity": study.rounds[int(place)].sparsity,
        **precision(study),
    }


def export(study: Study, name: str) -> Options:
    """The choices behind an exported network, and the facts of the study that its card states."""
    entry = study.exported[name]
    split = ranked_on(study, entry["criterion"])
    schedules = {}
    if entry["kind"] != kinds.NONE.name:
        schedules[entry["kind"]] = schedule(study, entry["kind"], entry["criterion"])
    return {
        **entry,
        "schedules": schedules,
        "steps": study.retraining.get("steps"),
        "terms": study.terms[0],
        "ranked_on": split,
        "ranked_on_choosing": split is not None
        and vocabulary.same_images(study.settings["split"], split, study.choose_on),
        **_card(study),
    }


def sparse_export(study: Study, variant: str, level: str) -> Options:
    """A sparse network and its variant, and the facts of the study that its card states."""
    settings = sparse.options_of(study.variants[variant])
    return {"variant": variant, "settings": settings, "level": _of_text(level, study.sparse_cells), **_card(study)}


def _card(study):
    """The facts of the study that every card states."""
    source, origin = catalogue()[study.settings["data"]["source"]], ""
    if study.settings["model"]["weights"] is not None:
        origin = "It starts from weights made elsewhere, which may have seen any of these images."
    return {
        "origin": origin,
        "data": {"name": study.dataset, **_chosen(source, "title", "licence", "citation")},
        "seed": study.seed,
        "threads": study.settings["threads"],
        **study.settings["figures"],
    }
