rule rank_by_statistic:
    input:
        statistics="<results>/{dataset}/{model}/{seed}/statistics/{source}.csv",
        units="<results>/{dataset}/{model}/{seed}/units/units.csv",
    output:
        table="<results>/{dataset}/{model}/{seed}/ranking/{source}.{statistic}.csv",
        manifest="<results>/{dataset}/{model}/{seed}/ranking/{source}.{statistic}.json",
    log:
        "<logs>/{dataset}/{model}/{seed}/rank_by_statistic/{source}.{statistic}.log",
    conda:
        "../envs/tables.yaml"
    params:
        options=ranking_options,
        code=code_digest("rank_by_statistic"),
        environment=environment_digest("tables"),
    message:
        "Rank channels by {wildcards.source}.{wildcards.statistic}, seed {wildcards.seed}."
    script:
        "../workflow/rank_by_statistic.py"


rule rank_combined:
    input:
        unpack(mixed_lists),
        units="<results>/{dataset}/{model}/{seed}/units/units.csv",
    output:
        table="<results>/{dataset}/{model}/{seed}/ranking/combined.{reading}.csv",
        manifest="<results>/{dataset}/{model}/{seed}/ranking/combined.{reading}.json",
    log:
        "<logs>/{dataset}/{model}/{seed}/rank_combined/{reading}.log",
    conda:
        "../envs/tables.yaml"
    params:
        options=ranking_options,
        code=code_digest("rank_combined"),
        environment=environment_digest("tables"),
    message:
        "Take {wildcards.reading} and weights in turns, seed {wildcards.seed}."
    script:
        "../workflow/rank_combined.py"


rule rank_mixed:
    input:
        unpack(mixed_lists),
        units="<results>/{dataset}/{model}/{seed}/units/units.csv",
    output:
        table="<results>/{dataset}/{model}/{seed}/ranking/mixed.{reading}.{delta}.csv",
        manifest="<results>/{dataset}/{model}/{seed}/ranking/mixed.{reading}.{delta}.json",
    log:
        "<logs>/{dataset}/{model}/{seed}/rank_mixed/{reading}.{delta}.log",
    conda:
        "../envs/tables.yaml"
    params:
        options=ranking_options,
        code=code_digest("rank_mixed"),
        environment=environment_digest("tables"),
    message:
        "Mix weights and {wildcards.reading} with delta {wildcards.delta}, seed {wildcards.seed}."
    script:
        "../workflow/rank_mixed.py"


rule rank_at_random:
    input:
        units="<results>/{dataset}/{model}/{seed}/units/units.csv",
    output:
        table="<results>/{dataset}/{model}/{seed}/ranking/random.{draw}.csv",
        manifest="<results>/{dataset}/{model}/{seed}/ranking/random.{draw}.json",
    log:
        "<logs>/{dataset}/{model}/{seed}/rank_at_random/{draw}.log",
    conda:
        "../envs/tables.yaml"
    params:
        options={"seed": config["seed"]},
        code=code_digest("rank_at_random"),
        environment=environment_digest("tables"),
    message:
        "Draw random order {wildcards.draw}, seed {wildcards.seed}."
    script:
        "../workflow/rank_at_random.py"
