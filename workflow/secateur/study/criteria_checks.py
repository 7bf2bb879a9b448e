"""Checks of the criteria against a study's other settings: settled in place, or refused in one line."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from secateur import Refused
from secateur.artifacts import files
from secateur.study import architectures, criteria_names, kinds, learned, rule_numbers, widths
from secateur.study.levels import fraction
from secateur.study.vocabulary import LEARNED, PER, costed, nearest, same_images

RESERVED = (
    *("weight", "weight_folded", "random", "combined", "mixed", "controls", "uniform", "shuffled"),
    *("choosing", "plans", "scores", "files", "mixtures", "allocated", "rescored", *LEARNED),
)
CONTROLS = ("random.", "uniform.", "shuffled.")


def check_criteria(criteria: dict[str, Any], readings: Mapping[str, Any]) -> None:
    """Settle which readings are compared and mixed, by which statistic and deltas; Refused for what does not exist."""
    mixing = criteria["mixing"]
    if mixing["readings"] is None:
        mixing["readings"] = list(readings)
    for name in mixing["readings"]:
        if name not in readings:
            raise Refused(f"criteria.mixing.readings names {name}, which is no reading{nearest(name, readings)}")
    _check_compared(criteria, readings)
    _check_alternate_only(mixing, readings)
    deltas = mixing["deltas"]
    if _repeats(deltas):
        raise Refused(f"criteria.mixing.deltas names one delta twice: {', '.join(deltas)}")
    mixing["deltas"] = list(map(_delta, deltas))
    statistic = mixing["statistic"]
    if statistic not in criteria["statistics"]:
        raise Refused(
            f"criteria.mixing.statistic is {statistic}, which criteria.statistics does not list; "
            f"add it there, or mix by one that is: mixing: {{statistic: {criteria['statistics'][0]}}}"
        )


def _repeats(deltas):
    """True if two texts are one delta, as 0.5 and 0.50 are."""
    return len(set(map(fraction, deltas))) < len(deltas)


def _delta(text):
    """The shortest text of a delta with a digit after the point: claims find a list by its name."""
    integer, _, digits = text.partition(".")
    return f"{integer}.{digits.rstrip('0') or '0'}"


def _check_compared(criteria, readings):
    """Refused for a name in `compared` that is neither a reading nor one of the weights."""
    sources = [*readings, *criteria["weights"]]
    for name in criteria["compared"] or []:
        if name not in sources:
            raise Refused(
                f"criteria.compared names {name}, which is none of the readings and weights: {', '.join(sources)}"
            )


def _check_alternate_only(mixing, readings):
    """Refused for a name that is no reading, or that is mixed as well."""
    for name in mixing["alternate_only"]:
        if name not in readings:
            raise Refused(f"criteria.mixing.alternate_only names {name}, which is no reading{nearest(name, readings)}")
        if name in mixing["readings"]:
            raise Refused(
                f"criteria.mixing.alternate_only names {name}, which criteria.mixing.readings names "
                "as well; leave it out of one of the two"
            )


def settle_scores(criteria: dict[str, Any]) -> None:
    """Write every score in full: its name, its score, how it is normalised between layers, and its scope."""
    criteria["scores"] = [_whole_score(score, criteria) for score in criteria["scores"]]


def _whole_score(score, criteria):
    if isinstance(score, str):
        score = {"name": score, "score": score}
    whole = {
        "name": score["name"],
        "score": score["score"],
        "normalise": score.get("normalise", criteria["normalise"]),
        "scope": score.get("scope", criteria["scope"]),
    }
    # Trained weights go without saying, so that rankings of other studies stay as they are.
    if score.get("at") == "initial":
        whole["at"] = "initial"
    if score.get("per"):
        whole["per"] = score["per"]
    _check_per(whole)
    return whole | _widths_of(score, whole)


def _check_per(score):
    """Refused for a score by cost whose name does not say so, and for one of another cost, or of none, that does."""
    per, name = score.get("per"), score["name"]
    plain, told = costed(name)
    if told == per:
        return
    wanted = f"{plain}{PER[per]}" if per else plain
    beside = f"per: {per}" if per else "no per"
    other = f", or per: {told}" if told else ""
    raise Refused(
        f"criteria.scores: {name} has {beside}; the name of a score that is divided by a cost ends in that: "
        f"write name: {wanted}{other}"
    )


def _widths_of(score, whole):
    """{"widths": ...} of a score with that scope, and nothing of all others; Refused for one without the other."""
    setting = f"criteria.scores: {whole['name']}"
    if whole["scope"] == "widths":
        if not score.get("widths"):
            raise Refused(f"{setting} has scope: widths, but no widths to meet; give some, as widths: {{16: 8}}")
        return {"widths": widths.as_text(score["widths"], setting)}
    if "widths" in score:
        raise Refused(f"{setting} has widths, but scope: {whole['scope']}; write scope: widths, or leave widths out")
    return {}


def check_first_weights(criteria: Mapping[str, Any], training: Mapping[str, Any]) -> None:
    """Refused for a score of first weights that are the last ones, or that tells nothing of them."""
    for score in criteria["scores"]:
        if score.get("at") != "initial":
            continue
        setting = f"criteria.scores: {score['name']}"
        if training["epochs"] == 0:
            raise Refused(
                f"{setting} has at: initial, but training.epochs is 0: the given weights are both the first and the "
                "last; train, or leave it out"
            )
        if score["score"] == "bn_scale":
            raise Refused(f"{setting} has at: initial, where the scales of BatchNorm are all one; take another score")


def check_scores(criteria: Mapping[str, Any], model: Mapping[str, Any]) -> None:
    """Refused for a score that the network cannot have, where its name tells; `secateur check` looks at the others."""
    if not architectures.lacks_batchnorm(model):
        return
    setting = criteria_names.channel_scores(criteria).get("bn_scale")
    if setting:
        raise Refused(
            f"{setting} names bn_scale, which reads BatchNorm, but {model['name']} has none; leave bn_scale out, "
            "or take a network with BatchNorm"
        )


def check_widths(criteria: Mapping[str, Any], budget: str) -> None:
    """Refused for widths where levels are no counts of units, by which alone widths can be met exactly."""
    for setting in widths.given(criteria):
        if budget != "units":
            raise Refused(
                f"{setting} has widths, which a level of units meets, but evaluation.budget is {budget}; take "
                "budget: units, or leave the widths out"
            )


def check_controls(criteria: Mapping[str, Any], known: Iterable[str]) -> None:
    """Refused for a name in `controls` that is none of the `known` criteria, with learned ones without their draws."""
    if isinstance(criteria["controls"], bool):
        return
    drawn = learned.by_draw(criteria["learned"])
    known = [*learned.names(criteria["learned"]), *(name for name in known if name not in drawn)]
    for name in criteria["controls"]:
        if name in drawn:
            raise Refused(
                f"criteria.controls names {name}, a draw of a learned criterion; name all of them, as "
                f"{drawn[name]['name']}"
            )
        if name.startswith(CONTROLS):
            raise Refused(f"criteria.controls names {name}, which is a control itself; leave it out")
        if name not in known:
            raise Refused(f"criteria.controls names {name}, which is no criterion of the study{nearest(name, known)}")


def check_own(criteria: Mapping[str, Any], readings: Mapping[str, Any]) -> None:
    """Refused for a name that two scores, files, mixtures or readings have: names become files beside each other."""
    taken = [*readings, *RESERVED]
    for kind in ("scores", "files", "mixtures"):
        for name in _names(criteria[kind]):
            if name in taken:
                raise Refused(f"criteria.{kind}: the name {name} is taken by another criterion; choose another")
            taken.append(name)


def check_allocated(criteria: Mapping[str, Any], known: Iterable[str], evaluation: Mapping[str, Any]) -> None:
    """Refused for a name in `allocated` that is none of the `known` criteria with one ranking of every network."""
    if criteria["allocated"] and evaluation["round_to"] > 1:
        raise Refused(
            f"criteria.allocated shares levels out unit by unit, but evaluation.round_to is {evaluation['round_to']}, "
            "which would round every layer's share away; set round_to to 1, or leave allocated empty"
        )
    drawn = learned.by_draw(criteria["learned"])
    ends = (criteria_names.ALLOCATED, *criteria_names.RESCORED.values())
    known = [name for name in known if name not in drawn and not name.endswith(ends)]
    for name in criteria["allocated"]:
        if name.endswith(ends):
            raise Refused(
                f"criteria.allocated names {name}, which is made from another criterion in the same or a like way; "
                "name that one"
            )
        if name in drawn or name in learned.names(criteria["learned"]):
            raise Refused(
                f"criteria.allocated names {name}, which learns its own shares of layers; name a criterion that ranks"
            )
        if name.startswith(CONTROLS):
            raise Refused(f"criteria.allocated names {name}, which is a control; leave it out")
        if name not in known:
            raise Refused(f"criteria.allocated names {name}, which is no criterion of the study{nearest(name, known)}")


def check_rescored(config: Mapping[str, Any]) -> None:
    """Refused for an entry of `rescored` twice, and for a criterion that has no score of a smaller network."""
    criteria = config["criteria"]
    asked = [(entry["criterion"], entry["against"]) for entry in criteria["rescored"]]
    if len({*asked}) < len(asked):
        raise Refused("criteria.rescored has one criterion twice against the same network; leave one of the two out")
    if any(entry["recovery"] == kinds.NONE.name and entry["against"] == "before" for entry in criteria["rescored"]):
        raise Refused(
            "criteria.rescored has against: before, but nothing recovers between steps, so that both ways are one; "
            "leave against out, or name a recovery there, as recovery: reconstructed"
        )
    scores = {score["name"]: score for score in criteria["scores"]}
    statistics = [
        f"{reading}.{statistic}{end}"
        for reading in config["readings"]
        for statistic in criteria_names.statistics(criteria, reading)
        for end in ("", *(PER[per] for per in criteria_names.costs(config, reading)))
    ]
    for entry in criteria["rescored"]:
        name = entry["criterion"]
        if name in scores:
            _check_rescored_score(name, scores[name])
        elif name in statistics:
            reading = name.split(".")[0]
            if config["readings"][reading]["split"] == "test":
                raise Refused(
                    f"criteria.rescored names {name}, which reads the images that are reported in every step; name a "
                    "reading of another split"
                )
            if config["readings"][reading]["until"]:
                raise Refused(
                    f"criteria.rescored names {name}, a reading that stops by its own stability (until), which differs "
                    "from step to step; name one with a count of images"
                )
        else:
            known = [*scores, *statistics]
            raise Refused(
                f"criteria.rescored names {name}, which has no score that can be taken of a smaller network; name one "
                f"of criteria.scores, or a reading's statistic{nearest(name, known)}"
            )


def _check_rescored_score(name: str, score: Mapping[str, Any]) -> None:
    if score.get("at") == "initial":
        raise Refused(f"criteria.rescored names {name}, a score of first weights, which no step changes; leave it out")
    if score["scope"] != "global":
        raise Refused(
            f"criteria.rescored names {name} with scope: {score['scope']}; steps rank over all layers: take a score "
            "with scope: global"
        )


def settle_sensitivity(config: dict[str, Any]) -> None:
    """Settle the recoveries of sensitivity and between steps: of the closed ones of the study that which recovers most.

    Raises Refused where the images that measure sensitivity would calibrate its recovery by another name.
    """
    section, asked = config["sensitivity"], config["evaluation"]["recovery"]
    usual = (kinds.RECONSTRUCTED.name, kinds.BATCHNORM.name)
    most = next((name for name in usual if name in asked), kinds.NONE.name)
    for settled in (section, *config["criteria"]["rescored"]):
        settled["recovery"] = settled["recovery"] or most
    reads = config["recovery"]["split"]
    if not config["criteria"]["allocated"] or section["recovery"] not in kinds.STARTS or section["split"] == reads:
        return
    if same_images(config["split"], section["split"], reads):
        raise Refused(
            f"sensitivity.split is {section['split']}, which shares images with {reads}, on which recovery calibrates "
            f"(split.rank_from: {config['split']['rank_from']}); set sensitivity.split: {reads}, of which those that "
            "calibrate are left out"
        )


def _names(entries):
    """The names of {name: ...}, or of a list of entries with a name each."""
    if isinstance(entries, Mapping):
        return list(entries)
    return [entry["name"] for entry in entries]


def check_mixtures(criteria: Mapping[str, Any], readings: Mapping[str, Any]) -> None:
    """Refused unless both sides of every mixture are criteria of the study, and no mixtures themselves."""
    known = []
    for source in (*readings, *criteria["weights"]):
        known += [f"{source}.{statistic}" for statistic in criteria["statistics"]]
    known += _names(criteria["scores"]) + _names(criteria["files"])
    known += learned.drawn("random", criteria["random"])
    known += learned.by_draw(criteria["learned"])
    for mixture in criteria["mixtures"]:
        for name in (mixture["first"], mixture["second"]):
            if name not in known:
                raise Refused(
                    f"criteria.mixtures: {mixture['name']} mixes {name}, which is no criterion of this study"
                    f"{nearest(name, known)}"
                )
        if _repeats(mixture["deltas"]):
            raise Refused(f"criteria.mixtures: {mixture['name']} names one delta twice")


def check_files(paths: Mapping[str, str], seeds: Iterable[int]) -> None:
    """Refused for a file of the user's own that is missing, or that cannot rank whatever the network."""
    for name, path in paths.items():
        of_seeds = [path.replace("{seed}", str(seed)) for seed in seeds]
        for given in dict.fromkeys(of_seeds):
            _check_file(name, given)


