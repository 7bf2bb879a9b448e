# Only for a study whose verdict names the readings that play the parts.
if VERDICT:

    rule tabulate_thesis:
        input:
            evaluations=rules.collect_evaluations.output.evaluations,
            curves=rules.collect_evaluations.output.curves,
        output:
            page=report(
                "<results>/tables/thesis.html",
                caption="../report/tabulate_thesis.rst",
                category="9 The thesis",
                labels={"page": "Its tables, printed and measured"},
            ),
        log:
            "<logs>/tabulate_thesis.log",
        conda:
            "../envs/tables.yaml"
        params:
            options={
                "readings": [VERDICT[key] for key in ("ours", "faithful") if VERDICT.get(key)],
                "weights": WEIGHTS,
                "typed": typed_digest(),
            },
            code=code_digest("tabulate_thesis"),
            environment=environment_digest("tables"),
        message:
            "Put the thesis's printed tables beside what was measured."
        script:
            "../workflow/tabulate_thesis.py"

    rule judge_thesis:
        input:
            evaluations=rules.collect_evaluations.output.evaluations,
            tables=expand("<results>/{network}/evaluation/{family}.csv", network=NETWORK, family=FAMILIES),
            bits=expand("<results>/{network}/evaluation/{family}.h5", network=NETWORK, family=FAMILIES),
            choosing=expand("<results>/{network}/evaluation/choosing/{family}.csv", network=NETWORK, family=CHOSEN),
            choosing_bits=expand("<results>/{network}/evaluation/choosing/{family}.h5", network=NETWORK, family=CHOSEN),
            beside=expand("{folder}/tables/verdict.{kind}", folder=VERDICT["beside"], kind=["csv", "json"]),
        output:
            page=VERDICT["page"],
            html=report(
                "<results>/tables/verdict.html",
                caption="../report/judge_thesis.rst",
                category="9 The thesis",
                labels={"page": "Which of its claims hold here"},
            ),
            table="<results>/tables/verdict.csv",
            manifest="<results>/tables/verdict.json",
        log:
            "<logs>/judge_thesis.log",
        conda:
            "../envs/tables.yaml"
        params:
            options=verdict_options(),
            code=code_digest("judge_thesis"),
            environment=environment_digest("tables"),
        message:
            "Judge the thesis's claims: {output.page}."
        script:
            "../workflow/judge_thesis.py"
