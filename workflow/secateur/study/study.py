"""A checked study and the names that follow from its settings: the data behind the rules of the workflow."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from secateur.study import (
    consistency,
    criteria_names,
    criterion_families,
    kinds,
    learned,
    level_checks,
    retraining_checks,
    settings,
    sparse,
    tickets,
    verdict_checks,
    vocabulary,
    widths,
)


@dataclass(frozen=True)
class Study:
    """A study with every default filled in; without Snakemake and without torch."""

    settings: Mapping[str, Any]
    # Two folders to put side by side, and where: no setting of the study, so that nothing of it is made again.
    compare: Mapping[str, str] | None = None

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Study:
        """The study of the given settings.

        Raises Refused with one line for the first error, FileNotFoundError where the schema is missing.
        """
        checked = settings.checked(given)
        study = cls(checked, checked.pop("compare", None))
        study.check_names()
        return study

    def check_names(self) -> None:
        """Refused for an exported or retrained criterion that is unknown, or an unfinished study in verdict.beside."""
        consistency.check_named(self.settings, self.criteria, self.entries)
        verdict_checks.check_beside(self.settings["verdict"], self.name, self.settings["results"])

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
        """The seed of all random numbers but those of training."""
        return self.settings["seed"]

    @property
    def readings(self) -> dict[str, dict[str, Any]]:
        """{reading: its settings}."""
        return self.settings["readings"]

    @cached_property
    def relevance_of(self) -> dict[str, str]:
        """{reading: the reading whose file of relevance it shares, often its own}."""
        return criteria_names.relevance_of(self.readings)

    @cached_property
    def extracted(self) -> list[str]:
        """The readings that have a file of relevance."""
        return sorted(set(self.relevance_of.values()))

    @cached_property
    def in_shards(self) -> list[str]:
        """The readings whose file of relevance is extracted in shards, by several jobs."""
        return [name for name in self.extracted if self.readings[name]["shards"] > 1]

    @cached_property
    def in_one_piece(self) -> list[str]:
        """The readings whose file of relevance is extracted by one job."""
        return sorted({*self.extracted} - {*self.in_shards})

    @property
    def explained(self) -> str | None:
        """The reading by whose rule relevance before and after pruning is compared; None where it is not."""
        asked = self.settings["input_relevance"]["images"]
        return next(iter(self.readings), None) if asked else None

    @property
    def weights(self) -> list[str]:
        """The sources of weights' statistics, as they are or folded; the first is mixed with relevance."""
        return self.settings["criteria"]["weights"]

    @property
    def sources(self) -> list[str]:
        """The sources of statistics: readings and weights."""
        return [*self.readings, *self.weights]

    @cached_property
    def costed(self) -> list[str]:
        """SOURCE.per_COST of every reading, or weights, whose scores are divided by a cost too."""
        costed = []
        for source in self.sources:
            costed += [f"{source}{vocabulary.PER[per]}" for per in criteria_names.costs(self.settings, source)]
        return costed

    @property
    def statistics(self) -> list[str]:
        """The statistics that rank on their own."""
        return self.settings["criteria"]["statistics"]

    @property
    def mixing(self) -> dict[str, Any]:
        """The settings by which relevance and weights are mixed: `criteria.mixing`."""
        return self.settings["criteria"]["mixing"]

    @property
    def statistic(self) -> str:
        """The statistic behind combined and mixed lists, controls, and the lines of most figures."""
        return self.mixing["statistic"]

    @cached_property
    def mixed_lists(self) -> list[str]:
        """The lists that mix a reading with the weights, with {reading} in place of its name."""
        return criteria_names.mixed(self.settings["criteria"])

    @cached_property
    def mixed(self) -> list[str]:
        """The readings that are mixed with the weights."""
        if not self.mixed_lists:
            return []
        return self.mixing["readings"]

    @cached_property
    def by_delta(self) -> list[str]:
        """The readings that are mixed by deltas."""
        if not self.mixing["deltas"]:
            return []
        return self.mixed

    @cached_property
    def compared(self) -> list[str]:
        """The sources with a figure of their statistics: every one is evaluated; of other sources only one is."""
        criteria = self.settings["criteria"]
        return [source for source in self.sources if criteria_names.statistics(criteria, source) == self.statistics]

    @cached_property
    def controlled(self) -> list[str]:
        """The criteria that have controls, equal shares of all layers and random channels; learned ones by entry."""
        return criteria_names.controlled(self.settings["criteria"])

    @cached_property
    def plainly_controlled(self) -> list[str]:
        """The criteria with controls that are not learned."""
        return criteria_names.plainly_controlled(self.settings["criteria"])

    @property
    def draws(self) -> int:
        """The count of draws of every random control."""
        return self.settings["criteria"]["random"]

    @property
    def files(self) -> dict[str, str]:
        """{criterion: the user's own file behind it}, by cost too."""
        criteria = self.settings["criteria"]
        return {name: criteria["files"][vocabulary.costed(name)[0]] for name in criteria_names.MORE["files"](criteria)}

    @cached_property
    def mixtures(self) -> dict[str, dict[str, Any]]:
        """{mixture: its settings}."""
        return _by_name(self.settings["criteria"]["mixtures"])

    @cached_property
    def allocated(self) -> dict[str, str]:
        """{criterion whose levels are shared out by sensitivity: the criterion whose order within layers it keeps}."""
        return criteria_names.allocated(self.settings["criteria"])

    @cached_property
    def rescored(self) -> dict[str, Mapping[str, Any]]:
        """{criterion that is scored in steps: its entry}."""
        return criteria_names.rescored(self.settings["criteria"])

    def rescored_reading(self, criterion: str) -> str | None:
        """The reading behind a criterion that is scored in steps; None for a score of weights or images."""
        name = self.rescored[criterion]["criterion"]
        return None if name in self.scored else name.split(".")[0]

    @cached_property
    def entries(self) -> dict[str, dict[str, Any]]:
        """{name: entry} of `criteria.learned`; a name stands for all draws."""
        return _by_name(self.settings["criteria"]["learned"])

    @cached_property
    def learned(self) -> dict[str, Mapping[str, Any]]:
        """{learned criterion, with its draw: its entry}."""
        return learned.by_draw(self.settings["criteria"]["learned"])

    @cached_property
    def gated(self) -> dict[str, Mapping[str, Any]]:
        """{criterion that gates learn, with its draw: its entry}."""
        return {name: entry for name, entry in self.learned.items() if not learned.scores_units(entry)}

    @cached_property
    def scorers(self) -> dict[str, Mapping[str, Any]]:
        """{criterion of a scorer, with its draw: its entry}."""
        return {name: entry for name, entry in self.learned.items() if learned.scores_units(entry)}

    @cached_property
    def fitted(self) -> list[str]:
        """The criteria of scorers, with their draws, that the study fits itself."""
        return [name for name, entry in self.scorers.items() if learned.fitted(entry)]

    @cached_property
    def searched(self) -> list[str]:
        """The criteria of scorers, with their draws, that are fitted, by gradients or without."""
        return [name for name in self.fitted if self.scorers[name]["fit"] != "none"]

    @cached_property
    def scored(self) -> dict[str, Mapping[str, Any]]:
        """{criterion: the settings of its score} of all criteria that are ranked by one score of each channel."""
        return criteria_names.ranked_by_score(self.settings["criteria"])

    @cached_property
    def widths(self) -> dict[str, dict[str, int]]:
        """{the setting and name of a criterion: the widths that it meets at one of the levels}."""
        return widths.given(self.settings["criteria"])

    @cached_property
    def line_widths(self) -> dict[str, Mapping[str, int]]:
        """{criterion as figures draw it, draws as one: the widths that it meets at one of the levels}."""
        return criteria_names.lines_at_widths(self.settings["criteria"])

    @cached_property
    def more(self) -> list[str]:
        """The criteria that come neither from readings nor from the weights' statistics; learned ones by entry."""
        return criteria_names.drawn_as_lines(self.settings)

    @cached_property
    def families(self) -> dict[str, list[str]]:
        """{family: its criteria}."""
        return criteria_names.of(self.settings)

    @cached_property
    def criteria(self) -> list[str]:
        """All criteria, family by family."""
        return list(itertools.chain.from_iterable(self.families.values()))

    @cached_property
    def ordered(self) -> list[str]:
        """The criteria whose orders a page compares: all but controls, which are other criteria's orders shuffled."""
        families = criterion_families.of(self.settings)
        return [
            name for name in self.criteria if families[vocabulary.without_draw(name)] != criterion_families.CONTROLS
        ]

    @cached_property
    def evaluated(self) -> dict[str, list[str]]:
        """{job: the criteria that it evaluates on test images}: a family each, or all together."""
        return criteria_names.evaluated(self.settings, self.families)

    def evaluation_of(self, criterion: str) -> str:
        """The job that evaluates a criterion; KeyError for a criterion that the study does not have."""
        for job, criteria in self.evaluated.items():
            if criterion in criteria:
                return job
        raise KeyError(criterion)

    @property
    def chance(self) -> str:
        """The job that evaluates random rankings; its tables have the dense network too, at level 0."""
        return self.evaluation_of(self.families["random"][0])

    @property
    def choose_on(self) -> str | None:
        """The split on which deltas and statistics are chosen; None where the study chooses nothing."""
        return self.settings["evaluation"]["choose_on"]

    @cached_property
    def looked_at(self) -> list[str]:
        """The criteria of which the page of the study may show what their networks look at: all but controls."""
        families = criterion_families.of(self.settings)
        controls = criterion_families.CONTROLS
        return [name for name in self.criteria if families[vocabulary.without_draw(name)] != controls]

    @cached_property
    def choosing(self) -> dict[str, list[str]]:
        """{job: the criteria that it evaluates on the split `choose_on` as well}."""
        return criteria_names.evaluated(self.settings, criteria_names.choosing(self.settings, self.families))

    @property
    def recoveries(self) -> list[str]:
        """The treatments after which every pruned network is evaluated; `none`, as pruning left it, is the first."""
        return self.settings["evaluation"]["recovery"]

    @cached_property
    def recovered(self) -> list[str]:
        """The recoveries that change a network: all but `none`."""
        return [name for name in self.recoveries if name != kinds.NONE.name]

    @property
    def chosen_after(self) -> list[str]:
        """The recoveries after which criteria are chosen as well: those after which a verdict is asked."""
        return self.recovered if self.verdict else []

    @cached_property
    def terms(self) -> list[dict[str, Any]]:
        """The terms of a level, once for each floor; most figures show the first."""
        return level_checks.terms(self.settings["evaluation"])

    @cached_property
    def unforeseen(self) -> bool:
        """True if the network has to be built to tell if levels, widths, learning and sparse training are possible."""
        asked = self.widths or self.entries or self.variants or self.tickets or self.allocated
        return level_checks.removable(self.settings) is None or bool(asked)

    @property
    def drawn(self) -> list[str]:
        """The sources with figures of their own: the readings, or the weights where there are none."""
        return list(self.readings) or self.weights[:1]

    @property
    def floored(self) -> list[str]:
        """The sources with a figure of several floors."""
        if len(self.terms) == 1:
            return []
        return self.drawn

    @property
    def verdict(self) -> dict[str, Any]:
        """The settings of the verdict; empty where the study judges nothing."""
        return self.settings["verdict"] or {}

    @property
    def retraining(self) -> Mapping[str, Any]:
        """The settings of retraining; without criteria and levels where nothing is retrained."""
        return retraining_checks.of(self.settings)

    @cached_property
    def cells(self) -> list[kinds.Cell]:
        """The retrained networks of one training."""
        return retraining_checks.cells(self.settings)

    @cached_property
    def by_epoch(self) -> list[kinds.Cell]:
        """The retrained networks whose trainings are drawn by epoch: all, where any kind is another stage."""
        return kinds.by_epoch(self.cells)

    @cached_property
    def redrawn(self) -> list[kinds.Cell]:
        """The retrained networks by what first weights keep: all of first or fresh ones, where any are drawn anew."""
        return kinds.redrawn(self.cells)

    @cached_property
    def retrained(self) -> dict[str, list[float]]:
        """{retrained criterion: its levels}."""
        return kinds.levels_of(self.cells)

    @cached_property
    def retrained_evaluations(self) -> list[str]:
        """The jobs that evaluate a criterion that is retrained."""
        return [job for job, criteria in self.evaluated.items() if {*self.retrained}.intersection(criteria)]

    @cached_property
    def retrained_kinds(self) -> list[str]:
        """The kinds of networks that retraining makes, in the order of the table."""
        made = {cell.kind for cell in self.cells}
        return [name for name in kinds.KINDS if name in made]

    @property
    def variants(self) -> dict[str, dict[str, Any]]:
        """{variant of sparse training: its settings}."""
        return sparse.of(self.settings)["variants"]

    @cached_property
    def sparse_cells(self) -> list[sparse.SparseCell]:
        """The sparse networks of one training."""
        return sparse.cells(self.settings)

    @property
    def sparse_exports(self) -> list[sparse.SparseCell]:
        """The sparse networks that are exported, of one training."""
        return sparse.exported(self.settings)

    @property
    def all_exported(self) -> list[str]:
        """The ends of the paths of all exported networks, pruned and sparse ones."""
        return [*self.exported, *(f"sparsity.{cell.path}" for cell in self.sparse_exports)]

    @property
    def sparse_figures(self) -> list[str]:
        """The figures of sparse networks; that of dropped weights only where a variant drops some."""
        return sparse.figures(self.settings)

    @cached_property
    def rounds(self) -> dict[int, tickets.Round]:
        """{place: round of pruning} of the study's tickets."""
        return {one.place: one for one in tickets.rounds(self.settings)}

    @cached_property
    def tickets(self) -> list[tickets.TicketCell]:
        """The networks of one training that are trained from tickets."""
        return tickets.cells(self.settings)

    @property
    def rewind(self) -> int:
        """The epochs after which the weights are taken that tickets go back to; 0 for the first weights."""
        return tickets.of(self.settings)["rewind"]

    @property
    def ticket_figures(self) -> list[str]:
        """The figures of tickets."""
        return tickets.figures(self.settings)

    @cached_property
    def exported(self) -> dict[str, dict[str, Any]]:
        """{the name of an exported network, as the end of its path: its entry in `export`}."""
        return {retraining_checks.exported(entry): entry for entry in self.settings["export"]}


def _by_name(entries):
    return {entry["name"]: entry for entry in entries}
