"""The page of `secateur status`: how far a study is, what its networks can do so far, and about how long it takes yet.

It reads files alone, without torch and Snakemake, and may be asked while Snakemake runs.
"""

import collections
import itertools
import operator
from collections.abc import Sequence

from secateur.artifacts import wholeness
from secateur.jobs import records
from secateur.preview import accuracies, job_states, layout, other_settings, status_rows, study_jobs
from secateur.preview.job_states import State
from secateur.study.kinds import NONE
from secateur.study.study import Study

# Jobs of one kind that are listed before the rest is counted.
LISTED = 6
MEANINGS = {
    job_states.SUBMITTED: "Snakemake has started the job, which has written no log so far: it starts, or it is queued",
    job_states.ELSEWHERE: "a run on another machine began the job; whether it still works cannot be seen from here",
    job_states.INTERRUPTED: "the job was started, has not ended, and no process works at it; run again",
    job_states.FAILED: "the job ended with an error when it ran last",
    job_states.DAMAGED: "a file is cut short or was edited, which Snakemake does not see; delete it and run again",
    job_states.UNKNOWN: "the files are there, but nothing says whether they are of the study's settings",
    job_states.OUTDATED: "the files are of other settings or older than what they are made from, and are made again",
}


def text(study: Study) -> str:
    """The page on a study, in the folder where it runs."""
    runs, other = records.runs(), other_settings.of(study)
    states = job_states.states(study_jobs.needed(study), runs, other is not None)
    in_state = collections.defaultdict(list)
    for state in states:
        in_state[state.name].append(state)
    parts = (
        [_headline(study, in_state, len(states), runs), *_unlike(other), *_time_left(states)],
        status_rows.table(status_rows.rows(study, states)),
        layout.section("At work", _listed(in_state[job_states.RUNNING])),
        layout.section("To look at", _troubles(in_state)),
        _accuracies(study, in_state[job_states.DONE]),
        _meanings(in_state),
    )
    return "\n\n".join(map("\n".join, filter(None, parts))) + "\n"


# ---- lines around it -----------------------------------------------------------------------------------------


def _headline(study, in_state, count, runs):
    names = {name: len(in_state[name]) for name in job_states.STATES}
    done = f"{names[job_states.DONE]} of {count} jobs are done"
    if names[job_states.DONE] == count:
        return f"Study {study.name} is finished: {done}"
    if names[job_states.RUNNING] or names[job_states.SUBMITTED]:
        return f"Study {study.name} runs: {done}, {names[job_states.RUNNING]} at work ({_words(runs, True)})"
    away = _words(runs, False)
    if away:
        return f"Study {study.name}: {done}; it may run on another machine, which cannot be seen here ({away})"
    begun = any(map(names.get, (job_states.DONE, job_states.INTERRUPTED, job_states.FAILED, job_states.UNKNOWN)))
    here = _words(runs, True)
    # Another study may run in the folder, or this one's run looks at its jobs and has begun none.
    beside = f"Snakemake runs here but has begun none of its jobs ({here})" if here else "nothing runs"
    return f"Study {study.name} {'is not finished' if begun else 'has not begun'}: {done}; {beside}"


def _unlike(other):
    """Lines on results of other settings that no record speaks of."""
    return layout.wrapped(f"Other settings: {other.sentence}") if other else []


def _words(runs, here):
    """The runs of this machine, or of others, in words."""
    words = []
    for run in runs:
        if run.here == here:
            place = f"process {run.facts.get('process', '?')}"
            if not here:
                place += f" on {run.facts.get('host', '?')}"
            words.append(f"{place}, since {run.facts.get('began', '?')}")
    return "; ".join(words)


def _time_left(states):
    seconds, known, unknown = job_states.left(states)
    if not known and not unknown:
        return []
    if not known:
        return layout.wrapped(f"Time left: not known, because none of these has finished here: {_by_rule(unknown)}")
    line = f"{layout.duration(seconds)} for {_jobs(known)}, one after the other, by the time that finished ones took"
    if unknown:
        return layout.wrapped(
            f"Time left: more than {line}; of the other {_jobs(len(unknown))} no time is known: {_by_rule(unknown)}"
        )
    return layout.wrapped(f"Time left: about {line}")


