rule evaluate_pruning:
    input:
        **stage_files.recovering_images(STUDY),
        network="<network>/training/trained.pt",
        images="<images>/test.h5",
        rankings=lambda wildcards: stage_files.rankings(STUDY.evaluated[wildcards.family]),
    output:
        **evaluation("<network>/evaluation/{family}"),
    log:
        "<network_logs>/evaluate_pruning/{family}.log",
    conda:
        "../envs/torch.yaml"
    threads: config["threads"]
    resources:
        mem_mb=growing(8000),
        gpu=gpus,
        runtime=growing(240),
        images_per_batch=125,
    params:
        **made_by("evaluate_pruning", "torch"),
        options=lambda wildcards: stage_options.evaluation(STUDY, wildcards.family),
        plans=lambda wildcards, output: f"{Path(output.table).parent}/plans",
    message:
        "Remove units by {wildcards.family} and evaluate the pruned networks, seed {wildcards.seed}."
    script:
        "../workflow/evaluate_pruning.py"


use rule evaluate_pruning as evaluate_choosing with:
    input:
        **stage_files.choosing_images(STUDY),
        network="<network>/training/trained.pt",
        images=f"<images>/{STUDY.choose_on}.h5",
        rankings=lambda wildcards: stage_files.rankings(STUDY.choosing[wildcards.family]),
    output:
        **evaluation("<network>/evaluation/choosing/{family}"),
    log:
        "<network_logs>/evaluate_choosing/{family}.log",
    params:
        options=lambda wildcards: stage_options.choosing(STUDY, wildcards.family),
    message:
        "Evaluate the pruned networks on the choosing split too: {wildcards.family}, seed {wildcards.seed}."


rule collect_evaluations:
    input:
        tables=of_networks("evaluation/{family}.csv", family=STUDY.evaluated),
        bits=of_networks("evaluation/{family}.h5", family=STUDY.evaluated),
        choosing=of_networks("evaluation/choosing/{family}.csv", family=STUDY.choosing),
    output:
        evaluations="<results>/tables/evaluations.csv",
        curves="<results>/tables/curves.csv",
        manifest="<results>/tables/curves.json",
    log:
        "<logs>/collect_evaluations.log",
    conda:
        "../envs/tables.yaml"
    params:
        **made_by("collect_evaluations", "tables"),
        options=page_options.tables(STUDY),
    message:
        "Collect all evaluations, and average them with intervals."
    script:
        "../workflow/collect_evaluations.py"
