"""Write the effective settings of the study."""

import yaml

from secateur.artifacts import files
from secateur.jobs import script


def write_settings(settings, path):
    files.write_text(path, yaml.safe_dump(settings, sort_keys=True, allow_unicode=True))


if "snakemake" in globals():
    with script.job(snakemake) as job:
        write_settings(job.options, snakemake.output.settings)
