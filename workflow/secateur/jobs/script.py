"""Logging, provenance and error reporting of a job."""

import contextlib
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import secateur
from secateur.artifacts import ledgers, provenance, stamps
from secateur.jobs import runs


class Job:
    """Options, wildcards and provenance of one running script, as plain values."""

    def __init__(self, snakemake: Any) -> None:
        self.options = dict(snakemake.params.get("options", {}))
        self.wildcards = dict(snakemake.wildcards.items())
        self.provenance = provenance.record(
            snakemake.config["study"], snakemake.rule, self.wildcards, dict(snakemake.params.items())
        )
        identity = {key: self.provenance[key] for key in ("rule", "wildcards", "options_digest", "code_digest")}
        self.stamp = stamps.digest(identity)


@contextlib.contextmanager
def job(snakemake: Any) -> Iterator[Job]:
    """Run a script's one call with logging to the rule's log file; after an error, exit with status 1.

    The traceback is written to the log, and one line for the user to the log and to the terminal. The script ends with
    the Snakemake that started it. An input that is not as its job wrote it is refused.
    """
    log = Path(snakemake.log[0]).absolute()
    log.parent.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(filename=log, filemode="w", level=logging.INFO, format="%(asctime)s %(message)s")
    runs.end_with_snakemake()
    try:
        _refuse_another_copy(snakemake.scriptdir)
        ledgers.refuse_changed(snakemake.input)
        yield Job(snakemake)
        ledgers.note(snakemake.output)
        logging.info("done")
    except Exception as error:
        logging.exception("%s failed", snakemake.rule)
        logging.error("%s: %s", type(error).__name__, error)
        print(f"\n{snakemake.rule}: {error or type(error).__name__}\n(details: {log})\n", file=sys.stderr)
        raise SystemExit(1) from None


def _refuse_another_copy(scriptdir):
    """Refuse an installed copy of the package, which precedes the scripts' folder on sys.path."""
    imported, expected = Path(secateur.__file__).resolve().parent, Path(scriptdir).resolve() / "secateur"
    if imported != expected:
        raise RuntimeError(
            f"this job would run the copy of secateur in {imported}, but the workflow's own is {expected}; "
            "uninstall the copy; in a clone, install it with: pip install -e ."
        )
