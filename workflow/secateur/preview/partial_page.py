"""The page of a study that is not finished, of the evaluations that are there, in a folder of its own.

It is made by the functions that make the finished page. Neither files of the study nor their times are changed, no lock
is taken, and torch is not needed: the page can be made while Snakemake runs.
"""

from __future__ import annotations

import collections
import html
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from secateur import Refused
from secateur.analysis import collected, interval_words, wording
from secateur.artifacts import files, shipped, tables, wholeness
from secateur.figures import html_tables, page_parts, study_inputs, study_page
from secateur.jobs import records
from secateur.preview import job_states, other_settings, status, status_rows, study_jobs
from secateur.preview.job_states import State
from secateur.study import page_options
from secateur.study.study import Study

# Below the results. The study itself has no file in it.
FOLDER = "partial"
PAGE = "figures/study.html"
# {section of the page: the ends of the paths of its files of each network}.
OF_NETWORKS = {
    "rankings": "ranking/*.csv",
    "sensitivity": "sensitivity/*.csv",
    "exports": "export/*/*/manifest.json",
    "compared": "relevance/at_input/compared.h5",
}
# {section of the page: the job behind it, and which of its files}.
MORE = {
    "retraining": ("collect_retraining", "retraining.means.csv"),
    "sparsity": ("collect_sparsity", "sparsity.means.csv"),
    "tickets": ("collect_tickets", "tickets.means.csv"),
    "verdicts": ("judge_thesis", "verdict.html"),
}
Complete = Mapping[int, Sequence[str]]  # {training seed: the evaluations that are done}


class Shown(NamedTuple):
    """Networks, by their training seeds, and evaluations that every one of them has."""

    seeds: list[int]
    evaluations: list[str]


def write(study: Study) -> str:
    """Write the page and its two tables, and return where they lie and what is missing, as lines.

    Refused, before anything is written, where nothing can be shown yet, or where the study is finished.
    """
    other = other_settings.of(study)
    if other:
        raise Refused(other.sentence)
    states = job_states.states(study_jobs.needed(study), records.runs())
    done = {(state.job.rule, state.job.name, state.job.seed): state for state in states if _is_done(state)}
    results = Path(study.settings["results"])
    if {state.name for state in states} == {job_states.DONE} and wholeness.whole(results / PAGE):
        raise Refused(f"the study is finished: its page is {results / PAGE}")
    complete = complete_of(study, done)
    if not any(study.chance in names for names in complete.values()):
        raise Refused(_nothing(study, states, results))
    shown = alike(study, complete)
    sentences = [*_missing(study, states, done, complete, shown)]
    page = results / FOLDER / "study.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    read = _tabulated(study, done, shown, page.parent)
    made_of = study_inputs.read(
        *(study.settings, *read, _description(study, shown), _more(done) | _of_networks(done, shown)),
        report=shipped.file("report/study.css").parent,
        missing=[*sentences, _every_stage(study, states)],
    )
    files.write_text(page, study_page.written(made_of))
    return "".join(map("{}\n".format, [f"Wrote {page}", *map(_plain, sentences)]))


def _tabulated(study, done, shown, folder):
    """The paths of the two tables, which are written, and the files of single images that the page looks at."""
    tested, bits = _files(done, shown, "evaluate_pruning", shown.evaluations)
    choosing, _ = _files(done, shown, "evaluate_choosing", _choosing(study, shown.evaluations))
    options = page_options.tables(study) | {"seeds": shown.seeds}
    paths = {name: folder / f"{name}.csv" for name in ("evaluations", "curves")}
    for path, table in zip(paths.values(), collected.collected(tested, bits, choosing, options), strict=True):
        tables.write(table, path)
    return paths, zip(tested, bits, strict=True) if len(shown.seeds) == 1 else []


def _is_done(state):
    """True for a job whose files are there: what nothing reads any more counts as done without."""
    return state.name == job_states.DONE and all(map(wholeness.whole, state.job.outputs))


# ---- which networks and criteria are shown ---------------------------------------------------------------------


