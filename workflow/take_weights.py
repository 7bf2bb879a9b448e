"""Copy the weights that a study is given to a name that says their content."""

import logging

from secateur.artifacts import files
from secateur.jobs import script
from secateur.study import contents


def take_weights(name, content, target):
    path = files.found(name)
    contents.copy(path, content, target)
    logging.info("%s is a copy of %s", target, path)


if "snakemake" in globals():
    with script.job(snakemake) as job:
        # Where weights lie cannot change a result: the setting is no option.
        take_weights(snakemake.config["model"]["weights"], job.wildcards["content"], snakemake.output.weights)
