"""What one key of a study asks of another, which a schema cannot say: settled in place, or refused in one line."""

import math
import re
from pathlib import Path

import yaml

from secateur import architectures, biases, classes, factories, families, files, rule_numbers
from secateur.levels import fraction, highest, removed_at
from secateur.names import CHANNELS, IMAGE_SCORES, STATISTICS, WEIGHT_SCORES, nearest

DEFAULT_COLOR = {"digits": "gray"}
RESERVED = (
    *("weight", "weight_folded", "random", "combined", "mixed", "controls", "uniform", "shuffled"),
    *("choosing", "plans", "scores", "files", "mixtures"),
)


# Scores have a file of statistics each, and what a criterion ranks by is read from the parts of its name.
NO_READING = (*RESERVED, *WEIGHT_SCORES, *IMAGE_SCORES, *STATISTICS)


def settle(config):
    """Fill in what follows from other keys; ValueError in one line for what contradicts them."""
    config["results"] = _without_slashes(config["results"])
    _settle_data(config["data"])
    _settle_split(config["split"], config["data"]["source"])
    _settle_model(config["model"])
    _check_model(config["model"], config["data"], config["training"])
    for name, reading in config["readings"].items():
        if name in NO_READING:
            raise ValueError(f"readings.{name}: the name is taken by another criterion; choose another")
        _check_rule(name, reading["rule"])
        if reading["bias"] is None:
            reading["bias"] = biases.bias_of(reading["rule"])
        _check_until(name, reading)
    _check_classes(config["data"], config["readings"])
    config["levels"] = sorted({0, *config["levels"]}, key=fraction)
    _check_digits("levels", config["levels"])
    _check_digits("evaluation.keep_at_least", config["evaluation"]["keep_at_least"])
    _check_criteria(config["criteria"], config["readings"])
    _settle_scores(config["criteria"])
    _check_scores(config["criteria"]["scores"], config["model"])
    _check_own(config["criteria"], config["readings"])
    _check_mixtures(config["criteria"], config["readings"])
    _check_files(config["criteria"]["files"], config["training"]["seeds"])
    _check_floors(config)
    _settle_retraining(config["retraining"], config["training"], config["levels"])
    _settle_export(config["export"], config["levels"], config["retraining"])
    _check_verdict(config)


def _without_slashes(path):
    """A path without slashes that say nothing: Snakemake takes a//b for another path than a/b."""
    # What holds :// is refused later on, as it was given.
    return path if "://" in path else re.sub("/+", "/", path).rstrip("/") or path


def _check_digits(key, numbers):
    """Tables are written with nine digits, and their rows are found by the number."""
    for number in numbers:
        if number != float(f"{number:.9g}"):
            raise ValueError(
                f"{key} names {number}, but tables are written with nine significant digits; write it with nine "
                "digits or fewer"
            )


def _check_verdict(config):
    """The parts of a verdict are played by readings, and what is chosen is chosen on images that are not reported."""
    verdict = config["verdict"]
    if verdict is None:
        return
    named = [verdict[key] for key in ("ours", "faithful", "clean") if verdict[key]] + verdict["reductions"]
    for name in named:
        if name not in config["readings"]:
            raise ValueError(f"verdict names {name}, which is no reading{nearest(name, config['readings'])}")
    if config["evaluation"]["choose_on"] is None:
        raise ValueError("verdict asks which delta is best, so evaluation.choose_on must be rank or validation")
    _check_parts(verdict, config["readings"])
    _settle_beside(verdict, config["results"])


def _check_parts(verdict, readings):
    """Each part is played by a reading of its own, the clean one on clean images, and reductions only reduce."""
    played = {}
    for part in ("ours", "faithful", "clean"):
        name = verdict[part]
        if name in played:
            raise ValueError(f"verdict.{played[name]} and verdict.{part} are both {name}; name different readings")
        played |= {name: part} if name else {}
    clean, ours = verdict["clean"], verdict["ours"]
    if clean and readings[clean]["split"] == "test":
        raise ValueError(
            f"verdict.clean is {clean}, which readings.{clean}.split reads on test, the images that are reported; "
            "name a reading of other images"
        )
    for name in verdict["reductions"]:
        for key, value in readings[ours].items():
            # Shards change no result.
            if key not in ("reduce", "shards") and readings[name][key] != value:
                raise ValueError(
                    f"verdict.reductions names {name}, which differs from {ours} (verdict.ours) in {key} too; "
                    "name readings that differ only in reduce"
                )


