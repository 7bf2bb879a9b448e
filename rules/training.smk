rule take_weights:
    output:
        weights=temp("<results>/weights/{content}.pt"),
    log:
        "<logs>/take_weights/{content}.log",
    wildcard_constraints:
        content="[0-9a-f]{16}",
    localrule: True
    conda:
        "../envs/tables.yaml"
    params:
        code=code_digest("take_weights"),
        environment=environment_digest("tables"),
    message:
        "Copy the given weights to a name that says their content: {wildcards.content}."
    script:
        "../workflow/take_weights.py"


rule train_model:
    input:
        train="<results>/{dataset}/images/train.h5",
        validation="<results>/{dataset}/images/validation.h5",
        weights=given_weights,
    output:
        initial="<results>/{dataset}/{model}/{seed}/training/initial.pt",
        trained="<results>/{dataset}/{model}/{seed}/training/trained.pt",
        history="<results>/{dataset}/{model}/{seed}/training/history.csv",
    log:
        "<logs>/{dataset}/{model}/{seed}/train_model.log",
    conda:
        "../envs/torch.yaml"
    threads: config["threads"]
    resources:
        mem_mb=8000,
        gpu=gpus,
        runtime=720,
    params:
        options=training_options(),
        code=code_digest("train_model"),
        environment=environment_digest("torch"),
    message:
        "Train {wildcards.model} on {wildcards.dataset} with seed {wildcards.seed}."
    script:
        "../workflow/train_model.py"
