"""The jobs of one network of a study, as the rules have them; a test compares the two."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from secateur.preview.planned import EVALUATION, TABLE, Options, Places, Planned, each
from secateur.study import criteria_names, learned, paths, stage_files, stage_options, vocabulary
from secateur.study.study import Study

TRAINED, INITIAL = "<network>/training/trained.pt", "<network>/training/initial.pt"
UNITS = "<network>/units/units.csv"
TRAIN, RANK, VALIDATION, TEST = (f"<images>/{split}.h5" for split in ("train", "rank", "validation", "test"))


def of_network(study: Study, seed: int) -> Iterator[Planned]:
    """All jobs that some study could ask for; those that this one needs are found by what they are read for."""
    places = Places(study, seed)
    for part in (
        _training,
        _relevance,
        _statistics,
        _scores,
        _selection,
        _rankings,
        _rankings_of_others,
        _steps,
        _evaluations,
        _comparison,
        _retraining,
        _sparsity,
        _tickets,
        _exports,
    ):
        yield from part(places)


def own_options(study: Study, function: Callable[..., Mapping[str, Any]], *arguments: Any) -> Options | None:
    """The options of a stage that depend on the network; None where they hold the user's own weights or code.

    A digest of these would have to be made, and kept, while a status writes nothing.
    """
    model = study.settings["model"]
    own = model["factory"] or model["weights"] not in (None, "imagenet")
    return None if own else partial(function, study, *arguments)


def _training(places):
    study = places.study
    outputs = each("<network>/training/", "initial.pt", "trained.pt", "history.csv")
    options = own_options(study, stage_options.training)
    yield places.job("train_model", "training", "", [TRAIN, VALIDATION], outputs, options)
    options = own_options(study, stage_options.units)
    yield places.job("list_units", "units", "", [TRAIN], each("<network>/units/units", *TABLE), options)
    outputs = each("<network>/units/", "stages.csv", "stages.json", "structures.csv")
    yield places.job("list_stages", "units", "", [INITIAL], outputs)


def _relevance(places):
    study = places.study
    for reading in study.extracted:
        inputs = [TRAINED, stage_files.explained_images(study, reading), stage_files.linear_units(study)]
        whole, options = f"<network>/relevance/{reading}.h5", partial(stage_options.extraction, study, reading)
        if reading in study.in_one_piece:
            yield places.job("extract_relevance", "relevance", reading, inputs, [whole], options)
            continue
        shards = stage_files.shards(study, reading)
        for shard, end in zip(shards, paths.shard_ends(len(shards)), strict=True):
            name = f"{reading}.{end.removeprefix('.shard-').removesuffix('.h5')}"
            yield places.job("extract_relevance_shard", "relevance", name, inputs, [shard], options)
        yield places.job("merge_relevance", "relevance", reading, shards, [whole], options)


def _comparison(places):
    """Relevance at the input before and after pruning: it waits for the evaluations of all networks."""
    study = places.study
    if study.explained is not None:
        inputs = [TRAINED, TEST, "<results>/tables/evaluations.csv", *stage_files.rankings(study.looked_at)]
        outputs = each(f"<network>/{stage_files.COMPARED}", ".h5", ".json")
        options = partial(stage_options.comparison, study)
        yield places.job("compare_relevance", "figures", "", inputs, outputs, options)


def _statistics(places):
    study = places.study
    for reading in study.readings:
        ends = (".csv", ".by_class.csv", ".stability.csv", ".conservation.csv", ".json")
        options = partial(stage_options.summary, study, reading)
        outputs = each(f"<network>/statistics/{reading}", *ends)
        inputs = [stage_files.relevance(study, reading)]
        yield places.job("summarise_relevance", "statistics", reading, inputs, outputs, options)
    for weights in study.weights:
        outputs = each(f"<network>/statistics/{weights}", *TABLE)
        inputs = [TRAINED, stage_files.linear_units(study)]
        options = partial(dict, folded=weights == "weight_folded")
        yield places.job("summarise_weights", "statistics", weights, inputs, outputs, options)


def _scores(places):
    """Scores of weights and of images, of the trained network and of its first weights."""
    for network, end, of_weights, of_images in (
        (TRAINED, "", "score_weights", "score_images"),
        (INITIAL, criteria_names.INITIAL, "score_first_weights", "score_images_at_first"),
    ):
        for score in vocabulary.WEIGHT_SCORES:
            outputs = each(f"<network>/statistics/{score}{end}", *TABLE)
            yield places.job(of_weights, "statistics", score, [network, UNITS], outputs)
        options = partial(stage_options.image_scores, places.study)
        for score in vocabulary.IMAGE_SCORES:
            outputs = each(f"<network>/statistics/{score}{end}", *TABLE)
            yield places.job(of_images, "statistics", score, [network, RANK, UNITS], outputs, options)


def _selection(places):
    """Learned criteria: gates, whose scores come with them, and scorers, which score in a job of their own."""
    study = places.study
    for name, entry in study.gated.items():
        outputs = each(f"<network>/selection/{name}", ".pt", ".gates.pt", ".history.csv", ".json")
        inputs = [*stage_files.learning(study, name).values()]
        options = None if ":" in entry["model"] else own_options(study, stage_options.learning, name)
        outputs.append(f"<network>/statistics/{name}.csv")
        yield places.job("learn_gates", "selection", name, inputs, outputs, options)
    for name in study.fitted:
        outputs = each(f"<network>/selection/{name}", ".pt", ".history.csv", ".json")
        options = own_options(study, stage_options.fitting, name)
        inputs = [*stage_files.fitting(study, name).values()]
        yield places.job("fit_scorer", "selection", name, inputs, outputs, options)
    for name in study.scorers:
        outputs = each(f"<network>/statistics/{name}", *TABLE)
        inputs = [*stage_files.scoring(study, name).values()]
        options = partial(stage_options.scoring, study, name, places.seed) if name in study.fitted else None
        yield places.job("score_by_scorer", "statistics", name, inputs, outputs, options)


def _ranked(places, rule, name, inputs, criteria, options, manifest=None):
    """A job that ranks by some criteria, each a table, with one manifest."""
    outputs = [*stage_files.rankings(criteria), f"<network>/ranking/{manifest or name}.json"]
    return places.job(rule, "ranking", name, inputs, outputs, options)


def _rankings(places):
    """Rankings of readings, of weights, of both, and at random."""
    study = places.study
    for source in study.sources:
        inputs, plain = [f"<network>/statistics/{source}.csv", UNITS], []
        for statistic in study.statistics:
            plain.append(f"{source}.{statistic}")
        options = partial(stage_options.statistics_ranking, study, source)
        yield _ranked(places, "rank_by_statistic", source, inputs, plain, options)
        for per in criteria_names.costs(study.settings, source):
            end = vocabulary.PER[per]
            costed = [f"{name}{end}" for name in plain]
            options = partial(stage_options.statistics_ranking, study, source, per)
            yield _ranked(places, "rank_per_cost", f"{source}.{per}", inputs, costed, options, f"{source}{end}")
    for reading in (*study.mixed, *study.mixing["alternate_only"]):
        yield _mixed(places, reading)
    options = partial(stage_options.random_ranking, study)
    criteria = study.families["random"]
    yield _ranked(places, "rank_at_random", "", [UNITS], criteria, options, "random")


def _mixed(places, reading):
    study, inputs = places.study, [*stage_files.mixed_lists(places.study, reading).values(), UNITS]
    if reading in study.mixed:
        rule, criteria = "rank_mixed", [name.format(reading=reading) for name in study.mixed_lists]
        options = partial(stage_options.mixed_ranking, study, reading)
    else:
        rule, criteria = "rank_combined", [f"combined.{reading}"]
        options = partial(stage_options.combined_ranking, study, reading)
    return _ranked(places, rule, reading, inputs, criteria, options, f"mixed.{reading}")


def _rankings_of_others(places):
    """Rankings by scores and files, mixtures, and controls of other rankings."""
    study = places.study
    controls = partial(stage_options.controls_ranking, study)
    for name in study.plainly_controlled:
        criteria = [f"uniform.{name}", *learned.drawn(f"shuffled.{name}", study.draws)]
        inputs = stage_files.rankings([name])
        yield _ranked(places, "rank_controls", name, inputs, criteria, controls, f"controls.{name}")
    for name in study.learned:
        inputs = stage_files.rankings([name])
        yield _ranked(places, "rank_uniform", name, inputs, [f"uniform.{name}"], controls, f"controls.{name}")
    for name, entry in study.entries.items():
        inputs, criteria = [UNITS, stage_files.shuffled(study, name)], learned.chance(entry, study.draws)
        options = partial(stage_options.shuffled_ranking, study, name)
        yield _ranked(places, "rank_shuffled", name, inputs, criteria, options, f"shuffled.{name}")
    for name in study.scored:
        inputs = [*stage_files.score_ranking(study, name).values(), UNITS]
        yield _ranked(places, "rank_by_score", name, inputs, [name], partial(stage_options.score_ranking, study, name))
    for name in study.files:
        inputs = [UNITS, stage_files.classes(study.settings["criteria"]["scope"])]
        yield _ranked(places, "rank_by_file", name, inputs, [name], None)
    for name, entry in study.mixtures.items():
        inputs = [*stage_files.mixture_lists(study, name).values(), UNITS]
        options = partial(stage_options.mixture_ranking, study, name)
        for delta in entry["deltas"]:
            mixture = f"{name}.{delta}"
            yield _ranked(places, "rank_mixture", mixture, inputs, [mixture], options)


def _steps(places):
    """Levels shared out between layers, with what that is measured by, and criteria in steps."""
    study = places.study
    for name, order in study.allocated.items():
        inputs = [*stage_files.sensitivity_images(study).values(), TRAINED, *stage_files.rankings([order])]
        outputs = each(f"<network>/sensitivity/{order}", *TABLE)
        options = partial(stage_options.sensitivity, study)
        yield places.job("measure_sensitivity", "sensitivity", order, inputs, outputs, options)
        inputs = [path.format(allocated=order) for path in stage_files.ALLOCATION.values()]
        options = partial(stage_options.allocation, study)
        yield _ranked(places, "rank_allocated", order, inputs, [name], options, name)
    for name in study.rescored:
        inputs = [*stage_files.rescoring_images(study, name).values(), TRAINED, UNITS]
        yield _ranked(places, "rank_rescored", name, inputs, [name], partial(stage_options.rescoring, study, name))


def _evaluations(places):
    study = places.study
    for job, criteria in study.evaluated.items():
        inputs = [*stage_files.recovering_images(study).values(), TRAINED, TEST, *stage_files.rankings(criteria)]
        outputs = each(f"<network>/evaluation/{job}", *EVALUATION)
        options = partial(stage_options.evaluation, study, job)
        yield places.job("evaluate_pruning", "evaluation", job, inputs, outputs, options)
    for job, criteria in study.choosing.items():
        images = f"<images>/{study.choose_on}.h5"
        inputs = [*stage_files.choosing_images(study).values(), TRAINED, images, *stage_files.rankings(criteria)]
        outputs = each(f"<network>/evaluation/choosing/{job}", *EVALUATION)
        options = partial(stage_options.choosing, study, job)
        yield places.job("evaluate_choosing", "evaluation", job, inputs, outputs, options)


def _retraining(places):
    study = places.study
    for cell in study.cells:
        inputs = [
            stage_files.retrained_from(study, cell.criterion, cell.kind),
            *(TRAIN, VALIDATION, TEST),
            *stage_files.rankings([cell.criterion]),
            stage_files.calibrating_images(study, cell.kind),
        ]
        outputs = each(f"<network>/retraining/{cell.path}", *EVALUATION, ".pt", ".history.csv")
        options = own_options(study, stage_options.retraining, cell.criterion, cell.kind, str(cell.level))
        yield places.job("retrain_model", "retraining", cell.path, inputs, outputs, options)


# The files of a network that is trained with zero weights.
SPARSE = ("network.pt", "history.csv", "network.csv", "network.h5", "manifest.json")


def _sparsity(places):
    study = places.study
    for cell in study.sparse_cells:
        outputs = each(f"<network>/sparsity/{cell.path}/", *SPARSE)
        options = own_options(study, stage_options.sparse_training, cell.variant, str(cell.level))
        inputs = [INITIAL, TRAIN, VALIDATION, TEST]
        yield places.job("train_sparse", "sparsity", cell.path, inputs, outputs, options)


def _tickets(places):
    study = places.study
    if study.rewind:
        inputs = [INITIAL, "<network>/training/history.csv", TRAIN, VALIDATION]
        options = own_options(study, stage_options.rewinding)
        yield places.job("rewind_weights", "tickets", "", inputs, ["<network>/tickets/rewound.pt"], options)
    for place in map(str, study.rounds):
        inputs = [*stage_files.ticket_round(place).values()]
        options = partial(stage_options.ticket_round, study, place)
        outputs = each(f"<network>/tickets/{place}/mask", ".h5", ".json")
        yield places.job("prune_ticket", "tickets", place, inputs, outputs, options)
    for cell in study.tickets:
        mask = f"<network>/tickets/{cell.place}/mask.h5"
        outputs = each(f"<network>/tickets/{cell.path}/", *SPARSE)
        options = own_options(study, stage_options.ticket, str(cell.place), cell.kind)
        inputs = [stage_files.rewound(study), mask, TRAIN, VALIDATION, TEST]
        yield places.job("train_ticket", "tickets", cell.path, inputs, outputs, options)


def _exports(places):
    study = places.study
    for name, entry in study.exported.items():
        inputs = [*stage_files.exported(study, name).values(), TRAINED, TEST]
        inputs += stage_files.rankings([entry["criterion"]])
        outputs = each(f"<network>/export/{name}/", *paths.EXPORT)
        options = own_options(study, stage_options.export, name)
        yield places.job("export_model", "export", name, inputs, outputs, options)
    for cell in study.sparse_exports:
        inputs = [*stage_files.exported_sparse(study, cell.variant, str(cell.level)).values(), TEST]
        outputs = each(f"<network>/export/sparsity.{cell.path}/", *paths.EXPORT)
        options = partial(stage_options.sparse_export, study, cell.variant, str(cell.level))
        yield places.job("export_sparse", "export", cell.path, inputs, outputs, options)
