# Only for a study with a verdict.
if STUDY.verdict:

    rule tabulate_thesis:
        input:
            evaluations=rules.collect_evaluations.output.evaluations,
            curves=rules.collect_evaluations.output.curves,
        output:
            page=page("tables/thesis", "tabulate_thesis", "9 The thesis", "Its tables, printed and measured"),
        log:
            "<logs>/tabulate_thesis.log",
        conda:
            "../envs/tables.yaml"
        params:
            **made_by("tabulate_thesis", "tables"),
            options=page_options.printed_tables(STUDY) | {"typed": digest_of_texts("thesis.*")},
        message:
            "Tabulate the thesis's printed numbers beside the measured ones."
        script:
            "../workflow/tabulate_thesis.py"

    rule judge_thesis:
        input:
            evaluations=rules.collect_evaluations.output.evaluations,
            tables=of_networks("evaluation/{family}.csv", family=STUDY.evaluated),
            bits=of_networks("evaluation/{family}.h5", family=STUDY.evaluated),
            choosing=of_networks("evaluation/choosing/{family}.csv", family=STUDY.choosing),
            choosing_bits=of_networks("evaluation/choosing/{family}.h5", family=STUDY.choosing),
            beside=expand("{folder}/tables/verdict.{kind}", folder=STUDY.verdict["beside"], kind=["csv", "json"]),
        output:
            page=STUDY.verdict["page"],
            html=page("tables/verdict", "judge_thesis", "9 The thesis", "Which of its claims hold here"),
            table="<results>/tables/verdict.csv",
            manifest="<results>/tables/verdict.json",
        log:
            "<logs>/judge_thesis.log",
        conda:
            "../envs/tables.yaml"
        params:
            **made_by("judge_thesis", "tables"),
            options=verdict_options(),
        message:
            "Judge the thesis's claims: {output.page}."
        script:
            "../workflow/judge_thesis.py"