def _settle_beside(verdict, results):
    """Each folder is that of one other study, however its path is written."""
    verdict["beside"] = [_without_slashes(folder) for folder in verdict["beside"]]
    found = {}
    for folder in verdict["beside"]:
        place = Path(folder).resolve()
        if place == Path(results).resolve():
            raise ValueError(f"verdict.beside names {folder}, the results of this study itself; name those of another")
        if place in found:
            raise ValueError(f"verdict.beside names one folder twice: {found[place]}, {folder}; leave one of them out")
        found[place] = folder


def check_beside(verdict, study, results):
    """Raise ValueError where a study that is to stand beside this one has judged nothing yet, or has its name."""
    found = {study: results}
    for folder in verdict["beside"] if verdict else []:
        _check_judged(folder)
        name = _study_of(folder)
        if name in found:
            raise ValueError(
                f"verdict.beside names {folder}, whose study is {name}, as is that of {found[name]}; give one of the "
                "two another name, under study, and run it again"
            )
        found |= {name: folder} if name else {}


def _study_of(folder):
    """The name of the study with these results, or None where it wrote no settings."""
    path = Path(folder) / "settings.yaml"
    settings = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else None
    return settings.get("study") if isinstance(settings, dict) else None


def _check_judged(folder):
    """Raise ValueError where the study with these results has not judged anything yet."""
    for name in ("verdict.csv", "verdict.json"):
        if not (Path(folder) / "tables" / name).is_file():
            raise ValueError(
                f"verdict.beside names {folder}, which has no tables/{name}; run the study with these results "
                "first, or leave it out of verdict.beside"
            )


def _of_levels(level, levels, what, remedy):
    """The study's level that is the same number; ValueError where there is none."""
    known = {fraction(one): one for one in levels}
    if fraction(level) not in known:
        raise ValueError(
            f"{what} is none of the study's levels ({', '.join(map(str, levels))}); add it to levels, or {remedy}"
        )
    return known[fraction(level)]


def _settle_export(exports, levels, retraining):
    """What is exported has been evaluated, and is named once."""
    named = set()
    for entry in exports:
        what, kind = f"level {entry['level']} of {entry['criterion']}", entry.setdefault("kind", "none")
        entry["level"] = _of_levels(entry["level"], levels, f"export: {what}", "export one of these")
        if (entry["criterion"], entry["level"], kind) in named:
            raise ValueError(f"export names {what} twice")
        named.add((entry["criterion"], entry["level"], kind))
        if kind == "none":
            continue
        retrained = retraining or {"criteria": [], "levels": []}
        if entry["criterion"] not in retrained["criteria"] or entry["level"] not in retrained["levels"]:
            raise ValueError(
                f"export asks for {what} as {kind}, but retraining does not name this criterion and level; add them "
                "there, or leave kind out"
            )
        if kind not in retrained_kinds(retrained):
            raise ValueError(f"export asks for {what} as {kind}, but retraining.{kind} is false; turn it on")


def exported(entry):
    """The name of an exported network, criterion/level; a retrained one's also says how it was retrained."""
    kind = "" if entry["kind"] == "none" else f".{entry['kind']}"
    return f"{entry['criterion']}/{entry['level']}{kind}"


def retrained_kinds(retraining):
    """What is done to pruned networks, in the order in which it is shown."""
    return [kind for kind in ("batchnorm", "retrained", "scratch") if retraining.get(kind, kind == "retrained")]


def _settle_retraining(retraining, training, levels):
    """The whole schedule, and the control that no comparison goes without."""
    if retraining is None:
        return
    retraining["levels"] = sorted(
        {
            _of_levels(level, levels, f"retraining.levels names {level}, which", "retrain at one of these")
            for level in retraining["levels"]
        }
    )
    if not any(name.startswith("random.") for name in retraining["criteria"]):
        retraining["criteria"] = [*retraining["criteria"], "random.0"]
    for key, value in training.items():
        if key != "seeds":
            retraining.setdefault(key, value)
    if retraining["epochs"] == 0:
        raise ValueError("retraining.epochs is missing, and training.epochs, which stands for it, is 0; give one")
    retraining["scratch_epochs"] = retraining["scratch_epochs"] or training["epochs"] or None
    if retraining["scratch"] and retraining["scratch_epochs"] is None:
        raise ValueError(
            "retraining.scratch trains from fresh weights by the schedule of training, whose epochs are 0; "
            "give retraining.scratch_epochs, or scratch: false"
        )


