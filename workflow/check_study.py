"""Check a study before any long job, and estimate its time and disk space."""

from secateur.artifacts import files
from secateur.jobs import script
from secateur.preview import page


def check_study(config, path):
    """Write and print the page of `secateur check`."""
    text = page.text(config)
    files.write_text(path, text)
    print(f"\n{text}")


if "snakemake" in globals():
    with script.job(snakemake) as job:
        check_study(job.options["config"], snakemake.output.text)
