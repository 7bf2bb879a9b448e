"""Copy the weights that a study gives to a file named by the digest of their content."""

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
        # The path of the weights cannot change a result, so that the setting is no option.
        take_weights(snakemake.config["model"]["weights"], job.wildcards["content"], snakemake.output.weights)
