"""Find or download the archive of one image source, and verify it."""

import os
from pathlib import Path

from secateur.artifacts import provenance
from secateur.images import downloads
from secateur.jobs import script


def fetch_images(source, verified, shared, mirror, record):
    entry = downloads.catalogue()[source]
    facts = downloads.fetched(entry, Path(verified).parent, shared, mirror)
    provenance.write(verified, **facts, provenance=record)


if "snakemake" in globals():
    with script.job(snakemake) as job:
        fetch_images(
            job.options["source"],
            snakemake.output.verified,
            # Where an archive comes from cannot change a result: neither of these two is an option.
            shared=os.environ.get("SECATEUR_DATA"),
            mirror=snakemake.config["data"]["mirror"],
            record=job.provenance,
        )
