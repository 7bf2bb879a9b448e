rule report:
    input:
        results=rules.all.input,
        settings=rules.write_settings.output.settings,
    output:
        "<results>/report.html",
    log:
        "<logs>/report.log",
    localrule: True
    conda:
        # The reporter is the running Snakemake's own; this environment is there already and is not used.
        "../envs/figures.yaml"
    params:
        captions=digest_of_texts("*.rst"),
        python=sys.executable,
        snakefile=workflow.main_snakefile,
    message:
        "Write the report: {output}"
    shell:
        "{params.python:q} -m snakemake {input.results:q} --snakefile {params.snakefile:q} --cores 1"
        " --configfile {input.settings:q} --workflow-profile none --nolock --report {output:q} > {log:q} 2>&1"
