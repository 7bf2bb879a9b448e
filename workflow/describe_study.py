"""Say on one page what the study asks, on which images, with which networks and which versions."""

import html
from pathlib import Path

import pandas
import yaml

from secateur.analysis import intervals
from secateur.artifacts import files, provenance
from secateur.figures import html_tables
from secateur.images import store
from secateur.jobs import script
from secateur.models import checkpoints
from secateur.relevance import propagation
from secateur.study import biases, vocabulary

LOST = (
    "Not conserved: the share of images whose relevance, summed over a layer's channels, is not what it started with "
    "(within 0.1 %, in bfloat16 5 %). Where all contributions to a unit have one sign, alpha-beta passes on alpha "
    "times or less beta times its relevance, and nothing where there are none; a unit of the last layer does that "
    "to the whole image. Such images weigh more or less than others in the means. Only layers that every path from "
    "the image to the classes crosses are asked. A rule that does not conserve by design has the reason beside it."
)


def describe_study(settings, splits, networks, readings, page, confidence):
    config = yaml.safe_load(Path(settings).read_text(encoding="utf-8"))
    trained = [checkpoints.load(path) for path in networks]
    read = _by_reading(provenance.read(path) for path in readings)
    parts = [
        f"<p>{html.escape(config['question'])}</p>",
        "<h2>Images</h2>",
        html_tables.table(pandas.DataFrame(_split(path) for path in splits)),
        f"<p>{_floor(splits[-1], confidence)}</p>",
        f"<p>{_intervals(config, len(networks), confidence)}</p>",
        "<h2>What ranked on what</h2>",
        *(f"<p>{origin}</p>" for origin in [_origin(config)] if origin),
        *_readings(config, read),
        f"<p>{html.escape(_others(config['criteria'], config['evaluation']['choose_on']))}</p>",
        "<h2>Networks</h2>",
        html_tables.table(pandas.DataFrame(_network(one) for one in trained)),
        "<h2>Settings</h2>",
        html_tables.facts(config),
        "<h2>Versions that trained the networks</h2>",
        html_tables.facts(trained[0].facts["provenance"]["versions"]),
        "<h2>Versions that made this page</h2>",
        html_tables.facts(provenance.versions()),
    ]
    files.write_text(page, html_tables.page(f"The study {config['study']}", *parts))


def _split(path):
    with store.opened(path) as shown:
        shape = "x".join(map(str, shown.pixels.shape[1:]))
        return {"split": shown.split, "images": len(shown), "shape": shape, "classes": len(shown.classes)}


def _floor(path, confidence):
    """What chance in the choice of test images alone would do to an accuracy."""
    with store.opened(path) as shown:
        count = len(shown)
    ends = [intervals.wilson(accuracy * count, count, confidence) for accuracy in (0.5, 0.9, 0.99)]
    spans = " / ".join(f"{100 * low:.1f} to {100 * high:.1f}" for low, high in ends)
    return (
        f"With {count} test images, chance in their choice alone leaves a single accuracy of 50 / 90 / 99 % anywhere "
        f"within {spans} % ({100 * confidence:g} %, binomial, Wilson's)."
    )


def _intervals(config, networks, confidence):
    """How intervals are made; retraining may have fewer draws of chance than the rest of the study."""
    draws = config["criteria"]["random"]
    text = intervals.in_words(networks, draws, confidence)
    if not config["retraining"]:
        return text
    retrained = sum(name.startswith("random.") for name in config["retraining"]["criteria"])
    return f"{text} {intervals.of_retraining(networks, retrained, draws)}".rstrip()


def _origin(config):
    """Where the images that rank were taken from, and what the networks may have seen of them.

    Of files from outside nobody knows whether images were read: a study without other readers of images says nothing.
    """
    if not config["readings"] and not _of_images(config["criteria"]):
        return "" if config["criteria"]["files"] else "No image was read to rank channels."
    taken = "of the test images" if config["split"]["rank_from"] == "test" else "of the training images"
    text = f"The rank split was carved {taken}; training here never saw it, and it is never reported."
    if config["model"]["weights"] is not None and config["split"]["rank_from"] == "train":
        text += " The networks start from weights made elsewhere, which may have seen these images."
    return text


