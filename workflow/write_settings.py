"""Write down the effective settings of the study."""

import yaml

from secateur import files, jobs


def write_settings(settings, path):
    files.write_text(path, yaml.safe_dump(settings, sort_keys=True, allow_unicode=True))


if "snakemake" in globals():
    with jobs.job(snakemake) as job:
        write_settings(job.options, snakemake.output.settings)
