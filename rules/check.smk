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
        "Look at the study before any long job: what it would do, and what that would take."
    script:
        "../workflow/check_study.py"


rule check:
    input:
        rules.check_study.output.text,
