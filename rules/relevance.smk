rule extract_relevance:
    input:
        network="<network>/training/trained.pt",
        images=lambda wildcards: stage_files.explained_images(STUDY, wildcards.reading),
        units=stage_files.linear_units(STUDY),
    output:
        relevance="<network>/relevance/{reading}.h5",
    log:
        "<network_logs>/extract_relevance/{reading}.log",
    wildcard_constraints:
        reading=alternatives(STUDY.in_one_piece),
    conda:
        "../envs/torch.yaml"
    threads: config["threads"]
    resources:
        mem_mb=growing(8000),
        gpu=gpus,
        runtime=growing(240),
        images_per_batch=100,
    params:
        **made_by("extract_relevance", "torch"),
        options=lambda wildcards: stage_options.extraction(STUDY, wildcards.reading),
    message:
        "Extract the relevance of every channel of {wildcards.model}, seed {wildcards.seed}: {wildcards.reading}."
    script:
        "../workflow/extract_relevance.py"


use rule extract_relevance as extract_relevance_shard with:
    output:
        relevance=temp("<network>/relevance/{reading}.shard-{shard}-of-{shards}.h5"),
    log:
        "<network_logs>/extract_relevance_shard/{reading}.{shard}-of-{shards}.log",
    wildcard_constraints:
        reading=alternatives(STUDY.in_shards),
    message:
        "Extract the relevance of shard {wildcards.shard} of {wildcards.shards}, seed {wildcards.seed}: {wildcards.reading}."


rule merge_relevance:
    input:
        shards=lambda wildcards: stage_files.shards(STUDY, wildcards.reading),
    output:
        relevance="<network>/relevance/{reading}.h5",
    log:
        "<network_logs>/merge_relevance/{reading}.log",
    wildcard_constraints:
        reading=alternatives(STUDY.in_shards),
    conda:
        "../envs/tables.yaml"
    params:
        **made_by("merge_relevance", "tables"),
        options=lambda wildcards: stage_options.extraction(STUDY, wildcards.reading),
    message:
        "Merge the shards of {wildcards.reading}, seed {wildcards.seed}."
    script:
        "../workflow/merge_relevance.py"


rule compare_relevance:
    input:
        network="<network>/training/trained.pt",
        images="<images>/test.h5",
        evaluations="<results>/tables/evaluations.csv",
        rankings=stage_files.rankings(STUDY.looked_at),
    output:
        comparison=f"<network>/{stage_files.COMPARED}.h5",
        manifest=f"<network>/{stage_files.COMPARED}.json",
    log:
        "<network_logs>/compare_relevance.log",
    conda:
        "../envs/torch.yaml"
    threads: config["threads"]
    resources:
        mem_mb=growing(8000),
        gpu=gpus,
        runtime=growing(240),
        images_per_batch=100,
    params:
        **made_by("compare_relevance", "torch"),
        options=stage_options.comparison(STUDY),
    message:
        "Compare the relevance at the input before and after pruning, seed {wildcards.seed}."
    script:
        "../workflow/compare_relevance.py"
