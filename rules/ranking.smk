rule rank_by_statistic:
    input:
        statistics="<network>/statistics/{source}.csv",
        units="<network>/units/units.csv",
    output:
        tables=expand("<network>/ranking/{{source}}.{statistic}.csv", statistic=STUDY.statistics),
        manifest="<network>/ranking/{source}.json",
    log:
        "<network_logs>/rank_by_statistic/{source}.log",
    conda:
        "../envs/tables.yaml"
    params:
        **made_by("rank_by_statistic", "tables"),
        options=lambda wildcards: stage_options.statistics_ranking(STUDY, wildcards.source),
    message:
        "Rank units by each statistic of {wildcards.source}, seed {wildcards.seed}."
    script:
        "../workflow/rank_by_statistic.py"


rule rank_mixed:
    input:
        unpack(lambda wildcards: stage_files.mixed_lists(STUDY, wildcards.reading)),
        units="<network>/units/units.csv",
    output:
        tables=expand("<network>/ranking/{mix}.csv", mix=STUDY.mixed_lists),
        manifest="<network>/ranking/mixed.{reading}.json",
    log:
        "<network_logs>/rank_mixed/{reading}.log",
    wildcard_constraints:
        reading=alternatives(STUDY.mixed),
    conda:
        "../envs/tables.yaml"
    params:
        **made_by("rank_mixed", "tables"),
        options=lambda wildcards: stage_options.mixed_ranking(STUDY, wildcards.reading),
    message:
        "Mix the rankings by weights and by {wildcards.reading}, seed {wildcards.seed}."
    script:
        "../workflow/rank_mixed.py"


# The files of the rule above without those of its deltas: a reading that is no longer mixed is ranked again.
use rule rank_mixed as rank_combined with:
    output:
        tables=["<network>/ranking/combined.{reading}.csv"],
        manifest="<network>/ranking/mixed.{reading}.json",
    log:
        "<network_logs>/rank_combined/{reading}.log",
    wildcard_constraints:
        reading=alternatives(STUDY.mixing["alternate_only"]),
    params:
        options=lambda wildcards: stage_options.combined_ranking(STUDY, wildcards.reading),
    message:
        "Alternate the rankings by weights and by {wildcards.reading}, seed {wildcards.seed}."


rule rank_at_random:
    input:
        units="<network>/units/units.csv",
    output:
        tables=expand("<network>/ranking/{name}.csv", name=STUDY.families["random"]),
        manifest="<network>/ranking/random.json",
    log:
        "<network_logs>/rank_at_random.log",
    conda:
        "../envs/tables.yaml"
    params:
        **made_by("rank_at_random", "tables"),
        options=stage_options.random_ranking(STUDY),
    message:
        "Draw random orders, seed {wildcards.seed}."
    script:
        "../workflow/rank_at_random.py"


rule rank_controls:
    input:
        ranking="<network>/ranking/{source}.{statistic}.csv",
    output:
        uniform="<network>/ranking/uniform.{source}.{statistic}.csv",
        shuffled=expand("<network>/ranking/shuffled.{{source}}.{{statistic}}.{draw}.csv", draw=range(STUDY.draws)),
        manifest="<network>/ranking/controls.{source}.{statistic}.json",
    log:
        "<network_logs>/rank_controls/{source}.{statistic}.log",
    conda:
        "../envs/tables.yaml"
    params:
        **made_by("rank_controls", "tables"),
        options={"seed": STUDY.seed},
    message:
        "Rank the controls of {wildcards.source}.{wildcards.statistic}, seed {wildcards.seed}."
    script:
        "../workflow/rank_controls.py"


rule rank_by_score:
    input:
        scores=lambda wildcards: stage_files.scores(STUDY, wildcards.scored),
        units="<network>/units/units.csv",
        stages=lambda wildcards: stage_files.stages(STUDY.scores[wildcards.scored]["scope"]),
    output:
        **table("<network>/ranking/{scored}"),
    log:
        "<network_logs>/rank_by_score/{scored}.log",
    conda:
        "../envs/tables.yaml"
    params:
        **made_by("rank_by_score", "tables"),
        options=lambda wildcards: stage_options.score_ranking(STUDY, wildcards.scored),
    message:
        "Rank units by {wildcards.scored}, seed {wildcards.seed}."
    script:
        "../workflow/rank_by_score.py"


rule rank_by_file:
    input:
        units="<network>/units/units.csv",
        stages=stage_files.stages(config["criteria"]["scope"]),
    output:
        **table("<network>/ranking/{given}"),
    log:
        "<network_logs>/rank_by_file/{given}.log",
    conda:
        "../envs/tables.yaml"
    params:
        **made_by("rank_by_file", "tables"),
        options=lambda wildcards: stage_options.file_ranking(STUDY, wildcards.given, wildcards.seed),
    message:
        "Rank units by the user's file, seed {wildcards.seed}: {wildcards.given}."
    script:
        "../workflow/rank_by_file.py"


rule rank_mixture:
    input:
        unpack(lambda wildcards: stage_files.mixture_lists(STUDY, wildcards.mixture)),
        units="<network>/units/units.csv",
    output:
        **table("<network>/ranking/{mixture}.{delta}"),
    log:
        "<network_logs>/rank_mixture/{mixture}.{delta}.log",
    conda:
        "../envs/tables.yaml"
    params:
        **made_by("rank_mixture", "tables"),
        options=lambda wildcards: stage_options.mixture_ranking(STUDY, wildcards.mixture),
    message:
        "Mix two rankings, seed {wildcards.seed}: {wildcards.mixture}.{wildcards.delta}."
    script:
        "../workflow/rank_mixture.py"
