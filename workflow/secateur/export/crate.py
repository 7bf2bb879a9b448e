"""A finished study as one RO-Crate: a zip with its settings, tables, lists and report, its code, and a description.

The crate follows RO-Crate 1.1 (doi:10.5281/zenodo.5146228) and the Workflow RO-Crate profile 1.0, so that archives and
catalogues read it, and unpacked it is a copy of the workflow with the study's settings and tables in it. Images,
networks and files of the user's own that the settings name stay outside; the digests of the former are inside.
"""

from __future__ import annotations

import datetime
import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from rocrate.model.contextentity import ContextEntity
from rocrate.rocrate import ROCrate

from secateur import Refused, __version__
from secateur.artifacts import files, ledgers, plain_yaml

# Files of the results that a reader opens; images, networks and relevance are data of hundreds of megabytes.
PACKED = {
    ".csv": "text/csv",
    ".html": "text/html",
    ".json": "application/json",
    ".md": "text/markdown",
    ".svg": "image/svg+xml",
    ".yaml": "application/yaml",
}
# Not of the study: what evaluations have measured before, what was half done, and crates.
CACHES = (".npz", ".partial", ".zip")
OF_CODE = {
    ".py": "text/x-python",
    ".sh": "application/x-sh",
    ".rst": "text/x-rst",
    ".toml": "application/toml",
    ".cff": "application/yaml",
}
# What the workflow consists of, as a clone has it; a hosted copy lacks some.
CODE = (
    "Snakefile",
    "rules",
    "workflow",
    "envs",
    "report",
    "profiles/default",
    "profiles/generic",
    "profiles/slurm",
    "config/config.yaml",
    "data/sources.yaml",
)
ABOUT = ("LICENSE", "CITATION.cff", "pyproject.toml", "constraints.txt")
ENDS = {".py", ".smk", ".yaml", ".rst", ".csv", ".sh"}
DIGESTS, README = "digests.csv", "README.md"
# A zip has times; those of a crate that is made again are the same.
EPOCH = (1980, 1, 1, 0, 0, 0)


