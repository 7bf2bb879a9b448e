"""The figures of a study's report by name, drawn from its tables by the functions that the workflow draws them with."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pandas
from matplotlib.figure import Figure

from secateur.analysis import averages, epochs
from secateur.figures import curve_page, layers, lines, recoveries, redrawn, retraining, sensitivity
from secateur.figures import epochs as figures_epochs
from secateur.figures import sparsity as figures_sparsity
from secateur.figures import stability as figures_stability
from secateur.figures import tickets as figures_tickets
from secateur.study import page_options
from secateur.study.study import Study

if TYPE_CHECKING:
    from secateur.results.study_results import StudyResults

Draw = Callable[["StudyResults"], Figure]


def of_study(study: Study) -> dict[str, Draw]:
    """{figure: the function that draws it} of all figures of a study, as rule `all` makes them."""
    drawn: dict[str, Draw] = {**_of_curves(study), **_of_names(study)}
    single: tuple[tuple[str, Any, Draw], ...] = (
        ("stability", study.readings, _stability),
        ("recovery", study.recovered, _recovery),
        ("scorers", study.searched, _scorers),
        ("retraining", study.cells, _retraining),
        ("retraining.epochs", study.by_epoch, _by_epoch),
        ("retraining.redrawn", study.redrawn, _redrawn),
    )
    for name, asked, draw in single:
        if asked:
            drawn[name] = draw
    return drawn


def _of_names(study):
    """{figure: the function that draws it} of the figures of single sources, criteria and parts."""
    drawn = {}
    for name in study.drawn:
        options = page_options.source_figure(study, name)
        drawn[f"layers.{name}"] = functools.partial(_layers, source=name, options=options)
    for name in study.allocated.values():
        drawn[f"sensitivity.{name}"] = functools.partial(_sensitivity, name=name, network=study.title)
    for name in study.sparse_figures:
        drawn[f"sparsity.{name}"] = functools.partial(_sparsity, options=page_options.sparsity_figure(study, name))
    for name in study.ticket_figures:
        drawn[f"tickets.{name}"] = functools.partial(_tickets, options=page_options.tickets_figure(study, name))
    return drawn


def _of_curves(study):
    """{figure: the function that draws it} of the figures of curves."""
    sources = {
        "strategies": study.readings,
        "statistics": study.compared,
        "deltas": study.by_delta,
        "floors": study.floored,
    }
    options = {}
    for figure, names in sources.items():
        options |= {f"{figure}.{name}": page_options.curves(study, figure, name) for name in names}
    options |= {f"controls.{name}": page_options.controls_curves(study, name) for name in study.controlled}
    if study.more:
        options["scores"] = page_options.scores_curves(study)
    return {name: functools.partial(_curves, options=chosen) for name, chosen in options.items()}


def _inputs(results: StudyResults, widths: Mapping[str, Any]) -> SimpleNamespace:
    """The tables that figures of curves read, under the names of the rules' inputs."""
    inputs = SimpleNamespace(evaluations=results.file("evaluations"), curves=results.file("curves"))
    if widths:
        inputs.units = results.files_of_networks("units/units.csv")[0]
    return inputs


def _curves(results: StudyResults, options: Mapping[str, Any]) -> Figure:
    figure = lines.FIGURES[options["figure"]](options)
    inputs = _inputs(results, figure.widths)
    return curve_page.drawn(inputs, figure.lines, figure.title, figure.floors, figure.widths).figure


def _recovery(results: StudyResults) -> Figure:
    options = page_options.recovery_figure(results.study)
    return recoveries.drawn(_inputs(results, options["widths"]), options).figure


def _layers(results: StudyResults, source: str, options: Mapping[str, Any]) -> Figure:
    return layers.of_source(averages.on_test(results.table("evaluations")), source, options)


def _sensitivity(results: StudyResults, name: str, network: str) -> Figure:
    table = results.table("sensitivity")
    return sensitivity.of_criterion(table[table["criterion"] == name], name, network)


def _stability(results: StudyResults) -> Figure:
    return figures_stability.of_study(results.table("stability"), page_options.stability_figure(results.study))


def _scorers(results: StudyResults) -> Figure:
    names = results.study.searched
    histories = results.files_of_networks(*(f"selection/{name}{epochs.ENDING}" for name in names))
    manifests = results.files_of_networks(*(f"selection/{name}.json" for name in names))
    table = _joined(map(epochs.read_fit, histories, manifests))
    return figures_epochs.of_scorers(table, f"Fits of scorers: {results.study.title}")


def _retraining(results: StudyResults) -> Figure:
    tables = results.table("retraining.means"), results.table("retraining")
    return retraining.of_study(*tables, page_options.retraining_tables(results.study))


def _histories(results, cells):
    """The files with the epochs of retrained networks."""
    return results.files_of_networks(*(f"retraining/{cell.path}{epochs.ENDING}" for cell in cells))


def _by_epoch(results: StudyResults) -> Figure:
    table = _joined(map(epochs.read, _histories(results, results.study.by_epoch)))
    return figures_epochs.of_study(table, page_options.epochs_figure(results.study))


def _redrawn(results: StudyResults) -> Figure:
    histories = _joined(map(epochs.read_steps, _histories(results, results.study.redrawn)))
    tables = results.table("retraining.means"), results.table("retraining")
    return redrawn.of_study(*tables, histories, results.study.title)


def _sparsity(results: StudyResults, options: Mapping[str, Any]) -> Figure:
    means, rows = results.table("sparsity.means"), results.table("sparsity")
    return figures_sparsity.of_study(means, rows, results.table("sparsity.history"), options)


def _tickets(results: StudyResults, options: Mapping[str, Any]) -> Figure:
    means, rows = results.table("tickets.means"), results.table("tickets")
    masks, histories = results.table("tickets.masks"), results.table("tickets.history")
    return figures_tickets.of_study(means, rows, masks, histories, options)


def _joined(parts) -> pandas.DataFrame:
    return pandas.concat(parts, ignore_index=True)
