rule retrain_model:
    input:
        network=lambda wildcards: stage_files.retrained_from(STUDY, wildcards.criterion, wildcards.kind),
        train="<images>/train.h5",
        validation="<images>/validation.h5",
        test="<images>/test.h5",
        ranking="<network>/ranking/{criterion}.csv",
        calibration=lambda wildcards: stage_files.calibrating_images(STUDY, wildcards.kind),
    output:
        **evaluation("<network>/retraining/{criterion}/{level}/{kind}"),
        network="<network>/retraining/{criterion}/{level}/{kind}.pt",
        history="<network>/retraining/{criterion}/{level}/{kind}.history.csv",
    log:
        "<network_logs>/retrain_model/{criterion}/{level}/{kind}.log",
    wildcard_constraints:
        criterion=alternatives(STUDY.retrained),
        level=alternatives({cell.level for cell in STUDY.cells}),
        kind=alternatives(STUDY.retrained_kinds),
    conda:
        "../envs/torch.yaml"
    threads: config["threads"]
    resources:
        mem_mb=growing(8000),
        gpu=gpus,
        runtime=growing(720),
        images_per_batch=125,
    params:
        **made_by("retrain_model", "torch"),
        options=lambda wildcards: stage_options.retraining(STUDY, wildcards.criterion, wildcards.kind, wildcards.level),
    message:
        "Remove {wildcards.level} of the units by {wildcards.criterion}, seed {wildcards.seed}, then: {wildcards.kind}."
    script:
        "../workflow/retrain_model.py"


rule collect_retraining:
    input:
        evaluated=of_networks("evaluation/{family}.csv", family=STUDY.retrained_evaluations),
        evaluated_bits=of_networks("evaluation/{family}.h5", family=STUDY.retrained_evaluations),
        retrained=of_networks("retraining/{cell.path}.csv", cell=STUDY.cells),
        retrained_bits=of_networks("retraining/{cell.path}.h5", cell=STUDY.cells),
    output:
        table="<results>/tables/retraining.csv",
        means="<results>/tables/retraining.means.csv",
        manifest="<results>/tables/retraining.json",
    log:
        "<logs>/collect_retraining.log",
    conda:
        "../envs/tables.yaml"
    params:
        **made_by("collect_retraining", "tables"),
        options=page_options.retraining_tables(STUDY),
    message:
        "Collect the retrained networks, with paired intervals."
    script:
        "../workflow/collect_retraining.py"


rule plot_retraining:
    input:
        table=rules.collect_retraining.output.table,
        means=rules.collect_retraining.output.means,
    output:
        **figure("retraining", "plot_retraining", "Retraining", numbers="plot_retraining"),
    log:
        "<logs>/plot_retraining.log",
    conda:
        "../envs/figures.yaml"
    params:
        **made_by("plot_retraining", "figures"),
        options=page_options.retraining_tables(STUDY),
    message:
        "Draw the accuracy after retraining."
    script:
        "../workflow/plot_retraining.py"


rule plot_redrawn:
    input:
        table=rules.collect_retraining.output.table,
        means=rules.collect_retraining.output.means,
        histories=of_networks("retraining/{cell.path}.history.csv", cell=STUDY.redrawn),
    output:
        **figure("retraining.redrawn", "plot_redrawn", "Retraining", "plot_redrawn"),
    log:
        "<logs>/plot_redrawn.log",
    conda:
        "../envs/figures.yaml"
    params:
        **made_by("plot_redrawn", "figures"),
        options={"title": STUDY.title},
    message:
        "Draw the accuracy by what first weights keep."
    script:
        "../workflow/plot_redrawn.py"


rule plot_epochs:
    input:
        histories=of_networks("retraining/{cell.path}.history.csv", cell=STUDY.by_epoch),
    output:
        **figure("retraining.epochs", "plot_epochs", "Retraining"),
    log:
        "<logs>/plot_epochs.log",
    conda:
        "../envs/figures.yaml"
    params:
        **made_by("plot_epochs", "figures"),
        options=page_options.epochs_figure(STUDY),
    message:
        "Draw the accuracy by epoch after pruning."
    script:
        "../workflow/plot_epochs.py"
