rule summarise_relevance:
    input:
        relevance=lambda wildcards: stage_files.relevance(STUDY, wildcards.reading),
    output:
        table="<network>/statistics/{reading}.csv",
        by_class="<network>/statistics/{reading}.by_class.csv",
        stability="<network>/statistics/{reading}.stability.csv",
        conservation="<network>/statistics/{reading}.conservation.csv",
        manifest="<network>/statistics/{reading}.json",
    log:
        "<network_logs>/summarise_relevance/{reading}.log",
    conda:
        "../envs/tables.yaml"
    params:
        **made_by("summarise_relevance", "tables"),
        options=lambda wildcards: stage_options.summary(STUDY, wildcards.reading),
    message:
        "Summarise the relevance of every channel: {wildcards.reading}, seed {wildcards.seed}."
    script:
        "../workflow/summarise_relevance.py"


rule summarise_weights:
    input:
        network="<network>/training/trained.pt",
        units=stage_files.linear_units(STUDY),
    output:
        **table("<network>/statistics/{weights}"),
    log:
        "<network_logs>/summarise_weights/{weights}.log",
    conda:
        "../envs/torch.yaml"
    params:
        **made_by("summarise_weights", "torch"),
        options=lookup(within={"weight": {"folded": False}, "weight_folded": {"folded": True}}, dpath="{weights}"),
    message:
        "Summarise the filters of {wildcards.model}, seed {wildcards.seed}: {wildcards.weights}."
    script:
        "../workflow/summarise_weights.py"


rule score_weights:
    input:
        network="<network>/training/trained.pt",
        units="<network>/units/units.csv",
    output:
        **table("<network>/statistics/{score}"),
    log:
        "<network_logs>/score_weights/{score}.log",
    wildcard_constraints:
        score=alternatives(vocabulary.WEIGHT_SCORES),
    conda:
        "../envs/torch.yaml"
    params:
        **made_by("score_weights", "torch"),
    message:
        "Score the channels of {wildcards.model} by its weights, seed {wildcards.seed}: {wildcards.score}."
    script:
        "../workflow/score_weights.py"


use rule score_weights as score_first_weights with:
    input:
        network="<network>/training/initial.pt",
        units="<network>/units/units.csv",
    output:
        **table("<network>/statistics/{score}.initial"),
    log:
        "<network_logs>/score_first_weights/{score}.log",
    message:
        "Score the channels of {wildcards.model} by its first weights, seed {wildcards.seed}: {wildcards.score}."


rule score_images:
    input:
        network="<network>/training/trained.pt",
        images="<images>/rank.h5",
        units="<network>/units/units.csv",
    output:
        **table("<network>/statistics/{score}"),
    log:
        "<network_logs>/score_images/{score}.log",
    wildcard_constraints:
        score=alternatives(vocabulary.IMAGE_SCORES),
    conda:
        "../envs/torch.yaml"
    threads: config["threads"]
    resources:
        mem_mb=growing(8000),
        gpu=gpus,
        runtime=growing(240),
        images_per_batch=100,
    params:
        **made_by("score_images", "torch"),
        options=stage_options.image_scores(STUDY),
    message:
        "Score the channels of {wildcards.model} by images, seed {wildcards.seed}: {wildcards.score}."
    script:
        "../workflow/score_images.py"


use rule score_images as score_images_at_first with:
    input:
        network="<network>/training/initial.pt",
        images="<images>/rank.h5",
        units="<network>/units/units.csv",
    output:
        **table("<network>/statistics/{score}.initial"),
    log:
        "<network_logs>/score_images_at_first/{score}.log",
    message:
        "Score the channels of {wildcards.model} by images, before training, seed {wildcards.seed}: {wildcards.score}."
