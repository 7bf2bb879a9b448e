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
    wildcard_constraints:
        reading=alternatives(MIXED_READINGS),
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


# The files of the rule above, but for the lists of its deltas: a reading that is no longer mixed is made again.
use rule rank_mixed as rank_combined with:
    output:
        tables=["<results>/{dataset}/{model}/{seed}/ranking/combined.{reading}.csv"],
        manifest="<results>/{dataset}/{model}/{seed}/ranking/mixed.{reading}.json",
    log:
        "<logs>/{dataset}/{model}/{seed}/rank_combined/{reading}.log",
    wildcard_constraints:
        reading=alternatives(COMBINED_ONLY),
    params:
        options=combining_options,
        code=code_digest("rank_mixed"),
        environment=environment_digest("tables"),
    message:
        "Take weights and {wildcards.reading} in turns, seed {wildcards.seed}."


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


rule rank_by_score:
    input:
        scores=scores_file,
        units="<results>/{dataset}/{model}/{seed}/units/units.csv",
        stages=stages_file,
    output:
        table="<results>/{dataset}/{model}/{seed}/ranking/{scored}.csv",
        manifest="<results>/{dataset}/{model}/{seed}/ranking/{scored}.json",
    log:
        "<logs>/{dataset}/{model}/{seed}/rank_by_score/{scored}.log",
    conda:
        "../envs/tables.yaml"
    params:
        options=scored_options,
        code=code_digest("rank_by_score"),
        environment=environment_digest("tables"),
    message:
        "Rank channels by {wildcards.scored}, seed {wildcards.seed}."
    script:
        "../workflow/rank_by_score.py"


rule rank_by_file:
    input:
        units="<results>/{dataset}/{model}/{seed}/units/units.csv",
        stages=stages_file,
    output:
        table="<results>/{dataset}/{model}/{seed}/ranking/{given}.csv",
        manifest="<results>/{dataset}/{model}/{seed}/ranking/{given}.json",
    log:
        "<logs>/{dataset}/{model}/{seed}/rank_by_file/{given}.log",
    conda:
        "../envs/tables.yaml"
    params:
        options=given_options,
        code=code_digest("rank_by_file"),
        environment=environment_digest("tables"),
    message:
        "Rank channels by the user's own file, seed {wildcards.seed}: {wildcards.given}."
    script:
        "../workflow/rank_by_file.py"


rule rank_mixture:
    input:
        unpack(mixture_lists),
        units="<results>/{dataset}/{model}/{seed}/units/units.csv",
    output:
        table="<results>/{dataset}/{model}/{seed}/ranking/{mixture}.{delta}.csv",
        manifest="<results>/{dataset}/{model}/{seed}/ranking/{mixture}.{delta}.json",
    log:
        "<logs>/{dataset}/{model}/{seed}/rank_mixture/{mixture}.{delta}.log",
    conda:
        "../envs/tables.yaml"
    params:
        options=mixture_options,
        code=code_digest("rank_mixture"),
        environment=environment_digest("tables"),
    message:
        "Mix two rankings, seed {wildcards.seed}: {wildcards.mixture}.{wildcards.delta}."
    script:
        "../workflow/rank_mixture.py"
