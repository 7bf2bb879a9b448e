rule write_settings:
    output:
        settings="<results>/settings.yaml",
    log:
        "<logs>/write_settings.log",
    localrule: True
    conda:
        "../envs/tables.yaml"
    params:
        **made_by("write_settings", "tables"),
        options=config,
    message:
        "Write the settings of the study, defaults included."
    script:
        "../workflow/write_settings.py"


rule describe_study:
    input:
        settings=rules.write_settings.output.settings,
        images=expand(f"<results>/{STUDY.dataset}/images/{{split}}.h5", split=vocabulary.SPLITS),
        networks=of_networks("training/trained.pt"),
        readings=of_networks("statistics/{reading}.json", reading=STUDY.readings),
    output:
        page="<results>/tables/description.html",
    log:
        "<logs>/describe_study.log",
    conda:
        "../envs/torch.yaml"
    params:
        **made_by("describe_study", "torch"),
        options={"confidence": config["figures"]["confidence"]},
    message:
        "Describe the study: question, images, networks, versions."
    script:
        "../workflow/describe_study.py"
