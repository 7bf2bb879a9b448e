rule plot_strategies:
    input:
        evaluations=rules.collect_evaluations.output.evaluations,
        curves=rules.collect_evaluations.output.curves,
    output:
        figure=report(
            "<results>/figures/strategies.{reading}.svg",
            caption="../report/plot_strategies.rst",
            category="2 Strategies",
            labels={"reading": "{reading}", "kind": "figure"},
        ),
        page=report(
            "<results>/figures/strategies.{reading}.html",
            caption="../report/data.rst",
            category="2 Strategies",
            labels={"reading": "{reading}", "kind": "the numbers"},
        ),
    log:
        "<logs>/plot_strategies/{reading}.log",
    conda:
        "../envs/figures.yaml"
    params:
        options=figure_options,
        code=code_digest("plot_strategies"),
        environment=environment_digest("figures"),
    message:
        "Draw the strategies: {wildcards.reading}."
    script:
        "../workflow/plot_strategies.py"


rule plot_statistics:
    input:
        evaluations=rules.collect_evaluations.output.evaluations,
        curves=rules.collect_evaluations.output.curves,
    output:
        figure=report(
            "<results>/figures/statistics.{source}.svg",
            caption="../report/plot_statistics.rst",
            category="3 Statistics",
            labels={"source": "{source}", "kind": "figure"},
        ),
        page=report(
            "<results>/figures/statistics.{source}.html",
            caption="../report/data.rst",
            category="3 Statistics",
            labels={"source": "{source}", "kind": "the numbers"},
        ),
    log:
        "<logs>/plot_statistics/{source}.log",
    conda:
        "../envs/figures.yaml"
    params:
        options=figure_options,
        code=code_digest("plot_statistics"),
        environment=environment_digest("figures"),
    message:
        "Draw the statistics of {wildcards.source}."
    script:
        "../workflow/plot_statistics.py"


rule plot_scores:
    input:
        evaluations=rules.collect_evaluations.output.evaluations,
        curves=rules.collect_evaluations.output.curves,
    output:
        figure=report(
            "<results>/figures/scores.svg",
            caption="../report/plot_scores.rst",
            category="3 Statistics",
            labels={"source": "all criteria", "kind": "figure"},
        ),
        page=report(
            "<results>/figures/scores.html",
            caption="../report/data.rst",
            category="3 Statistics",
            labels={"source": "all criteria", "kind": "the numbers"},
        ),
    log:
        "<logs>/plot_scores.log",
    conda:
        "../envs/figures.yaml"
    params:
        options=scores_options(),
        code=code_digest("plot_scores"),
        environment=environment_digest("figures"),
    message:
        "Draw all criteria in one picture."
    script:
        "../workflow/plot_scores.py"


rule plot_deltas:
    input:
        evaluations=rules.collect_evaluations.output.evaluations,
        curves=rules.collect_evaluations.output.curves,
    output:
        figure=report(
            "<results>/figures/deltas.{reading}.svg",
            caption="../report/plot_deltas.rst",
            category="4 Deltas",
            labels={"reading": "{reading}", "kind": "figure"},
        ),
        page=report(
            "<results>/figures/deltas.{reading}.html",
            caption="../report/data.rst",
            category="4 Deltas",
            labels={"reading": "{reading}", "kind": "the numbers"},
        ),
    log:
        "<logs>/plot_deltas/{reading}.log",
    conda:
        "../envs/figures.yaml"
    params:
        options=figure_options,
        code=code_digest("plot_deltas"),
        environment=environment_digest("figures"),
    message:
        "Draw the mixed lists by delta: {wildcards.reading}."
    script:
        "../workflow/plot_deltas.py"


