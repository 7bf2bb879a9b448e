rule extract_relevance:
    input:
        network="<results>/{dataset}/{model}/{seed}/training/trained.pt",
        images=shown_images,
        units=linear_units,
    output:
        relevance="<results>/{dataset}/{model}/{seed}/relevance/{reading}.h5",
    log:
        "<logs>/{dataset}/{model}/{seed}/extract_relevance/{reading}.log",
    wildcard_constraints:
        reading=alternatives(name for name in EXTRACTED if name not in SHARDED),
    conda:
        "../envs/torch.yaml"
    threads: config["threads"]
    resources:
        mem_mb=8000,
        gpu=gpus,
        runtime=240,
        images_per_batch=100,
    params:
        options=reading_options,
        code=code_digest("extract_relevance"),
        environment=environment_digest("torch"),
    message:
        "Read the relevance of every channel of {wildcards.model}, seed {wildcards.seed}: {wildcards.reading}."
    script:
        "../workflow/extract_relevance.py"


use rule extract_relevance as extract_relevance_shard with:
    output:
        relevance=temp("<results>/{dataset}/{model}/{seed}/relevance/{reading}.shard-{shard}-of-{shards}.h5"),
    log:
        "<logs>/{dataset}/{model}/{seed}/extract_relevance_shard/{reading}.{shard}-of-{shards}.log",
    wildcard_constraints:
        reading=alternatives(name for name in EXTRACTED if name in SHARDED),
    message:
        "Read the relevance of shard {wildcards.shard} of {wildcards.shards}, seed {wildcards.seed}: {wildcards.reading}."


rule merge_relevance:
    input:
        shards=shard_files,
    output:
        relevance="<results>/{dataset}/{model}/{seed}/relevance/{reading}.h5",
    log:
        "<logs>/{dataset}/{model}/{seed}/merge_relevance/{reading}.log",
    wildcard_constraints:
        reading=alternatives(name for name in EXTRACTED if name in SHARDED),
    conda:
        "../envs/torch.yaml"
    params:
        options=reading_options,
        code=code_digest("merge_relevance"),
        environment=environment_digest("torch"),
    message:
        "Put the shards of {wildcards.reading} together, seed {wildcards.seed}."
    script:
        "../workflow/merge_relevance.py"
