rule summarise_relevance:
    input:
        relevance=relevance_file,
    output:
        table="<results>/{dataset}/{model}/{seed}/statistics/{reading}.csv",
        by_class="<results>/{dataset}/{model}/{seed}/statistics/{reading}.by_class.csv",
        stability="<results>/{dataset}/{model}/{seed}/statistics/{reading}.stability.csv",
        conservation="<results>/{dataset}/{model}/{seed}/statistics/{reading}.conservation.csv",
        manifest="<results>/{dataset}/{model}/{seed}/statistics/{reading}.json",
    log:
        "<logs>/{dataset}/{model}/{seed}/summarise_relevance/{reading}.log",
    conda:
        "../envs/torch.yaml"
    params:
        options=summary_options,
        code=code_digest("summarise_relevance"),
        environment=environment_digest("torch"),
    message:
        "Summarise the relevance of every channel: {wildcards.reading}, seed {wildcards.seed}."
    script:
        "../workflow/summarise_relevance.py"


rule summarise_weights:
    input:
        network="<results>/{dataset}/{model}/{seed}/training/trained.pt",
        units=linear_units,
    output:
        table="<results>/{dataset}/{model}/{seed}/statistics/{weights}.csv",
        manifest="<results>/{dataset}/{model}/{seed}/statistics/{weights}.json",
    log:
        "<logs>/{dataset}/{model}/{seed}/summarise_weights/{weights}.log",
    wildcard_constraints:
        weights="weight|weight_folded",
    conda:
        "../envs/torch.yaml"
    params:
        options=lookup(within={"weight": {"folded": False}, "weight_folded": {"folded": True}}, dpath="{weights}"),
        code=code_digest("summarise_weights"),
        environment=environment_digest("torch"),
    message:
        "Summarise the filters of {wildcards.model}, seed {wildcards.seed}: {wildcards.weights}."
    script:
        "../workflow/summarise_weights.py"


rule score_weights:
    input:
        network="<results>/{dataset}/{model}/{seed}/training/trained.pt",
        units="<results>/{dataset}/{model}/{seed}/units/units.csv",
    output:
        table="<results>/{dataset}/{model}/{seed}/statistics/{score}.csv",
        manifest="<results>/{dataset}/{model}/{seed}/statistics/{score}.json",
    log:
        "<logs>/{dataset}/{model}/{seed}/score_weights/{score}.log",
    wildcard_constraints:
        score=alternatives(vocabulary.WEIGHT_SCORES),
    conda:
        "../envs/torch.yaml"
    params:
        code=code_digest("score_weights"),
        environment=environment_digest("torch"),
    message:
        "Score the channels of {wildcards.model} by its weights, seed {wildcards.seed}: {wildcards.score}."
    script:
        "../workflow/score_weights.py"


rule score_images:
    input:
        network="<results>/{dataset}/{model}/{seed}/training/trained.pt",
        images="<results>/{dataset}/images/rank.h5",
        units="<results>/{dataset}/{model}/{seed}/units/units.csv",
    output:
        table="<results>/{dataset}/{model}/{seed}/statistics/{score}.csv",
        manifest="<results>/{dataset}/{model}/{seed}/statistics/{score}.json",
    log:
        "<logs>/{dataset}/{model}/{seed}/score_images/{score}.log",
    wildcard_constraints:
        score=alternatives(vocabulary.IMAGE_SCORES),
    conda:
        "../envs/torch.yaml"
    threads: config["threads"]
    resources:
        mem_mb=8000,
        gpu=gpus,
        runtime=240,
        images_per_batch=100,
    params:
        options=scoring_options,
        code=code_digest("score_images"),
        environment=environment_digest("torch"),
    message:
        "Score the channels of {wildcards.model} by what images do, seed {wildcards.seed}: {wildcards.score}."
    script:
        "../workflow/score_images.py"
