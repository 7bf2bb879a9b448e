rule check_levels:
    input:
        images="<results>/{dataset}/images/train.h5",
    output:
        manifest="<results>/{dataset}/{model}/levels.json",
    log:
        "<logs>/{dataset}/{model}/check_levels.log",
    # Before the training that would come to nothing.
    priority: 2
    conda:
        "../envs/torch.yaml"
    params:
        options={"level": config["levels"][-1], "terms": TERMS, "readings": reading_rules(), **unit_options()},
        code=code_digest("check_levels"),
        environment=environment_digest("torch"),
    message:
        "Check that every level can be met."
    script:
        "../workflow/check_levels.py"


rule list_units:
    input:
        images="<results>/{dataset}/images/train.h5",
    output:
        table="<results>/{dataset}/{model}/{seed}/units/units.csv",
        manifest="<results>/{dataset}/{model}/{seed}/units/units.json",
    log:
        "<logs>/{dataset}/{model}/{seed}/list_units.log",
    # A network of which nothing can go is not worth training.
    priority: 1
    conda:
        "../envs/torch.yaml"
    params:
        options=unit_options(),
        code=code_digest("list_units"),
        environment=environment_digest("torch"),
    message:
        "List what can be removed from {wildcards.model}."
    script:
        "../workflow/list_units.py"


rule list_stages:
    input:
        network="<results>/{dataset}/{model}/{seed}/training/initial.pt",
    output:
        table="<results>/{dataset}/{model}/{seed}/units/stages.csv",
        manifest="<results>/{dataset}/{model}/{seed}/units/stages.json",
    log:
        "<logs>/{dataset}/{model}/{seed}/list_stages.log",
    conda:
        "../envs/torch.yaml"
    params:
        code=code_digest("list_stages"),
        environment=environment_digest("torch"),
    message:
        "List which layers of {wildcards.model} have maps of one size."
    script:
        "../workflow/list_stages.py"
