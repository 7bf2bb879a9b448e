rule check_study:
    input:
        weights=given_weights,
        files=sorted({files.found(path.replace("{seed}", str(seed))) for path in FILES.values() for seed in SEEDS}),
    output:
        text="<results>/check.txt",
    log:
        "<logs>/check_study.log",
    localrule: True
    conda:
        "../envs/torch.yaml"
    threads: config["threads"]
    params:
        options={"config": config},
        code=code_digest("check_study"),
        environment=environment_digest("torch"),
    message:
        "Look at the study before any long job: what it would do, and what that would take."
    script:
        "../workflow/check_study.py"


rule check:
    input:
        rules.check_study.output.text,
