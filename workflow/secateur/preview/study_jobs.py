"""The jobs of a whole study, as the rules have them, and those of all jobs that it needs."""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from functools import partial

from secateur.preview import network_jobs
from secateur.preview.planned import FIGURE, Places, Planned, each
from secateur.study import page_options, stage_files, stage_options, vocabulary
from secateur.study.study import Study

EVALUATIONS, CURVES = "<results>/tables/evaluations.csv", "<results>/tables/curves.csv"


def needed(study: Study) -> list[Planned]:
    """All jobs behind the results of a study, each after those whose files it reads."""
    jobs = [*_images(study)]
    for seed in study.seeds:
        jobs += network_jobs.of_network(study, seed)
    ends = [*_pages(study)]
    # Exported networks are results themselves.
    ends += (job for job in jobs if job.stage == "export")
    return behind(ends, makers([*jobs, *ends]))


def makers(jobs: Iterable[Planned]) -> dict[str, Planned]:
    """{file: the job that writes it}."""
    found = {}
    for job in jobs:
        found |= dict.fromkeys(job.outputs, job)
    return found


def behind(jobs: Iterable[Planned], by_file: Mapping[str, Planned]) -> list[Planned]:
    """These jobs and all that they need, each after those whose files it reads."""
    ordered: dict[str, Planned] = {}
    for job in jobs:
        _add(job, by_file, ordered)
    return list(ordered.values())


def _add(job, by_file, ordered):
    if job.outputs[0] in ordered:
        return
    for path in job.inputs:
        if path in by_file:
            _add(by_file[path], by_file, ordered)
    ordered[job.outputs[0]] = job


def _images(study):
    places = Places(study)
    source = study.settings["data"]["source"]
    verified = stage_files.downloaded(study)
    if isinstance(verified, str):
        options = partial(stage_options.download, source)
        yield places.job("fetch_images", "images", source, [], [verified], options)
    outputs = each("<images>/", *(f"{split}.h5" for split in vocabulary.SPLITS))
    # The options of a folder of images hold its whole listing.
    options = None if source == "image_folder" else partial(stage_options.images, study)
    job = places.job("prepare_images", "images", "", [verified], outputs, options)
    yield _logged(job, places.log("prepare_images", folder=study.dataset))


def _logged(job, log):
    """A job whose log lies elsewhere."""
    return Planned(job.rule, job.stage, job.name, job.seed, job.inputs, job.outputs, log, job.options)


def _of_networks(study, *patterns):
    """Paths below the folder of a network, for all networks."""
    found = []
    for seed in study.seeds:
        found += map(Places(study, seed).path, patterns)
    return found


def _pages(study: Study) -> Iterator[Planned]:
    """The jobs of the whole study, whose files are what `all` asks for."""
    places = Places(study)
    if study.unforeseen:
        manifest = f"<results>/{study.dataset}/{study.model}/levels.json"
        job = places.job("check_levels", "units", "", ["<images>/train.h5"], [manifest], None)
        yield _logged(job, places.log("check_levels", folder=f"{study.dataset}/{study.model}"))
    yield from _tables(study, places)
    for rule, stem, name, inputs, options in itertools.chain(
        _curves(study), _figures(study), _figures_of_retraining(study), _figures_of_zeros(study)
    ):
        yield places.job(rule, "figures", name, inputs, each(f"<results>/figures/{stem}", *FIGURE), options)


