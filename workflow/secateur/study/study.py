"""A checked study, and the names that follow from its settings: what the rules of the workflow are built from."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from secateur.study import (
    consistency,
    criteria_names,
    kinds,
    level_checks,
    retraining_checks,
    settings,
    verdict_checks,
)


@dataclass(frozen=True)
class Study:
    """A study with every default filled in."""

    settings: Mapping[str, Any]

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Study:
        """The study of the given settings.

        Raises Refused with one line for the first thing that is wrong, FileNotFoundError where the schema is missing.
        """
        study = cls(settings.checked(given))
        consistency.check_named(study.settings, study.criteria)
        verdict_checks.check_beside(study.settings["verdict"], study.name, study.settings["results"])
        return study

    @property
    def name(self) -> str:
        """The name of the study."""
        return self.settings["study"]

    @property
    def dataset(self) -> str:
        """The name of the images, in paths."""
        return self.settings["data"]["name"]

    @property
    def model(self) -> str:
        """The name of the network, in paths."""
        return self.settings["model"]["name"]

    @property
    def title(self) -> str:
        """The network and its images, as figures name them."""
        return f"{self.model} on {self.dataset}"

    @property
    def seeds(self) -> list[int]:
        """The training seeds: one network each."""
        return self.settings["training"]["seeds"]

    @property
    def seed(self) -> int:
        """The seed of everything that is drawn beside training."""
        return self.settings["seed"]

    @property
    def readings(self) -> dict[str, dict[str, Any]]:
        """{reading: its settings}."""
        return self.settings["readings"]

    @cached_property
    def relevance_of(self) -> dict[str, str]:
        """{reading: the reading whose file of relevance it shares}."""
        return criteria_names.relevance_of(self.readings)

    @cached_property
    def extracted(self) -> list[str]:
        """The readings that have a file of relevance."""
        return sorted(set(self.relevance_of.values()))

    @cached_property
    def in_shards(self) -> list[str]:
        """The files of relevance that several jobs extract."""
        return [name for name in self.extracted if self.readings[name]["shards"] > 1]

    @cached_property
    def in_one_piece(self) -> list[str]:
        """The files of relevance that one job extracts."""
        return [name for name in self.extracted if name not in self.in_shards]

    @property
    def weights(self) -> list[str]:
        """The ways to read weights; the first is the one that is mixed with relevance."""
        return self.settings["criteria"]["weights"]

    @property
    def sources(self) -> list[str]:
        """Readings and weights: what has statistics."""
        return [*self.readings, *self.weights]

    @property
    def statistics(self) -> list[str]:
        """The statistics that rank on their own."""
        return self.settings["criteria"]["statistics"]

    @property
    def mixing(self) -> dict[str, Any]:
        """How relevance and weights are mixed: `criteria.mixing`."""
        return self.settings["criteria"]["mixing"]

    @property
    def statistic(self) -> str:
        """The statistic behind combined and mixed lists."""
        return self.mixing["statistic"]

    @cached_property
    def mixed_lists(self) -> list[str]:
        """The lists that mix a reading with the weights; {reading} stands for it."""
        return criteria_names.mixed(self.settings["criteria"])

    @cached_property
    def mixed(self) -> list[str]:
        """The readings that are mixed with the weights."""
        return self.mixing["readings"] if self.mixed_lists else []

    @cached_property
    def by_delta(self) -> list[str]:
        """The readings that are mixed by deltas."""
        return self.mixed if self.mixing["deltas"] else []

    @cached_property
    def compared(self) -> list[str]:
        """The sources of which every statistic is evaluated; of the others a figure would have one line."""
        criteria = self.settings["criteria"]
        return [source for source in self.sources if criteria_names.statistics(criteria, source) == self.statistics]

    @cached_property
    def controlled(self) -> list[str]:
        """The criteria that have controls at equal shares and with random channels."""
        return criteria_names.controlled(self.settings["criteria"])

    @property
    def draws(self) -> int:
        """How many draws every random control has."""
        return self.settings["criteria"]["random"]

    @cached_property
    def scores(self) -> dict[str, dict[str, Any]]:
        """{criterion: its score, and how that is normalised} of `criteria.scores`."""
        return {score["name"]: score for score in self.settings["criteria"]["scores"]}

    @property
    def files(self) -> dict[str, str]:
        """{criterion: the user's own file behind it}."""
        return self.settings["criteria"]["files"]

    @cached_property
    def mixtures(self) -> dict[str, dict[str, Any]]:
        """{mixture: its settings}."""
        return {mixture["name"]: mixture for mixture in self.settings["criteria"]["mixtures"]}

    @cached_property
    def more(self) -> list[str]:
        """The criteria that come neither from readings nor from the weights' statistics."""
        criteria = self.settings["criteria"]
        return [name for names in criteria_names.MORE.values() for name in names(criteria)]

    @cached_property
    def families(self) -> dict[str, list[str]]:
        """{family: its criteria}; one job evaluates a family."""
        return criteria_names.of(self.settings)

    @cached_property
    def criteria(self) -> list[str]:
        """All criteria, family by family."""
        return [criterion for family in self.families.values() for criterion in family]

    def family_of(self, criterion: str) -> str:
        """The family of a criterion."""
        return next(family for family, criteria in self.families.items() if criterion in criteria)

    @property
    def choose_on(self) -> str | None:
        """The split on which deltas and statistics are chosen, where the study chooses."""
        return self.settings["evaluation"]["choose_on"]

    @cached_property
    def choosing(self) -> list[str]:
        """The families that are evaluated on the choosing split as well."""
        return criteria_names.choosing(self.settings, self.families)

    @cached_property
    def terms(self) -> list[dict[str, Any]]:
        """The terms of a level, once for each floor; the first are those of all figures."""
        return level_checks.terms(self.settings["evaluation"])

    @cached_property
    def unforeseen(self) -> bool:
        """Whether only the network itself tells if the levels can be met."""
        return level_checks.removable(self.settings) is None

    @property
    def drawn(self) -> list[str]:
        """The sources that have figures of their own beside the weights; without readings the weights."""
        return list(self.readings) or self.weights[:1]

    @property
    def floored(self) -> list[str]:
        """The sources that are drawn with and without a floor."""
        return self.drawn if len(self.terms) > 1 else []

    @property
    def verdict(self) -> dict[str, Any]:
        """The settings of the verdict; empty where the study judges nothing."""
        return self.settings["verdict"] or {}

    @property
    def retraining(self) -> dict[str, Any]:
        """The settings of retraining; without criteria where nothing is retrained."""
        return self.settings["retraining"] or {"criteria": [], "levels": []}

    @cached_property
    def retrained_families(self) -> list[str]:
        """The families with a criterion that is retrained."""
        retrained = {*self.retraining["criteria"]}
        return [family for family, criteria in self.families.items() if retrained.intersection(criteria)]

    @cached_property
    def retrained_kinds(self) -> list[str]:
        """The kinds of networks that retraining makes."""
        return kinds.asked_for(self.retraining)

    @cached_property
    def cells(self) -> list[str]:
        """The retrained networks of one training, as paths: criterion/level/kind."""
        retrained = self.retraining
        cells = itertools.product(retrained["criteria"], retrained["levels"], self.retrained_kinds)
        return [f"{criterion}/{level}/{kind}" for criterion, level, kind in cells]

    @cached_property
    def exported(self) -> dict[str, dict[str, Any]]:
        """{the end of a path: what is exported there}."""
        return {retraining_checks.exported(entry): entry for entry in self.settings["export"]}