def _jobs(count):
    return "1 job" if count == 1 else f"{count} jobs"


def _by_rule(states):
    """The rules of some jobs with their counts, the most frequent first."""
    rules, words, others = collections.Counter(), [], len(states)
    for state in states:
        rules[state.job.rule] += 1
    for rule, count in rules.most_common(LISTED):
        words.append(f"{count} {rule}")
        others -= count
    return ", ".join([*words, f"{others} others"] if others else words)


def _listed(states, begin="", told=None):
    """A line for each of the first of some jobs, with the last line of its log unless something else is told."""
    lines = []
    for state in states[:LISTED]:
        words = (told or _told)(state) or "no line in its log so far"
        lines += layout.wrapped(f"{begin}{label(state)}: {words}")
    if len(states) > LISTED:
        lines.append(f"  {begin}{len(states) - LISTED} more")
    return lines


def label(state: State) -> str:
    """The rule, name and network of a job, as one reads them in its log's path."""
    name = f"{state.job.rule} {state.job.name}".rstrip()
    return name if state.job.seed is None else f"{name}, network {state.job.seed}"


def _told(state):
    """The last line of a job's log without its time."""
    date, _, rest = state.line.partition(" ")
    clock, _, words = rest.partition(" ")
    return words if date[:4].isdigit() and clock[:2].isdigit() else state.line


def _troubles(in_state):
    failed = _listed(in_state[job_states.FAILED], "failed: ", _told_with_log)
    return failed + _listed(in_state[job_states.DAMAGED], "damaged: ", _broken)


def _told_with_log(state):
    return f"{_told(state)} ({state.job.log})"


def _broken(state):
    return ", ".join(itertools.filterfalse(wholeness.whole, state.job.outputs))


# ---- accuracies ----------------------------------------------------------------------------------------------


def _accuracies(study, done):
    tables, levels = [], set()
    for state in done:
        if state.job.rule == "evaluate_pruning":
            tables.append((state.job.seed, state.job.outputs[0]))
    found = accuracies.of(study, tables)
    lines = accuracies.shown(study, found.means)
    for line in lines:
        levels.update(found.means[line])
    table = [("criterion", "networks", *map(_level, sorted(levels)))]
    for line in lines:
        table.append((_named(line), str(found.networks[line]), *_percents(found.means[line], sorted(levels))))
    title = "Accuracy on test images, %, of the dense network and at each level (means of networks and draws"
    title += ")" if len(study.terms) == 1 else f"; keep_at_least {study.terms[0]['keep_at_least']})"
    table = [title, *layout.aligned(table, str.rjust)] if lines else []
    return [*table, *_left_out(found, lines)]


def _level(level):
    return str(level) if level else "dense"


def _named(line):
    return line.criterion if line.recovery == NONE.name else f"{line.criterion}, {line.recovery}"


def _percents(means, levels):
    for level in levels:
        yield f"{100 * means[level]:.1f}" if level in means else "-"


def _left_out(found: accuracies.Accuracies, lines: Sequence[accuracies.Line]) -> list[str]:
    left_out = len(found.means) - len(lines)
    notes = []
    if left_out:
        notes.append(f"  {left_out} more lines are not shown; they are in the tables of evaluation/")
    for path in found.unread:
        notes += layout.wrapped(f"not read, because it is no table of an evaluation: {path}")
    return notes


# ---- what the words mean -------------------------------------------------------------------------------------


def _meanings(in_state):
    lines = []
    for name, meaning in MEANINGS.items():
        if in_state[name]:
            lines += layout.wrapped(f"{name}: {meaning}")
    if in_state[job_states.DONE]:
        lines += layout.wrapped(
            "done: the files are there and whole as far as their ends and the digests of small ones tell"
            f"{_compared(in_state[job_states.DONE])}. Whether code, environments or your own files have changed since, "
            "snakemake -n says"
        )
    return layout.section("Words", lines)


def _compared(done):
    """A part of a sentence on the settings of done jobs."""
    without = len(done) - sum(map(operator.attrgetter("compared"), done))
    if not without:
        return ", and of the study's present settings"
    return f", and of the study's present settings, which could not be compared for {_jobs(without)}"
