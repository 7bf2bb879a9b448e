rule check_study:
    output:
        text="<results>/check.txt",
    log:
        "<logs>/check_study.log",
    localrule: True
    conda:
        "../envs/torch.yaml"
    threads: config["threads"]
    params:
        **made_by("check_study", "torch"),
        options={"config": config, "contents": contents.own_files(config)},
    message:
        "Preview the study before any long job: its jobs, time and disk space."
    script:
        "../workflow/check_study.py"


rule check:
    input:
        rules.check_study.output.text,
