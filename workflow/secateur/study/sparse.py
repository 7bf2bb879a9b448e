"""Sparse trainings of a study: their variants, settled in place or refused in one line, and their networks."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any, NamedTuple

from secateur import Refused
from secateur.study.levels import fraction
from secateur.study.vocabulary import nearest

# The variant that others are compared with; it has Feather's settings.
REFERENCE = "feather"
# The network that is trained by the same schedule with all its weights, as tables and figures name it.
DENSE = "dense"
# Settings that count only beside another: {key: (the other, its value or None for any but 0, default)}.
ONLY_WITH = {
    "kappa": ("scale", "power", 20),
    "deadline": ("schedule", "adaptive", 0.8),
    "slowest": ("schedule", "adaptive", 0.25),
    "fastest": ("schedule", "adaptive", 1),
    "family": ("schedule", "adaptive", "hyperbolic"),
    "reference": ("schedule", "adaptive", 0.03),
    "drop_rule": ("drop", None, "magnitude"),
}
# Settings by which variants are drawn as one line over the share that is dropped.
DROPPED = ("drop", "drop_rule")
# Settings on which the beginning and the end of a ramp depend.
OF_RAMP = ("start", "ramp", "deadline", "slowest", "fastest")
# Settings of which Feather has one value.
OF_FEATHER = {"power": 3, "scale": "const", "scale_high": 1, "scale_low": 0.5, "schedule": "cubic", "drop": 0}


class SparseCell(NamedTuple):
    """One sparse network of a training: its variant, and the share of its weights that is zero."""

    variant: str
    level: float

    @property
    def path(self) -> str:
        """The folder of its files, below `sparsity/`."""
        return f"{self.variant}/{self.level}"


def of(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The settings of sparse training; without variants and levels where there is none."""
    return config["sparsity"] or {"levels": [], "variants": {}, "export": []}


def names(config: Mapping[str, Any]) -> list[str]:
    """The variants, Feather first."""
    return sorted(of(config)["variants"], key=lambda name: (name != REFERENCE, name))


def cells(config: Mapping[str, Any]) -> list[SparseCell]:
    """The sparse networks of one training, Feather first, the levels of each variant from the lowest."""
    variants = of(config)["variants"]
    return [SparseCell(name, level) for name in names(config) for level in variants[name]["levels"]]


def figures(config: Mapping[str, Any]) -> list[str]:
    """The figures of sparse networks; that of dropped weights only where several shares of one level make a line."""
    variants = of(config)["variants"]
    if not variants:
        return []
    lines = families({name: options_of(variant) for name, variant in variants.items()}).values()
    drawn = any(_share_a_level([variants[name] for name in names]) for names in lines)
    return ["levels", "training", "layers", *(["dropped"] if drawn else [])]


def _share_a_level(variants):
    levels = [level for variant in variants for level in variant["levels"]]
    return len({*levels}) < len(levels)


