rule learn_gates:
    input:
        unpack(lambda wildcards: stage_files.learning(STUDY, wildcards.learned)),
    output:
        network="<network>/selection/{learned}.pt",
        gates="<network>/selection/{learned}.gates.pt",
        history="<network>/selection/{learned}.history.csv",
        manifest="<network>/selection/{learned}.json",
        table="<network>/statistics/{learned}.csv",
    log:
        "<network_logs>/learn_gates/{learned}.log",
    wildcard_constraints:
        learned=alternatives(STUDY.learned),
    conda:
        "../envs/torch.yaml"
    threads: config["threads"]
    resources:
        mem_mb=8000,
        gpu=gpus,
        runtime=720,
    params:
        **made_by("learn_gates", "torch"),
        options=lambda wildcards: stage_options.learning(STUDY, wildcards.learned),
    message:
        "Learn which units stay: {wildcards.learned}, seed {wildcards.seed}."
    script:
        "../workflow/learn_gates.py"
