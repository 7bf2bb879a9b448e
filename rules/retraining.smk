rule retrain_model:
    input:
        network="<results>/{dataset}/{model}/{seed}/training/trained.pt",
        train="<results>/{dataset}/images/train.h5",
        validation="<results>/{dataset}/images/validation.h5",
        test="<results>/{dataset}/images/test.h5",
        ranking="<results>/{dataset}/{model}/{seed}/ranking/{criterion}.csv",
    output:
        network="<results>/{dataset}/{model}/{seed}/retraining/{criterion}/{level}/{kind}.pt",
        history="<results>/{dataset}/{model}/{seed}/retraining/{criterion}/{level}/{kind}.history.csv",
        table="<results>/{dataset}/{model}/{seed}/retraining/{criterion}/{level}/{kind}.csv",
        bits="<results>/{dataset}/{model}/{seed}/retraining/{criterion}/{level}/{kind}.h5",
        manifest="<results>/{dataset}/{model}/{seed}/retraining/{criterion}/{level}/{kind}.json",
    log:
        "<logs>/{dataset}/{model}/{seed}/retrain_model/{criterion}/{level}/{kind}.log",
    wildcard_constraints:
        criterion=alternatives(RETRAINING["criteria"]),
        level=alternatives(RETRAINING["levels"]),
        kind=alternatives(RETRAINED_KINDS),
    conda:
        "../envs/torch.yaml"
    threads: config["threads"]
    resources:
        mem_mb=8000,
        gpu=gpus,
        runtime=720,
        images_per_batch=125,
    params:
        options=retraining_options,
        code=code_digest("retrain_model"),
        environment=environment_digest("torch"),
    message:
        "Without {wildcards.level} of the channels by {wildcards.criterion}, seed {wildcards.seed}: {wildcards.kind}."
    script:
        "../workflow/retrain_model.py"


rule collect_retraining:
    input:
        evaluated=expand("<results>/{network}/evaluation/{family}.csv", network=NETWORK, family=RETRAINED_FAMILIES),
        evaluated_bits=expand("<results>/{network}/evaluation/{family}.h5", network=NETWORK, family=RETRAINED_FAMILIES),
        retrained=expand(
            "<results>/{network}/retraining/{criterion}/{level}/{kind}.csv",
            network=NETWORK,
            criterion=RETRAINING["criteria"],
            level=RETRAINING["levels"],
            kind=RETRAINED_KINDS,
        ),
        retrained_bits=expand(
            "<results>/{network}/retraining/{criterion}/{level}/{kind}.h5",
            network=NETWORK,
            criterion=RETRAINING["criteria"],
            level=RETRAINING["levels"],
            kind=RETRAINED_KINDS,
        ),
    output:
        table="<results>/tables/retraining.csv",
        means="<results>/tables/retraining.means.csv",
        manifest="<results>/tables/retraining.json",
    log:
        "<logs>/collect_retraining.log",
    conda:
        "../envs/tables.yaml"
    params:
        options=recovery_options(),
        code=code_digest("collect_retraining"),
        environment=environment_digest("tables"),
    message:
        "Gather what retraining gave back, with paired intervals."
    script:
        "../workflow/collect_retraining.py"


rule plot_retraining:
    input:
        table=rules.collect_retraining.output.table,
        means=rules.collect_retraining.output.means,
    output:
        figure=report(
            "<results>/figures/retraining.svg",
            caption="../report/plot_retraining.rst",
            category="Retraining",
            labels={"kind": "figure"},
        ),
        page=report(
            "<results>/figures/retraining.html",
            caption="../report/plot_retraining.rst",
            category="Retraining",
            labels={"kind": "the numbers"},
        ),
    log:
        "<logs>/plot_retraining.log",
    conda:
        "../envs/figures.yaml"
    params:
        options=recovery_options(),
        code=code_digest("plot_retraining"),
        environment=environment_digest("figures"),
    message:
        "Draw what retraining gives back."
    script:
        "../workflow/plot_retraining.py"
