rule train_sparse:
    input:
        network="<network>/training/initial.pt",
        train="<images>/train.h5",
        validation="<images>/validation.h5",
        test="<images>/test.h5",
    output:
        network="<network>/sparsity/{variant}/{level}/network.pt",
        history="<network>/sparsity/{variant}/{level}/history.csv",
        table="<network>/sparsity/{variant}/{level}/network.csv",
        bits="<network>/sparsity/{variant}/{level}/network.h5",
        manifest="<network>/sparsity/{variant}/{level}/manifest.json",
    log:
        "<network_logs>/train_sparse/{variant}/{level}.log",
    wildcard_constraints:
        level=alternatives({cell.level for cell in STUDY.sparse_cells}),
    conda:
        "../envs/torch.yaml"
    threads: config["threads"]
    resources:
        mem_mb=growing(8000),
        gpu=gpus,
        runtime=growing(720),
        images_per_batch=125,
    params:
        **made_by("train_sparse", "torch"),
        options=lambda wildcards: stage_options.sparse_training(STUDY, wildcards.variant, wildcards.level),
    message:
        "Train {wildcards.model} to {wildcards.level} zero weights: {wildcards.variant}, seed {wildcards.seed}."
    script:
        "../workflow/train_sparse.py"


rule collect_sparsity:
    input:
        sparse=of_networks("sparsity/{cell.path}/network.csv", cell=STUDY.sparse_cells),
        sparse_bits=of_networks("sparsity/{cell.path}/network.h5", cell=STUDY.sparse_cells),
        dense=of_networks("training/trained.pt"),
        evaluated=of_networks("evaluation/{family}.csv", family=STUDY.chance),
        evaluated_bits=of_networks("evaluation/{family}.h5", family=STUDY.chance),
    output:
        table="<results>/tables/sparsity.csv",
        means="<results>/tables/sparsity.means.csv",
        manifest="<results>/tables/sparsity.json",
    log:
        "<logs>/collect_sparsity.log",
    conda:
        "../envs/tables.yaml"
    params:
        **made_by("collect_sparsity", "tables"),
        options=page_options.tables_of_zeros(STUDY),
    message:
        "Collect the sparse networks, with paired intervals."
    script:
        "../workflow/collect_sparsity.py"


# The tables of sparse networks, which figures read.
SPARSE = {"table": rules.collect_sparsity.output.table, "means": rules.collect_sparsity.output.means}


rule plot_sparsity:
    input:
        **SPARSE,
        histories=of_networks("sparsity/{cell.path}/history.csv", cell=STUDY.sparse_cells),
    output:
        **figure("sparsity.{sparse_figure}", "plot_sparsity", "Sparsity", "sparsity_numbers", figure="{sparse_figure}"),
    log:
        "<logs>/plot_sparsity/{sparse_figure}.log",
    conda:
        "../envs/figures.yaml"
    params:
        **made_by("plot_sparsity", "figures"),
        options=lambda wildcards: page_options.sparsity_figure(STUDY, wildcards.sparse_figure),
    message:
        "Draw the sparse networks: {wildcards.sparse_figure}."
    script:
        "../workflow/plot_sparsity.py"
