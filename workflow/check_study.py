"""Look at a study before any long job, and say what it would do and take."""

from secateur import check, files, jobs


def check_study(config, path):
    text = check.text(config)
    files.write_text(path, text)
    print(f"\n{text}")


if "snakemake" in globals():
    with jobs.job(snakemake) as job:
        check_study(job.options["config"], snakemake.output.text)
