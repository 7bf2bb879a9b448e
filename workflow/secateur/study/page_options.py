"""The options of tables, figures and pages: what they show of a study's results.

Snakemake makes them again when their options change. Neither Snakemake nor torch is needed.
"""

from collections.abc import Mapping

from secateur.study import kinds, recovery_checks, sparse, stage_options, tickets, verdict_checks, vocabulary
from secateur.study.stage_options import Options
from secateur.study.study import Study


def tables(study: Study) -> Options:
    """The criteria and seeds of the study's tables, and the settings of their intervals."""
    return {
        "criteria": study.criteria,
        "seeds": study.seeds,
        "choose_on": study.choose_on,
        "seed": study.seed,
        **study.settings["figures"],
    }


def retraining_tables(study: Study) -> Options:
    """The networks in the tables and in the figure of retraining, and their schedules; `levels` are by criterion."""
    return {
        "title": study.title,
        "kinds": [kinds.NONE.name, *study.retrained_kinds],
        "seeds": study.seeds,
        "seed": study.seed,
        "schedules": _schedules(study),
        "steps": study.retraining.get("steps"),
        "budget": study.settings["evaluation"]["budget"],
        "levels": study.retrained,
        **study.settings["figures"],
    }


def epochs_figure(study: Study) -> Options:
    """The kinds whose trainings are drawn by epoch."""
    made = {cell.kind for cell in study.by_epoch}
    return {"title": study.title, "kinds": [name for name in kinds.KINDS if name in made]}


def tables_of_zeros(study: Study) -> Options:
    """The seeds behind the tables of sparse networks, or of tickets, and the settings of their intervals."""
    return {"seeds": study.seeds, "seed": study.seed, **study.settings["figures"]}


def sparsity_figure(study: Study, figure: str) -> Options:
    """One figure of sparse networks (figures/sparsity.py): the variants, Feather first, and the schedule of all."""
    return {
        "figure": figure,
        "title": study.title,
        "variants": {name: sparse.options_of(study.variants[name]) for name in sparse.names(study.settings)},
        "schedule": stage_options.training(study)["training"],
    }


def tickets_figure(study: Study, figure: str) -> Options:
    """One figure of tickets (figures/tickets.py): the kinds in their order, the levels, and the schedule of all."""
    section = tickets.of(study.settings)
    return {
        "figure": figure,
        "title": study.title,
        "kinds": section["kinds"],
        "levels": {one.place: one.sparsity for one in study.rounds.values() if one.asked},
        "rewind": study.rewind,
        "schedule": stage_options.training(study)["training"],
    }


def _schedules(study):
    """{kind: its schedule}; those of learned criteria are named by kind and criterion."""
    schedules = {}
    for cell in study.cells:
        name = cell.kind
        if kinds.KINDS[cell.kind].learned:
            name = f"{cell.kind} {vocabulary.without_draw(cell.criterion)}"
        if name not in schedules:
            schedules[name] = stage_options.schedule(study, cell.kind, cell.criterion)
    return schedules


def source_figure(study: Study, source: str) -> Options:
    """The lines of a figure of one reading or of one of the weights."""
    return {
        "title": study.title,
        "statistic": study.statistic,
        "weight": study.weights[0],
        "deltas": study.mixing["deltas"],
        "statistics": study.statistics,
        "combined": study.mixing["alternate"] and source in study.mixed,
        "reading": stage_options.reading_choices(study, source),
    }


def curves(study: Study, figure: str, source: str) -> Options:
    """The lines of a figure of curves (figures/lines.py) of a source."""
    return {"figure": figure, "name": source, **source_figure(study, source)}


def controls_curves(study: Study, criterion: str) -> Options:
    """The lines of the figure of a criterion and its controls."""
    widths = study.line_widths.get(criterion)
    lines = [] if widths is None else [criterion, f"shuffled.{criterion}"]
    return {
        "figure": "controls",
        "title": study.title,
        "name": criterion,
        "widths": dict.fromkeys(lines, widths),
    }


def scores_curves(study: Study) -> Options:
    """The lines of the figure of all scores, files, mixtures and learned criteria, and those drawn beside them."""
    sources = (*list(study.readings)[:1], study.weights[0])
    return {
        "figure": "scores",
        "title": study.title,
        "criteria": study.more,
        "widths": study.line_widths,
        "beside": [f"{source}.{study.statistic}" for source in sources],
    }


def recovery_figure(study: Study) -> Options:
    """The lines of the figure before and after each recovery, and the images that the recoveries read."""
    criteria = [f"{source}.{study.statistic}" for source in study.sources] + study.more
    return {
        "title": study.title,
        "widths": study.line_widths,
        "criteria": list(dict.fromkeys(map(vocabulary.without_draw, criteria))),
        "recoveries": study.recoveries,
        "schedules": recovery_checks.options(study.settings),
        "steps": None,
    }


def stability_figure(study: Study) -> Options:
    """The agreement at which each reading stops."""
    until = {name: reading["until"] for name, reading in study.readings.items()}
    return {"title": study.title, "until": until}


def printed_tables(study: Study) -> Options:
    """The readings whose tables stand beside the printed ones of the thesis."""
    readings = filter(None, map(study.verdict.get, ("ours", "faithful")))
    return {"readings": list(readings), "weights": study.weights}


def verdict(study: Study, shipped_studies: Mapping[str, str]) -> Options:
    """The parts and facts of the verdict's page; `shipped_studies` is {study: the path of its file}."""
    path = shipped_studies.get(study.name)
    readings = {}
    for name in verdict_checks.readings_of(study.verdict):
        readings[name] = stage_options.reading_choices(study, name)
    options = {"recovered": study.recovered} if study.recovered else {}
    return {
        **options,
        "verdict": study.verdict,
        "choose_on": study.choose_on,
        "study": study.name,
        "seeds": study.seeds,
        "seed": study.seed,
        "model": study.settings["model"],
        "rank_from": study.settings["split"]["rank_from"],
        "epochs": study.settings["training"]["epochs"],
        "data": {"name": study.dataset, "size": study.settings["data"]["size"]},
        "random": study.draws,
        "readings": readings,
        "criteria": {
            "statistic": study.statistic,
            "weights": study.weights,
            "deltas": study.mixing["deltas"],
            "statistics": study.statistics,
        },
        "command": f"make study STUDY={path}" if path else "make study",
        **study.settings["figures"],
    }
