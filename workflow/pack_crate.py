"""Pack a finished study into one RO-Crate."""

from pathlib import Path

from secateur.export import crate
from secateur.jobs import script

if "snakemake" in globals():
    with script.job(snakemake) as job:
        crate.pack(
            Path(snakemake.input.settings).parent,
            Path(snakemake.scriptdir).parent,
            snakemake.output.crate,
            job.options["source"],
            job.options["snakemake"],
        )
