rule measure_sensitivity:
    input:
        **stage_files.sensitivity_images(STUDY),
        network="<network>/training/trained.pt",
        ranking="<network>/ranking/{allocated}.csv",
    output:
        **table("<network>/sensitivity/{allocated}"),
    log:
        "<network_logs>/measure_sensitivity/{allocated}.log",
    conda:
        "../envs/torch.yaml"
    threads: config["threads"]
    resources:
        mem_mb=growing(8000),
        gpu=gpus,
        runtime=growing(240),
        images_per_batch=125,
    params:
        **made_by("measure_sensitivity", "torch"),
        options=stage_options.sensitivity(STUDY),
        plans=lambda wildcards, output: f"{Path(output.table).parent}/plans",
    message:
        "Measure what each group of layers can lose: {wildcards.allocated}, seed {wildcards.seed}."
    script:
        "../workflow/measure_sensitivity.py"


rule rank_allocated:
    input:
        **stage_files.ALLOCATION,
    output:
        **table("<network>/ranking/{allocated}.allocated"),
    log:
        "<network_logs>/rank_allocated/{allocated}.log",
    conda:
        "../envs/torch.yaml"
    params:
        **made_by("rank_allocated", "torch"),
        options=stage_options.allocation(STUDY),
    message:
        "Share levels out between layers: {wildcards.allocated}, seed {wildcards.seed}."
    script:
        "../workflow/rank_allocated.py"


rule plot_sensitivity:
    input:
        measured=lambda wildcards: of_networks("sensitivity/{allocated}.csv", allocated=wildcards.allocated),
        manifests=lambda wildcards: of_networks("sensitivity/{allocated}.json", allocated=wildcards.allocated),
    output:
        **figure("sensitivity.{allocated}", "plot_sensitivity", "7 Layers", source="{allocated}"),
    log:
        "<logs>/plot_sensitivity/{allocated}.log",
    conda:
        "../envs/figures.yaml"
    params:
        **made_by("plot_sensitivity", "figures"),
        options={"title": STUDY.title, **STUDY.settings["sensitivity"]},
    message:
        "Draw what each group of layers can lose: {wildcards.allocated}."
    script:
        "../workflow/plot_sensitivity.py"


rule rank_rescored:
    input:
        unpack(lambda wildcards: stage_files.rescoring_images(STUDY, wildcards.rescored)),
        network="<network>/training/trained.pt",
        units="<network>/units/units.csv",
    output:
        **table("<network>/ranking/{rescored}"),
    log:
        "<network_logs>/rank_rescored/{rescored}.log",
    conda:
        "../envs/torch.yaml"
    threads: config["threads"]
    resources:
        mem_mb=growing(8000),
        gpu=gpus,
        runtime=growing(120),
        images_per_batch=125,
    params:
        **made_by("rank_rescored", "torch"),
        options=lambda wildcards: stage_options.rescoring(STUDY, wildcards.rescored),
    message:
        "Rank in steps, scored anew: {wildcards.rescored}, seed {wildcards.seed}."
    script:
        "../workflow/rank_rescored.py"
