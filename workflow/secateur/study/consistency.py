"""Checks of a study's keys against each other, which no schema can make: settled in place, or refused in one line."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from secateur import Refused
from secateur.artifacts import files
from secateur.study import (
    architectures,
    biases,
    classes,
    criteria_checks,
    criteria_names,
    learned_checks,
    level_checks,
    own_network,
    recovery_checks,
    retraining_checks,
    sparse,
    tickets,
    training_checks,
    verdict_checks,
    vocabulary,
)
from secateur.study.levels import fraction
from secateur.study.vocabulary import CHANNELS, IMAGE_SCORES, STATISTICS, WEIGHT_SCORES, nearest

DEFAULT_COLOR = {"digits": "gray"}
# Shares of the images that rank, by the split that they are taken from.
DEFAULT_RANK = {"train": 0.1, "test": 0.2}  # of shared images all
DEFAULT_TEST = 0.2
# Criteria that a message lists before it counts the rest.
MOST_LISTED = 40
# Each score has a file of statistics, and the parts of a criterion's name say by what it ranks.
NO_READING = (*criteria_checks.RESERVED, *WEIGHT_SCORES, *IMAGE_SCORES, *STATISTICS)


def settle(config: dict[str, Any]) -> None:
    """Fill in, in place, the settings that follow from others; Refused in one line for contradictions."""
    config["results"] = vocabulary.without_slashes(config["results"])
    _settle_data(config["data"])
    _settle_split(config["split"], config["data"]["source"])
    _settle_model(config["model"])
    _check_model(config["model"], config["data"], config["training"])
    _check_training(config["training"], config["data"]["size"])
    for name, reading in config["readings"].items():
        _settle_reading(name, reading)
    _check_classes(config["data"], config["readings"])
    config["levels"] = sorted({0, *config["levels"]}, key=fraction)
    _check_digits("levels", config["levels"])
    _check_digits("evaluation.keep_at_least", config["evaluation"]["keep_at_least"])
    _settle_criteria(config)
    level_checks.check_floors(config)
    retraining_checks.settle_retraining(config)
    retraining_checks.check_schedules(config)
    recovery_checks.settle_recovery(config)
    sparse.settle(config)
    tickets.settle(config)
    _check_digits("tickets.sparsity", tickets.of(config)["sparsity"])
    retraining_checks.settle_export(config)
    verdict_checks.check_verdict(config)


def _settle_reading(name, reading):
    if name in NO_READING:
        raise Refused(f"readings.{name}: the name is taken by another criterion; choose another")
    criteria_checks.check_rule(name, reading["rule"])
    if reading["bias"] is None:
        reading["bias"] = biases.bias_of(reading["rule"])
    criteria_checks.check_until(name, reading)


def _settle_criteria(config):
    criteria, readings = config["criteria"], config["readings"]
    criteria_checks.check_criteria(criteria, readings)
    criteria_checks.settle_scores(criteria)
    criteria_checks.check_first_weights(criteria, config["training"])
    learned_checks.settle(config)
    criteria_checks.check_scores(criteria, config["model"])
    criteria_checks.check_widths(criteria, config["evaluation"]["budget"])
    criteria_checks.check_own(criteria, readings)
    criteria_checks.check_mixtures(criteria, readings)
    criteria_checks.check_files(criteria["files"], config["training"]["seeds"])
    criteria_checks.settle_sensitivity(config)
    criteria_checks.check_rescored(config)
    criteria_checks.check_allocated(criteria, criteria_names.uncontrolled(config), config["evaluation"])
    criteria_checks.check_controls(criteria, criteria_names.uncontrolled(config))


def _check_digits(key, numbers):
    """Refused for a number of more than nine digits: tables are written with nine, and rows are found by the number."""
    for number in numbers:
        if number != float(f"{number:.9g}"):
            raise Refused(
                f"{key} names {number}, but tables are written with nine significant digits; write it with nine "
                "digits or fewer"
            )


def check_named(config: Mapping[str, Any], criteria: Collection[str], learned: Collection[str] = ()) -> None:
    """Refused for an exported or retrained criterion that is none of `criteria`, which are all of the study's.

    What is retrained may also be one of `learned`, names that stand for all draws.
    """
    for entry in config["export"]:
        _check_criterion("export", entry["criterion"], criteria)
    for name in retraining_checks.names(config):
        _check_criterion("retraining.criteria", name, [*criteria, *learned])


def _check_criterion(key, name, criteria):
    if name not in criteria:
        more = f", and {len(criteria) - MOST_LISTED} more" if len(criteria) > MOST_LISTED else ""
        remedy = nearest(name, criteria) or f"; it has {', '.join(list(criteria)[:MOST_LISTED])}{more}"
        raise Refused(f"{key} names {name}, which is no criterion of the study{remedy}")


def _check_classes(data, readings):
    """Refused for images of fewer than two classes, and for a class that a reading names and the images do not have."""
    # A missing folder is refused where it is listed.
    if data["folder"] and not _has_both_parts(Path(data["folder"])):
        return
    known = classes.of(data)
    for name, reading in readings.items():
        classes.refuse_unknown(reading["classes"] or (), known, f"readings.{name}.classes")
        explained = criteria_names.explained_class(reading)
        if explained is not None:
            classes.refuse_unknown([explained], known, f"readings.{name}.target", criteria_names.TARGETS)


def _has_both_parts(folder):
    return (folder / "train").is_dir() and (folder / "test").is_dir()


def _settle_split(split, source):
    split["rank"] = split["rank"] or DEFAULT_RANK.get(split["rank_from"], split["validation"])
    for name in ("rank", "validation", "test"):
        number = split[name]
        if number is not None and not (0 < number < 1 or number == int(number)):
            raise Refused(f"split.{name} is {number}: give a share below 1, or a whole number of images")
    if source == "digits":
        split["test"] = split["test"] or DEFAULT_TEST
    elif split["test"] is not None:
        raise Refused(f"split.test is for sources without test images of their own; {source} has some, leave it out")


def _settle_model(model):
    """Settle a network's name in paths and its arguments; those of a factory are checked by the factory alone."""
    if model["factory"]:
        own_network.check(model["factory"])
        model["name"] = model["name"] or own_network.name_of(model["factory"])
        return
    if model["name"] is None:
        raise Refused("model: the key name is missing, or factory for a network of your own; see config/README.md")
    known = architectures.of(model).arguments
    for key in model["arguments"]:
        if key not in known:
            choices = f"known: {', '.join(known)}" if known else "it has none"
            raise Refused(f"model.arguments.{key} is no choice of {model['name']}; {choices}")
    model["arguments"] = {**known, **model["arguments"]}