def _warnings(readings):
    """A paragraph on every reading whose relevance is known to explode."""
    found = [biases.warning(name, reading) for name, reading in readings.items()]
    return [f"<p><strong>Warning.</strong> {html.escape(warning)}</p>" for warning in found if warning]


def _readings(config, read):
    """What each reading read, and what became of it; nothing for a study without relevance."""
    chooses = config["evaluation"]["choose_on"]
    rows = [_reading(name, read[name], reading, chooses) for name, reading in config["readings"].items()]
    return (
        [html_tables.table(pandas.DataFrame(rows)), *_warnings(config["readings"]), *_gates(read), f"<p>{LOST}</p>"]
        if rows
        else []
    )


def _others(criteria, chooses):
    """What ranks beside relevance, and the images that it reads."""
    of_images = _of_images(criteria)
    of_weights = [one["name"] for one in criteria["scores"] if one["score"] in vocabulary.WEIGHT_SCORES]
    sentences = [f"{', '.join([*criteria['weights'], *of_weights])} and chance rank without any image."]
    if of_images:
        shown = f"the first {criteria['images']}" if criteria["images"] else "all"
        sentences.append(f"{', '.join(of_images)}: {shown} {_use('rank', chooses)}.")
    if criteria["files"]:
        sentences.append(f"{', '.join(criteria['files'])}: files from outside, which do not tell.")
    return " ".join(sentences)


def _of_images(criteria):
    """Names of the scores that read images."""
    return [one["name"] for one in criteria["scores"] if one["score"] in vocabulary.IMAGE_SCORES]


def _use(split, chooses):
    """A split in words, with what else its images do in this study."""
    if split == "test":
        return "the test images, which are also reported on"
    if split == chooses:
        return f"{split} images, on which the best criteria are chosen too"
    return f"{split} images{', used for nothing else' if split == 'rank' else ''}"


def _gates(read):
    """A paragraph on each reading by which some layers have no relevance."""
    found = {name: manifests[0]["without"] for name, manifests in read.items()}
    return [
        f"<p>By {html.escape(name)}, layers that only gate others have no relevance: {html.escape(', '.join(layers))}. "
        "Units that consist of their channels alone stay in its rankings, and in lists mixed with it.</p>"
        for name, layers in found.items()
        if layers
    ]


def _by_reading(manifests):
    """{reading: the manifests of all networks}."""
    found = {}
    for manifest in manifests:
        found.setdefault(manifest["wildcards"]["reading"], []).append(manifest)
    return found


def _lost(manifests, reading):
    """The share of images whose relevance is not conserved, means over networks: {column: text}."""
    columns = ("not conserved, first layer", "not conserved, worst layer")
    why = biases.absorbed_by(reading["rule"], reading["bias"], reading["pool"])
    shares = pandas.DataFrame(manifest["not_conserved"] for manifest in manifests).mean()
    if shares.empty:
        return dict.fromkeys(columns, "no layer that every path crosses")
    reason = f" ({why})" if why else ""
    return {
        column: f"{100 * share:.1f} %{reason}"
        for column, share in zip(columns, (shares.iloc[0], shares.max()), strict=True)
    }


def _reading(name, manifests, reading, chooses):
    until, rule = reading["until"], propagation.from_setting(reading["rule"])
    facts = {
        "reading": name,
        "rule": rule if isinstance(rule, str) else ", ".join(f"{one} to {share:g}" for share, one in rule.items()),
        "ranked on": _use(reading["split"], chooses),
        # A reading that ends early may differ by network.
        "images read": " or ".join(map(str, sorted({manifest["images"] for manifest in manifests}))),
        "classes": ", ".join(map(str, reading["classes"])) if reading["classes"] else "all",
        "until": f"two halves agree to {until['stability']:g}" if until else "all are read",
        **_lost(manifests, reading),
    }
    return facts | {key: value for key, value in reading.items() if key not in (*facts, "shards")}


def _network(checkpoint):
    about = {"name": checkpoint.description.name, **checkpoint.facts}
    shown = ("seed", "name", "epoch", "validation_accuracy", "validation_loss")
    return {key: about[key] for key in shown if key in about}


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