def pack(
    results: Path | str, code: Path | str, path: Path | str, source: Mapping[str, str], snakemake: str
) -> dict[str, int]:
    """Pack a finished study, and return the counts of files and of digests.

    `results` is the study's folder of results, `code` that of the workflow, `source` the images' title, licence and
    citation, and `snakemake` the version that ran. Two calls with the same files give the same bytes. Refused for a
    folder without settings or without tables.
    """
    results, code = Path(results), Path(code)
    settings = _settings(results)
    place = _place(settings)
    own = list(_own(results))
    ledgers.refuse_changed(own)
    packed = {f"{place}/{path.relative_to(results).as_posix()}": path for path in own if path.suffix in PACKED}
    written = {**{name: code / name for name in _code(code)}, **packed}
    digests = _digests({f"{place}/{path.relative_to(results).as_posix()}": path for path in own}, packed)
    date = _date(results)
    crate = _described(settings, written, place, source, snakemake, date)
    made = {
        crate.metadata.id: json.dumps(crate.metadata.generate(), indent=2, sort_keys=True, ensure_ascii=False),
        DIGESTS: digests,
        README: _readme(settings, place, source, date),
    }
    with files.replacing(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted({*made, *written}):
            content = made[name].encode() if name in made else written[name].read_bytes()
            archive.writestr(zipfile.ZipInfo(name, EPOCH), content, zipfile.ZIP_DEFLATED)
    return {"files": len(written) + len(made), "digests": digests.count("\n") - 1}


def _settings(results):
    for name in ("settings.yaml", "tables/evaluations.csv"):
        if not (results / name).is_file():
            raise Refused(f"{results} is no finished study: it has no {name}; run its study to the end first")
    return plain_yaml.parsed((results / "settings.yaml").read_text(encoding="utf-8"))


def _place(settings):
    """The folder of the results in the crate: that of the settings, or one below `results` for one outside."""
    place = PurePosixPath(settings["results"])
    if place.is_absolute() or ".." in place.parts:
        return f"results/{settings['study']}"
    return str(place)


def _own(results):
    """All files of a study, without caches, half-written files and crates, and without the studies in its folder."""
    for path in sorted(results.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir() and not (path / "settings.yaml").exists():
            yield from _own(path)
        elif path.is_file() and path.suffix not in CACHES:
            yield path


def _code(code):
    for part in (*CODE, *ABOUT):
        paths = [code / part] if (code / part).is_file() else sorted((code / part).rglob("*"))
        for path in paths:
            name = path.relative_to(code)
            hidden = any(word.startswith(".") for word in name.parts)
            if path.is_file() and not hidden and (path.suffix in ENDS or path.name == "Snakefile" or part in ABOUT):
                yield name.as_posix()


def _digests(own, packed):
    """A table of all files of a study, those that stay outside as well: path, bytes, SHA-256, inside."""
    lines = ["path,bytes,sha256,packed"]
    for name, path in own.items():
        lines.append(f'"{name}",{path.stat().st_size},{files.sha256(path)},{name in packed}')
    return "\n".join(lines) + "\n"


def _readme(settings, place, source, date):
    return f"""# {settings["study"]}

{settings["question"]}

A study of secateur {__version__}, complete on {date}. Its report: `{place}/report.html`; its settings, defaults
included: `{place}/settings.yaml`; all tables, statistics and rankings: `{place}`. `{DIGESTS}` has the SHA-256 of every
file of the study but caches; images, networks and relevance are not packed, and neither are files that the settings
name (weights, rankings, images of your own), nor a page that they put elsewhere. With those in their places, this makes
all of it again, in this folder, into `{settings["results"]}`:

    snakemake --cores 1 --use-conda all --configfile {place}/settings.yaml

Images: {source["title"]}; licence: {source["licence"]}; to cite: {source["citation"]}.
Code: BSD-3-Clause, see `LICENSE`; to cite: `CITATION.cff`.
"""


def _date(results):
    """The time at which the results were complete, as ISO 8601 in UTC."""
    finished = (results / "tables/evaluations.csv").stat().st_mtime
    return datetime.datetime.fromtimestamp(finished, datetime.UTC).isoformat(timespec="seconds")


# ---- descriptions ----------------------------------------------------------------------------------------------


def _described(settings, written, place, source, snakemake, date):
    crate = ROCrate(version="1.1")
    licence = _entity(crate, "#licence", "CreativeWork", name="Terms", description=_terms(source))
    crate.name, crate.description = settings["study"], settings["question"]
    crate.datePublished, crate.license = date, licence
    main = crate.add_workflow(
        dest_path="Snakefile", main=True, lang="snakemake", lang_version=snakemake, properties=_of_the_code()
    )
    software = _entity(crate, "#secateur", "SoftwareApplication", name="secateur", version=__version__)
    images = _entity(
        crate, "#images", "Dataset", name=source["title"], description=_terms(source), citation=source["citation"]
    )
    results = []
    for name, path in written.items():
        if name != "Snakefile":
            results += _added(crate, name, path, place)
    words = "SHA-256 of every file of the study but caches, of those that are not packed too."
    crate.add_file(
        dest_path=DIGESTS, properties={"name": "Digests", "description": words, "encodingFormat": "text/csv"}
    )
    about = {"about": {"@id": "./"}, "encodingFormat": "text/markdown", "name": "What this is"}
    crate.add_file(dest_path=README, properties=about)
    crate.add_action(
        main,
        identifier="#run",
        object=[crate.get(f"{place}/settings.yaml"), images],
        result=results,
        properties={"name": f"The run of {settings['study']}", "endTime": date},
    )
    crate.root_dataset["mentions"] = [crate.get("#run"), software]
    return crate


def _of_the_code():
    return {
        "name": "secateur",
        "description": "Which channels of a convolutional network can go, by which criterion, and what does it cost?",
        "version": __version__,
        "license": "https://spdx.org/licenses/BSD-3-Clause",
        "encodingFormat": "text/plain",
    }


def _terms(source):
    return f"Code: BSD-3-Clause. Images ({source['title']}): {source['licence']}. Results: as their author says."


def _added(crate, name, path, place) -> Iterator[Any]:
    """Add a file; yields it if the study made it."""
    encoding = {**PACKED, **OF_CODE}.get(path.suffix, "text/plain")
    facts = {"name": PurePosixPath(name).name, "contentSize": str(path.stat().st_size), "encodingFormat": encoding}
    entity = crate.add_file(dest_path=name, properties=facts)
    if name.startswith(f"{place}/") and name != f"{place}/settings.yaml":
        yield entity


def _entity(crate, identifier, kind, **facts):
    return crate.add(ContextEntity(crate, identifier, properties={"@type": kind, **facts}))