def complete_of(study: Study, done: Mapping[tuple[str, str, int | None], State]) -> dict[int, list[str]]:
    """{training seed: its evaluations that are done, also on the images that choose where its criteria are chosen}.

    `done` are the jobs that are done, by (rule, name, seed).
    """
    complete = {}
    for seed in study.seeds:
        own = []
        for name in study.evaluated:
            needed = [("evaluate_pruning", name), *(("evaluate_choosing", job) for job in _choosing(study, [name]))]
            if all((*job, seed) in done for job in needed):
                own.append(name)
        complete[seed] = own
    return complete


def _choosing(study, evaluations):
    """The jobs that evaluate criteria of these evaluations on the images that choose."""
    criteria = set()
    for name in evaluations:
        criteria.update(study.evaluated[name])
    return [job for job, names in study.choosing.items() if not criteria.isdisjoint(names)]


def alike(study: Study, complete: Complete) -> Shown:
    """The networks and evaluations of a fair comparison: each of these networks has each of these evaluations.

    Of the sets of evaluations that a network has, or that all have, the one that shows most: its criteria times the
    networks that have them; of equal ones that with more networks. Chance, with which all is compared, is in each.
    At least one network has it.
    """
    sets = [set(names) for names in complete.values() if study.chance in names]
    best, most = Shown([], []), (0, 0)
    for names in [*sets, set.intersection(*sets)]:
        seeds = [seed for seed in study.seeds if names.issubset(complete[seed])]
        size = len(seeds) * sum(map(len, map(study.evaluated.__getitem__, names))), len(seeds)
        if size > most:
            best, most = Shown(seeds, [*filter(names.__contains__, study.evaluated)]), size
    return best


def _files(done, shown, rule, names):
    """The tables of some evaluations of the networks that are shown, and the bits beside them."""
    found = []
    for seed in shown.seeds:
        found += (done[rule, name, seed].job.outputs for name in names)
    paths, bits = [], []
    for outputs in found:
        paths.append(outputs[0])
        bits.append(outputs[1])
    return paths, bits


def _nothing(study, states, results):
    """The reason why nothing can be shown, where no network's evaluation of chance is done, and what to do."""
    folder, run = results.resolve(), "snakemake --cores all all --configfile FILE"
    names = {state.name for state in states}
    if not results.is_dir():
        return f"there is no folder {folder}; go to the folder in which the study runs, or begin it: {run}"
    if names <= {job_states.WAITING, job_states.SUBMITTED}:
        return f"the study has not begun: {folder} has no file of it; begin it: {run}"
    chance = [state for state in states if _is_of_chance(study, state)]
    if {state.name for state in chance} & {job_states.OUTDATED}:
        return (
            f"the evaluations of chance in {folder} are outdated: of other settings, or older than what they are made "
            f"from; run the study again: {run}"
        )
    return (
        f"nothing can be shown yet: of no network in {folder} chance is evaluated, with which all is compared (the "
        f"evaluation `{study.chance}` on {_images(study, [study.chance])}); run the study on: {run}"
    )


def _is_of_chance(study, state):
    return state.job.rule == "evaluate_pruning" and state.job.name == study.chance


# ---- what is missing -------------------------------------------------------------------------------------------


def _missing(study, states, done, complete, shown):
    """Sentences, as HTML, on what the page lacks."""
    yield (
        f"<b>The study is not finished</b>: {len(done)} of {len(states)} jobs are done. Every number may change with "
        "what is missing."
    )
    yield from _networks(study, done, complete, shown)
    for name in study.evaluated:
        if name not in shown.evaluations:
            yield _without(study, name, complete)
    yield from _stages(states)
    yield from _failed(states)


def _networks(study, done, complete, shown):
    """Sentences on the networks that are shown, and on those that are not."""
    count, everyone = len(shown.seeds), len(study.seeds)
    if count == everyone:
        yield f"Shown are all networks ({_count(everyone)}), with the criteria that every one of them has."
        return
    yield (
        f"Shown {'is' if count == 1 else 'are'} {_count(count)} of {everyone}, with training "
        f"seed{'' if count == 1 else 's'} {wording.joined(map(str, shown.seeds))}: means, differences and intervals "
        f"speak of {'this one' if count == 1 else 'these'}, and every criterion shown is evaluated for "
        f"{'it' if count == 1 else 'each'}, so that like is compared with like."
    )
    for seed in study.seeds:
        if seed not in shown.seeds:
            lacks = [name for name in shown.evaluations if name not in complete[seed]]
            names = wording.joined(map(page_parts.name_of, lacks))
            yield (
                f"Not shown: the network with training seed {seed}, which lacks the evaluation of {names} on "
                f"{_images_without(study, done, seed, lacks)}."
            )


