"""The opening of the verdict page: the study, its networks, the images that ranked, and the readings."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas

from secateur.analysis import wording
from secateur.study.vocabulary import WRITTEN
from secateur.verdicts import beside, evidence, phrases, thesis_numbers
from secateur.verdicts.findings import Judged

USE = {"test": "the test images that are reported", "rank": "the rank images, which are not reported"}


def opening(study: evidence.Study, facts: Mapping[str, Any], others: Sequence[Judged]) -> Iterator[tuple[str, Any]]:
    """The blocks above the verdicts; with `others`, also the table of the networks of all studies."""
    source, results = facts["source"], study.results
    yield (
        "text",
        f"{source['author']}, *{source['title']}* ({source['institution']}, {source['year']}) compares ways to choose "
        f"the channels of VGG16 that are removed. {_asked(facts['study'], others)}",
    )
    if others:
        about = [beside.about(study, facts)]
        about += [judged.about for judged in others]
        yield from beside.networks(about)
        yield (
            "text",
            f"What follows below the table of all verdicts is about `{facts['study']}`, as is the rest of this "
            "introduction; the sections of the others stand on pages of their own.",
        )
    accuracy, loss = thesis_numbers.dense(study.printed)
    verdicts = f"Every verdict of `{facts['study']}`" if others else "Every verdict"
    networks = phrases.agree(len(results.seeds), "these networks", "this network")
    yield (
        "text",
        f"**{_network(facts)}** The thesis's network had {100 * accuracy:.2f} % test accuracy (loss {loss:g}) before "
        f"pruning; {_dense(results)}. {verdicts} is about "
        f"{networks} on {phrases.count(results.images())} test images. "
        f"Nothing was retrained{_recovered(facts)}.",
    )
    yield "text", f"{_rank_images(facts)} The readings that ranked:"
    yield "table", pandas.DataFrame(_reading(facts["readings"], *pair) for pair in _parts(study))
    yield "text", _chosen(study)


def _recovered(facts):
    """The end of a sentence in a study that also tests networks after recovery."""
    if not facts.get("recovered"):
        return ""
    return ", and networks are judged as pruning left them, but where *After recovery* says otherwise"


def _asked(name, others):
    if not others:
        return f"The study `{name}` asks the same questions again. {WRITTEN} from the tables of that study."
    names = [name]
    names += [judged.about["study"] for judged in others]
    joined = wording.joined(map("`{}`".format, names))
    return f"The studies {joined} ask the same questions again. {WRITTEN} from the tables of these studies."


def _chosen(study):
    again = ", for each network anew" if len(study.results.seeds) > 1 else ""
    return (
        "A delta or a statistic that had to be chosen was chosen by its accuracy on the "
        f"{phrases.count(study.results.images(study.choose_on))} images of the split *{study.choose_on}*{again}, and "
        "is reported on the test images."
    )


def _dense(results):
    """A clause: the test accuracy of the dense networks."""
    measured = results.dense()
    if len(results.seeds) == 1:
        return f"the one network here has {100 * measured:.2f} %"
    low, high = results.dense_range()
    spread = f"{100 * low:.2f} to {100 * high:.2f} %"
    return f"the {len(results.seeds)} networks here have {100 * measured:.2f} % on average ({spread})"


def _rank_images(facts):
    """The origin of the images that rank without being reported, and whether the networks may have seen them."""
    given = facts["model"]["weights"] is not None
    if facts["rank_from"] == "test":
        why = ", as the study is set"
        if given:
            why = ", because the weights come from elsewhere and may have seen every training image"
        return f"The rank images were carved out of the test images{why}; the rest of the test images is reported."
    if facts["rank_from"] == "validation":
        return "The rank images are among those that choose the epoch; none of them was trained on or is reported."
    taken = "The rank images were taken from the training images"
    if not given:
        return f"{taken} and held out from training."
    made = "were made elsewhere, and may have seen these images."
    if facts["epochs"]:
        return f"{taken}, and training here never saw them. The weights that the study starts from {made}"
    return f"{taken}. The weights that the study was given {made}"


def _network(facts):
    """A sentence on the networks, and why none is the thesis's."""
    model, networks = facts["model"], len(facts["seeds"])
    parts = [f"`{model['name']}`"]
    head = model.get("arguments", {}).get("head")
    if head:
        parts.append(f"{head} head")
    parts.append(phrases.origin(facts))
    parts.append(f"on {facts['data']['name']} at {facts['data']['size']} pixels")
    trained = "no training here"
    if facts["epochs"]:
        trained = f"{facts['epochs']} epochs, trainable: {model['trainable']}"
    return f"{_compared(model, networks)}{', '.join([*parts, trained])}."


def _compared(model, networks):
    """The beginning of a sentence: whether the networks are built as the thesis's, and their count if several."""
    like = model["weights"] == "imagenet" and model["trainable"] == "head" and model["name"] == "vgg16"
    if networks == 1:
        same = "built as the thesis's, but is not the same one" if like else "not the thesis's"
        return f"The network is {same}: "
    same = "built as the thesis's, but are not the same one" if like else "not the thesis's"
    return f"The networks are {same}: {networks} trainings of "


def _parts(study):
    """(reading, part) for every reading that the page speaks of; the first part of each counts."""
    parts = {study.ours: "ours"}
    parts.setdefault(study.faithful, "as the thesis read it")
    parts.setdefault(study.clean, "the same on a clean split")
    for name in study.reductions:
        parts.setdefault(name, "another reduction")
    parts.pop("", None)
    return parts.items()


def _reading(readings, name, part):
    """A reading in the table of readings: {property: text}."""
    about = readings[name]
    places = {"output": "the convolution's own output", "next_input": "the next layer's input"}
    return {
        "reading": f"`{name}`",
        "part": part,
        "read at": places[about["at"]],
        "absolute values": about["absolute"].replace("_", " the "),
        "reduced by": f"`{about['reduce']}`",
        "ranked on": USE.get(about["split"], f"the {about['split']} images"),
    }
