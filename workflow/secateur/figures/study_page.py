"""The page of a study: its answer first, then what stands behind it, in one file that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping

from secateur import Refused, __version__
from secateur.analysis import answer as answers
from secateur.analysis import averages
from secateur.artifacts import stamps
from secateur.figures import (
    html_tables,
    page_parts,
    study_answer,
    study_layers,
    study_learned,
    study_looks,
    study_rankings,
    study_sections,
)
from secateur.figures.page_parts import Heads, Study
from secateur.study import criterion_families

# Chromium shows an item of report.html up to a data URL of 2 MiB, and above it nothing at all.
MOST_BYTES = 1_500_000
SETTINGS = "Images, readings, networks, every setting, and versions"
# What a study that is not finished says of itself.
SO_FAR = "Intervals, and every setting"


def written(study: Study) -> str:
    """The page as HTML; Refused, naming the largest part, where it is too large to be shown."""
    families, split = criterion_families.of(study.config), study.config["evaluation"]["choose_on"]
    of_family, picked = answers.of_study(study.results, families, split, study.statistic)
    rows = averages.on_test(study.curves)
    parts = {
        "answer": study_answer.answer(study, picked, rows, of_family),
        "question": page_parts.section("question", [page_parts.fold(_summary(study), study.description)]),
        "accuracy": study_sections.accuracy(study, picked, rows, of_family),
        "statistics": study_sections.statistics(study, picked, rows, of_family),
        "price": study_sections.price(study, rows, of_family),
        "cuts": study_sections.cuts(study, picked),
        "agreement": study_rankings.section(study, picked),
        "looks": study_looks.looks(study, of_family),
        "classes": study_sections.by_class(study, picked),
        "recovery": study_sections.recovery(study, picked, of_family),
        "layers": study_layers.section(study),
        "learned": study_learned.section(study, picked, rows, of_family),
        **_more(study),
        "again": _again(study),
    }
    shown = {name: text for name, text in parts.items() if text}
    name = f"{study.config['study']}{' (not finished)' if study.missing else ''}"
    title = f"{name}: a study of channel pruning"
    heads = page_parts.Heads(title, name, study.config["question"], study.style, study.script)
    return whole(heads, shown)


def whole(heads: Heads, parts: Mapping[str, str]) -> str:
    """A page of sections, {name: HTML}, the answer among them; Refused, naming the largest, where it is too large."""
    text = page_parts.whole(heads, parts)
    size = len(text.encode())
    if size > MOST_BYTES:
        largest = max(parts, key=lambda name: len(parts[name]))
        raise Refused(
            f"the page of the study has {size:,} bytes, and a report shows {MOST_BYTES:,}; its largest part is "
            f"`{largest}` with {len(parts[largest]):,}: give the study fewer criteria or levels"
        )
    return text


def _summary(study):
    return SO_FAR if study.missing else SETTINGS


def _more(study):
    """{section: HTML} of what only some studies have, in the order of the page."""
    sections = {}
    for name in page_parts.HEADINGS:
        content = study.more.get(name)
        if isinstance(content, str):
            sections[name] = page_parts.section(name, [page_parts.fold("Every claim, with its numbers", content)])
        elif content is not None:
            sections[name] = study_sections.means(name, content)
    return sections


def _again(study):
    settings = f"{study.config['results']}/settings.yaml"
    facts = {
        "the study again": f"snakemake --cores all all report --configfile {settings}",
        "its settings": f"{settings}, which has every default; digest {stamps.digest(study.config)}",
        "images and networks": "their digests, and the machine of each training, stand under Question and settings",
        "training seeds": ", ".join(map(str, study.results.seeds)),
        "seed of everything else": study.config["seed"],
        "secateur": __version__,
        "how to cite": "CITATION.cff of secateur, and the source of the images",
    }
    parts = [f'<div class="scroll">{html_tables.facts(facts)}</div>']
    if study.runtimes:
        parts.append(page_parts.fold(_took(study.runtimes), _runtimes(study.runtimes)))
    return page_parts.section("again", parts)


def _took(runtimes):
    """A line on the time behind the page."""
    jobs, seconds = sum(one.jobs for one in runtimes), sum(one.seconds for one in runtimes)
    return f"{jobs:,} jobs took {seconds:,.0f} s, one after the other"


def _runtimes(runtimes):
    rows = [page_parts.row_of("", [one.rule, f"{one.jobs:,}", f"{one.seconds:,.0f}"]) for one in runtimes]
    words = (
        "The jobs behind this page, each from its start to its last file, as Snakemake noted it: the wait in the queue "
        "of a cluster is in it, and jobs that ran side by side are added up."
    )
    return f'<p class="method">{words}</p>{page_parts.table_of(["rule", "jobs", "seconds"], rows)}'
