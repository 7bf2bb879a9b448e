# Only where two studies are named to compare.
if STUDY.compare:

    rule compare_studies:
        input:
            refuse_unlike,
        output:
            **table(f"{STUDY.compare['results']}/compared"),
            page=f"{STUDY.compare['results']}/compared.html",
        log:
            "<logs>/compare_studies.log",
        localrule: True
        conda:
            "../envs/figures.yaml"
        params:
            **made_by("compare_studies", "figures"),
            options=compare_options(),
        message:
            "Compare two studies: {output.page}"
        script:
            "../workflow/compare_studies.py"

    rule compare:
        input:
            rules.compare_studies.output.page,

else:

    rule compare:
        input:
            refuse_no_two,
