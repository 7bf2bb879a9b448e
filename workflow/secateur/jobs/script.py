"""Logging, provenance and error reporting of a job."""

import contextlib
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import secateur
from secateur.artifacts import provenance, stamps


class Job:
    """One running script: what Snakemake told it, as plain values."""

    def __init__(self, snakemake: Any) -> None:
        self.options = dict(snakemake.params.get("options", {}))
        self.wildcards = dict(snakemake.wildcards.items())
        self.provenance = provenance.record(
            snakemake.config["study"], snakemake.rule, self.wildcards, dict(snakemake.params.items())
        )
        self.stamp = stamps.digest(
            {key: self.provenance[key] for key in ("rule", "wildcards", "options_digest", "code_digest")}
        )


@contextlib.contextmanager
def job(snakemake: Any) -> Iterator[Job]:
    """Run a script's one call: log to the rule's log file, and end a failure with one line that a user can act on.

    The traceback goes to the log, the one line to the terminal as well.
    """
    log = Path(snakemake.log[0]).absolute()
    log.parent.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(filename=log, filemode="w", level=logging.INFO, format="%(asctime)s %(message)s")
    try:
        _refuse_another_copy(snakemake.scriptdir)
        yield Job(snakemake)
        logging.info("done")
    except Exception as error:
        logging.exception("%s failed", snakemake.rule)
        logging.error("%s: %s", type(error).__name__, error)
        print(f"\n{snakemake.rule}: {error or type(error).__name__}\n(details: {log})\n", file=sys.stderr)
        raise SystemExit(1) from None


def _refuse_another_copy(scriptdir):
    """Snakemake appends the scripts' folder to sys.path, so an installed copy of the package would win silently."""
    used, wanted = Path(secateur.__file__).resolve().parent, Path(scriptdir).resolve() / "secateur"
    if used != wanted:
        raise RuntimeError(
            f"this job would run the copy of secateur in {used}, but the workflow's own is {wanted}; "
            "uninstall the copy; in a clone, install it with: pip install -e ."
        )
