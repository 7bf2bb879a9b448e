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
        learned=alternatives(STUDY.gated),
    conda:
        "../envs/torch.yaml"
    threads: config["threads"]
    resources:
        mem_mb=growing(8000),
        gpu=gpus,
        runtime=growing(720),
    params:
        **made_by("learn_gates", "torch"),
        options=lambda wildcards: stage_options.learning(STUDY, wildcards.learned),
    message:
        "Learn which units stay: {wildcards.learned}, seed {wildcards.seed}."
    script:
        "../workflow/learn_gates.py"


rule fit_scorer:
    input:
        unpack(lambda wildcards: stage_files.fitting(STUDY, wildcards.scorer)),
    output:
        scorer="<network>/selection/{scorer}.pt",
        history="<network>/selection/{scorer}.history.csv",
        manifest="<network>/selection/{scorer}.json",
    log:
        "<network_logs>/fit_scorer/{scorer}.log",
    wildcard_constraints:
        scorer=alternatives(STUDY.fitted),
    conda:
        "../envs/torch.yaml"
    threads: config["threads"]
    resources:
        mem_mb=growing(8000),
        gpu=gpus,
        runtime=growing(720),
    params:
        **made_by("fit_scorer", "torch"),
        options=lambda wildcards: stage_options.fitting(STUDY, wildcards.scorer),
    message:
        "Fit a scorer of units: {wildcards.scorer}, seed {wildcards.seed}."
    script:
        "../workflow/fit_scorer.py"


rule score_by_scorer:
    input:
        unpack(lambda wildcards: stage_files.scoring(STUDY, wildcards.scorer)),
    output:
        **table("<network>/statistics/{scorer}"),
    log:
        "<network_logs>/score_by_scorer/{scorer}.log",
    conda:
        "../envs/torch.yaml"
    threads: config["threads"]
    resources:
        mem_mb=growing(8000),
        gpu=gpus,
        runtime=growing(60),
    params:
        **made_by("score_by_scorer", "torch"),
        options=lambda wildcards: stage_options.scoring(STUDY, wildcards.scorer, wildcards.seed),
    message:
        "Score the units by their descriptors: {wildcards.scorer}, seed {wildcards.seed}."
    script:
        "../workflow/score_by_scorer.py"


rule plot_scorers:
    input:
        histories=of_networks("selection/{scorer}.history.csv", scorer=STUDY.searched),
        manifests=of_networks("selection/{scorer}.json", scorer=STUDY.searched),
    output:
        **figure("scorers", "plot_scorers", "Criteria"),
    log:
        "<logs>/plot_scorers.log",
    conda:
        "../envs/figures.yaml"
    params:
        **made_by("plot_scorers", "figures"),
        options={"title": STUDY.title},
    message:
        "Draw what the fits of scorers cost."
    script:
        "../workflow/plot_scorers.py"
