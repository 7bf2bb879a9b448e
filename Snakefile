# Which channels of a convolutional network can be removed, by which criterion, and at what cost?
#
#     snakemake --cores 1 --use-conda all        runs the default study, config/config.yaml (or: all --cores 1 --sdm conda)
#     snakemake report                           puts its results on one page
#
# Another study: --configfile config/studies/NAME.yaml. Every key: config/README.md.


# A file that only names two studies to compare is no study of its own.
if not workflow.overwrite_configfiles or {*config} == {"compare"}:

    configfile: "config/config.yaml"


include: "rules/deployment.smk"
include: ROOT / "rules/common.smk"


report: "report/study.rst"


pathvars:
    results=config["results"],
    logs=f"logs/{config['study']}",
    images="<results>/{dataset}/images",
    network=f"<results>/{OF_A_NETWORK}",
    network_logs=f"<logs>/{OF_A_NETWORK}",


include: ROOT / "rules/check.smk"
include: ROOT / "rules/settings.smk"
include: ROOT / "rules/images.smk"
include: ROOT / "rules/training.smk"
include: ROOT / "rules/units.smk"
include: ROOT / "rules/relevance.smk"
include: ROOT / "rules/statistics.smk"
include: ROOT / "rules/selection.smk"
include: ROOT / "rules/ranking.smk"
include: ROOT / "rules/evaluation.smk"
include: ROOT / "rules/sensitivity.smk"
include: ROOT / "rules/retraining.smk"
include: ROOT / "rules/sparsity.smk"
include: ROOT / "rules/tickets.smk"
include: ROOT / "rules/figures.smk"
include: ROOT / "rules/verdicts.smk"
include: ROOT / "rules/export.smk"


rule all:
    default_target: True
    input:
        rules.write_study_page.output,
        expand("<results>/{dataset}/{model}/levels.json", dataset=STUDY.dataset, model=STUDY.model)
        if STUDY.unforeseen
        else [],
        rules.tabulate_accuracy.output,
        figures("strategies.{reading}", reading=STUDY.readings),
        figures("statistics.{source}", source=STUDY.compared),
        rules.plot_scores.output if STUDY.more else [],
        figures("deltas.{reading}", reading=STUDY.by_delta),
        figures("controls.{criterion}", criterion=STUDY.controlled),
        figures("floors.{source}", source=STUDY.floored),
        figures("layers.{source}", source=STUDY.drawn),
        figures("sensitivity.{allocated}", allocated=STUDY.allocated.values()),
        rules.plot_stability.output if STUDY.readings else [],
        rules.plot_recovery.output if STUDY.recovered else [],
        rules.plot_scorers.output if STUDY.searched else [],
        rules.plot_retraining.output if STUDY.cells else [],
        rules.plot_epochs.output if STUDY.by_epoch else [],
        rules.plot_redrawn.output if STUDY.redrawn else [],
        figures("sparsity.{figure}", figure=STUDY.sparse_figures),
        figures("tickets.{figure}", figure=STUDY.ticket_figures),
        [rules.tabulate_thesis.output, rules.judge_thesis.output] if STUDY.verdict else [],
        of_networks("export/{exported}/card.html", exported=STUDY.all_exported),


include: ROOT / "rules/report.smk"
include: ROOT / "rules/crate.smk"
include: ROOT / "rules/compare.smk"
