rule rank_by_statistic:
    input:
        statistics="<results>/{dataset}/{model}/{seed}/statistics/{source}.csv",
        units="<results>/{dataset}/{model}/{seed}/units/units.csv",
    output:
        tables=expand(
            "<results>/{{dataset}}/{{model}}/{{seed}}/ranking/{{source}}.{statistic}.csv", statistic=STATISTICS
        ),
        manifest="<results>/{dataset}/{model}/{seed}/ranking/{source}.json",
    log:
        "<logs>/{dataset}/{model}/{seed}/rank_by_statistic/{source}.log",
    conda:
        "../envs/tables.yaml"
    params:
        options=ranking_options,
        code=code_digest("rank_by_statistic"),
        environment=environment_digest("tables"),
    message:
        "Rank channels by each statistic of {wildcards.source}, seed {wildcards.seed}."
    script:
        "../workflow/rank_by_statistic.py"


rule rank_mixed:
    input:
        unpack(mixed_lists),
        units="<results>/{dataset}/{model}/{seed}/units/units.csv",
    output:
        tables=expand("<results>/{{dataset}}/{{model}}/{{seed}}/ranking/{mix}.csv", mix=MIXED),
        manifest="<results>/{dataset}/{model}/{seed}/ranking/mixed.{reading}.json",
    log:
        "<logs>/{dataset}/{model}/{seed}/rank_mixed/{reading}.log",
    conda:
        "../envs/tables.yaml"
    params:
        options=ranking_options,
        code=code_digest("rank_mixed"),
        environment=environment_digest("tables"),
    message:
        "Mix the lists of weights and of {wildcards.reading}, seed {wildcards.seed}."
    script:
        "../workflow/rank_mixed.py"


rule rank_at_random:
    input:
        units="<results>/{dataset}/{model}/{seed}/units/units.csv",
    output:
        tables=expand("<results>/{{dataset}}/{{model}}/{{seed}}/ranking/{name}.csv", name=FAMILIES["random"]),
        manifest="<results>/{dataset}/{model}/{seed}/ranking/random.json",
    log:
        "<logs>/{dataset}/{model}/{seed}/rank_at_random.log",
    conda:
        "../envs/tables.yaml"
    params:
        options={"seed": config["seed"], "criteria": FAMILIES["random"]},
        code=code_digest("rank_at_random"),
        environment=environment_digest("tables"),
    message:
        "Draw random orders, seed {wildcards.seed}."
    script:
        "../workflow/rank_at_random.py"


rule rank_controls:
    input:
        ranking="<results>/{dataset}/{model}/{seed}/ranking/{source}.{statistic}.csv",
    output:
        uniform="<results>/{dataset}/{model}/{seed}/ranking/uniform.{source}.{statistic}.csv",
        shuffled=expand(
            "<results>/{{dataset}}/{{model}}/{{seed}}/ranking/shuffled.{{source}}.{{statistic}}.{draw}.csv", draw=DRAWS
        ),
        manifest="<results>/{dataset}/{model}/{seed}/ranking/controls.{source}.{statistic}.json",
    log:
        "<logs>/{dataset}/{model}/{seed}/rank_controls/{source}.{statistic}.log",
    conda:
        "../envs/tables.yaml"
    params:
        options={"seed": config["seed"]},
        code=code_digest("rank_controls"),
        environment=environment_digest("tables"),
    message:
        "Separate how many from which: {wildcards.source}.{wildcards.statistic}, seed {wildcards.seed}."
    script:
        "../workflow/rank_controls.py"