def _tables(study, places):
    yield places.job("write_settings", "tables", "", [], ["<results>/settings.yaml"], partial(dict, study.settings))
    images = each("<images>/", *(f"{split}.h5" for split in vocabulary.SPLITS))
    read = ["training/trained.pt", *(f"statistics/{reading}.json" for reading in study.readings)]
    inputs = ["<results>/settings.yaml", *images, *_of_networks(study, *map("<network>/{}".format, read))]
    options = partial(dict, confidence=study.settings["figures"]["confidence"])
    yield places.job("describe_study", "tables", "", inputs, ["<results>/tables/description.html"], options)
    inputs = _of_networks(study, *_evaluated(study.evaluated), *_tables_in("evaluation/choosing", study.choosing))
    outputs = each("<results>/tables/", "evaluations.csv", "curves.csv", "curves.json")
    options = partial(page_options.tables, study)
    yield places.job("collect_evaluations", "tables", "", inputs, outputs, options)
    yield places.job("tabulate_accuracy", "tables", "", [CURVES], ["<results>/tables/accuracy.html"])
    if study.cells:
        yield _collected(study, places)
    yield from _collected_zeros(study, places)
    if study.verdict:
        yield from _verdict(study, places)
    yield places.job("write_study_page", "figures", "", _of_the_page(study), ["<results>/figures/study.html"], None)


def _of_the_page(study):
    """The files behind the page of a study; its texts in report/ are among its options."""
    inputs = ["<results>/settings.yaml", "<results>/tables/description.html", EVALUATIONS, CURVES]
    for name, shown in (
        ("retraining.means.csv", study.cells),
        ("sparsity.means.csv", study.sparse_figures),
        ("tickets.means.csv", study.ticket_figures),
        ("verdict.html", study.verdict),
    ):
        if shown:
            inputs.append(f"<results>/tables/{name}")
    inputs += stage_files.compared(study)
    inputs += _of_networks(study, *(f"<network>/ranking/{name}.csv" for name in study.ordered))
    inputs += _of_networks(study, *(f"<network>/sensitivity/{name}.csv" for name in {*study.allocated.values()}))
    inputs += _of_networks(study, *(f"<network>/export/{name}/manifest.json" for name in study.all_exported))
    if len(study.seeds) == 1:
        inputs += _of_networks(study, *_evaluated(study.evaluated))
    return inputs


def _tables_in(folder, jobs):
    return [f"<network>/{folder}/{job}.csv" for job in jobs]


def _evaluated(jobs):
    """The tables of evaluations, and the answers behind them."""
    return [path for job in jobs for path in each(f"<network>/evaluation/{job}", ".csv", ".h5")]


def _collected(study, places):
    inputs = _of_networks(study, *_evaluated(study.retrained_evaluations))
    for cell in study.cells:
        inputs += _of_networks(study, *each(f"<network>/retraining/{cell.path}", ".csv", ".h5"))
    outputs = each("<results>/tables/retraining", ".csv", ".means.csv", ".json")
    options = network_jobs.own_options(study, page_options.retraining_tables)
    return places.job("collect_retraining", "tables", "", inputs, outputs, options)


def _collected_zeros(study, places):
    """The tables of networks with zero weights, trained sparse or from tickets."""
    options = partial(page_options.tables_of_zeros, study)
    beside = _of_networks(study, network_jobs.TRAINED, *_evaluated([study.chance]))
    if study.sparse_cells:
        inputs = [*beside]
        for cell in study.sparse_cells:
            inputs += _of_networks(study, *each(f"<network>/sparsity/{cell.path}/network", ".csv", ".h5"))
        outputs = each("<results>/tables/sparsity", ".csv", ".means.csv", ".json")
        yield places.job("collect_sparsity", "tables", "", inputs, outputs, options)
    if study.tickets:
        inputs = [*beside]
        for cell in study.tickets:
            inputs += _of_networks(study, *each(f"<network>/tickets/{cell.path}/network", ".csv", ".h5"))
        for place in study.rounds:
            inputs += _of_networks(study, f"<network>/tickets/{place}/mask.json")
        outputs = each("<results>/tables/tickets", ".csv", ".means.csv", ".masks.csv", ".json")
        yield places.job("collect_tickets", "tables", "", inputs, outputs, options)


def _verdict(study, places):
    inputs = [EVALUATIONS, CURVES]
    # Texts in report/ are among the options.
    yield places.job("tabulate_thesis", "tables", "", inputs, ["<results>/tables/thesis.html"], None)
    of_networks = [*_evaluated(study.evaluated)]
    for job in study.choosing:
        of_networks += each(f"<network>/evaluation/choosing/{job}", ".csv", ".h5")
    inputs = [EVALUATIONS, *_of_networks(study, *of_networks)]
    outputs = [study.verdict["page"], *each("<results>/tables/verdict", ".html", ".csv", ".json")]
    yield places.job("judge_thesis", "tables", "", inputs, outputs, None)


