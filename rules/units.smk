rule list_units:
    input:
        network="<results>/{dataset}/{model}/{seed}/training/initial.pt",
    output:
        table="<results>/{dataset}/{model}/{seed}/units/units.csv",
        manifest="<results>/{dataset}/{model}/{seed}/units/units.json",
    log:
        "<logs>/{dataset}/{model}/{seed}/list_units.log",
    conda:
        "../envs/torch.yaml"
    params:
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