def check_named(config, criteria):
    """Raise ValueError for an exported or retrained criterion that is none of `criteria`, which are all there are."""
    named = [("export", entry["criterion"]) for entry in config["export"]]
    named += [("retraining.criteria", name) for name in (config["retraining"] or {"criteria": []})["criteria"]]
    for where, name in named:
        if name not in criteria:
            near = nearest(name, criteria)
            raise ValueError(
                f"{where} names {name}, which is no criterion of the study{near or '; it has ' + ', '.join(criteria)}"
            )


def _check_floors(config):
    """A floor that makes a level impossible, and a level that leaves nothing, before any job."""
    for floor in config["evaluation"]["keep_at_least"]:
        if floor >= 1 and floor != int(floor):
            raise ValueError(
                f"evaluation.keep_at_least is {floor}: give a share below 1, or a whole number of channels"
            )
    widths, level = removable(config), config["levels"][-1]
    if widths is None:
        return
    total = sum(widths)
    count = removed_at(level, total)
    for floor in config["evaluation"]["keep_at_least"]:
        most = highest(widths, floor) if floor else total - 1
        if count > most:
            kept = f"evaluation.keep_at_least {floor} lets only {most} go" if floor else "nothing would be left"
            raise ValueError(
                f"levels: {level} removes {count} of {config['model']['name']}'s {total} channels, but {kept}; "
                f"the highest level that is possible is {math.floor(1000 * most / total) / 1000:g}"
            )


def removable(config):
    """How many units each layer has, or layers that are tied, where levels count these and a name tells; or None."""
    criteria = config["criteria"]
    if config["evaluation"]["budget"] != "units" or (criteria["residual"], criteria["linear"]) != (
        "units",
        "protected",
    ):
        return None
    return widths_of(config["model"])


def widths_of(model):
    """How many units each layer of a study's network has, or layers that are tied; None if only a look would tell."""
    known = architectures.of(model).widths
    return known(model["arguments"]) if known else None


def terms(evaluation):
    """What makes a set of units of a level, as `pruning.plan` takes it: {budget, keep_at_least, round_to} by floor."""
    shared = {key: evaluation[key] for key in ("budget", "round_to")}
    return [{"keep_at_least": floor, **shared} for floor in evaluation["keep_at_least"]]


def _check_criteria(criteria, readings):
    criteria["mixed"] = list(readings) if criteria["mixed"] is None else criteria["mixed"]
    for name in criteria["mixed"]:
        if name not in readings:
            raise ValueError(f"criteria.mixed names {name}, which is no reading{nearest(name, readings)}")
    _check_compared(criteria, readings)
    deltas = criteria["deltas"]
    if len({fraction(delta) for delta in deltas}) < len(deltas):
        raise ValueError(f"criteria.deltas names one delta twice: {', '.join(deltas)}")
    criteria["deltas"] = [_delta(delta) for delta in deltas]
    if criteria["mixes"] not in criteria["statistics"]:
        raise ValueError(
            f"criteria.mixes is {criteria['mixes']}, which criteria.statistics does not list; "
            "add it there, or mix by one that is"
        )


def _delta(text):
    """The shortest text of a delta with a digit after the point: claims find a list by its name."""
    whole, _, digits = text.partition(".")
    return f"{whole}.{digits.rstrip('0') or '0'}"


def _check_compared(criteria, readings):
    """What is compared by statistic are sources; what is only combined are readings that are not mixed as well."""
    sources = [*readings, *criteria["weights"]]
    for name in criteria["compared"] or []:
        if name not in sources:
            raise ValueError(
                f"criteria.compared names {name}, which is none of the readings and weights: {', '.join(sources)}"
            )
    for name in criteria["combined_only"]:
        if name not in readings:
            raise ValueError(f"criteria.combined_only names {name}, which is no reading{nearest(name, readings)}")
        if name in criteria["mixed"]:
            raise ValueError(
                f"criteria.combined_only names {name}, which criteria.mixed names as well and combines too; "
                "leave it out of one of the two"
            )


