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


use rule rank_by_statistic as rank_per_cost with:
    output:
        tables=expand("<network>/ranking/{{source}}.{statistic}.per_{{per}}.csv", statistic=STUDY.statistics),
        manifest="<network>/ranking/{source}.per_{per}.json",
    log:
        "<network_logs>/rank_per_cost/{source}.{per}.log",
    wildcard_constraints:
        source=alternatives({name.rpartition(".per_")[0] for name in STUDY.costed}),
        per=alternatives(vocabulary.COSTS),
    params:
        options=lambda wildcards: stage_options.statistics_ranking(STUDY, wildcards.source, wildcards.per),
    message:
        "Rank units by each statistic of {wildcards.source} for what they save, seed {wildcards.seed}: {wildcards.per}."


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
        ranking="<network>/ranking/{controlled}.csv",
    output:
        uniform="<network>/ranking/uniform.{controlled}.csv",
        shuffled=expand("<network>/ranking/shuffled.{{controlled}}.{draw}.csv", draw=range(STUDY.draws)),
        manifest="<network>/ranking/controls.{controlled}.json",
    log:
        "<network_logs>/rank_controls/{controlled}.log",
    wildcard_constraints:
        controlled=alternatives(STUDY.plainly_controlled),
    conda:
        "../envs/tables.yaml"
    params:
        **made_by("rank_controls", "tables"),
        options=stage_options.controls_ranking(STUDY),
    message:
        "Rank the controls of {wildcards.controlled}, seed {wildcards.seed}."
    script:
        "../workflow/rank_controls.py"


# The random channels that stand beside a learned criterion are drawn once for all its draws.
use rule rank_controls as rank_uniform with:
    output:
        uniform="<network>/ranking/uniform.{controlled}.csv",
        manifest="<network>/ranking/controls.{controlled}.json",
    log:
        "<network_logs>/rank_uniform/{controlled}.log",
    wildcard_constraints:
        controlled=alternatives(STUDY.learned),
    message:
        "Rank {wildcards.controlled} at equal shares of all layers, seed {wildcards.seed}."


rule rank_shuffled:
    input:
        units="<network>/units/units.csv",
        rankings=lambda wildcards: stage_files.shuffled(STUDY, wildcards.entry),
    output:
        shuffled=expand("<network>/ranking/shuffled.{{entry}}.{draw}.csv", draw=range(STUDY.draws)),
        manifest="<network>/ranking/shuffled.{entry}.json",
    log:
        "<network_logs>/rank_shuffled/{entry}.log",
    conda:
        "../envs/tables.yaml"
    params:
        **made_by("rank_shuffled", "tables"),
        options=lambda wildcards: stage_options.shuffled_ranking(STUDY, wildcards.entry),
    message:
        "Draw random channels within layers at the widths of {wildcards.entry}, seed {wildcards.seed}."
    script:
        "../workflow/rank_shuffled.py"


rule rank_by_score:
    input:
        unpack(lambda wildcards: stage_files.score_ranking(STUDY, wildcards.scored)),
        units="<network>/units/units.csv",
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
        classes=stage_files.classes(config["criteria"]["scope"]),
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