rule plot_controls:
    input:
        evaluations=rules.collect_evaluations.output.evaluations,
        curves=rules.collect_evaluations.output.curves,
    output:
        figure=report(
            "<results>/figures/controls.{source}.{statistic}.svg",
            caption="../report/plot_controls.rst",
            category="5 Controls",
            labels={"criterion": "{source}.{statistic}", "kind": "figure"},
        ),
        page=report(
            "<results>/figures/controls.{source}.{statistic}.html",
            caption="../report/data.rst",
            category="5 Controls",
            labels={"criterion": "{source}.{statistic}", "kind": "the numbers"},
        ),
    log:
        "<logs>/plot_controls/{source}.{statistic}.log",
    conda:
        "../envs/figures.yaml"
    params:
        options=figure_options,
        code=code_digest("plot_controls"),
        environment=environment_digest("figures"),
    message:
        "Draw how many of each layer against which: {wildcards.source}.{wildcards.statistic}."
    script:
        "../workflow/plot_controls.py"


rule plot_floors:
    input:
        evaluations=rules.collect_evaluations.output.evaluations,
        curves=rules.collect_evaluations.output.curves,
    output:
        figure=report(
            "<results>/figures/floors.{source}.svg",
            caption="../report/plot_floors.rst",
            category="6 Floors",
            labels={"source": "{source}", "kind": "figure"},
        ),
        page=report(
            "<results>/figures/floors.{source}.html",
            caption="../report/data.rst",
            category="6 Floors",
            labels={"source": "{source}", "kind": "the numbers"},
        ),
    log:
        "<logs>/plot_floors/{source}.log",
    conda:
        "../envs/figures.yaml"
    params:
        options=figure_options,
        code=code_digest("plot_floors"),
        environment=environment_digest("figures"),
    message:
        "Draw the strategies with and without a floor: {wildcards.source}."
    script:
        "../workflow/plot_floors.py"


rule plot_layers:
    input:
        evaluations=rules.collect_evaluations.output.evaluations,
        curves=rules.collect_evaluations.output.curves,
    output:
        figure=report(
            "<results>/figures/layers.{source}.svg",
            caption="../report/plot_layers.rst",
            category="7 Layers",
            labels={"source": "{source}", "kind": "figure"},
        ),
        page=report(
            "<results>/figures/layers.{source}.html",
            caption="../report/data.rst",
            category="7 Layers",
            labels={"source": "{source}", "kind": "the numbers"},
        ),
    log:
        "<logs>/plot_layers/{source}.log",
    conda:
        "../envs/figures.yaml"
    params:
        options=figure_options,
        code=code_digest("plot_layers"),
        environment=environment_digest("figures"),
    message:
        "Draw what each layer loses: {wildcards.source}."
    script:
        "../workflow/plot_layers.py"


rule plot_stability:
    input:
        curves=expand("<results>/{network}/statistics/{reading}.stability.csv", network=NETWORK, reading=READINGS),
    output:
        figure=report(
            "<results>/figures/stability.svg",
            caption="../report/plot_stability.rst",
            category="8 Stability",
            labels={"reading": "all", "kind": "figure"},
        ),
        page=report(
            "<results>/figures/stability.html",
            caption="../report/plot_stability.rst",
            category="8 Stability",
            labels={"reading": "all", "kind": "the numbers"},
        ),
    log:
        "<logs>/plot_stability.log",
    conda:
        "../envs/figures.yaml"
    params:
        options={
            "title": f"{MODEL} on {DATASET}",
            "until": {name: config["readings"][name]["until"] for name in READINGS},
        },
        code=code_digest("plot_stability"),
        environment=environment_digest("figures"),
    message:
        "Draw how many images the rankings of each reading need."
    script:
        "../workflow/plot_stability.py"


rule tabulate_accuracy:
    input:
        curves=rules.collect_evaluations.output.curves,
    output:
        page=report(
            "<results>/tables/accuracy.html",
            caption="../report/tabulate_accuracy.rst",
            category="1 Study",
            labels={"page": "Accuracy of every criterion at every level"},
        ),
    log:
        "<logs>/tabulate_accuracy.log",
    conda:
        "../envs/tables.yaml"
    params:
        code=code_digest("tabulate_accuracy"),
        environment=environment_digest("tables"),
    message:
        "Tabulate the accuracy of every criterion at every level."
    script:
        "../workflow/tabulate_accuracy.py"
