rule crate:
    input:
        rules.all.input,
        settings=rules.write_settings.output.settings,
        report=rules.report.output,
    output:
        crate="<results>/crate.zip",
    log:
        "<logs>/crate.log",
    localrule: True
    conda:
        "../envs/crate.yaml"
    params:
        **made_by("pack_crate", "crate"),
        options={"source": stage_options.terms(STUDY), "snakemake": snakemake_version},
    message:
        "Pack the study: {output}"
    script:
        "../workflow/pack_crate.py"
