"""Retraining and export against levels and criteria: settled in place, or refused in one line."""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from secateur import Refused
from secateur.study import kinds, learned, training_checks, vocabulary
from secateur.study.kinds import KINDS, Cell
from secateur.study.levels import fraction


def of(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The settings of retraining; without criteria and levels where nothing is retrained."""
    return config["retraining"] or {"criteria": [], "levels": []}


def names(config: Mapping[str, Any]) -> list[str]:
    """The names in `retraining.criteria`, as they are given there: a learned one without its draw for all of them."""
    return [wanted if isinstance(wanted, str) else wanted["criterion"] for wanted in of(config)["criteria"]]


def cells(config: Mapping[str, Any]) -> list[Cell]:
    """The retrained networks of one training, in the order of `retraining.criteria`, of levels and of kinds."""
    made = []
    for wanted in of(config)["criteria"]:
        made += _cells(wanted, config)
    return made


def _cells(wanted, config) -> Iterator[Cell]:
    """The networks of one item of `retraining.criteria`; a name alone stands for all levels and kinds."""
    entries = config["criteria"]["learned"]
    if isinstance(wanted, str):
        wanted = {"criterion": wanted, "levels": of(config)["levels"], "kinds": _kinds_of(wanted, config)}
    for criterion in learned.expanded(wanted["criterion"], entries):
        for level, kind in itertools.product(wanted["levels"], wanted["kinds"]):
            yield Cell(criterion, level, kind)


def learned_levels(config: Mapping[str, Any]) -> dict[str, list[float]]:
    """{learned criterion without its draw: the levels at which kinds of its own weights are made}."""
    levels = {}
    for cell in cells(config):
        if KINDS[cell.kind].learned:
            known = levels.setdefault(vocabulary.without_draw(cell.criterion), [])
            if cell.level not in known:
                known.append(cell.level)
    return levels


def _kinds_of(criterion, config):
    """The kinds of a criterion where nothing else is said."""
    return kinds.asked_for(of(config), learned.jointly(criterion, config["criteria"]["learned"]))


def _of_levels(level, levels, what, remedy):
    """The study's level that is the same fraction; Refused where there is none."""
    for known in levels:
        if fraction(known) == fraction(level):
            return known
    raise Refused(
        f"{what} is none of the study's levels ({', '.join(map(str, levels))}); add it to levels, or {remedy}"
    )


def settle_export(config: Mapping[str, Any]) -> None:
    """Settle the level and kind of every exported network; Refused unless it is evaluated, and named once."""
    named = set()
    for entry in config["export"]:
        described = f"level {entry['level']} of {entry['criterion']}"
        kind = entry.setdefault("kind", kinds.NONE.name)
        entry["level"] = _of_levels(entry["level"], config["levels"], f"export: {described}", "export one of these")
        if exported(entry) in named:
            raise Refused(f"export names {described} twice")
        named.add(exported(entry))
        if kind != kinds.NONE.name:
            _check_retrained(entry, described, config)


def _check_retrained(entry, described, config):
    """Refused for an exported network of a kind that retraining does not make."""
    kind, made = entry["kind"], cells(config)
    draws = learned.expanded(entry["criterion"], config["criteria"]["learned"])
    if draws != [entry["criterion"]]:
        raise Refused(
            f"export asks for {described} as {kind}, but every draw of it is a network of its own; name one, as "
            f"{draws[0]}"
        )
    if entry["level"] not in kinds.levels_of(made).get(entry["criterion"], ()):
        raise Refused(
            f"export asks for {described} as {kind}, but retraining does not name this criterion and level; add them "
            "there, or leave kind out"
        )
    if Cell(entry["criterion"], entry["level"], kind) in made:
        return
    setting = KINDS[kind].setting
    if setting and not of(config)[setting]:
        raise Refused(f"export asks for {described} as {kind}, but retraining.{setting} is false; turn it on")
    raise Refused(
        f"export asks for {described} as {kind}, but retraining.criteria gives this criterion and level other kinds; "
        "add it there, or leave kind out"
    )


def exported(entry: Mapping[str, Any]) -> str:
    """The name of an exported network, criterion/level; a retrained one's ends in its kind."""
    name = f"{entry['criterion']}/{entry['level']}"
    return name if entry["kind"] == kinds.NONE.name else f"{name}.{entry['kind']}"


def settle_retraining(config: dict[str, Any]) -> None:
    """Fill in the schedule from that of training, and add the random control that every comparison needs."""
    retraining, training = config["retraining"], config["training"]
    if retraining is None:
        return
    retraining["levels"] = _settled_levels(retraining["levels"], config, "retraining.levels")
    retraining["criteria"] = [_settled(wanted, config) for wanted in retraining["criteria"]]
    if not any(name.startswith("random.") for name in names(config)):
        retraining["criteria"] += _random(config)
    _refuse_twice(cells(config))
    _settle_schedule(retraining, training, {cell.kind for cell in cells(config)})
    _check_continued(config)


def _settled_levels(levels, config, key):
    """Those of the study's levels that are named, in order; Refused for another."""
    settled = set()
    for level in levels:
        named = f"{key} names {level}, which"
        settled.add(_of_levels(level, config["levels"], named, "retrain at one of these"))
    return sorted(settled)


def _settled(wanted, config):
    """An item of `retraining.criteria`: a name as it is, an object with its levels and kinds filled in."""
    if isinstance(wanted, str):
        return wanted
    retraining = config["retraining"]
    levels = wanted.get("levels", retraining["levels"])
    chosen = wanted.get("kinds", _kinds_of(wanted["criterion"], config))
    settled = {
        "criterion": wanted["criterion"],
        "levels": _settled_levels(levels, config, f"retraining.criteria: {wanted['criterion']}"),
        "kinds": [name for name in KINDS if name in chosen],
    }
    _check_kinds(settled, config["criteria"]["learned"])
    return settled


def _check_kinds(settled, entries):
    """Refused for a kind that only criteria have that were learned together with the weights, of another criterion."""
    if learned.jointly(settled["criterion"], entries):
        return
    for kind in settled["kinds"]:
        if KINDS[kind].learned:
            raise Refused(
                f"retraining.criteria: {settled['criterion']} names the kind {kind}, which starts from weights that "
                "learning left; only learned criteria with weights: joint have such networks"
            )


def _random(config):
    """The items that treat one draw of the random control like all others, at each level by each of their kinds."""
    if all(isinstance(wanted, str) for wanted in config["retraining"]["criteria"]):
        return ["random.0"]
    by_level = {}
    for cell in cells(config):
        by_level.setdefault(cell.level, set()).add(cell.kind)
    items = []
    for level in sorted(by_level):
        alike = [name for name, kind in KINDS.items() if name in by_level[level] and not kind.learned]
        if alike:
            items.append({"criterion": "random.0", "levels": [level], "kinds": alike})
    return items


def _refuse_twice(made):
    seen = set()
    for cell in made:
        if cell in seen:
            raise Refused(
                f"retraining.criteria asks twice for level {cell.level} of {cell.criterion} as {cell.kind}; name every "
                "network once"
            )
        seen.add(cell)


def _settle_schedule(retraining, training, made):
    """Fill in the missing keys of the schedule; Refused where nothing would be trained. `made` are the kinds."""
    for key, value in training.items():
        if key != "seeds":
            retraining.setdefault(key, value)
    if retraining["epochs"] == 0:
        raise Refused("retraining.epochs is missing, and training.epochs, which stands for it, is 0; give one")
    retraining["scratch_epochs"] = retraining["scratch_epochs"] or training["epochs"] or None
    _check_stages(retraining, made)
    first = sorted(name for name in made if KINDS[name].start in ("initial", "redrawn"))
    if first and training["epochs"] == 0:
        raise Refused(
            f"the kind {first[0]} of retraining trains the first weights of the dense network, but training.epochs is "
            f"0: the given weights are both the first and the last; train, or leave {first[0]} out"
        )
    if kinds.SCRATCH.name in made and retraining["scratch_epochs"] is None:
        raise Refused(
            "retraining.scratch trains from fresh weights by the schedule of training, whose epochs are 0; "
            "give retraining.scratch_epochs, or scratch: false"
        )


# What the stages change of the kind retrained, and what that has to have.
PLAIN = {"optimizer": "sgd", "loss": "cross_entropy", "label_smoothing": 0}


def _check_stages(retraining, made):
    """Refused for other losses and optimisers beside a kind `retrained` that has one of them itself."""
    if made.isdisjoint(stage.name for stage in kinds.STAGES):
        return
    for key, value in PLAIN.items():
        if retraining[key] != value:
            raise Refused(
                f"retraining.stages stand beside retraining by sgd and the cross-entropy without smoothing, but "
                f"retraining.{key} is {retraining[key]}; set it to {value}, or leave stages out"
            )


def _check_continued(config):
    """Refused for a training after a gate phase that cannot see as many images in all as the kind retrained."""
    for cell in cells(config):
        if cell.kind == kinds.CONTINUED.name:
            _check_after_gates(cell.criterion, config)


def _check_after_gates(criterion, config):
    retraining = config["retraining"]
    learning = learned.by_draw(config["criteria"]["learned"])[criterion]["epochs"]
    epochs = retraining["epochs"] - learning
    if epochs < 1:
        raise Refused(
            f"retraining.epochs is {retraining['epochs']}, of which the {learning} that learn {criterion} leave none "
            "for the kind continued, which sees as many training images in all as the kind retrained; raise it, or "
            "name other kinds"
        )
    if retraining["steps"] > 1:
        raise Refused(
            f"retraining.steps is {retraining['steps']}, so that the kind retrained sees as many times the images of "
            f"retraining.epochs, but {criterion} as the kind continued, which is pruned once, sees them once; take "
            "steps: 1, or name other kinds"
        )
    if retraining["warm_up"] >= epochs:
        raise Refused(
            f"retraining.warm_up is {retraining['warm_up']}, but the gate phase of {criterion} leaves {epochs} of "
            f"the {retraining['epochs']} retraining.epochs for the kind continued; set retraining.warm_up lower"
        )


def check_schedules(config: Mapping[str, Any]) -> None:
    """Refused for a schedule of retraining, or from fresh weights, whose settings do not go together."""
    retraining, training, size = config["retraining"], config["training"], config["data"]["size"]
    if retraining is None:
        return
    training_checks.check_schedule("retraining", retraining, "retraining.epochs", retraining["epochs"], size)
    if any(KINDS[cell.kind].whole for cell in cells(config)):
        # From fresh weights, and from first ones, the schedule of training is taken, over epochs that may be fewer.
        epochs = retraining["scratch_epochs"]
        training_checks.check_schedule("training", training, "retraining.scratch_epochs", epochs, size)
