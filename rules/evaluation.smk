rule evaluate_pruning:
    input:
        network="<results>/{dataset}/{model}/{seed}/training/trained.pt",
        images="<results>/{dataset}/images/test.h5",
        ranking="<results>/{dataset}/{model}/{seed}/ranking/{criterion}.csv",
    output:
        table="<results>/{dataset}/{model}/{seed}/evaluation/{criterion}.csv",
        bits="<results>/{dataset}/{model}/{seed}/evaluation/{criterion}.h5",
        manifest="<results>/{dataset}/{model}/{seed}/evaluation/{criterion}.json",
    log:
        "<logs>/{dataset}/{model}/{seed}/evaluate_pruning/{criterion}.log",
    wildcard_constraints:
        criterion=alternatives(CRITERIA),
    conda:
        "../envs/torch.yaml"
    threads: config["threads"]
    resources:
        mem_mb=8000,
        gpu=gpus,
        runtime=240,
        images_per_batch=256,
    params:
        options={"levels": config["levels"], **machine_options()},
        code=code_digest("evaluate_pruning"),
        environment=environment_digest("torch"),
    message:
        "Remove channels by {wildcards.criterion} and test what is left, seed {wildcards.seed}."
    script:
        "../workflow/evaluate_pruning.py"


rule collect_evaluations:
    input:
        tables=expand("<results>/{network}/evaluation/{criterion}.csv", network=NETWORK, criterion=CRITERIA),
        bits=expand("<results>/{network}/evaluation/{criterion}.h5", network=NETWORK, criterion=CRITERIA),
    output:
        evaluations="<results>/tables/evaluations.csv",
        curves="<results>/tables/curves.csv",
        manifest="<results>/tables/curves.json",
    log:
        "<logs>/collect_evaluations.log",
    conda:
        "../envs/tables.yaml"
    params:
        options=study_options(),
        code=code_digest("collect_evaluations"),
        environment=environment_digest("tables"),
    message:
        "Gather all evaluations, and average them with intervals."
    script:
        "../workflow/collect_evaluations.py"
