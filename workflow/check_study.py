"""Look at a study before any long job, and say what it would do and take."""

from secateur import check, files, jobs


def check_study(config, families, path):
    text = check.text(config, families)
    files.write_text(path, text)
    print(f"\n{text}")


if "snakemake" in globals():
    with jobs.job(snakemake) as job:
        check_study(job.options["config"], job.options["families"], snakemake.output.text)