def _settle_data(data):
    if data["classes"] is not None and data["name"] is None:
        # Another task than that of all classes, in a folder of its own.
        data["name"] = f"{data['source']}.{len(data['classes'])}_classes"
    data["name"] = data["name"] or data["source"]
    data["color"] = data["color"] or DEFAULT_COLOR.get(data["source"], "rgb")
    channels = CHANNELS[data["color"]]
    for key in ("mean", "std"):
        if len(data[key]) not in (1, channels):
            raise Refused(f"data.{key} has {len(data[key])} numbers, but the images have {channels} channel(s)")
        if len(data[key]) == 1:
            data[key] = data[key] * channels
        data[key] = list(map(float, data[key]))
    if data["source"] != "image_folder" and data["folder"]:
        raise Refused(f"data.folder is for image_folder, but data.source is {data['source']}; leave it out")
    if data["source"] != "image_folder" and not data["copy"]:
        raise Refused(f"data.copy: false is for image_folder, but data.source is {data['source']}; leave it out")
    if data["source"] == "image_folder" and not data["folder"]:
        raise Refused(
            "data.source is image_folder, but data.folder names no folder; give the one that holds train/ and test/"
        )


def _check_model(model, data, training):
    if training["epochs"] == 0 and model["weights"] is None:
        raise Refused(
            "training.epochs is 0, but model.weights is empty: nothing would be learned; name a weights file or train"
        )
    if training["epochs"] == 0 and len(training["seeds"]) > 1:
        raise Refused("training.epochs is 0, so every seed would be the same network; give one: training.seeds: [0]")
    if model["weights"] not in (None, "imagenet") and not Path(files.found(model["weights"])).is_file():
        near = nearest(model["weights"], ["imagenet"])
        raise Refused(
            f"model.weights is {model['weights']}, but there is no such file, here or in the folder that "
            f"SECATEUR_DATA names{near}"
        )
    _check_network(model, data)


def _check_training(training, size):
    training_checks.check_schedule("training", training, "training.epochs", training["epochs"], size)


def _check_network(model, data):
    """Refused for weights, layers or images that the network does not have or take."""
    name, known = model["name"], architectures.of(model)
    if model["weights"] == "imagenet" and not known.imagenet:
        raise Refused(
            f"model.weights is imagenet, but {name} has no ImageNet weights; give a file with a state_dict, or null"
        )
    if model["trainable"] not in known.trainable:
        parts = {"head": "appended head", "classifier": "classifier that is known as such"}
        raise Refused(
            f"model.trainable is {model['trainable']}, but {name} has no {parts[model['trainable']]}; "
            f"use {' or '.join(known.trainable)}"
        )
    if data["color"] not in known.colors:
        raise Refused(f"model.name is {name}, which takes three channels; set data.color to rgb")
    if data["size"] < known.smallest:
        raise Refused(
            f"model.name is {name}, which takes images from {known.smallest} pixels on; data.size is {data['size']}"
        )