def _curves(study):
    """(rule, end of its path, name, inputs, options) of every figure of curves."""
    curves = [EVALUATIONS, CURVES]
    for kind, names in {
        "strategies": study.readings,
        "statistics": study.compared,
        "deltas": study.by_delta,
        "floors": study.floored,
    }.items():
        for name in names:
            yield f"plot_{kind}", f"{kind}.{name}", name, curves, partial(page_options.curves, study, kind, name)
    if study.more:
        inputs = [*curves, stage_files.units_of_figure(study, study.line_widths)]
        yield "plot_scores", "scores", "", inputs, partial(page_options.scores_curves, study)
    for name in study.controlled:
        options = partial(page_options.controls_curves, study, name)
        inputs = [*curves, stage_files.units_of_figure(study, options()["widths"])]
        yield "plot_controls", f"controls.{name}", name, inputs, options
    for name in study.drawn:
        options = partial(page_options.source_figure, study, name)
        yield "plot_layers", f"layers.{name}", name, [EVALUATIONS], options


def _figures(study):
    """The same of every other figure of removed channels."""
    title = {"title": study.title}
    if study.readings:
        stability = [f"<network>/statistics/{reading}.stability.csv" for reading in study.readings]
        options = partial(page_options.stability_figure, study)
        yield "plot_stability", "stability", "", _of_networks(study, *stability), options
    if study.recovered:
        inputs = [EVALUATIONS, CURVES, stage_files.units_of_figure(study, study.line_widths)]
        yield "plot_recovery", "recovery", "", inputs, partial(page_options.recovery_figure, study)
    for name in study.allocated.values():
        measured = _of_networks(study, *each(f"<network>/sensitivity/{name}", ".csv", ".json"))
        options = partial(dict, title | study.settings["sensitivity"])
        yield "plot_sensitivity", f"sensitivity.{name}", name, measured, options
    if study.searched:
        searched = _of_networks(study, *_histories("selection", study.searched, ".history.csv", ".json"))
        yield "plot_scorers", "scorers", "", searched, partial(dict, title)


def _figures_of_retraining(study):
    """The same of every figure of retrained networks."""
    tables = ["<results>/tables/retraining.csv", "<results>/tables/retraining.means.csv"]
    if study.cells:
        yield (
            "plot_retraining",
            "retraining",
            "",
            tables,
            network_jobs.own_options(study, page_options.retraining_tables),
        )
    if study.by_epoch:
        histories = _of_networks(study, *_histories("retraining", _places(study.by_epoch), ".history.csv"))
        yield "plot_epochs", "retraining.epochs", "", histories, partial(page_options.epochs_figure, study)
    if study.redrawn:
        histories = _of_networks(study, *_histories("retraining", _places(study.redrawn), ".history.csv"))
        options = partial(dict, title=study.title)
        yield "plot_redrawn", "retraining.redrawn", "", [*tables, *histories], options


def _figures_of_zeros(study):
    """The same of every figure of networks with zero weights."""
    for kind, names, cells, options, ends in (
        ("sparsity", study.sparse_figures, study.sparse_cells, page_options.sparsity_figure, (".csv", ".means.csv")),
        (
            *("tickets", study.ticket_figures, study.tickets, page_options.tickets_figure),
            (".csv", ".means.csv", ".masks.csv"),
        ),
    ):
        histories = _of_networks(study, *_histories(kind, _places(cells), "/history.csv"))
        inputs = [*each(f"<results>/tables/{kind}", *ends), *histories]
        for name in names:
            yield f"plot_{kind}", f"{kind}.{name}", name, inputs, partial(options, study, name)


def _places(cells):
    return [cell.path for cell in cells]


def _histories(folder, names, *ends):
    return [path for name in names for path in each(f"<network>/{folder}/{name}", *ends)]
