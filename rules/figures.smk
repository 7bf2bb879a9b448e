# The tables that figures of curves read.
CURVES = {
    "evaluations": rules.collect_evaluations.output.evaluations,
    "curves": rules.collect_evaluations.output.curves,
}


rule plot_strategies:
    input:
        **CURVES,
    output:
        **figure("strategies.{reading}", "plot_strategies", "2 Strategies", reading="{reading}"),
    log:
        "<logs>/plot_strategies/{reading}.log",
    conda:
        "../envs/figures.yaml"
    params:
        **made_by("plot_curves", "figures"),
        options=lambda wildcards: page_options.curves(STUDY, "strategies", wildcards.reading),
    message:
        "Draw the strategies: {wildcards.reading}."
    script:
        "../workflow/plot_curves.py"


use rule plot_strategies as plot_statistics with:
    output:
        **figure("statistics.{source}", "plot_statistics", "3 Statistics", source="{source}"),
    log:
        "<logs>/plot_statistics/{source}.log",
    params:
        options=lambda wildcards: page_options.curves(STUDY, "statistics", wildcards.source),
    message:
        "Draw the statistics of {wildcards.source}."


use rule plot_strategies as plot_scores with:
    input:
        **CURVES,
        units=stage_files.units_of_figure(STUDY, STUDY.line_widths),
    output:
        **figure("scores", "plot_scores", "3 Statistics", source="all criteria"),
    log:
        "<logs>/plot_scores.log",
    params:
        options=page_options.scores_curves(STUDY),
    message:
        "Draw all criteria in one figure."


use rule plot_strategies as plot_deltas with:
    output:
        **figure("deltas.{reading}", "plot_deltas", "4 Deltas", reading="{reading}"),
    log:
        "<logs>/plot_deltas/{reading}.log",
    params:
        options=lambda wildcards: page_options.curves(STUDY, "deltas", wildcards.reading),
    message:
        "Draw the mixed lists by delta: {wildcards.reading}."


use rule plot_strategies as plot_controls with:
    input:
        **CURVES,
        units=lambda wildcards: stage_files.units_of_figure(
            STUDY, page_options.controls_curves(STUDY, wildcards.controlled)["widths"]
        ),
    output:
        **figure("controls.{controlled}", "plot_controls", "5 Controls", criterion="{controlled}"),
    log:
        "<logs>/plot_controls/{controlled}.log",
    params:
        options=lambda wildcards: page_options.controls_curves(STUDY, wildcards.controlled),
    message:
        "Draw the controls of {wildcards.controlled}."


use rule plot_strategies as plot_floors with:
    output:
        **figure("floors.{source}", "plot_floors", "6 Floors", source="{source}"),
    log:
        "<logs>/plot_floors/{source}.log",
    params:
        options=lambda wildcards: page_options.curves(STUDY, "floors", wildcards.source),
    message:
        "Draw the strategies with and without a floor: {wildcards.source}."


rule plot_layers:
    input:
        evaluations=rules.collect_evaluations.output.evaluations,
    output:
        **figure("layers.{source}", "plot_layers", "7 Layers", source="{source}"),
    log:
        "<logs>/plot_layers/{source}.log",
    conda:
        "../envs/figures.yaml"
    params:
        **made_by("plot_layers", "figures"),
        options=lambda wildcards: page_options.source_figure(STUDY, wildcards.source),
    message:
        "Draw the removed share of each layer: {wildcards.source}."
    script:
        "../workflow/plot_layers.py"


rule plot_stability:
    input:
        curves=of_networks("statistics/{reading}.stability.csv", reading=STUDY.readings),
    output:
        **figure("stability", "plot_stability", "8 Stability", numbers="plot_stability", reading="all"),
    log:
        "<logs>/plot_stability.log",
    conda:
        "../envs/figures.yaml"
    params:
        **made_by("plot_stability", "figures"),
        options=page_options.stability_figure(STUDY),
    message:
        "Draw the stability of each reading's rankings over images."
    script:
        "../workflow/plot_stability.py"


rule plot_recovery:
    input:
        **CURVES,
        units=stage_files.units_of_figure(STUDY, STUDY.line_widths),
    output:
        **figure("recovery", "plot_recovery", "9 Recovery", numbers="plot_recovery"),
    log:
        "<logs>/plot_recovery.log",
    conda:
        "../envs/figures.yaml"
    params:
        **made_by("plot_recovery", "figures"),
        options=page_options.recovery_figure(STUDY),
    message:
        "Draw the accuracy before and after each recovery."
    script:
        "../workflow/plot_recovery.py"


rule write_study_page:
    input:
        **CURVES,
        settings=rules.write_settings.output.settings,
        description=rules.describe_study.output.page,
        retraining=["<results>/tables/retraining.means.csv"] if STUDY.cells else [],
        sparsity=["<results>/tables/sparsity.means.csv"] if STUDY.sparse_figures else [],
        tickets=["<results>/tables/tickets.means.csv"] if STUDY.ticket_figures else [],
        verdicts=["<results>/tables/verdict.html"] if STUDY.verdict else [],
        rankings=of_networks("ranking/{criterion}.csv", criterion=STUDY.ordered),
        sensitivity=of_networks("sensitivity/{criterion}.csv", criterion={*STUDY.allocated.values()}),
        exports=of_networks("export/{exported}/manifest.json", exported=STUDY.all_exported),
        compared=stage_files.compared(STUDY),
        # Single images are looked at only where there is one network.
        tables=of_networks("evaluation/{family}.csv", family=STUDY.evaluated) if len(STUDY.seeds) == 1 else [],
        bits=of_networks("evaluation/{family}.h5", family=STUDY.evaluated) if len(STUDY.seeds) == 1 else [],
    output:
        page=page("figures/study", "write_study_page", "0 The study", "The answer, and what stands behind it"),
    log:
        "<logs>/write_study_page.log",
    conda:
        "../envs/figures.yaml"
    params:
        **made_by("write_study_page", "figures"),
        options={"texts": digest_of_texts("study.[cj]s*")},
    message:
        "Write the page of the study: {output.page}"
    script:
        "../workflow/write_study_page.py"


rule tabulate_accuracy:
    input:
        curves=rules.collect_evaluations.output.curves,
    output:
        page=page("tables/accuracy", "tabulate_accuracy", "1 Study", "Accuracy of every criterion at every level"),
    log:
        "<logs>/tabulate_accuracy.log",
    conda:
        "../envs/tables.yaml"
    params:
        **made_by("tabulate_accuracy", "tables"),
    message:
        "Tabulate the accuracy of every criterion at every level."
    script:
        "../workflow/tabulate_accuracy.py"
