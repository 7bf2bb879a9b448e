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
        **made_by("take_weights", "tables"),
    message:
        "Copy the given weights to a file named by their digest: {wildcards.content}."
    script:
        "../workflow/take_weights.py"


rule train_model:
    input:
        train="<images>/train.h5",
        validation="<images>/validation.h5",
        weights=stage_files.given_weights(STUDY),
    output:
        initial="<network>/training/initial.pt",
        trained="<network>/training/trained.pt",
        history="<network>/training/history.csv",
    log:
        "<network_logs>/train_model.log",
    conda:
        "../envs/torch.yaml"
    threads: config["threads"]
    resources:
        mem_mb=growing(8000),
        gpu=gpus,
        runtime=growing(720),
    params:
        **made_by("train_model", "torch"),
        options=stage_options.training(STUDY),
    message:
        "Train {wildcards.model} on {wildcards.dataset} with seed {wildcards.seed}."
    script:
        "../workflow/train_model.py"