def _check_file(name, path):
    place = files.found(path)
    if not Path(place).is_file():
        raise Refused(
            f"criteria.files.{name} is {path}, but there is no such file, here or in the folder that "
            "SECATEUR_DATA names"
        )
    # Reading tables takes pandas, which is slow to import and which few studies need here.
    from secateur.study import own_ranking

    own_ranking.read(place)


def check_rule(name: str, rule: str | Sequence[Mapping[str, Any]]) -> None:
    """Refused for parameters that a rule cannot have, and for bands of depth that do not rise to the last layer."""
    bands = [{"to": 1, "rule": rule}] if isinstance(rule, str) else rule
    ends = [band["to"] for band in bands]
    if ends != sorted(set(ends)) or ends[-1] != 1:
        given = ", ".join(map(str, ends))
        raise Refused(f"readings.{name}.rule has bands to {given}; they must rise, and the last one must be to 1")
    for band in bands:
        wrong = rule_numbers.complaint(band["rule"])
        if wrong:
            raise Refused(f"readings.{name}.rule is {band['rule']}, {wrong}")


def check_until(name: str, reading: Mapping[str, Any]) -> None:
    """Refused for a reading with `until` that has shards, or takes absolute values after the mean.

    `until` watches one job, and absolute values before the mean.
    """
    if reading["until"] is None:
        return
    if reading["shards"] > 1:
        raise Refused(
            f"readings.{name} has until and {reading['shards']} shards, which would each end on their own; "
            "leave one of the two out"
        )
    if reading["absolute"] == "after_mean":
        raise Refused(
            f"readings.{name} has until, which watches absolute values taken before the mean, and "
            "absolute: after_mean, which settles on several times as many images; leave until out, or use "
            "absolute: before_mean"
        )
