"""Describe a study on one page: its question, its images, its networks, its settings and its versions."""

import collections
import html
from pathlib import Path

import pandas
import yaml

from secateur.analysis import interval_words, intervals, retraining, wording
from secateur.artifacts import files, provenance
from secateur.figures import html_tables
from secateur.images import downloads, store
from secateur.jobs import script
from secateur.models import checkpoints
from secateur.relevance import propagation
from secateur.study import biases, criteria_names, recovery_checks, retraining_checks, sparse, tickets, vocabulary

LOST = (
    "Not conserved: the share of images whose relevance, summed over a layer's channels, differs from the relevance "
    "at the start (by more than 0.1 %, in bfloat16 5 %). Where all contributions to a unit have one sign, alpha-beta "
    "passes on alpha times or minus beta times its relevance, and nothing where there are none; in a unit of the last "
    "layer, that holds for the whole image. Such images weigh more or less than others in the means. Only layers that "
    "every path from the image to the classes crosses are checked. A rule that does not conserve by design has the "
    "reason beside it."
)
DIGESTS = (
    "A digest of images is of their pixels, labels, classes and normalisation, in their order; that of a network is "
    "the beginning of its file's SHA-256."
)


def describe_study(settings, splits, networks, readings, page, confidence):
    config = yaml.safe_load(Path(settings).read_text(encoding="utf-8"))
    trained = list(map(checkpoints.load, networks))
    parts = [
        _paragraph(html.escape(config["question"])),
        "<h2>Images</h2>",
        html_tables.table(pandas.DataFrame(map(_split, splits))),
        _paragraph(_source(config["data"])),
        _paragraph(_spread(splits[-1], confidence)),
        _paragraph(_intervals(config, len(networks), confidence)),
        _paragraph(_recoveries(config)),
        _paragraph(_sparsity(config)),
        _paragraph(_tickets(config)),
        "<h2>What ranked on what</h2>",
        _paragraph(_origin(config)),
        *_readings(config, _by_reading(map(provenance.read, readings))),
        _paragraph(html.escape(_others(config))),
        "<h2>Networks</h2>",
        html_tables.table(pandas.DataFrame(map(_network, trained, networks))),
        _paragraph(DIGESTS),
        "<h2>Settings</h2>",
        html_tables.facts(config),
        "<h2>Versions that trained the networks</h2>",
        html_tables.facts(trained[0].facts["provenance"]["versions"]),
        "<h2>Versions that made this page</h2>",
        html_tables.facts(provenance.versions()),
    ]
    files.write_text(page, html_tables.page(f"The study {config['study']}", *filter(None, parts)))


def _paragraph(markup):
    """A paragraph of HTML; nothing stays nothing."""
    return f"<p>{markup}</p>" if markup else ""


# ---- images and intervals --------------------------------------------------------------------------------


def _split(path):
    with store.opened(path) as shown:
        shape = "x".join(map(str, shown.pixels.shape[1:]))
        facts = {"split": shown.split, "images": len(shown), "shape": shape, "classes": len(shown.classes)}
        return facts | {"digest": shown.identity}


def _source(data):
    """A sentence: where the images come from, and how to cite them."""
    entry = downloads.catalogue()[data["source"]]
    return html.escape(f"Images: {entry['title']}. To cite: {entry['citation']}. Licence: {entry['licence']}.")


def _spread(path, confidence):
    """A sentence: the spread of an accuracy by chance in the choice of test images alone."""
    with store.opened(path) as shown:
        count = len(shown)
    spans = []
    for accuracy in (0.5, 0.9, 0.99):
        low, high = intervals.wilson(accuracy * count, count, confidence)
        spans.append(f"{100 * low:.1f} to {100 * high:.1f}")
    return (
        f"With {count} test images, chance in their choice alone leaves a single accuracy of 50 / 90 / 99 % anywhere "
        f"within {' / '.join(spans)} % ({100 * confidence:g} %, binomial, Wilson's)."
    )


def _intervals(config, networks, confidence):
    """A paragraph on intervals; retraining may have fewer draws of chance than the rest of the study."""
    draws = config["criteria"]["random"]
    learned = {entry["name"]: entry["draws"] for entry in config["criteria"]["learned"]}
    sentences = [
        interval_words.in_words(networks, draws, confidence),
        interval_words.of_learning(networks, learned),
    ]
    if config["retraining"]:
        retrained = len({name for name in retraining_checks.names(config) if name.startswith("random.")})
        sentences.append(interval_words.of_retraining(networks, retrained, draws))
    return " ".join(filter(None, sentences))


