# What the jobs of each stage read and depend on: functions of wildcards, in the order of the data.


def gpus(wildcards):
    """GPUs that a job asks of a cluster."""
    return 1 if config["device"] == "cuda" else 0


def machine_options():
    """What a computation with torch needs to know of the study beside its own options."""
    return {"threads": config["threads"], "device": config["device"]}


def precision_options():
    """The precision of evaluation where the study fixes it: what `auto` comes to is the machine's, and changes nothing."""
    asked = config["evaluation"]["precision"]
    return {} if asked == "auto" else {"precision": asked}


def image_options():
    """What the images of a study depend on; a folder of the user's own also by its listing."""
    data = {key: value for key, value in config["data"].items() if key != "mirror"}
    options = {"data": data, "split": config["split"]}
    if data["source"] == "image_folder":
        try:
            options["listing"] = image_folder.listing_digest(data["folder"])
        except Refused as error:
            raise WorkflowError(f"The study's settings: {error}") from None
    return options


def download_options(wildcards):
    """What data/sources.yaml says of a download: other checksums are other images."""
    catalogue = yaml.safe_load((ROOT / "data" / "sources.yaml").read_text(encoding="utf-8"))
    return {"source": wildcards.download, "entry": catalogue[wildcards.download]}


def downloaded(wildcards):
    """The manifest of a verified download, where the source has one."""
    source = config["data"]["source"]
    return f"data/{source}/verified.json" if source in ("cifar10", "cifar100") else []


def network_options():
    """The study's network, and the code behind one of the user's own."""
    factory = config["model"]["factory"]
    own = {"factory": own_network.digest_of(factory)} if factory else {}
    return {"model": config["model"] | {"weights": contents.weights(config["model"])}, **own}


def training_options():
    """What a network depends on beside its seed and its images."""
    chosen = {key: value for key, value in config["training"].items() if key != "seeds"}
    return {**network_options(), "training": chosen, "seed": config["seed"], **machine_options()}


def unit_options():
    """What can go depends on the architecture alone."""
    return {**network_options(), **{key: config["criteria"][key] for key in ("residual", "linear")}}


def reading_rules():
    """What decides which layers a reading explains, and how: {reading: what its propagator is made from}."""
    keys = ("rule", "at", "bias", "pool", "seed", "precision")
    return {name: {key: reading[key] for key in keys} for name, reading in config["readings"].items()}


def linear_units(wildcards):
    """The table of units where linear layers have some: what reads convolutions must read these too."""
    folder = f"<results>/{wildcards.dataset}/{wildcards.model}/{wildcards.seed}/units"
    return [] if config["criteria"]["linear"] == "protected" else f"{folder}/units.csv"


def given_weights(wildcards):
    """A copy of a local file of weights, by the content's name: another content trains again, another place does not."""
    weights = contents.weights(config["model"])
    return [] if weights in (None, "imagenet") else f"<results>/weights/{weights}.pt"


def shown_images(wildcards):
    """The split on which a reading looks at relevance."""
    split = config["readings"][wildcards.reading]["split"]
    return f"<results>/{wildcards.dataset}/images/{split}.h5"


def reading_choices(name):
    """What a reading says but for its shards, which change no result; None for what is no reading."""
    return {key: value for key, value in config["readings"].get(name, {}).items() if key != "shards"} or None


def extraction(name):
    """What the relevance of a reading depends on."""
    return criteria_names.extraction(config["readings"][name])


RELEVANCE_OF = criteria_names.relevance_of(config["readings"])
EXTRACTED = sorted(set(RELEVANCE_OF.values()))


def reading_options(wildcards):
    """What the extraction of a reading's relevance is told."""
    return {"reading": extraction(wildcards.reading), **machine_options()}


def relevance_file(wildcards):
    """The relevance behind a reading's statistics."""
    folder = f"<results>/{wildcards.dataset}/{wildcards.model}/{wildcards.seed}/relevance"
    return f"{folder}/{RELEVANCE_OF[wildcards.reading]}.h5"


def shard_files(wildcards):
    """The files that together are the relevance of a reading."""
    shards = config["readings"][wildcards.reading]["shards"]
    folder = f"<results>/{wildcards.dataset}/{wildcards.model}/{wildcards.seed}/relevance"
    return [f"{folder}/{wildcards.reading}.shard-{shard}-of-{shards}.h5" for shard in range(shards)]


def summary_options(wildcards):
    """What the statistics of a reading do with its relevance, and what that must have been read with."""
    reading = config["readings"][wildcards.reading]
    return {
        "absolute": reading["absolute"],
        "reduce": reading["reduce"],
        "reading": extraction(wildcards.reading),
    }


def ranking_options(wildcards):
    """The choices behind a ranking's name, for its manifest."""
    names = dict(wildcards.items())
    reading = names.get("reading", names.get("source"))
    if "source" in names:
        unit_score = config["criteria"]["unit_score"]
        return {"statistics": STATISTICS, "reading": reading_choices(reading), "unit_score": unit_score}
    mixed = {"combined": config["criteria"]["combined"], "deltas": DELTAS, "mixes": MIXES, "weight": WEIGHTS[0]}
    return {"reading": reading_choices(reading), **mixed}


