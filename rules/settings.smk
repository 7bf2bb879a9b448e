rule write_settings:
    output:
        settings="<results>/settings.yaml",
    log:
        "<logs>/write_settings.log",
    localrule: True
    conda:
        "../envs/tables.yaml"
    params:
        options=config,
        code=code_digest("write_settings"),
        environment=environment_digest("tables"),
    message:
        "Write down the settings of the study, defaults included."
    script:
        "../workflow/write_settings.py"


rule describe_study:
    input:
        settings=rules.write_settings.output.settings,
        images=expand("<results>/{dataset}/images/{split}.h5", dataset=DATASET, split=vocabulary.SPLITS),
        networks=expand("<results>/{network}/training/trained.pt", network=NETWORK),
        readings=expand("<results>/{network}/statistics/{reading}.json", network=NETWORK, reading=READINGS),
    output:
        page=report(
            "<results>/study.html",
            caption="../report/describe_study.rst",
            category="1 Study",
            labels={"page": "Question, settings, images, networks, versions"},
        ),
    log:
        "<logs>/describe_study.log",
    conda:
        "../envs/torch.yaml"
    params:
        options={"confidence": config["figures"]["confidence"]},
        code=code_digest("describe_study"),
        environment=environment_digest("torch"),
    message:
        "Say what the study asks, on which images and with which networks."
    script:
        "../workflow/describe_study.py"