def _recoveries(config):
    """A paragraph on the recoveries after which every pruned network is evaluated; nothing without any."""
    schedules = recovery_checks.options(config)
    if not schedules:
        return ""
    sentences = retraining.schedules({"schedules": schedules, "steps": None})
    treated = "; ".join(f"{label}: {text}" for label, text in sentences.items())
    return (
        f"Every pruned network, and the dense one, is tested as it is and after recovery. {html.escape(treated)}. "
        "Differences to the dense network and to the random control are within one treatment; the figure "
        "<i>Recovery</i> has all of them, and every other figure, verdict and choice is of networks as pruned."
    )


def _sparsity(config):
    """A paragraph on the sparse networks; nothing without any."""
    names = sparse.names(config)
    if not names:
        return ""
    return (
        f"Sparse networks ({html.escape(', '.join(names))}) are trained from the first weights of the dense network, "
        "on the same images in the same order, by the same schedule: no image but those of training decides which of "
        "their weights are zero. The epoch is kept as that of the dense network, of those at the final sparsity."
    )


def _tickets(config):
    """A paragraph on the tickets; nothing without any."""
    section = tickets.of(config)
    if not section["sparsity"]:
        return ""
    start = f"epoch {section['rewind']}" if section["rewind"] else "the first weights"
    levels = wording.joined(map(wording.percent, section["sparsity"]))
    return (
        f"Tickets are what {section['rounds']} round(s) of pruning by magnitude leave, at {levels} zeros: masks, "
        f"with the weights of {start} of the dense network under them, as they were or drawn anew "
        f"({html.escape(', '.join(section['kinds']))}), trained by the same schedule on the same images in the same "
        "order. Which weights are left is decided by the network of the epoch that the schedule keeps, in every round."
    )


# ---- what ranked -----------------------------------------------------------------------------------------


def _origin(config):
    """The origin of the images that rank, and whether the networks may have seen them.

    Of files from outside nobody knows whether images were read: a study without other readers of images says nothing.
    """
    criteria = config["criteria"]
    read = config["readings"] or _of_images(criteria) or criteria["learned"]
    if not read and not criteria["allocated"] and not criteria["rescored"]:
        return "" if config["criteria"]["files"] else "No image was read to rank channels."
    of_test = config["split"]["rank_from"] == "test"
    source = "training"
    if of_test:
        source = "test"
    text = (
        f"The rank split was carved out of the {source} images; training here never saw it, and it is never reported."
    )
    if config["split"]["rank_from"] == "validation":
        text = (
            "The rank split is that of validation or a part of it, held out from the training images; the epoch is "
            "chosen by these images, which are never reported."
        )
    if config["model"]["weights"] is not None and not of_test:
        text += " The networks start from weights made elsewhere, which may have seen these images."
    return text


def _readings(config, manifests):
    """The images and the relevance of each reading; nothing for a study without relevance."""
    if not config["readings"]:
        return
    rows, warnings, gates = [], [], []
    for name, reading in config["readings"].items():
        rows.append(_reading(name, manifests[name], reading, config))
        warnings.append(_warning(name, reading))
        gates.append(_gates(name, manifests[name][0]["without"]))
    yield html_tables.table(pandas.DataFrame(rows))
    yield from [*warnings, *gates]
    yield f"<p>{LOST}</p>"


def _by_reading(manifests):
    """{reading: the manifests of all networks}."""
    by_reading = {}
    for manifest in manifests:
        by_reading.setdefault(manifest["wildcards"]["reading"], []).append(manifest)
    return by_reading


def _reading(name, manifests, reading, config):
    """A row of the table of readings: {column: text}; the settings that have no column of their own come last."""
    facts = {
        "reading": name,
        "rule": _rule(reading["rule"]),
        "ranked on": _use(reading["split"], config),
        # A reading that ends early may differ by network.
        "images read": " or ".join(map(str, sorted(_distinct(manifests, "images")))),
        "classes": ", ".join(map(str, reading["classes"] or [])) or "all",
        "until": _until(reading["until"]),
        **_lost(manifests, reading),
    }
    for key, value in reading.items():
        if key != "shards":
            facts.setdefault(key, value)
    return facts


def _distinct(manifests, key):
    return {manifest[key] for manifest in manifests}


def _rule(setting):
    rule = propagation.from_setting(setting)
    if isinstance(rule, str):
        return rule
    parts = []
    for share, name in rule.items():
        parts.append(f"{name} to {share:g}")
    return ", ".join(parts)


def _until(until):
    if not until:
        return "all are read"
    return f"two halves agree to {until['stability']:g}"


