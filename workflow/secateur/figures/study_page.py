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
READ, SETTINGS = "Images, intervals, readings and networks", "Every setting, and versions"
# What a study that is not finished says of itself, in place of the first.
SO_FAR = "Intervals"
# Where these stand in the description of a finished study.
DIGESTS = {
    "images and networks": (
        "their digests, and the machine of each training where it was noted, stand under Question and settings"
    )
}
# The heading before which a description is cut in two; on paper the second part stays closed.
CUT = "<h2>Settings</h2>"


def written(study: Study) -> str:
    """The page as HTML; Refused, naming the largest part, where it is too large to be shown."""
    families, split = criterion_families.of(study.config), study.config["evaluation"]["choose_on"]
    of_family, picked = answers.of_study(study.results, families, split, study.statistic)
    rows = averages.on_test(study.curves)
    parts = {
        "answer": study_answer.answer(study, picked, rows, of_family),
        "question": page_parts.section("question", _question(study, picked)),
        "accuracy": study_sections.accuracy(study, picked, rows, of_family),
        "statistics": study_sections.statistics(study, picked, rows, of_family),
        "price": study_sections.price(study, rows, of_family),
        "cuts": study_sections.cuts(study, picked),
        "agreement": study_rankings.section(study, picked),
        "looks": study_looks.looks(study, of_family, picked.leader is not None),
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


def _question(study, picked):
    """Words on what was chosen how, and the description of the study in two folds."""
    images = int(averages.on_test(study.evaluations)["images"].iloc[0])
    words = [f"Trained networks: {len(study.results.seeds)}. Test images: {images:,}."]
    if picked.leader:
        lowest = "" if picked.near else ", or, as none does here, the lowest"
        words.append(
            "The level of the answer is the highest at which a criterion loses at most five points of accuracy against "
            f"the dense network on the {picked.split} images{lowest}; there the most accurate one leads, and each "
            "family is represented by its own."
        )
    if len(study.config["evaluation"]["recovery"]) > 1:
        words.append("Networks are as pruning left them, but for the sections <i>Recovery</i> and <i>Retraining</i>.")
    floors = study.config["evaluation"]["keep_at_least"]
    if len(floors) > 1:
        words.append(f"Of the floors <code>keep_at_least</code> this page shows {floors[0]:g}.")
    first, heading, settings = study.description.partition(CUT)
    parts = [f"<p>{' '.join(words)}</p>", page_parts.fold(SO_FAR if study.missing else READ, f"{first}</body>")]
    if heading:
        parts.append(page_parts.fold(SETTINGS, f"<h1></h1>{heading}{settings}", "settings"))
    return parts


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
        **({} if study.missing else DIGESTS),
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
    return f"{jobs:,} jobs took {seconds:,.0f} s, added up"


def _runtimes(runtimes):
    rows = [page_parts.row_of("", [one.rule, f"{one.jobs:,}", f"{one.seconds:,.0f}"]) for one in runtimes]
    words = (
        "The jobs behind this page, each from its start to its last file, as Snakemake noted it: the wait in the queue "
        "of a cluster is in it, and jobs that ran side by side are added up."
    )
    return f'<p class="method">{words}</p>{page_parts.table_of(["rule", "jobs", "seconds"], rows)}'