def _settle_scores(criteria):
    """Every score as a whole: its name, what ranks, and how scores are made comparable between layers."""
    given = [{"name": one, "score": one} if isinstance(one, str) else one for one in criteria["scores"]]
    criteria["scores"] = [
        {key: one.get(key, criteria.get(key)) for key in ("name", "score", "normalise", "scope")} for one in given
    ]


def _check_scores(scores, model):
    """A score that the network cannot have, as far as its name tells; `secateur check` looks at the network itself."""
    lacking = not model["factory"] and model["name"] in architectures.WITHOUT_BATCHNORM
    if lacking and any(one["score"] == "bn_scale" for one in scores):
        raise ValueError(
            f"criteria.scores names bn_scale, which reads BatchNorm, but {model['name']} has none; leave bn_scale out, "
            "or take a network with BatchNorm"
        )


def _check_own(criteria, readings):
    """The names of scores, files and mixtures are names of files beside those of readings: each is taken once."""
    taken = [*readings, *RESERVED]
    for kind in ("scores", "files", "mixtures"):
        named = criteria[kind] if kind == "files" else [one["name"] for one in criteria[kind]]
        for name in named:
            if name in taken:
                raise ValueError(f"criteria.{kind}: the name {name} is taken by another criterion; choose another")
            taken.append(name)


def _check_mixtures(criteria, readings):
    """Both sides of a mixture are criteria of the study that are no mixtures themselves."""
    known = [f"{source}.{one}" for source in [*readings, *criteria["weights"]] for one in criteria["statistics"]]
    known += [*(one["name"] for one in criteria["scores"]), *criteria["files"]]
    known += [f"random.{draw}" for draw in range(criteria["random"])]
    for mixture in criteria["mixtures"]:
        for side in ("first", "second"):
            name = mixture[side]
            if name not in known:
                raise ValueError(
                    f"criteria.mixtures: {mixture['name']} mixes {name}, which is no criterion of this study"
                    f"{nearest(name, known)}"
                )
        if len({fraction(delta) for delta in mixture["deltas"]}) < len(mixture["deltas"]):
            raise ValueError(f"criteria.mixtures: {mixture['name']} names one delta twice")


def _check_files(paths, seeds):
    """The user's own files are read before any job; whether their channels are the network's shows when it is there."""
    for name, path in paths.items():
        for one in dict.fromkeys(path.replace("{seed}", str(seed)) for seed in seeds):
            found = files.found(one)
            if not Path(found).is_file():
                raise ValueError(
                    f"criteria.files.{name} is {one}, but there is no such file, here or in the folder that "
                    "SECATEUR_DATA names"
                )
            # Reading tables takes pandas, which is slow to import and which few studies need here.
            from secateur import given

            given.read(found)


def _check_rule(name, rule):
    """What a pattern cannot say: numbers that a rule can have, and bands of depth up to the last layer, in order."""
    bands = [{"to": 1, "rule": rule}] if isinstance(rule, str) else rule
    ends = [band["to"] for band in bands]
    if ends != sorted(set(ends)) or ends[-1] != 1:
        given = ", ".join(map(str, ends))
        raise ValueError(f"readings.{name}.rule has bands to {given}; they must rise, and the last one must be to 1")
    for band in bands:
        wrong = rule_numbers.complaint(band["rule"])
        if wrong:
            raise ValueError(f"readings.{name}.rule is {band['rule']}, {wrong}")


def _check_classes(data, readings):
    """The images have two classes or more, and those that readings name."""
    # A folder that is missing is refused where it is listed.
    if data["folder"] and not all((Path(data["folder"]) / part).is_dir() for part in ("train", "test")):
        return
    known = classes.of(data)
    for name, reading in readings.items():
        classes.refuse_unknown(reading["classes"] or (), known, f"readings.{name}.classes")
        explained = families.explained_class(reading)
        if explained is not None:
            classes.refuse_unknown([explained], known, f"readings.{name}.target", families.TARGETS)