def _lost(manifests, reading):
    """The share of images whose relevance is not conserved, means over networks: {column: text}."""
    columns = ("not conserved, first layer", "not conserved, worst layer")
    shares = pandas.DataFrame(manifest["not_conserved"] for manifest in manifests).mean()
    if shares.empty:
        return dict.fromkeys(columns, "no layer that every path crosses")
    why = biases.absorbed_by(reading["rule"], reading["bias"], reading["pool"])
    reason = f" ({why})" if why else ""
    texts = (f"{100 * shares.iloc[0]:.1f} %{reason}", f"{100 * shares.max():.1f} %{reason}")
    return dict(zip(columns, texts, strict=True))


def _warning(name, reading):
    """A paragraph on a reading whose relevance is known to explode."""
    warning = biases.warning(name, reading)
    if not warning:
        return ""
    return f"<p><strong>Warning.</strong> {html.escape(warning)}</p>"


def _gates(name, layers):
    """A paragraph on a reading by which some layers have no relevance."""
    if not layers:
        return ""
    return (
        f"<p>By {html.escape(name)}, layers that only gate others have no relevance: {html.escape(', '.join(layers))}. "
        "Units that consist of their channels alone stay in its rankings, and in lists mixed with it.</p>"
    )


def _others(config):
    """A paragraph on the criteria beside relevance, and the images that they read."""
    criteria = config["criteria"]
    of_images = _of_images(criteria)
    without = [*criteria["weights"], *_scores(criteria, vocabulary.WEIGHT_SCORES)]
    sentences = [f"{', '.join(without)} and chance rank without any image."]
    if of_images:
        count = "all"
        if criteria["images"]:
            count = f"the first {criteria['images']}"
        sentences.append(f"{', '.join(of_images)}: {count} {_use('rank', config)}.")
    sentences += map(_learned, criteria["learned"])
    sentences += _by_measurement(config)
    if criteria["files"]:
        sentences.append(f"{', '.join(criteria['files'])}: files from outside, which do not tell.")
    return " ".join(sentences)


def _of_images(criteria):
    """Names of the scores that read images."""
    return _scores(criteria, vocabulary.IMAGE_SCORES)


def _scores(criteria, kinds):
    ranked = criteria_names.ranked_by_score(criteria)
    return [name for name, score in ranked.items() if score["score"] in kinds]


def _by_measurement(config):
    """Sentences on the images behind levels that are shared out, and behind criteria in steps."""
    criteria, section = config["criteria"], config["sensitivity"]
    if criteria["allocated"]:
        names = ", ".join(criteria_names.allocated(criteria))
        yield (
            f"{names}: levels are shared out by the losses on up to {section['images']} "
            f"{_use(section['split'], config)}."
        )
    by_recovery = collections.defaultdict(list)
    for name, entry in criteria_names.rescored(criteria).items():
        by_recovery[entry["recovery"]].append(name)
    for recovery, names in by_recovery.items():
        yield (
            f"{', '.join(names)}: scored in steps on the images of the criterion behind each, after the recovery "
            f"{recovery}."
        )


def _learned(entry):
    """A sentence on the images behind a learned criterion."""
    calibration = entry["calibration"]
    return (
        f"{entry['name']}: trained on the training images, and decided on the first {calibration['images']} images of "
        f"the split {calibration['split']}."
    )


def _use(split, config):
    """A split in words, with the other uses of its images in this study."""
    if split == "test":
        return "the test images, which are also reported on"
    uses = []
    if vocabulary.same_images(config["split"], split, config["evaluation"]["choose_on"]):
        uses.append("on which the best criteria are chosen too")
    if vocabulary.same_images(config["split"], split, recovery_checks.calibrating(config)):
        uses.append("which calibrate reconstructions too")
    if config["criteria"]["allocated"] and vocabulary.same_images(
        config["split"], split, config["sensitivity"]["split"]
    ):
        uses.append("by which levels are shared out between layers too")
    if split == "rank" and config["split"]["rank_from"] == "validation":
        uses.append("by which the epoch is chosen too")
    if split == "rank" and not uses:
        uses.append("used for nothing else")
    return ", ".join([f"{split} images", *uses])


def _network(checkpoint, path):
    about = {"name": checkpoint.description.name, "digest": files.digest(path), **checkpoint.facts}
    # Of networks that were trained by an earlier version, no machine is known.
    about["trained on"] = about["provenance"].get("machine", "not noted")
    columns = ("seed", "name", "epoch", "validation_accuracy", "validation_loss", "digest", "trained on")
    return {key: about[key] for key in columns if key in about}


if "snakemake" in globals():
    with script.job(snakemake) as job:
        describe_study(
            snakemake.input.settings,
            snakemake.input.images,
            snakemake.input.networks,
            snakemake.input.readings,
            snakemake.output.page,
            job.options["confidence"],
        )