def _count(networks):
    return "1 network" if networks == 1 else f"{networks} networks"


def _without(study, name, complete):
    """A sentence on criteria that are not shown."""
    seeds = [str(seed) for seed, names in complete.items() if name in names]
    networks = f"training seed {wording.joined(seeds)} alone" if seeds else "no network"
    criteria = len(study.evaluated[name])
    return (
        f"Not shown: {page_parts.name_of(name)} ({criteria} {'criterion' if criteria == 1 else 'criteria'}), evaluated "
        f"on {_images(study, [name])} for {networks}."
    )


def _images(study, names):
    """The images on which these evaluations are needed, in words."""
    return f"test and {study.choose_on} images" if _choosing(study, names) else "test images"


def _images_without(study, done, seed, names):
    """The images on which a network lacks one of these evaluations, in words."""
    lacking = []
    if any(("evaluate_pruning", name, seed) not in done for name in names):
        lacking.append("test")
    if any(("evaluate_choosing", job, seed) not in done for job in _choosing(study, names)):
        lacking.append(study.choose_on)
    return f"{wording.joined(lacking)} images"


def _stages(states):
    """Sentences on the stages that have not begun, or are not done."""
    by_stage = collections.defaultdict(list)
    for state in states:
        by_stage[state.job.stage].append(state.name)
    waiting, begun = [], []
    for stage in filter(by_stage.__contains__, status_rows.STAGES):
        names = by_stage[stage]
        if set(names) == {job_states.WAITING}:
            waiting.append(stage)
        elif set(names) != {job_states.DONE}:
            begun.append(f"{stage} ({names.count(job_states.DONE)} of {len(names)} jobs done)")
    if waiting:
        yield f"Stages that have not begun: {wording.joined(waiting)}."
    if begun:
        yield f"Stages that are not whole: {wording.joined(begun)}."


def _failed(states):
    """A sentence on the jobs that failed."""
    failed = [html.escape(status.label(state)) for state in states if state.name == job_states.FAILED]
    if failed:
        others = len(failed) - status.LISTED
        named = failed[: status.LISTED] + ([f"{others} others"] if others > 0 else [])
        yield f"<b>Failed</b>: {wording.joined(named)}; <code>secateur status</code> names the logs."


def _every_stage(study, states):
    """A fold with the table of `secateur status`."""
    head, *rows = status_rows.cells(status_rows.rows(study, states))
    lines = []
    for row in rows:
        lines.append(page_parts.row_of("", map(html.escape, row)))
    return f"<details><summary>Every stage of every network</summary>{page_parts.table_of(head, lines)}</details>"


def _plain(sentence):
    """A sentence without its HTML."""
    return html.unescape(re.sub("<[^>]*>", "", re.sub("</?code>", "`", sentence)))


# ---- the rest of the page --------------------------------------------------------------------------------------


def _description(study, shown):
    """The page behind *Question and settings*: that of the study speaks of all networks, which are not shown."""
    settings, count = study.settings, len(shown.seeds)
    learned = {entry["name"]: entry["draws"] for entry in settings["criteria"]["learned"]}
    sentences = [
        interval_words.in_words(count, study.draws, settings["figures"]["confidence"]),
        interval_words.of_learning(count, learned),
    ]
    words = html.escape(" ".join(filter(None, sentences)))
    return html_tables.page(study.name, f"<p>{words}</p>", "<h2>Settings</h2>", html_tables.facts(dict(settings)))


def _of_networks(done, shown):
    """{section: files} of what is made of one network, of those that are shown and done."""
    found = {section: [] for section in OF_NETWORKS}
    for (_, _, seed), state in done.items():
        if seed not in shown.seeds:
            continue
        for path in state.job.outputs:
            for section, pattern in OF_NETWORKS.items():
                if Path(path).match(pattern):
                    found[section].append(path)
    return found


def _more(done):
    """{section: its file} of what is made of all networks and is done."""
    found = {}
    for section, (rule, name) in MORE.items():
        for job, state in done.items():
            if job[0] == rule:
                found[section] = [path for path in state.job.outputs if path.endswith(f"/{name}")]
    return found
