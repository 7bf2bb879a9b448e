"""Find or download the archive of one image source, and verify it."""

import os
from pathlib import Path

from secateur.artifacts import provenance
from secateur.images import downloads
from secateur.jobs import script


def fetch_images(source, verified, shared, mirror, record):
    """Put the images beside `verified`, their manifest; `shared` and `mirror` are places to look in, or None."""
    entry = downloads.catalogue()[source]
    facts = downloads.fetched(entry, Path(verified).parent, shared, mirror)
    provenance.write(verified, **facts, provenance=record)


if "snakemake" in globals():
    with script.job(snakemake) as job:
        fetch_images(
            job.options["source"],
            snakemake.output.verified,
            # The origin of a verified archive cannot change a result, so neither of these two is an option.
            shared=os.environ.get("SECATEUR_DATA"),
            mirror=snakemake.config["data"]["mirror"],
            record=job.provenance,
        )
