rule extract_relevance:
    input:
        network="<results>/{dataset}/{model}/{seed}/training/trained.pt",
        images=shown_images,
    output:
        relevance="<results>/{dataset}/{model}/{seed}/relevance/{reading}.h5",
    log:
        "<logs>/{dataset}/{model}/{seed}/extract_relevance/{reading}.log",
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
