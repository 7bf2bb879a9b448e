"""Look at a study before any long job, and say what it would do and take."""

from secateur.artifacts import files
from secateur.jobs import script
from secateur.preview import page


def check_study(config, path):
    text = page.text(config)
    files.write_text(path, text)
    print(f"\n{text}")


if "snakemake" in globals():
    with script.job(snakemake) as job:
        check_study(job.options["config"], snakemake.output.text)
