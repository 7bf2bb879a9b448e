rule evaluate_pruning:
    input:
        network="<results>/{dataset}/{model}/{seed}/training/trained.pt",
        images="<results>/{dataset}/images/test.h5",
        rankings=evaluated_rankings,
    output:
        table="<results>/{dataset}/{model}/{seed}/evaluation/{family}.csv",
        bits="<results>/{dataset}/{model}/{seed}/evaluation/{family}.h5",
        manifest="<results>/{dataset}/{model}/{seed}/evaluation/{family}.json",
    log:
        "<logs>/{dataset}/{model}/{seed}/evaluate_pruning/{family}.log",
    conda:
        "../envs/torch.yaml"
    threads: config["threads"]
    resources:
        mem_mb=8000,
        gpu=gpus,
        runtime=240,
        images_per_batch=125,
    params:
        options=evaluation_options,
        plans=lambda wildcards, output: f"{Path(output.table).parent}/plans",
        code=code_digest("evaluate_pruning"),
        environment=environment_digest("torch"),
    message:
        "Remove channels by {wildcards.family} and test what is left, seed {wildcards.seed}."
    script:
        "../workflow/evaluate_pruning.py"


use rule evaluate_pruning as evaluate_choosing with:
    input:
        network="<results>/{dataset}/{model}/{seed}/training/trained.pt",
        images=f"<results>/{{dataset}}/images/{CHOOSING}.h5",
        rankings=evaluated_rankings,
    output:
        table="<results>/{dataset}/{model}/{seed}/evaluation/choosing/{family}.csv",
        bits="<results>/{dataset}/{model}/{seed}/evaluation/choosing/{family}.h5",
        manifest="<results>/{dataset}/{model}/{seed}/evaluation/choosing/{family}.json",
    log:
        "<logs>/{dataset}/{model}/{seed}/evaluate_choosing/{family}.log",
    message:
        "The same on the images that choose: {wildcards.family}, seed {wildcards.seed}."


rule collect_evaluations:
    input:
        tables=expand("<results>/{network}/evaluation/{family}.csv", network=NETWORK, family=FAMILIES),
        bits=expand("<results>/{network}/evaluation/{family}.h5", network=NETWORK, family=FAMILIES),
        choosing=expand("<results>/{network}/evaluation/choosing/{family}.csv", network=NETWORK, family=CHOSEN),
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