def combining_options(wildcards):
    """The same for a list that takes turns and nothing else."""
    return {**ranking_options(wildcards), "combined": True, "deltas": []}


def scoring_options(wildcards):
    """What a score of images depends on beside the network and the images."""
    return {"images": config["criteria"]["images"], **machine_options()}


def scored_options(wildcards):
    """How the scores behind a ranking are made comparable; a file of the user's own has the study's choices."""
    own = SCORES.get(dict(wildcards.items()).get("scored"))
    chosen = own or {key: config["criteria"][key] for key in ("normalise", "scope")}
    return {**chosen, "unit_score": config["criteria"]["unit_score"]}


def scores_file(wildcards):
    """The scores behind a ranking: several rankings can share them."""
    folder = f"<results>/{wildcards.dataset}/{wildcards.model}/{wildcards.seed}/statistics"
    return f"{folder}/{SCORES[wildcards.scored]['score']}.csv"


def stages_file(wildcards):
    """Which layers are a stage, where the scope of a ranking asks for it."""
    folder = f"<results>/{wildcards.dataset}/{wildcards.model}/{wildcards.seed}/units"
    return f"{folder}/stages.csv" if scored_options(wildcards)["scope"] == "stage" else []


def given_options(wildcards):
    """What a ranking by the user's own file depends on: its content, wherever it lies."""
    name = contents.own_file(config, wildcards.given, wildcards.seed)
    return {**scored_options(wildcards), "content": contents.of(files.found(name))}


def mixture_options(wildcards):
    """The choices behind a mixture's name, for its manifest."""
    return {side: MIXTURES[wildcards.mixture][side] for side in ("first", "second")}


def mixture_lists(wildcards):
    """The two rankings that a mixture mixes."""
    folder = f"<results>/{wildcards.dataset}/{wildcards.model}/{wildcards.seed}/ranking"
    return {side: f"{folder}/{MIXTURES[wildcards.mixture][side]}.csv" for side in ("first", "second")}


def mixed_lists(wildcards):
    """The two rankings behind a combined or mixed one."""
    folder = f"<results>/{wildcards.dataset}/{wildcards.model}/{wildcards.seed}/ranking"
    return {
        "relevance": f"{folder}/{wildcards.reading}.{MIXES}.csv",
        "weight": f"{folder}/{WEIGHTS[0]}.{MIXES}.csv",
    }


def evaluated_rankings(wildcards):
    """The rankings of a family of criteria."""
    folder = f"<results>/{wildcards.dataset}/{wildcards.model}/{wildcards.seed}/ranking"
    return [f"{folder}/{criterion}.csv" for criterion in FAMILIES[wildcards.family]]


def evaluation_options(wildcards):
    """What an evaluation depends on beside the network, the images and the rankings."""
    chosen = {"levels": config["levels"], "terms": TERMS, **precision_options()}
    return {"criteria": FAMILIES[wildcards.family], **chosen, **machine_options()}


def ranked_on(criterion):
    """The split that a criterion looks at: "none" for weights and chance, None where its name does not tell."""
    parts = criterion.split(".")
    reading = next((part for part in parts if part in READINGS), None)
    if reading:
        return config["readings"][reading]["split"]
    if criterion in SCORES:
        return "rank" if SCORES[criterion]["score"] in vocabulary.IMAGE_SCORES else "none"
    return "none" if {*WEIGHTS, "random"} & set(parts) else None


def exported_files(wildcards):
    """What the card of an exported network is made from: its family's evaluation, and what retraining made of it."""
    network = f"<results>/{wildcards.dataset}/{wildcards.model}/{wildcards.seed}"
    family = next(name for name, criteria in FAMILIES.items() if wildcards.criterion in criteria)
    ends = {"table": "csv", "bits": "h5", "manifest": "json"}
    found = {key: f"{network}/evaluation/{family}.{kind}" for key, kind in ends.items()}
    entry = EXPORTED[f"{wildcards.criterion}/{wildcards.exported}"]
    if entry["kind"] == kinds.NONE.name:
        return found
    cell = f"{network}/retraining/{entry['criterion']}/{entry['level']}/{entry['kind']}"
    return found | {"retrained": f"{cell}.pt"} | {f"retrained_{key}": f"{cell}.{kind}" for key, kind in ends.items()}