def _check_until(name, reading):
    """What ends a reading early has to see all images one after the other, and the statistic that it watches."""
    if reading["until"] is None:
        return
    if reading["shards"] > 1:
        raise ValueError(
            f"readings.{name} has until and {reading['shards']} shards, which would each end on their own; "
            "leave one of the two out"
        )
    if reading["absolute"] == "after_mean":
        raise ValueError(
            f"readings.{name} has until, which watches absolute values taken before the mean, and "
            "absolute: after_mean, which settles on several times as many images; leave until out, or use "
            "absolute: before_mean"
        )


def _settle_split(split, source):
    split["rank"] = split["rank"] or {"train": 0.1, "test": 0.2}[split["rank_from"]]
    for name in ("rank", "validation", "test"):
        number = split[name]
        if number is not None and not (0 < number < 1 or number == int(number)):
            raise ValueError(f"split.{name} is {number}: give a share below 1, or a whole number of images")
    if source == "digits":
        split["test"] = split["test"] or 0.2
    elif split["test"] is not None:
        raise ValueError(f"split.test is for sources without test images of their own; {source} has some, leave it out")


def _settle_model(model):
    """A name for paths, and the choices of a network; those of a factory are its own affair."""
    if model["factory"]:
        factories.check(model["factory"])
        model["name"] = model["name"] or factories.name_of(model["factory"])
        return
    if model["name"] is None:
        raise ValueError("model: the key name is missing, or factory for a network of your own; see config/README.md")
    known = architectures.of(model).arguments
    for key in model["arguments"]:
        if key not in known:
            choices = f"known: {', '.join(known)}" if known else "it has none"
            raise ValueError(f"model.arguments.{key} is no choice of {model['name']}; {choices}")
    model["arguments"] = {**known, **model["arguments"]}


def _settle_data(data):
    data["name"] = data["name"] or data["source"]
    data["color"] = data["color"] or DEFAULT_COLOR.get(data["source"], "rgb")
    channels = CHANNELS[data["color"]]
    for key in ("mean", "std"):
        if len(data[key]) not in (1, channels):
            raise ValueError(f"data.{key} has {len(data[key])} numbers, but the images have {channels} channel(s)")
        data[key] = [float(number) for number in data[key] * (channels if len(data[key]) == 1 else 1)]
    if data["source"] != "image_folder" and data["folder"]:
        raise ValueError(f"data.folder is for image_folder, but data.source is {data['source']}; leave it out")
    if data["source"] == "image_folder" and not data["folder"]:
        raise ValueError(
            "data.source is image_folder, but data.folder names no folder; give the one that holds train/ and test/"
        )


def _check_model(model, data, training):
    if training["epochs"] == 0 and model["weights"] is None:
        raise ValueError(
            "training.epochs is 0, but model.weights is empty: nothing would be learned; name a weights file or train"
        )
    if training["epochs"] == 0 and len(training["seeds"]) > 1:
        raise ValueError("training.epochs is 0, so every seed would be the same network; give one: training.seeds: [0]")
    if model["weights"] not in (None, "imagenet") and not Path(files.found(model["weights"])).is_file():
        near = nearest(model["weights"], ["imagenet"])
        raise ValueError(
            f"model.weights is {model['weights']}, but there is no such file, here or in the folder that "
            f"SECATEUR_DATA names{near}"
        )
    _check_network(model, data)


def _check_network(model, data):
    """What the network has, and which images it takes."""
    name, known = model["name"], architectures.of(model)
    if model["weights"] == "imagenet" and not known.imagenet:
        raise ValueError(
            f"model.weights is imagenet, but {name} has no ImageNet weights; give a file with a state_dict, or null"
        )
    if model["trainable"] not in known.trainable:
        part = "appended head" if model["trainable"] == "head" else "classifier that is known as such"
        raise ValueError(
            f"model.trainable is {model['trainable']}, but {name} has no {part}; use {' or '.join(known.trainable)}"
        )
    if data["color"] not in known.colors:
        raise ValueError(f"model.name is {name}, which takes three channels; set data.color to rgb")
    if data["size"] < known.smallest:
        raise ValueError(
            f"model.name is {name}, which takes images from {known.smallest} pixels on; data.size is {data['size']}"
        )
