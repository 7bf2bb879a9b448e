"""What the criteria of a study ask of its other settings: settled in place, or refused in one line."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from secateur import Refused
from secateur.artifacts import files
from secateur.study import architectures, rule_numbers
from secateur.study.levels import fraction
from secateur.study.vocabulary import nearest

RESERVED = (
    *("weight", "weight_folded", "random", "combined", "mixed", "controls", "uniform", "shuffled"),
    *("choosing", "plans", "scores", "files", "mixtures"),
)


def check_criteria(criteria: dict[str, Any], readings: Mapping[str, Any]) -> None:
    """Which readings are compared and mixed, by which statistic and deltas."""
    mixing = criteria["mixing"]
    if mixing["readings"] is None:
        mixing["readings"] = list(readings)
    for name in mixing["readings"]:
        if name not in readings:
            raise Refused(f"criteria.mixing.readings names {name}, which is no reading{nearest(name, readings)}")
    _check_compared(criteria, readings)
    _check_alternate_only(mixing, readings)
    deltas = mixing["deltas"]
    if len(set(map(fraction, deltas))) < len(deltas):
        raise Refused(f"criteria.mixing.deltas names one delta twice: {', '.join(deltas)}")
    mixing["deltas"] = list(map(_delta, deltas))
    statistic = mixing["statistic"]
    if statistic not in criteria["statistics"]:
        raise Refused(
            f"criteria.mixing.statistic is {statistic}, which criteria.statistics does not list; "
            "add it there, or mix by one that is"
        )


def _delta(text):
    """The shortest text of a delta with a digit after the point: claims find a list by its name."""
    whole, _, digits = text.partition(".")
    return f"{whole}.{digits.rstrip('0') or '0'}"


def _check_compared(criteria, readings):
    """Refuse a name in `compared` that is neither a reading nor one of the weights."""
    sources = [*readings, *criteria["weights"]]
    for name in criteria["compared"] or []:
        if name not in sources:
            raise Refused(
                f"criteria.compared names {name}, which is none of the readings and weights: {', '.join(sources)}"
            )


def _check_alternate_only(mixing, readings):
    """Refuse a name that is no reading, or that is mixed as well."""
    for name in mixing["alternate_only"]:
        if name not in readings:
            raise Refused(f"criteria.mixing.alternate_only names {name}, which is no reading{nearest(name, readings)}")
        if name in mixing["readings"]:
            raise Refused(
                f"criteria.mixing.alternate_only names {name}, which criteria.mixing.readings names "
                "as well; leave it out of one of the two"
            )


def settle_scores(criteria: dict[str, Any]) -> None:
    """Every score as a whole: its name, what ranks, and how scores are made comparable between layers."""
    given = [{"name": one, "score": one} if isinstance(one, str) else one for one in criteria["scores"]]
    criteria["scores"] = [
        {key: one.get(key, criteria.get(key)) for key in ("name", "score", "normalise", "scope")} for one in given
    ]


def check_scores(scores: Iterable[Mapping[str, Any]], model: Mapping[str, Any]) -> None:
    """A score that the network cannot have, as far as its name tells; `secateur check` looks at the network itself."""
    lacking = not model["factory"] and model["name"] in architectures.WITHOUT_BATCHNORM
    if lacking and any(one["score"] == "bn_scale" for one in scores):
        raise Refused(
            f"criteria.scores names bn_scale, which reads BatchNorm, but {model['name']} has none; leave bn_scale out, "
            "or take a network with BatchNorm"
        )


def check_own(criteria: Mapping[str, Any], readings: Mapping[str, Any]) -> None:
    """The names of scores, files and mixtures are names of files beside those of readings: each is taken once."""
    taken = [*readings, *RESERVED]
    for kind in ("scores", "files", "mixtures"):
        named = criteria[kind] if kind == "files" else [one["name"] for one in criteria[kind]]
        for name in named:
            if name in taken:
                raise Refused(f"criteria.{kind}: the name {name} is taken by another criterion; choose another")
            taken.append(name)


def check_mixtures(criteria: Mapping[str, Any], readings: Mapping[str, Any]) -> None:
    """Both sides of a mixture are criteria of the study that are no mixtures themselves."""
    known = [f"{source}.{one}" for source in [*readings, *criteria["weights"]] for one in criteria["statistics"]]
    known += [*(one["name"] for one in criteria["scores"]), *criteria["files"]]
    known += [f"random.{draw}" for draw in range(criteria["random"])]
    for mixture in criteria["mixtures"]:
        for side in ("first", "second"):
            name = mixture[side]
            if name not in known:
                raise Refused(
                    f"criteria.mixtures: {mixture['name']} mixes {name}, which is no criterion of this study"
                    f"{nearest(name, known)}"
                )
        if len({fraction(delta) for delta in mixture["deltas"]}) < len(mixture["deltas"]):
            raise Refused(f"criteria.mixtures: {mixture['name']} names one delta twice")


def check_files(paths: Mapping[str, str], seeds: Iterable[int]) -> None:
    """The user's own files are read before any job; whether their channels are the network's shows when it is there."""
    for name, path in paths.items():
        for one in dict.fromkeys(path.replace("{seed}", str(seed)) for seed in seeds):
            found = files.found(one)
            if not Path(found).is_file():
                raise Refused(
                    f"criteria.files.{name} is {one}, but there is no such file, here or in the folder that "
                    "SECATEUR_DATA names"
                )
            # Reading tables takes pandas, which is slow to import and which few studies need here.
            from secateur.study import own_ranking

            own_ranking.read(found)


def check_rule(name: str, rule: str | Sequence[Mapping[str, Any]]) -> None:
    """What a pattern cannot say: numbers that a rule can have, and bands of depth up to the last layer, in order."""
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
    """What ends a reading early has to see all images one after the other, and the statistic that it watches."""
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