def families(variants: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    """{label: variants from the smallest share dropped} of those that differ in it alone, two or more each."""
    groups = {}
    for name, options in variants.items():
        if options["drop"] > 0:
            groups.setdefault((options["drop_rule"], _others(options)), []).append(name)
    families = {}
    for (rule, others), names in groups.items():
        whole = [name for name, options in variants.items() if options["drop"] == 0 and _others(options) == others]
        members = sorted(whole + names, key=lambda name: variants[name]["drop"])
        if len(members) > 1:
            families[f"{rule}, as {whole[0]}" if whole else f"{rule}, {names[0]}"] = members
    return families


def _others(options):
    return str(sorted((key, value) for key, value in options.items() if key not in DROPPED))


def options_of(variant: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a variant that change its networks: all but its levels."""
    return {key: value for key, value in variant.items() if key != "levels"}


def settle(config: Mapping[str, Any]) -> None:
    """Fill in the settings of every variant that follow from others; Refused for contradictions."""
    section = config["sparsity"]
    if section is None:
        return
    _check_training(config)
    section["levels"] = sorted(section["levels"], key=fraction)
    for name, variant in section["variants"].items():
        _settle(f"sparsity.variants.{name}", variant)
        variant["levels"] = sorted(variant.get("levels", section["levels"]), key=fraction)
        _check_ramp(f"sparsity.variants.{name}", variant, config["training"]["epochs"])
    _check_names(section["variants"])
    _check_levels(section)
    _settle_exports(section, cells(config))


def _check_training(config):
    """Refused where no weights, or not all, would be trained."""
    if config["training"]["epochs"] == 0:
        raise Refused(
            "sparsity trains networks from their first weights by the schedule of training, but training.epochs is 0; "
            "give some, or leave sparsity out"
        )
    if config["model"]["trainable"] != "all":
        raise Refused(
            "sparsity prunes all weights and has to train them, but model.trainable is "
            f"{config['model']['trainable']}; set it to all, or leave sparsity out"
        )


def _settle(setting: str, variant: MutableMapping[str, Any]) -> None:
    late = variant["deadline"] is None
    for key, (other, wanted, default) in ONLY_WITH.items():
        counts = variant[other] == wanted if wanted is not None else variant[other] != 0
        if counts:
            variant[key] = default if variant[key] is None else variant[key]
        elif variant[key] is not None:
            beside = f"{other}: {wanted}" if wanted is not None else f"{other} above 0"
            raise Refused(
                f"{setting} has {key}: {variant[key]}, which counts only with {beside}; leave one of them out"
            )
    if variant["schedule"] == "adaptive":
        if late:
            # The default gives way to a later end of the ramp.
            variant["deadline"] = max(variant["deadline"], variant["ramp"])
        _check_adaptive(setting, variant)
    if variant["scale_low"] > variant["scale_high"]:
        raise Refused(
            f"{setting} has scale_low: {variant['scale_low']}, above its scale_high: {variant['scale_high']}; exchange "
            "them, or set scale_low lower"
        )


def _check_adaptive(setting, variant):
    if fraction(variant["deadline"]) < fraction(variant["ramp"]):
        raise Refused(
            f"{setting} has deadline: {variant['deadline']}, before the end of its ramp: {variant['ramp']}; set "
            "deadline higher, or ramp lower"
        )
    if fraction(variant["slowest"]) > fraction(variant["fastest"]):
        raise Refused(
            f"{setting} has slowest: {variant['slowest']}, above its fastest: {variant['fastest']}; exchange them"
        )


def _check_ramp(setting, variant, epochs):
    """Refused for a ramp that ends before it begins, or begins with a jump; steps are counted when the images are."""
    start, end = variant["start"], fraction(variant["ramp"]) * epochs
    if start >= end:
        raise Refused(
            f"{setting} has start: {start}, but its ramp ends after {float(end):g} of {epochs} epochs; start earlier, "
            "or set ramp or training.epochs higher"
        )
    if variant["schedule"] == "adaptive":
        deadline, fastest = fraction(variant["deadline"]) * epochs, fraction(variant["fastest"])
        if fastest * (deadline - start) < end - start:
            raise Refused(
                f"{setting} has fastest: {variant['fastest']}, too slow for its deadline: {variant['deadline']}, so "
                "that its ramp would begin with a jump; set fastest or deadline higher, or ramp lower"
            )


def _check_names(variants):
    """Refused for two variants that are the same, and for another under the name of Feather."""
    if DENSE in variants:
        raise Refused(
            f"sparsity.variants names {DENSE}, as tables name the network with all weights; choose another name"
        )
    for key, value in OF_FEATHER.items():
        if REFERENCE in variants and variants[REFERENCE][key] != value:
            raise Refused(
                f"sparsity.variants.{REFERENCE} has {key}: {variants[REFERENCE][key]}, but Feather's is {value}, and "
                "others are compared with the variant of this name; give this one another"
            )
    seen = {}
    for name, variant in variants.items():
        for level in map(fraction, variant["levels"]):
            network = str(sorted(options_of(variant).items())), level
            if network in seen:
                raise Refused(
                    f"sparsity.variants.{seen[network]} and sparsity.variants.{name} are the same at level "
                    f"{float(level):g}; leave one out"
                )
            seen[network] = name


def _check_levels(section):
    """Refused for a level at which no variant is trained, because all have levels of their own."""
    trained = {fraction(level) for variant in section["variants"].values() for level in variant["levels"]}
    for level in section["levels"]:
        if fraction(level) not in trained:
            raise Refused(
                f"sparsity.levels names {level}, but every variant has levels of its own, and none of them is this; "
                "leave it out, or add it to one"
            )


def _settle_exports(section, made):
    """Settle the level of every exported network; Refused for one that is not trained, and for one named twice."""
    seen = set()
    for entry in section["export"]:
        variant, level = entry["variant"], fraction(entry["level"])
        levels = [cell.level for cell in made if cell.variant == variant]
        same = [known for known in levels if fraction(known) == level]
        if not levels:
            raise Refused(
                f"sparsity.export names {variant}, which is no variant{nearest(variant, section['variants'])}; known: "
                f"{', '.join(section['variants'])}"
            )
        if not same:
            raise Refused(
                f"sparsity.export: level {entry['level']} of {variant} is none of its levels "
                f"({', '.join(map(str, levels))}); add it there, or export one of these"
            )
        entry["level"] = same[0]
        if (variant, level) in seen:
            raise Refused(f"sparsity.export names level {entry['level']} of {variant} twice")
        seen.add((variant, level))


def exported(config: Mapping[str, Any]) -> list[SparseCell]:
    """The sparse networks that are exported, of every training."""
    return [SparseCell(entry["variant"], entry["level"]) for entry in of(config)["export"]]