def export_options(wildcards):
    """What an exported network depends on beside the checkpoint, the ranking and the evaluation, and its card says."""
    catalogue = yaml.safe_load((ROOT / "data" / "sources.yaml").read_text(encoding="utf-8"))
    terms = {key: catalogue[config["data"]["source"]][key] for key in ("title", "licence", "citation")}
    elsewhere = config["model"]["weights"] is not None
    entry = EXPORTED[f"{wildcards.criterion}/{wildcards.exported}"]
    own = {} if entry["kind"] == kinds.NONE.name else {entry["kind"]: schedule_options(entry["kind"])}
    split = ranked_on(wildcards.criterion)
    return {
        **entry,
        "schedules": own,
        "steps": RETRAINING.get("steps"),
        "terms": TERMS[0],
        "ranked_on": split,
        "ranked_on_choosing": split is not None and split == CHOOSING,
        "origin": (
            "It starts from weights made elsewhere, which may have seen any of these images." if elsewhere else ""
        ),
        "data": {"name": DATASET, **terms},
        "seed": config["seed"],
        "threads": config["threads"],
        **config["figures"],
    }


def schedule_options(kind):
    """What the networks of a kind are trained with after pruning."""
    own = {key: RETRAINING[key] for key in config["training"] if key != "seeds"}
    if kinds.KINDS[kind].trains == "statistics":
        return {key: RETRAINING[key] for key in ("batchnorm_images", "batch_size")}
    if kinds.KINDS[kind].start == "fresh":
        return {key: config["training"][key] for key in own} | {"epochs": RETRAINING["scratch_epochs"]}
    return own


def retraining_options(wildcards):
    """What a retrained network depends on beside the dense one, its ranking and the images."""
    return {
        "level": next(level for level in RETRAINING["levels"] if str(level) == wildcards.level),
        "training": schedule_options(wildcards.kind),
        "steps": RETRAINING["steps"] if kinds.KINDS[wildcards.kind].in_steps else 1,
        "terms": TERMS[0],
        **precision_options(),
        "model": network_options()["model"],
        "seed": config["seed"],
        **machine_options(),
    }


def recovery_options():
    """What the tables and the figure of retraining depend on beside the evaluations."""
    chosen = {key: RETRAINING[key] for key in ("criteria", "levels")}
    return {
        "title": f"{MODEL} on {DATASET}",
        "kinds": [kinds.NONE.name, *RETRAINED_KINDS],
        "seeds": SEEDS,
        "seed": config["seed"],
        "schedules": {kind: schedule_options(kind) for kind in RETRAINED_KINDS} if RETRAINING["criteria"] else {},
        "steps": RETRAINING.get("steps"),
        "budget": config["evaluation"]["budget"],
        **chosen,
        **config["figures"],
    }


def study_options():
    """What the tables of a study depend on beside the evaluations."""
    chosen = {"criteria": CRITERIA, "seeds": SEEDS, "choose_on": CHOOSING, "seed": config["seed"]}
    return {**chosen, **config["figures"]}


def figure_options(wildcards):
    """What a figure of one reading or of one source shows."""
    name = dict(wildcards.items()).get("reading", dict(wildcards.items()).get("source"))
    return {
        "title": f"{MODEL} on {DATASET}",
        "mixes": MIXES,
        "weight": WEIGHTS[0],
        "deltas": DELTAS,
        "statistics": STATISTICS,
        "combined": config["criteria"]["combined"] and name in MIXED_READINGS,
        "reading": reading_choices(name),
    }


def scores_options():
    """What the figure of all scores, files and mixtures shows."""
    beside = [f"{source}.{MIXES}" for source in (*READINGS[:1], WEIGHTS[0])]
    return {
        "title": f"{MODEL} on {DATASET}",
        "criteria": [name for names in MORE.values() for name in names],
        "beside": beside,
    }


def captions_digest():
    """The text of all captions: as inputs they would count by time stamp."""
    return stamps.digest({path.name: path.read_text(encoding="utf-8") for path in (ROOT / "report").glob("*.rst")})


def typed_digest():
    """The thesis's numbers as typed; as inputs they would count by time stamp."""
    return stamps.digest([(ROOT / "report" / f"thesis.{kind}").read_text(encoding="utf-8") for kind in ("csv", "yaml")])


def judged_readings():
    """The readings that the verdict names, in the order of its keys, each once."""
    named = [VERDICT[key] for key in ("ours", "faithful", "clean") if VERDICT.get(key)]
    return list(dict.fromkeys([*named, *(VERDICT.get("reductions") or [])]))


def verdict_options():
    """What the verdict page depends on beside the tables."""
    study = ROOT / "config" / "studies" / f"{config['study']}.yaml"
    return {
        "verdict": VERDICT,
        "choose_on": CHOOSING,
        "study": config["study"],
        "seeds": SEEDS,
        "seed": config["seed"],
        "model": config["model"],
        "rank_from": config["split"]["rank_from"],
        "epochs": config["training"]["epochs"],
        "data": {"name": DATASET, "size": config["data"]["size"]},
        "random": len(DRAWS),
        "readings": {name: reading_choices(name) for name in judged_readings()},
        "criteria": {"mixes": MIXES, "weights": WEIGHTS, "deltas": DELTAS, "statistics": STATISTICS},
        "command": f"make study STUDY=config/studies/{study.name}" if study.is_file() else "make study",
        "typed": typed_digest(),
        **config["figures"],
    }
